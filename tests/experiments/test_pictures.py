"""Every picture is drawn in one style, which is matplotlib's only while it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import matplotlib as mpl

from minigrad import viz
from minigrad.experiments import Config, Experiment, pictures
from minigrad.experiments.compare.figure import Figure, Panel

COPY = Experiment(Config.of("copy", "rnn", hidden=3, bits=2, lengths=(1, 3)))
WAYS: dict[str, Callable[[Path], object]] = {
    "memory over time": lambda path: viz.memory({"r": np.eye(4), "g": np.arange(4.0)}).save(path),
    "a map": lambda path: viz.attention_map(np.eye(4), "title").save(path),
    "outputs of a run": lambda path: pictures.bits(COPY, COPY.model(), path),
    "states of a run": lambda path: pictures.memory(COPY, COPY.model(), path),
    "models side by side": lambda path: Figure(path.stem, "title", (Panel("x", "y", {"ntm": {1: 2, 2: 3}}),)).write(path.parent),
}


@pytest.mark.parametrize("way", WAYS)
def test_settings_of_matplotlib_are_neither_changed_nor_taken(way: str, tmp_path: Path) -> None:
    def drawn(name: str) -> bytes:
        (tmp_path / name).mkdir()
        WAYS[way](tmp_path / name / "a.svg")
        return (tmp_path / name / "a.svg").read_bytes()

    plain = drawn("plain")
    with mpl.rc_context({"font.size": 20, "svg.hashsalt": "other", "svg.fonttype": "path", "image.interpolation": "bilinear"}):
        before = dict(mpl.rcParams)
        assert drawn("other") == plain
        assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("model", ["rnn", "ntm"])
def test_only_a_model_without_a_memory_may_have_no_picture_of_it(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = Experiment(Config.of("copy", model, bits=2))
    run = SimpleNamespace(experiment=experiment, config=experiment.config, pictures=tmp_path)
    for name in ("learning_curve", "bits", "inside", "unrolled"):
        monkeypatch.setattr(pictures, name, lambda *args, **changes: args[-1])

    def fails(*args: object) -> Path:
        raise viz.DrawingError("a fault")

    monkeypatch.setattr(pictures, "memory", fails)
    with pytest.raises(viz.DrawingError, match="a fault") if model == "ntm" else nullcontext():
        pictures.draw(run, None)  # type: ignore[arg-type]
