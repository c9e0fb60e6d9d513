"""The pages about other libraries run, block by block."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGES = {"pytorch": "torch"}  # page: the library that it is about


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(PAGES[page])
    text = (Path(__file__).parents[2] / "docs" / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) > 1
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINIGRAD_JIT", "0")  # that compiled programs agree, other tests say
    names: dict[str, Any] = {}
    for number, block in enumerate(blocks):
        exec(compile(block, f"{page}.md, block {number}", "exec"), names)
