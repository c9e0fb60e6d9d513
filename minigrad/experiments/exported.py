"""The model of a run as a file for other programs, and that file's outputs beside the model's on fresh sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import export, io
from ..errors import SettingError
from ..models import RNN, torch_layout
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


class Form(NamedTuple):
    """A form of file: the ending of its name, what it is, and (model, inputs, path) -> the file, written and read again."""

    ending: str
    words: str
    write: Callable[[Any, np.ndarray, Path], Program]


def write(experiment: Experiment, model: Any, path: Path, form: str) -> Program:
    """Write the model in a form of FORMS, for any lengths and batches; the file, read again. Raises SettingError."""
    inputs, _, _ = experiment.batch(experiment.keys.evaluation, START, 2)
    try:
        return form_of(form).write(model, np.asarray(inputs), path)
    except ImportError as error:
        raise SettingError(str(error)) from None


def form_of(name: str) -> Form:
    if name not in FORMS:
        raise SettingError(f"{name!r} is no form that a model is exported to: take {', '.join(FORMS)}")
    return FORMS[name]


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


@contextmanager
def _needs(extra: str) -> Iterator[None]:
    """A library that is not installed as an error that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise export.missing(extra, error) from None


def _onnx(model: Any, inputs: np.ndarray, path: Path) -> Program:
    with _needs("onnx"):
        import onnxruntime
    export.onnx(model, inputs, path, axes=AXES)
    session = onnxruntime.InferenceSession(path)
    return lambda xs: session.run(None, {"xs": xs})[0]


def _jax(model: Any, inputs: np.ndarray, path: Path) -> Program:
    with _needs("jax"):
        import jax
    export.jax.save(path, model, inputs, axes=AXES)
    program = jax.export.deserialize(bytearray(path.read_bytes()))
    return lambda xs: np.asarray(program.call(xs))


def _torch(model: Any, inputs: np.ndarray, path: Path) -> Program:
    """The state dict of PyTorch's own layer, and that of the readout, nn.Linear, as readout.weight and readout.bias."""
    with _needs("torch"):
        import torch
    try:
        io.save(path, torch_layout.to_torch(model))
    except (TypeError, ValueError) as error:
        fix = "Take --to onnx; in a program with minigrad, mg.export.torch.module(model)"
        raise SettingError(f"{type(model).__name__} as a state dict: {error}. {fix}") from None
    weights = {name: torch.from_numpy(np.array(value)) for name, value in io.load(path)[0].items()}
    layer = _layer(torch.nn, model)
    layer.load_state_dict({k: v for k, v in weights.items() if not k.startswith("readout")})

    def program(xs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return torch.nn.functional.linear(layer(torch.from_numpy(xs))[0], weights["readout.weight"], weights["readout.bias"]).numpy()

    return program


def _layer(nn: Any, model: Any) -> Any:
    """PyTorch's layer of a model's sizes."""
    layers = getattr(model, "layers", (model,))
    first = layers[0]
    more = {"nonlinearity": first.activation} if isinstance(first, RNN) else {}
    if getattr(first, "projection", None) is not None:
        more["proj_size"] = first.projection.shape[1]
    return getattr(nn, type(first).__name__)(first.inputs, first.hidden, len(layers), **more)


FORMS = {
    "onnx": Form("onnx", "for onnxruntime and others", _onnx),
    "jax": Form("jax", "of jax.export, for CPUs, GPUs and TPUs", _jax),
    "torch": Form("safetensors", "a state dict for PyTorch's own layer", _torch),
}
