"""What a notebook shows of models and runs."""

import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from minigrad.models import LSTM, NTM

import minigrad as mg
from minigrad import viz  # it makes the displays
from minigrad.experiments import Config, Run
from minigrad.experiments.notebook import NotebookBar

del viz


def shown(html):
    """The words that a reader sees, one line for each part."""
    lines = re.sub(r"<style>.*?</style>", "", html)
    return [
        " ".join(re.sub(r"<[^>]*>", "", line).split())
        for line in re.split(r"</summary>|</div>", lines)
        if re.sub(r"<[^>]*>", "", line).strip()
    ]


class Named(mg.Module):
    def __init__(self):
        self.words = "a<b"
        self.W = mg.parameter(np.ones((3, 2)))
        self.again = [self.W, {"mean": mg.buffer(np.zeros(2, "float32"))}]
        self.cell = LSTM(3, 4)


def test_a_model_is_a_tree_with_settings_shapes_sizes_roles_and_ties():
    lines = shown(Named()._repr_mimebundle_()["text/html"])
    assert lines[0] == "Named(words=&#x27;a&lt;b&#x27;) 134 parameters"
    assert lines[1] == "W float64(3, 2) 6"
    assert lines[2] == "again list 0 parameters"
    assert lines[3] == "0 = W"
    assert lines[5] == "mean float32(2) 2, a buffer"
    assert lines[6] == "cell LSTM(inputs=3, hidden=4, projected=0, coupled=False) 128 parameters"


def test_every_leaf_of_a_model_stands_in_its_tree():
    model = NTM(inputs=3, outputs=2, controller="lstm", hidden=4, memory=(6, 3))
    lines = shown(model._repr_mimebundle_()["text/html"])
    for leaf in mg.tree.leaves(model):
        assert any(str(leaf.type) in line for line in lines)


def test_a_gradient_is_a_tree_too():
    grads = mg.grad(lambda model: mg.sum(model.W))(Named())
    assert "W float64(3, 2) 6" in shown(grads._repr_mimebundle_()["text/html"])


def test_a_large_model_is_shown_closed_but_for_itself():
    model = NTM(inputs=3, outputs=2, controller="lstm", hidden=4, memory=(6, 3))
    model.more = [mg.ones(2) for _ in range(12)]
    assert model._repr_mimebundle_()["text/html"].count("<details open") == 1


@pytest.fixture
def notebook(monkeypatch):
    """A notebook that keeps what it was asked to show."""
    seen = []
    handle = SimpleNamespace(update=lambda bar: seen.append(bar._repr_html_()))

    def display(bar, display_id):
        handle.update(bar)
        return handle

    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    return seen


def test_a_bar_in_a_notebook_begins_and_ends_where_training_does(notebook):
    bar = NotebookBar(1000)
    bar.start()
    for step in range(1, 1001):
        bar.show(step, f"{step} <bits>")
    bar.stop()
    assert "0 / 1,000" in notebook[0]
    assert "1,000 / 1,000" in notebook[-1]
    assert "1000 &lt;bits&gt;" in notebook[-1]
    assert len(notebook) < 1000


@pytest.mark.usefixtures("interpreted")
def test_a_run_shows_its_curve_and_its_pictures(tmp_path):
    run = Run.create(tmp_path / "run", Config.of("copy", "rnn", hidden=4, lengths=2, batch=2, steps=2, evaluate_every=1, **{"until": 0}))
    assert "0 of 2 updates" in repr(run)
    assert "<img" not in run._repr_mimebundle_()["text/html"]
    run.train(lambda event: None, lambda step, numbers: None)
    run.pictures.mkdir()
    (run.pictures / "memory.svg").write_text("<svg/>")
    html = run._repr_mimebundle_()["text/html"]
    assert "2 of 2 updates" in repr(run)
    assert html.count("<img") == 2
    assert "<summary>memory</summary>" in html
