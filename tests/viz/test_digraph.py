"""A drawing as a graphviz.Digraph: the graph, or the picture with its places; text that stays text, and graphs that users go on with."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET

import graphviz
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models import GRU, LSTM, NTM, RNN
from minigrad.viz import style
from minigrad.viz.scene import Frame, Part, Placed, Scene, Shape, Wire, Word
from minigrad.viz.unrolled import timeline_of

import minigrad as mg
from minigrad import viz

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)
NASTY = st.text(st.sampled_from('\\"<>&;#lnrNG{}|[]:/-x '), min_size=1, max_size=12)
installed = pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")


def last(model, xs):
    return mg.mean(model(xs)[-1] ** 2)


def lstm(**options) -> viz.Drawing:
    return viz.unrolled(last, LSTM(3, 4, key=0), np.ones((5, 1, 3), "float32"), **options)


def scene(label: str) -> Scene:
    """One node, one edge and one cluster, all called `label`."""
    shapes = [Shape("a", 50, 30, 60, 20, "pointwise", label), Shape("b", 150, 30, 60, 20, "pointwise", "b")]
    part = Part([Wire(((80, 30), (120, 30)), "a", "b", id="w")], [], shapes, [Word(100, 20, label, of="w"), Word(100, 60, label)])
    return Scene(200, 80, [Placed(part, frame=Frame(10, 10, 180, 40, label))], label)


def statements(source: str) -> list[tuple[str, dict[str, str]]]:
    """(what a statement begins with, its attributes as written) line by line; the DOT language has no other escape than \\\"."""
    value = r'"(?:[^"\\]|\\.)*"|[\w.-]+'
    found = []
    for line in source.splitlines()[1:]:
        if match := re.fullmatch(rf"\t*(\w+(?: -> \w+)?) \[((?:\w+=(?:{value}) ?)*)\]", line):
            pairs = re.findall(rf"(\w+)=({value})", match[2])
            found.append((match[1], {k: v[1:-1].replace('\\"', '"') if v[0] == '"' else v for k, v in pairs}))
        else:
            assert re.fullmatch(r"\t*(subgraph \w+ \{|\})", line), line
    return found


def shown(label: str) -> str:
    """What Graphviz shows for an attribute: its escapes and entities undone."""
    assert not re.search(r"&(?!amp;)", label)
    assert not re.search(r"\\[^\\]", label.replace("\\\\", "")), "an escape of Graphviz"
    return label.replace("\\\\", "\\").replace("&amp;", "&")


@given(label=TEXT | NASTY)
def test_every_text_is_shown_as_it_stands(label: str) -> None:
    found = statements(viz.Drawing(scene(label)).dot)
    labels = [v[k] for name, v in found for k in ("label", "xlabel") if k in v and name not in ("node", "edge", "corner0", "corner1")]
    assert [shown(v) for v in labels] == [label, label, "b", label, label]


@given(label=TEXT | NASTY)
def test_no_title_chooses_the_file_that_the_package_writes(label: str) -> None:
    assert viz.Drawing(scene(label)).digraph().filename == "drawing.gv"


@installed
@pytest.mark.parametrize("label", ["<b>x</b>", "\\N \\G \\l \\", 'a"b', "&lt;&#38;", "javascript:alert(1)", "{a|b}", "µ ∂ 漢"])
def test_graphviz_itself_shows_it_so(label: str) -> None:
    svg = ET.fromstring(viz.Drawing(scene(label)).pipe("svg", engine="dot"))
    texts = [e.text for e in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(texts) == sorted([label] * 4 + ["b"])
    assert not list(svg.iter("{http://www.w3.org/2000/svg}a"))


@pytest.mark.parametrize("options", [{}, {"level": "cell"}, {"level": "box", "color": "grad"}, {"backward": True}, {"limit": 3}])
def test_every_node_edge_and_cluster_is_there_at_its_place(options) -> None:
    drawing = lstm(**options)
    graph = drawing.digraph(positions=True)
    found = statements(graph.source)
    nodes = {name: v for name, v in found if "->" not in name and name not in ("graph", "node", "edge")}
    for p in drawing.scene.placed:
        for s in p.part.shapes:
            x, y = map(float, nodes[p.prefix + s.id]["pos"].split(","))
            assert (x, y) == pytest.approx((p.dx + s.x, drawing.scene.height - p.dy - s.y), abs=0.06)
            assert float(nodes[p.prefix + s.id]["width"]) == pytest.approx(s.w / 72, abs=1e-3)
    ends = sorted(f"{p.prefix}{w.tail} -> {p.prefix}{w.head}" for p in drawing.scene.placed for w in p.part.wires)
    assert sorted(name for name, _ in found if "->" in name) == ends
    assert {end for name in ends for end in name.split(" -> ")} <= nodes.keys(), "Graphviz would make a node of its own"
    assert graph.source.count("subgraph cluster_") == sum(p.frame is not None for p in drawing.scene.placed)


def test_words_are_labels_of_what_they_belong_to() -> None:
    found = dict(statements(lstm(level="cell", color="grad").digraph(positions=True).source))
    assert {v["xlabel"] for name, v in found.items() if name.startswith("s1_n") and "xlabel" in v} == {"f", "i", "g", "o"}
    assert {"shared", "Wₓ (3×16)", "Wₕ (4×16)", "b (16)"} <= {v.get("label") for v in found.values()}
    assert {"BPTT", "loss"} <= {found[end]["label"] for end in ("from", "to")}
    assert {v["xlabel"] for v in found.values() if v.get("fontsize") == "9" and "xlabel" in v} == {"none", "zero", "NaN or ∞"}
    scale = next(v for v in found.values() if v.get("style") == "striped")
    assert scale["fillcolor"].count("#") == 60
    assert float(scale["width"]) * 72 == pytest.approx(300, abs=1)
    assert scale["fillcolor"].startswith(style.decade_colour(-7.9))


MODELS = {"rnn": RNN(3, 4, outputs=2), "lstm": LSTM(3, 4), "ntm": NTM(3, 2, hidden=4, memory=(5, 3))}


@pytest.mark.parametrize("level", ["op", "gate"])
@pytest.mark.parametrize("name", MODELS)
def test_the_logical_graph_has_each_operation_once_and_edges_from_values_to_their_readers(name: str, level: str) -> None:
    timeline, _ = timeline_of(last, (MODELS[name], np.ones((3, 1, 3), "float32")), None, None, level)
    drawing = viz.unrolled(last, MODELS[name], np.ones((3, 1, 3), "float32"), level=level)
    found = statements(drawing.dot)
    assert drawing.digraph().source == drawing.dot
    nodes = [n for n, _ in found if "->" not in n and n not in ("graph", "node", "edge")]
    operations = [i for i in timeline.items if not i.leaf]
    assert sorted(n for n in nodes if "_n" in n) == sorted({n for n in nodes if "_n" in n}), "no id twice"
    assert len([n for n in nodes if "_n" in n]) == len(operations)
    read = {(a, i.index) for i in operations for a in i.args if timeline.items[a].leaf != "number"}
    assert sum("->" in n for n, _ in found) == len(read), "a weight has a node in each step that reads it"
    assert all(" · " in v["tooltip"] for n, v in found if "_n" in n and "->" not in n), "with scope and source line"
    assert not {"legend", "BPTT", "shared"} & {v.get("label") for _, v in found}


def test_steps_and_scopes_are_clusters() -> None:
    source = viz.unrolled(last, MODELS["ntm"], np.ones((2, 1, 3), "float32")).dot
    labels = re.findall(r'subgraph cluster_\w+ \{\n\t+graph \[[^]]*label="?([^"\s]*(?: = \d)?)', source)
    assert {"t = 0", "t = 1", "read", "write"} <= set(labels)
    assert labels.count("read") == 2
    assert "cluster_" not in viz.unrolled(mg.parameter(1.0, name="x") * 2).dot


def test_a_loop_rolled_up_reads_itself_and_no_name_stands_twice() -> None:
    drawing = viz.rolled(last, GRU(3, 4), np.ones((3, 1, 3), "float32"), level="cell", steps=3)
    again = [v["label"] for n, v in statements(drawing.dot) if "->" in n and "label" in v]
    assert set(again) == {"hₜ₋₁"}
    for source in (drawing.dot, drawing.digraph(positions=True).source):
        nodes = [n for n, _ in statements(source) if "->" not in n and n not in ("graph", "node", "edge")]
        assert len(nodes) == len(set(nodes))


@installed
def test_neato_cuts_nothing_off() -> None:
    drawing = lstm(level="cell", color="grad")
    svg = ET.fromstring(drawing.digraph(positions=True).pipe("svg", engine="neato", neato_no_op=2))
    width, height = (float(svg.attrib[k].removesuffix("pt")) for k in ("width", "height"))
    assert width >= drawing.scene.width
    assert height >= drawing.scene.height
    titles = [e.text for e in svg.iter("{http://www.w3.org/2000/svg}title")]
    assert "from->to" in titles, "the arrow of BPTT"


def test_users_go_on_with_the_graph_and_the_drawing_stays_as_it_is() -> None:
    drawing = lstm()
    before = drawing.dot
    graph = drawing.digraph()
    assert isinstance(graph, graphviz.Digraph)
    graph.attr(rankdir="LR")
    graph.node("mine", "my note")
    graph.edge("mine", "s0_n0")
    assert "mine -> s0_n0" in graph.source
    assert drawing.digraph().source == drawing.dot == before


@installed
def test_an_engine_lays_it_out_anew_and_neato_keeps_the_places(tmp_path) -> None:
    drawing = lstm()
    kept = drawing.digraph(positions=True).pipe("plain", engine="neato", neato_no_op=2, encoding="utf-8")
    own = drawing.pipe("plain", engine="dot").decode()

    def places(plain: str) -> dict[str, tuple[float, float]]:
        return {line.split()[1]: tuple(map(float, line.split()[2:4])) for line in plain.splitlines() if line.startswith("node")}

    def step(plain: str) -> tuple[float, float]:
        (ax, ay), (bx, by) = (places(plain)[f"s{t}_n0"] for t in (0, 1))
        return bx - ax, by - ay

    assert {n for n in places(kept) if "_n" in n} == {n for n in places(own) if "_n" in n}, "a node has one name in both"
    assert step(kept)[0] > 3
    assert step(kept)[1] == pytest.approx(0, abs=0.01)
    assert step(own)[1] > 1, "dot draws time upwards"
    assert b"<svg" in drawing.save(tmp_path / "x.svg", engine="neato").read_bytes()
    assert drawing.render("y", tmp_path, "pdf", engine="dot") == str(tmp_path / "y.pdf")
    assert (tmp_path / "y.pdf").read_bytes().startswith(b"%PDF")


def test_an_unknown_engine_or_format_is_refused_by_name() -> None:
    with pytest.raises(viz.DrawingError, match="engine 'dott' is unknown: take circo, dot, fdp, neato, "):
        lstm().pipe("svg", engine="dott")
    with pytest.raises(viz.DrawingError, match="format 'docx' is unknown to Graphviz"):
        lstm().pipe("docx", engine="dot")
