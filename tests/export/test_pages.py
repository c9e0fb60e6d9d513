"""The pages about other libraries run, block by block; of loggers, which are not installed, the calls are recorded."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from shares import swept

# {page: the libraries that it is about}
PAGES = {
    "pytorch": ["torch"],
    "jax": ["jax"],
    "onnx": ["onnx", "onnxruntime"],
    "logs": ["pandas"],
    "numba": ["numba"],
    "draw": ["jax", "torch"],
}
LOGGERS = ["wandb", "mlflow"]


class Recorder(ModuleType):
    """A module of a logger: every function of it gives the module again."""

    def __init__(self, name: str):
        super().__init__(name)
        self.calls: list[tuple[str, Any, Any]] = []

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


def run(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in PAGES[page]:
        pytest.importorskip(library)
    text = (Path(__file__).parents[2] / "docs" / "en" / "howto" / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) > 1
    monkeypatch.chdir(folder)
    if page != "numba":  # which is about compiled programs; that they agree, other tests say
        monkeypatch.setenv("MINIGRAD_JIT", "0")
    names: dict[str, Any] = {}
    for number, block in enumerate(blocks):
        exec(compile(block, f"{page}.md, block {number}", "exec"), names)


@pytest.mark.parametrize("page", ["onnx", "pytorch", "draw", swept("jax"), swept("numba")])  # XLA and numba compile for long
def test_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(page, tmp_path, monkeypatch)


def test_the_page_about_logs_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorders = [Recorder(name) for name in LOGGERS]
    for recorder in recorders:
        monkeypatch.setitem(sys.modules, recorder.__name__, recorder)
    run("logs", tmp_path, monkeypatch)
    assert len(list((tmp_path / "runs" / "c").glob("events.out.tfevents.*"))) == 1
    wandb, mlflow = ([(args[0], kwargs["step"]) for name, args, kwargs in r.calls if name in ("log", "log_metrics")] for r in recorders)
    assert [step for _, step in wandb] == [step for _, step in mlflow] == [10, 20, 20, 30, 40, 40, 50, 60, 60]
    assert "evaluation.error" in wandb[1][0] | wandb[2][0]
    assert all(isinstance(v, float) for numbers, _ in mlflow for v in numbers.values())
