"""The pages of docs/how-to run, block after block; of loggers that are not installed the calls are recorded."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PAGES = Path(__file__).parent.parent / "docs" / "how-to"
NEEDS = {"onnx": ["onnx", "onnxruntime"], "logs": ["pandas"]}


class Recorder(ModuleType):
    """A module of a logger: every function of it, and what that gives, is the module again."""

    def __init__(self, name: str):
        super().__init__(name)
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def called(*args: Any, **kwargs: Any) -> Recorder:
            self.calls.append((name, args, kwargs))
            return self

        return called

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *problem: object) -> None: ...


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (PAGES / f"{page}.md").read_text("utf-8"), re.DOTALL)


def test_every_page_is_run():
    assert {p.stem for p in PAGES.glob("*.md")} == set(NEEDS)


def test_onnx(tmp_path, monkeypatch):
    for library in NEEDS["onnx"]:
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for number, block in enumerate(blocks("onnx")):
        exec(compile(block, f"onnx.md block {number}", "exec"), names)
    assert {"model.onnx", "listen.onnx", "step.onnx"} == {p.name for p in tmp_path.iterdir()}


def test_logs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    loggers = {name: Recorder(name) for name in ("wandb", "mlflow")}
    for name, module in loggers.items():
        monkeypatch.setitem(sys.modules, name, module)
    names: dict[str, Any] = {}
    for number, block in enumerate(blocks("logs")):
        exec(compile(block, f"logs.md block {number}", "exec"), names)
        if "fit(report=mg" in block:
            assert len(list(Path("runs/line").glob("events.out.tfevents.*"))) == 2
        if "fit(" in block.replace("def fit(", ""):
            shutil.rmtree("runs")
    logged = [args[0] for name, args, _ in loggers["wandb"].calls if name == "log"]
    assert [e["step"] for e in logged] == [10, 20, 20, 30, 40, 40, 50, 60, 60]
    assert all(isinstance(v, float) for name, args, _ in loggers["mlflow"].calls if name == "log_metrics" for v in args[0].values())
    assert "'lr': 0.1" in capsys.readouterr().out
