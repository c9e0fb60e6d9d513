"""The pages of the reference that are made from the code: public names, models, tasks, commands, all in English alone, and bridges."""

from __future__ import annotations

import importlib
import inspect
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minigrad.experiments import MODELS, TASKS, Config, Experiment
from minigrad.experiments.config import Setting, model_settings, run_settings, task_settings

from . import bridges
from .docstrings import converted, escaped

PAGES = {  # {page: [(heading, module, its names, or the module that has them; None: all its own)]}
    "tensors": [
        ("Tensors, programs", "minigrad", "Tensor tensor parameter buffer Module trace jit kernel scope Graph Node Primitive"),
        ("Gradients", "minigrad", "grad value_and_grad vjp jvp hvp jacobian hessian vmap no_grad checkpoint custom_vjp"),
        ("Loops", "minigrad", "scan while_loop cond unroll reroll native_loops CompileWarning"),
    ],
    "functions": [("Functions of arrays", "minigrad", "minigrad.ops"), ("Functions of networks", "minigrad", "minigrad.functional")],
    "library": [
        ("Trees", "minigrad.tree", None), ("Random numbers", "minigrad.random", None), ("Initial weights", "minigrad.init", None),
        ("Optimisers and learning rates", "minigrad.optim", None), ("Files", "minigrad.io", None), ("Errors", "minigrad.errors", None),
        ("Training", "minigrad.train", None), ("Runs", "minigrad.experiments", None),
    ],
    "models-api": [("Models", "minigrad.models", None)],
    "viz": [("Drawings", "minigrad.viz", None)],
    "testing": [("Testing", "minigrad.testing", None)],
    "export-api": [
        ("Bridges", "minigrad.export", "TensorBoard"), ("PyTorch", "minigrad.export.torch", "function module Wrapped graph leaves notes"),
        ("JAX", "minigrad.export.jax", None), ("ONNX", "minigrad.export.onnx_model", "onnx"), ("numba", "minigrad.export.numba", None),
    ],
}  # fmt: skip


def public(module: Any) -> list[str]:
    """The names in __all__, or those of the functions and classes that are the module's own; neither modules nor other names of a class."""
    own = [n for n, v in vars(module).items() if not n.startswith("_") and getattr(v, "__module__", "") == module.__name__]
    found = {n: getattr(module, n) for n in sorted(getattr(module, "__all__", own))}
    return [n for n, v in found.items() if not isinstance(v, types.ModuleType) and not (inspect.isclass(v) and v.__name__ != n)]


def chosen(module: Any, names: str | None) -> list[str]:
    """The names of a part of PAGES."""
    if names is None:
        return public(module)
    return public(importlib.import_module(names)) if names.startswith("minigrad.") else names.split()


def entry(module: Any, name: str) -> list[str]:
    """The directive that documents one name."""
    found = getattr(module, name)
    if inspect.isclass(found):
        fields = hasattr(found, "_fields")  # of a NamedTuple: the docstring says what they are
        return [f".. autoclass:: {module.__name__}.{name}", *([] if fields else ["   :members:"]), ""]
    kind = "autofunction" if callable(found) else "autodata"
    return [f".. {kind}:: {module.__name__}.{name}", ""]


def titled(text: str, line: str) -> list[str]:
    return [text, line * 2 * len(text), ""]


def api(parts: list[tuple[str, str, str | None]]) -> Iterator[str]:
    """A page of names, each with its docstring."""
    for heading, path, names in parts:
        module = importlib.import_module(path)
        yield from titled(heading, "=")
        if names is None:
            yield from converted(inspect.getdoc(module).splitlines())
        for name in chosen(module, names):
            yield from entry(module, name)


def settings(known: dict[str, Setting]) -> Iterator[str]:
    """A table of settings, as the command line takes them."""
    if not known:
        return
    yield from (".. list-table::", "   :header-rows: 1", "   :widths: 20 25 55", "", "   * - setting", "     - default", "     -")
    for name, setting in known.items():
        shown = setting.show(setting.read(setting.default))
        yield from (
            f"   * - ``--{name.replace('_', '-')}``",
            f"     - {f'``{shown}``' if shown else '–'}",
            f"     - {escaped(setting.help)}",
        )
    yield ""


def models() -> Iterator[str]:
    yield from titled("Every model", "=")
    yield from ("The names that ``minigrad train TASK --model NAME`` takes, their equations and their settings.", "")
    for name, build in MODELS.items():
        found = type(build(0, 4, 2))
        yield from titled(name, "-")
        yield from (f":class:`minigrad.models.{found.__name__}`", "")
        yield from converted(inspect.getdoc(found).splitlines())
        yield from settings(model_settings(name))


def tasks() -> Iterator[str]:
    yield from titled("Every task", "=")
    yield from ("The names that ``minigrad train NAME`` takes: how a sequence is made, what guessing costs, and what is best.", "")
    for name, task in TASKS.items():
        experiment = Experiment(Config.of(name))
        first, beside = experiment.measures[experiment.headline], experiment.baselines()
        yield from titled(name, "-")
        yield from converted(inspect.getdoc(task).splitlines())
        yield from (
            f"With its usual settings guessing gives {first.show(beside['chance'])}, the optimum is {first.show(beside['optimum'])}.",
            "",
        )
        yield from settings(task_settings(name))
    yield from titled("The run", "-")
    yield from ("Every run has these settings, too.", "")
    yield from settings(run_settings())


def commands() -> Iterator[str]:
    from typer.main import get_command

    from minigrad.cli import app

    yield from titled("Every command", "=")
    for name, command in sorted(get_command(app).commands.items()):
        yield from titled(f"minigrad {name}", "-")
        yield from converted((command.help or "").splitlines())
        for p in command.params:
            if not getattr(p, "hidden", False) and p.name != "help":
                shown = p.metavar or p.human_readable_name if p.param_type_name == "argument" else ", ".join(p.opts + p.secondary_opts)
                yield from (f"``{shown}``", f"    {escaped(getattr(p, 'help', None) or '')}", "")
    yield from (
        "``minigrad train`` and ``minigrad train TASK --help`` list the settings, which :doc:`tasks` and :doc:`models` have as well.",
        "",
    )


def write(folder: Path, language: str) -> None:
    """Write the pages of a language into a folder."""
    (folder / "bridges.rst").write_text("\n".join(bridges.page(language)) + "\n", encoding="utf-8")
    if language != "en":
        return
    made = {**{name: api(parts) for name, parts in PAGES.items()}, "models": models(), "tasks": tasks(), "commands": commands()}
    for name, lines in made.items():
        (folder / f"{name}.rst").write_text("\n".join(lines) + "\n", encoding="utf-8")
