"""The model of a run as a file for other programs, and that file's outputs beside the model's on fresh sequences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import export
from ..errors import SettingError
from ..transforms.autodiff import no_grad
from .run import Experiment

START = 2**62  # of the fresh sequences: after those of all evaluations
BATCHES, SEQUENCES = 3, 10  # that are compared, as trained and harder
AXES = {"xs": ("T", "B")}

Program = Callable[[np.ndarray], np.ndarray]  # the file, as a function


class Comparison(NamedTuple):
    """The largest output of the model on a batch of fresh sequences, and the largest difference to the file's."""

    settings: str
    steps: int
    sequences: int
    largest: float
    difference: float

    @property
    def relative(self) -> float:
        return self.difference / max(self.largest, 1.0)


def write(experiment: Experiment, model: Any, path: Path, form: str) -> Program:
    """Write the model as a file of a form in FORMS, with free lengths and batches; the file, read again. Raises SettingError."""
    if form not in FORMS:
        raise SettingError(f"{form!r} is no form that a model is exported to: take {', '.join(FORMS)}")
    inputs, _, _ = experiment.batch(experiment.keys.evaluation, START, 2)
    try:
        return FORMS[form](model, np.asarray(inputs), path)
    except ImportError as error:
        raise SettingError(str(error)) from None


def compare(experiment: Experiment, model: Any, program: Program) -> list[Comparison]:
    """The file's outputs against the model's on batches of fresh sequences, as trained and harder."""
    found = []
    for changes in ({}, experiment.harder) if experiment.harder else ({},):
        words = experiment.config.words({**experiment.config.task_settings, **changes})
        for i in range(BATCHES):
            inputs, _, _ = experiment.batch(experiment.keys.evaluation, START + 1 + i, SEQUENCES - i, **changes)
            with no_grad():
                ours = model(inputs).numpy()
            theirs = program(np.asarray(inputs))
            size, difference = float(np.abs(ours).max()), float(np.abs(ours - theirs).max())
            found.append(Comparison(words, len(inputs), inputs.shape[1], size, difference))
    return found


def _onnx(model: Any, inputs: np.ndarray, path: Path) -> Program:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise export.missing("onnx", error) from None
    export.onnx(model, inputs, path, axes=AXES)
    session = onnxruntime.InferenceSession(path)
    return lambda xs: session.run(None, {"xs": xs})[0]


FORMS: dict[str, Callable[[Any, np.ndarray, Path], Program]] = {"onnx": _onnx}
