"""The page as a file: its data are the graph's values, and nothing in it can be anything but text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from minigrad.models import DNC, GRU, LSTM, MANN, NTM, RNN, SAM, AttentiveLSTM, Stack, Transformer

import minigrad as mg
from minigrad import viz
from minigrad.graph.ir import ancestors

XS = np.random.default_rng(0).standard_normal((6, 2, 3), dtype="float32")
HOSTILE = [
    '"', "'", "</script><script>alert(1)</script>", "<b>x</b>", "<img src=x onerror=alert(1)>", "\\N\\G\\l", "a\nb\x00\x1b", "\u202eevil",
    "x" * 10_000, "javascript:alert(1)", "&lt;b&gt;", "@script@", "</style>", "<!--", "]]>", "${1}", "\ud800", "__proto__", "",
]  # fmt: skip


def loss_fn(model, xs):
    return mg.mean(model(xs) ** 2)


def eager(name: str = "W", scope: str = "rnn", T: int = 5):
    W = mg.parameter(0.5 * np.random.default_rng(1).standard_normal((3, 3), dtype="float32"), name=name)
    h, hs = mg.zeros(3), []
    for t in range(T):
        with mg.scope(scope, step=t):
            h = mg.tanh(XS[t % 6, 0] + h @ W).named("h")
        hs.append(h)
    loss = mg.sum(h * h)
    loss.backward()
    return loss, hs


class Parts(HTMLParser):
    """Tags, attributes, and the text of each script, style and title."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: dict[str, str] = {}
        self.current = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.current = "data" if ("id", "data") in attrs else tag

    def handle_data(self, data):
        self.texts[self.current] = self.texts.get(self.current, "") + data

    def handle_endtag(self, tag):
        self.current = ""


def data_of(page: viz.Page) -> dict:
    return json.loads(Parts(page.html).texts["data"])


def strings(value) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [w for v in inner for w in strings(v)]


def floats(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")


def numbers(data: dict, name: str, statistic: str) -> list[float]:
    """What the page says of the value of this name, step by step."""
    at = ("min", "max", "mean", "norm", "bad", "gradient").index(statistic)
    found = []
    for column, _, k, n, _ in data["steps"]:
        template = data["templates"][k]
        rows = [r for r, node in enumerate(template["nodes"]) if node[0] == name]
        if column >= 0 and rows:
            found.append(floats(template["numbers"]).reshape(-1, len(template["nodes"]), 6)[n, rows[-1], at])
    return found


def test_statistics_and_gradients_are_those_of_the_values():
    loss, hs = eager()
    data = data_of(viz.page(loss))
    for statistic, f in {"min": np.min, "max": np.max, "mean": np.mean, "norm": np.linalg.norm}.items():
        np.testing.assert_allclose(numbers(data, "h", statistic), [f(h.numpy()) for h in hs], rtol=1e-6)
    grads = [2 * hs[-1].numpy()]
    W = next(n for n in ancestors([loss.node]) if n.name == "W").value
    for h in hs[:0:-1]:
        grads.append((grads[-1] * (1 - h.numpy() ** 2)) @ W.T)
    np.testing.assert_allclose(numbers(data, "h", "gradient"), [np.linalg.norm(g) for g in grads[::-1]], rtol=1e-5)
    assert data["columns"] == [[f"t = {t}", t] for t in range(5)]


def test_what_is_not_finite_is_counted_and_set_apart():
    W = mg.parameter(np.array([1.0, np.nan, np.inf, -2.0], "float32"), name="W")
    data = data_of(viz.page(mg.sum((W * 2).named("doubled"))))
    (step,) = data["steps"]
    row = [n[0] for n in data["templates"][step[2]]["nodes"]].index("doubled")
    low, high, mean, norm, bad, _ = floats(data["templates"][step[2]]["numbers"]).reshape(-1, 6)[row]
    assert (low, high, mean, bad) == (-4, 2, -1, 2)
    assert np.isclose(norm, 20**0.5)


def test_strips_hold_every_step_of_named_values_to_a_part_in_250():
    model = NTM(3, 2, hidden=4, memory=(6, 3), key=0)
    page = viz.page(loss_fn, model, XS)
    strips = {s["label"]: s for name, group in data_of(page)["groups"] for s in group if name != "gradient"}
    truth = viz.record(loss_fn, model, XS)
    for label, name in {"w write": "w_write", "w read": "w_read", "add": "add"}.items():
        strip = strips[label]
        shown = np.frombuffer(base64.b64decode(strip["data"]), "u1").reshape(6, -1)
        values = strip["low"] + shown / 252 * (strip["high"] - strip["low"])
        np.testing.assert_allclose(values, truth[name].reshape(6, -1), atol=(strip["high"] - strip["low"]) / 250)
    np.testing.assert_allclose(floats(strips["write g"]["data"]), truth["write.g"].ravel(), rtol=1e-6)
    memory = data_of(page)["memory"]
    assert (memory["slots"], memory["width"]) == (6, 3)
    assert len(base64.b64decode(memory["data"])) == 6 * 6 * 3


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (RNN(3, 4, 2, key=0), {"h"}), (LSTM(3, 4, 2, key=0), {"c", "h", "f"}), (GRU(3, 4, 2, key=0), {"h", "z"}),
        (MANN(3, 2, hidden=4, memory=(6, 3), heads=2, key=0), {"w read 1", "w write 2", "usage", "‖M‖ of each slot"}),
        (AttentiveLSTM(3, 4, 2, key=0), {"weights"}),
    ],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_every_model_has_its_values_over_time(model, expected):
    data = data_of(viz.page(loss_fn, model, XS))
    assert expected <= {s["label"] for _, group in data["groups"] for s in group}
    assert "gradient" in [name for name, _ in data["groups"]]
    assert len(data["columns"]) == 6


def test_an_argument_is_made_by_no_line_and_an_operation_by_its_own():
    data = data_of(viz.page(loss_fn, RNN(3, 4, 2, key=0), XS))
    lines = {entry["node"][0]: entry["node"][5] for entry in data["shared"]}
    assert lines.pop("h").startswith("rnn.py:"), "the initial state comes from a line of the model"
    assert set(lines.values()) == {""}
    places = {node[5].split(":")[0] for t in data["templates"] for node in t["nodes"] if node[5]}
    assert places == {"rnn.py", "cell.py", "test_page.py"}


def test_the_memory_of_a_dnc_is_its_memory_not_its_links():
    memory = data_of(viz.page(loss_fn, DNC(3, 2, hidden=4, memory=(5, 3), key=0), XS))["memory"]
    assert (memory["label"], memory["slots"], memory["width"]) == ("M", 5, 3)


def test_equal_steps_share_a_template():
    data = data_of(viz.page(loss_fn, LSTM(3, 4, 2, key=0), np.repeat(XS, 5, axis=0)))
    assert len(data["steps"]) == 31
    assert len(data["templates"]) <= 5


def test_the_policy_lets_only_this_script_and_style_run():
    html = viz.page(eager()[0]).html
    parts = Parts(html)
    policy = next(v for k, v in parts.attributes if k == "content" and "default-src" in v)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(parts.texts[tag].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not {"src", "href", "style", "action", "srcdoc"} & {k for k, _ in parts.attributes}
    assert not any(k.startswith("on") for k, _ in parts.attributes)
    assert set(re.findall(r"https?://[^'\"\s)]*", html)) == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_names_are_text(label):
    known = Parts(viz.page(eager()[0]).html)
    page = viz.page(eager(label, label)[0], title=label)
    parts = Parts(page.html)
    assert (parts.tags, parts.attributes) == (known.tags, known.attributes)
    assert (parts.texts["script"], parts.texts["style"]) == (known.texts["script"], known.texts["style"])
    assert "<" not in parts.texts["data"]
    assert all(w.isprintable() for w in strings(json.loads(parts.texts["data"])))
    assert len(parts.texts["title"]) <= 80
    assert page._repr_html_().isprintable() or "\n" in page._repr_html_()


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_names_are_inert_in_notebooks_and_pictures(label):
    page = viz.page(eager(label, label)[0], title=label)
    frame = Parts(page._repr_html_())
    assert frame.tags == ["iframe"]
    attributes = dict(frame.attributes)
    assert attributes["srcdoc"] == page.html
    assert attributes["sandbox"] == "allow-scripts"
    if any(viz.engines().values()):
        assert viz.unrolled(eager(label, label)[0]).pipe("png").startswith(b"\x89PNG")


def test_the_same_graph_gives_the_same_page_in_every_process():
    code = (
        "import numpy as np, minigrad as mg, hashlib; from minigrad import viz; from minigrad.models import NTM;"
        "p = viz.page(lambda m, xs: mg.mean(m(xs)**2), NTM(3, 2, hidden=4, memory=(5, 3), key=0), np.ones((3, 1, 3), 'float32'));"
        "print(hashlib.sha256(p.html.encode()).hexdigest())"
    )
    found = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONHASHSEED": str(s)}, check=True).stdout
        for s in (1, 2)
    }
    assert len(found) == 1


def test_what_is_left_out_is_said():
    model = RNN(3, 520, key=0)
    notes = " ".join(viz.page(lambda m, xs: m(xs), model, XS).notes)
    assert "no gradient: the first result is float32(6, 2, 520), not a float scalar" in notes
    assert "h: the first 512 of 520 rows are shown" in notes


def test_panels_stand_first_and_must_have_every_step():
    page = viz.page(eager()[0], panels={"target": np.ones((5, 2))})
    name, strips = data_of(page)["groups"][0]
    assert (name, strips[0]["label"]) == ("inputs and outputs", "target")
    with pytest.raises(viz.DrawingError, match=r"panel target has shape \(4, 2\), but there are 5 steps"):
        viz.page(eager()[0], panels={"target": np.ones((4, 2))})


def test_a_graph_without_time_and_wrong_arguments():
    x = mg.parameter(XS[0], name="x")
    assert data_of(viz.page(mg.sum(x * x)))["columns"] == []
    with pytest.raises(ValueError, match="level='atom'"):
        viz.page(x, level="atom")
    with pytest.raises(viz.DrawingError, match="got int"):
        viz.page(3)


def test_save_and_repr(tmp_path):
    page = viz.page(eager()[0], title="a run")
    assert page.save(tmp_path / "x.html").read_text() == page.html
    assert list(tmp_path.iterdir()) == [tmp_path / "x.html"]
    assert repr(page) == f"<Page a run: {len(page.html) / 1e6:.1f} MB>"


def test_two_members_of_the_batch_stand_below_each_other_on_one_scale():
    model = NTM(3, 2, hidden=4, memory=(6, 3), key=0)
    strips = [s for name, group in data_of(viz.page(loss_fn, model, XS, example=(0, 1)))["groups"] if name == "memory" for s in group]
    for label in ("w write", "add"):
        one, two = (s for s in strips if s["label"] == label)
        assert strips.index(two) == strips.index(one) + 1
        assert [(s["member"], s["second"]) for s in (one, two)] == [(0, False), (1, True)]
        assert (one["low"], one["high"]) == (two["low"], two["high"])
        for strip in (one, two):
            truth = viz.record(loss_fn, model, XS, example=strip["member"])[label.replace(" ", "_")].reshape(6, -1)
            shown = np.frombuffer(base64.b64decode(strip["data"]), "u1").reshape(6, -1)
            values = strip["low"] + shown / 252 * (strip["high"] - strip["low"])
            np.testing.assert_allclose(values, truth, atol=(strip["high"] - strip["low"]) / 250)
    with pytest.raises(ValueError, match=r"example=\(\) names no member"):
        viz.page(loss_fn, model, XS, example=())


def test_weights_of_a_few_slots_are_shown_over_all_slots_of_the_memory():
    model = SAM(3, 2, hidden=4, memory=(20, 3), heads=2, nearest=3, key=0)
    strips = {s["label"]: s for _, group in data_of(viz.page(loss_fn, model, XS))["groups"] for s in group}
    truth = viz.record(loss_fn, model, XS)
    for label, name, head in (("w read 1", "w_read", 0), ("w read 2", "w_read", 1), ("w write 1", "w_write", 0)):
        strip = strips[label]
        shown = np.frombuffer(base64.b64decode(strip["data"]), "u1").reshape(6, 20)
        known = shown[:, 0] != 254  # the slots that are written first come from no step, and of the last read weights only r is computed
        values = strip["low"] + shown[known] / 252 * (strip["high"] - strip["low"])
        np.testing.assert_allclose(values, truth[name][known, head], atol=(strip["high"] - strip["low"]) / 250)
        assert known.sum() == 5


def test_a_part_of_an_input_and_the_whole_have_a_row_each():
    def loss(W, xs):
        def step(h, x):
            h = mg.tanh(x @ W + h + mg.sum(x[:, :2]))
            return h, h

        return mg.mean(mg.scan(step, mg.zeros((2, 3)), xs)[1])

    groups = dict(data_of(viz.page(loss, np.eye(3, dtype="float32"), XS))["groups"])
    rows = {s["label"]: s["rows"] for s in groups["inputs and outputs"]}
    assert rows["x"] == 3
    assert rows["x[:,:2]"] == 2
    assert {"x", "x[:,:2]"} <= {s["label"] for s in groups["gradient"]}


def test_the_columns_of_a_transformer_are_its_blocks_and_its_weights_have_one_row_for_all():
    page = viz.page(loss_fn, Transformer(3, 2, 8, 2, 3), XS[:4], panels={"input": XS[:4, 0]})
    assert page.notes == ["input: left out, since there are no steps of time beside which they could stand"]
    data = data_of(page)
    assert (data["axis"], data["columns"]) == ("block", [["block 0", 0], ["block 1", 1], ["block 2", 2]])
    assert [name for _, name, *_ in data["steps"]] == ["before", "block 0", "block 1", "block 2", "after"]
    inside = [data["templates"][k] for column, _, k, *_ in data["steps"] if column >= 0]
    assert [len({n for row in t["args"] for kind, n in row if kind == "shared"}) for t in inside] == [12] * 3
    assert len({n for t in inside for row in t["args"] for kind, n in row if kind == "shared"}) == 36, "each block reads its own weights"
    assert [s[4] for s in inside[0]["open"]["scopes"]] == ["attention", "feedforward"]
    ((name, rows),) = data["groups"]
    assert name == "gradient"
    norms = {row["label"]: floats(row["data"]) for row in rows}
    assert {"x", "attention.W", "linear2.b"} <= norms.keys()
    assert (norms["attention.W"] > 0).all()
    assert {n[0] for t in inside for n in t["nodes"]} >= {"weights", "context"}


def test_steps_of_time_come_before_blocks():
    model = Stack([LSTM(3, 4), LSTM(4, 4)])
    assert data_of(viz.page(loss_fn, model, XS))["columns"] == [[f"t = {t}", t] for t in range(6)]
