"""Drawings as users make them: the contract's snippets, formats, safety, bytes that never change."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from minigrad.models import GRU, LSTM
from minigrad.viz import convert, style, text
from minigrad.viz.leaves import assigned

import minigrad as mg
from minigrad import viz

XS = np.random.default_rng(0).standard_normal((5, 3), dtype="float32")
HOSTILE = [
    '"',
    "</script><script>alert(1)</script>",
    "<b>x</b>",
    "\\N\\G\\l",
    "a\nb\x00\x1b",
    "‮evil",
    "x" * 10_000,
    "y" * 1_000_000,
    "javascript:alert(1)",
    "&amp;&#38;",
    "<TABLE>",
    "]]>",
    "$x$",
    "%s{}",
]


def eager(name: str = "W", scope: str = "rnn", T: int = 5) -> tuple[mg.Tensor, mg.Tensor]:
    rng = np.random.default_rng(1)
    W = mg.parameter(0.5 * rng.standard_normal((3, 3), dtype="float32"), name=name)
    h = mg.zeros(3)
    for t in range(T):
        with mg.scope(scope, step=t):
            h = mg.tanh(XS[t % 5] + h @ W)
    return mg.sum(h * h), W


def loss_fn(W, xs):
    def step(h, x):
        h = mg.tanh(x + h @ W)
        return h, h

    _, hs = mg.scan(step, mg.zeros(3), xs)
    return mg.mean(hs**2)


def texts(svg: str) -> list[str]:
    return [e.text or "" for e in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def colours(drawing: viz.Drawing) -> list[str]:
    return [s.fill for p in drawing.scene.placed for s in p.part.shapes if s.fill and p.prefix]


def test_an_eager_tensor_is_drawn_in_columns_and_coloured_after_backward():
    loss, _ = eager()
    plain = viz.unrolled(loss)
    assert [t for t in texts(plain.svg) if t.startswith("t =")] == [f"t = {t}" for t in range(5)]
    assert "BPTT" not in texts(plain.svg)
    loss.backward()
    coloured = viz.unrolled(loss)
    assert "BPTT" in texts(coloured.svg)
    assert len(set(colours(coloured))) > 4


def test_contract_graphs():
    W = mg.parameter(np.eye(3, dtype="float32"), name="W")
    graph = mg.trace(loss_fn, W, XS)
    assert "x₄" in texts(viz.unrolled(graph, steps=5).svg)
    assert "x₃" not in texts(viz.unrolled(graph, steps=3).svg)
    rolled = texts(viz.rolled(graph).svg)
    assert "1" in rolled
    assert "xₜ" in rolled
    assert "=" in texts(viz.rolled(graph, steps=3).svg)
    assert "W" in texts(viz.unrolled(loss_fn, W, XS, color="grad").svg)


def test_node_colours_are_the_norms_of_gradients():
    loss, W = eager(T=3)
    hs = []
    grads = {}

    def f(h0, W):
        h = h0
        for t in range(3):
            h = mg.tanh(XS[t] + h @ W)
            hs.append(h)
        return mg.sum(h * h)

    timeline, colours = __import__("minigrad.viz.unrolled", fromlist=["timeline_of"]).timeline_of(loss, (), None, "grad", "op")
    tanh = [i for i in timeline.items if i.node.op.name == "tanh"]
    f(mg.zeros(3), W)
    last = hs[-1].numpy()
    grads[2] = 2 * last
    for t in (1, 0):
        grads[t] = (grads[t + 1] * (1 - hs[t + 1].numpy() ** 2)) @ W.numpy().T
    for t, item in enumerate(tanh):
        assert math.isclose(colours.norms[item.index], np.linalg.norm(grads[t]), rel_tol=1e-4)
    product = next(i for i in timeline.items if i.node.op.name == "mul")
    assert math.isclose(colours.edges[product.index, 0], np.linalg.norm(last), rel_tol=1e-5), "before it is added up"


def test_zero_none_and_nan_can_be_told_apart():
    assert style.gradient_colour(None) == style.gradient_colour(0.0) == style.NO_GRADIENT
    assert style.gradient_colour(math.nan) == style.gradient_colour(math.inf) == style.NOT_FINITE
    W = mg.parameter(np.full((3, 3), np.nan, "float32"), name="W")
    loss = mg.sum(mg.tensor(XS[0]) @ W)
    loss = loss * loss
    loss.backward()
    assert style.NOT_FINITE in viz.unrolled(loss).svg


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_names_are_inert(label):
    loss, _ = eager(label, label)
    for drawing in (viz.unrolled(loss), viz.unrolled(loss, level="box"), viz.rolled(loss, steps=3)):
        root = ET.fromstring(drawing.svg)
        tags = {e.tag.split("}")[1] for e in root.iter()}
        assert tags <= {"svg", "title", "rect", "g", "defs", "use", "text", "path", "circle", "ellipse"}
        assert not any(k.startswith("on") or ("href" in k and not v.startswith("#")) for e in root.iter() for k, v in e.attrib.items())
        assert max(map(len, texts(drawing.svg))) < 200
        assert all(c.isprintable() for t in texts(drawing.svg) for c in t)
        assert "\x00" not in drawing.dot
        assert "<b>" not in drawing.dot.replace('"', "") or label == "<b>x</b>"
        for line in drawing.dot.splitlines():
            bare = line.replace("\\\\", "").replace('\\"', "")
            assert bare.count('"') % 2 == 0, line
            assert "label=<" not in line
    assert repr(viz.unrolled(loss)).isprintable()


def test_dot_keeps_positions_through_an_engine():
    engine = convert._pure() or shutil.which("dot")
    if engine is None:
        pytest.skip("no Graphviz engine here")
    loss, _ = eager()
    out = convert.run([engine, "-Kneato", "-n2", "-Tplain"], viz.unrolled(loss).digraph(positions=True).source.encode()).decode()
    nodes = {line.split()[1]: tuple(map(float, line.split()[2:4])) for line in out.splitlines() if line.startswith("node")}
    scene = viz.unrolled(loss).scene
    drawn = {p.prefix + s.id: (s.x + p.dx, s.y + p.dy) for p in scene.placed for s in p.part.shapes if p.prefix.startswith("s")}
    a, b = next(iter(drawn)), list(drawn)[-1]
    assert math.isclose((nodes[b][0] - nodes[a][0]) * 72, drawn[b][0] - drawn[a][0], abs_tol=1)
    assert math.isclose((nodes[a][1] - nodes[b][1]) * 72, drawn[b][1] - drawn[a][1], abs_tol=1)
    plain = convert.run([engine, "-Kdot", "-Tplain"], viz.unrolled(loss).digraph(positions=True).source.encode()).decode()
    assert plain.count("\nnode") == out.count("\nnode")


def test_save_pipe_and_render(tmp_path):
    drawing = viz.unrolled(eager()[0])
    assert drawing.save(tmp_path / "a.svg").read_text() == drawing.svg
    assert drawing.save(tmp_path / "a.gv").read_text() == drawing.source == drawing.dot
    assert Path(drawing.render("b", tmp_path)).read_bytes() == drawing.pipe("svg")
    with pytest.raises(viz.DrawingError, match="format 'bmp'"):
        drawing.save(tmp_path / "a.bmp")
    if any(viz.engines().values()):
        assert drawing.pipe("png")[:4] == b"\x89PNG"
    assert list(tmp_path.glob(".*")) == []


def test_a_repr_never_raises():
    def broken():
        raise RuntimeError("no")

    assert "cannot be made" in repr(viz.Drawing(broken))
    assert set(viz.Drawing(broken)._repr_mimebundle_()) == {"text/plain"}
    assert set(viz.unrolled(eager()[0])._repr_mimebundle_()) == {"text/plain", "image/svg+xml"}


def test_the_same_graph_gives_the_same_bytes_in_every_process():
    code = (
        "import numpy as np, minigrad as mg, hashlib; from minigrad import viz; from minigrad.models import LSTM;"
        "f = lambda m, xs: mg.mean(m(xs)**2); a = (LSTM(3, 4, key=0), np.ones((6, 1, 3), 'float32'));"
        "ds = [viz.unrolled(f, *a), viz.unrolled(f, *a, color='grad', level='cell'), viz.rolled(f, *a, steps=3)];"
        "print(hashlib.sha256(''.join(d.svg + d.dot for d in ds).encode()).hexdigest())"
    )
    found = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONHASHSEED": str(s)}, check=True).stdout
        for s in (1, 2)
    }
    assert len(found) == 1


def test_long_loops_are_elided_with_a_note():
    graph = mg.trace(loss_fn, np.eye(3, dtype="float32"), np.ones((200, 3), "float32"))
    drawing = viz.unrolled(graph)
    assert "t = 6 … 194" in texts(drawing.svg)
    assert "189 steps" in drawing.notes[0]
    assert sum(t.startswith("t =") for t in texts(viz.unrolled(graph, limit=None).svg)) == 200


def test_stacked_layers_share_columns_and_sequences_follow_each_other():
    def stacked(W, xs):
        _, hs = mg.scan(lambda h, x: ((n := mg.tanh(x + h @ W)), n), mg.zeros(3), xs)
        _, ys = mg.scan(lambda h, x: ((n := mg.sin(x + h @ W)), n), mg.zeros(3), hs)
        return mg.sum(ys)

    found = texts(viz.unrolled(stacked, np.eye(3, dtype="float32"), XS).svg)
    assert [t for t in found if t.startswith("t =")] == [f"t = {t}" for t in range(5)]


def test_a_graph_without_time_and_odd_arguments():
    x = mg.parameter(XS, name="x")
    assert "Σ" in texts(viz.unrolled(mg.sum(x * x)).svg)
    assert viz.unrolled(x).svg
    with pytest.raises(viz.DrawingError, match="no scan"):
        viz.rolled(mg.trace(lambda x: x + 1, XS))
    with pytest.raises(viz.DrawingError, match="got int"):
        viz.unrolled(3)
    with pytest.raises(viz.DrawingError, match=r"got a Node: wrap it in mg\.Tensor"):
        viz.unrolled(x.node)
    with pytest.raises(viz.DrawingError, match="takes 1 arrays, got 2: gradients need example arguments"):
        viz.unrolled(mg.trace(lambda x: mg.sum(x), XS), XS, XS, color="grad")
    with pytest.raises(viz.DrawingError, match="no step reads the one before it"):
        viz.rolled(lambda xs: mg.scan(lambda c, x: (mg.zeros(3), mg.tanh(x)), mg.zeros(3), xs)[1], XS)
    with pytest.raises(ValueError, match="level='atom'"):
        viz.unrolled(x, level="atom")
    with pytest.raises(viz.DrawingError, match="float scalar"):
        viz.unrolled(x, color="grad")


def test_names():
    assert text.pretty("W_h") == "Wₕ"
    assert text.indexed("h", -1) == "h₋₁"
    assert text.ending("controller.W_h", 8) == "…ler.W_h"


def test_the_lstm_is_drawn_by_hand_and_its_gates_named():
    found = texts(viz.unrolled(lambda m, xs: mg.sum(m(xs)), LSTM(3, 4), np.ones((2, 1, 3), "float32"), level="cell").svg)
    assert found.count("σ") == 6 or "defs" in found
    assert {"f", "i", "g", "o", "c₋₁ = 0", "h₋₁ = 0"} <= set(found)


def test_a_line_that_makes_several_gates_is_a_box_with_all_their_names():
    for model, names in ((LSTM(3, 4), {"f, g", "c", "h"}), (GRU(3, 4), {"r, z", "n", "h"})):
        assert names <= set(texts(viz.unrolled(lambda m, xs: mg.sum(m(xs)), model, np.ones((2, 1, 3), "float32"), level="gate").svg))


def test_a_number_repeated_over_an_array_is_no_input_but_a_number():
    h = mg.parameter(XS[0], name="h")
    found = texts(viz.unrolled(mg.sum(mg.maximum(h, mg.full(3, 0.5)) * XS[1])).svg)
    assert any("0.5" in t for t in found)
    assert found.count("x") == 1


def branches(x: mg.Tensor) -> mg.Tensor:
    return mg.cond(mg.sum(x) > 0, lambda x: (mg.tanh(x), x), lambda x: (x, x), x)


SEVERAL_RESULTS = {
    "cond": branches,
    "cond with one result": lambda x: mg.cond(mg.sum(x) > 0, mg.tanh, mg.relu, x),
    "cond of a scalar": lambda x: mg.cond(mg.sum(x) > 0, mg.sum, mg.prod, x),
    "checkpoint": lambda x: mg.checkpoint(lambda x: (mg.tanh(x), mg.sum(x)))(x),
    "scan": lambda x: mg.scan(lambda h, v: (h + v, h * v), mg.zeros(()), x),
    "top_k": lambda x: mg.top_k(x, 2)[0],
}


@pytest.mark.parametrize("name", SEVERAL_RESULTS)
def test_operations_with_several_results_are_drawn_at_every_level(name: str) -> None:
    f, x = SEVERAL_RESULTS[name], np.ones(3, "float32")
    for level in ("op", "gate", "cell", "box"):
        ET.fromstring(viz.unrolled(f, x, level=level).svg)
        ET.fromstring(viz.unrolled(mg.tree.leaves(f(mg.parameter(x, name="x"))), level=level).svg)
    ET.fromstring(viz.compare({"one": f, "a\x08": f}, x).svg)


def test_a_tensor_without_a_history_is_refused() -> None:
    h = mg.zeros(3)
    for t in range(3):
        with mg.scope("rnn", step=t):
            h = mg.tanh(h + 1)
    for nothing in (h, [h, h]):
        with pytest.raises(viz.DrawingError, match="operations on plain tensors are not recorded"):
            viz.unrolled(nothing)


@pytest.mark.parametrize("step", ["a", 1.5, object()])
def test_a_step_that_is_no_integer_is_refused(step: object) -> None:
    with pytest.raises(mg.errors.DTypeError, match="integer step"), mg.scope("rnn", step=step):  # type: ignore[arg-type]
        pass
    with mg.scope("rnn", step=np.int64(2)):
        assert mg.parameter(1.0).node.origin.step == 2


def test_view_opens_the_file_in_the_browser_of_any_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda uri: opened.append(uri) is None)
    written = viz.unrolled(eager()[0]).render("a b", tmp_path, view=True)
    assert opened == [Path(written).as_uri()]
    monkeypatch.setattr("webbrowser.open", lambda uri: False)
    with pytest.raises(viz.DrawingError, match="no browser"):
        viz.unrolled(eager()[0]).render("a", tmp_path, view=True)


def test_a_wide_drawing_is_made_smaller_where_a_page_is_narrower() -> None:
    assert "max-width: 100%" in ET.fromstring(viz.unrolled(eager()[0]).svg).attrib["style"]


def test_a_line_of_several_statements_names_no_value(tmp_path: Path) -> None:
    source = tmp_path / "lines.py"
    source.write_text("a = 1; b = a + x\nc = x  # one; two\nd = f(';')\n")
    assert [assigned(str(source), line) for line in (1, 2, 3)] == [None, "c", "d"]


def test_only_weights_that_several_steps_read_are_called_shared() -> None:
    W = mg.parameter(np.eye(3, dtype="float32"), name="W")
    words = [t for t in texts(viz.unrolled(mg.sum(mg.tanh(mg.tensor(XS[0]) @ W))).svg) if "(3×3)" in t]
    assert words == ["parameters  ·  W (3×3)"]
    assert any(t.startswith("shared  ·  W") for t in texts(viz.unrolled(eager()[0]).svg))
