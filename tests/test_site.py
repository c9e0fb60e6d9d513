"""What the site is made with: docstrings become pages, links are checked, the other language is found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import docstrings, languages, links


def test_rows_of_a_name_and_its_text_become_definitions() -> None:
    lines = ["gates   i, f = σ(·)", "cell    c_t = f ⊙ c", "        and more   eq. 3"]
    found = list(docstrings.converted(lines))
    assert found == ["gates", "    i, f = σ(·)", "", "cell", "    c\\_t = f ⊙ c and more\u2003eq. 3", ""]


def test_signs_of_the_markup_mean_nothing_but_in_code() -> None:
    assert docstrings.escaped("|x| of h_t, *xs and `mg.scan`") == "\\|x\\| of h\\_t, \\*xs and ``mg.scan``"


def test_other_blocks_stay_as_they_are() -> None:
    assert list(docstrings.converted(["    peter opened the door"])) == ["::", "", "        peter opened the door", ""]


PAGE = '<html><body><h1 id="here">x</h1>{}</body></html>'


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<a href="other.html#there">x</a><a href="#here">x</a><a href="https://onnx.ai">x</a>', None),
        ('<a href="missing.html">x</a>', "no such file"),
        ('<a href="other.html#nowhere">x</a>', "no such place"),
        ('<script src="https://cdn.example/x.js"></script>', "another host"),
        ('<img src="missing.png">', "no such file"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(body: str, problem: str | None, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE.format(body), encoding="utf-8")
    (tmp_path / "other.html").write_text('<p id="there">x</p>', encoding="utf-8")
    found = list(links.problems(tmp_path))
    assert len(found) == (problem is not None)
    assert all(str(problem) in sentence for sentence in found)


PAGES = Path(__file__).parents[1] / "docs"


def test_a_page_in_chinese_has_a_place_for_each_block_of_code_of_the_english_one() -> None:
    for page in PAGES.glob("zh/*/*.md"):
        original = PAGES / "en" / page.relative_to(PAGES / "zh")
        text, english = page.read_text(encoding="utf-8"), original.read_text(encoding="utf-8")
        found = languages.with_code(text, english)
        assert languages.BLOCK.findall(found) == languages.BLOCK.findall(english)


def test_a_block_of_code_without_a_place_is_refused() -> None:
    assert languages.with_code("页\n<!-- code -->\n", "page\n```python\nx = 1\n```\n") == "页\n```python\nx = 1\n```\n"
    with pytest.raises(ValueError, match="0 places for 1 blocks"):
        languages.with_code("页\n", "```python\nx = 1\n```\n")


CHAPTERS = sorted((Path(__file__).parents[1] / "examples" / "chapters").glob("[0-9]_*.py"))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_says_everything_in_both_languages_and_ends_with_three_exercises(chapter: Path) -> None:
    heads = [line for line in chapter.read_text(encoding="utf-8").splitlines() if line.startswith("# %%")]
    prose = [line for line in heads if "[markdown]" in line]
    assert prose == ['# %% [markdown] lang="en"', '# %% [markdown] lang="zh"'] * (len(prose) // 2)
    assert all(("en=" in line) == ("zh=" in line) for line in heads)
    assert [line for line in heads if "hide-cell" in line] == ['# %% tags=["hide-cell"]'] * 3


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_chinese_prose_has_chinese_quotation_marks(chapter: Path) -> None:
    cells = re.findall(r'# %% \[markdown\] lang="zh"\nr?"""(.*?)"""', chapter.read_text(encoding="utf-8"), re.DOTALL)
    assert cells
    assert [line for cell in cells for line in re.sub(r"`[^`]*`|\$[^$]*\$", "", cell).splitlines() if '"' in line] == []
