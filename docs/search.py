"""The search of the Chinese pages: text is taken as pairs of neighbouring characters, when the site is built and when a reader asks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sphinx.search.en import SearchEnglish

if TYPE_CHECKING:
    from sphinx.application import Sphinx

RUNS = re.compile(r"[\u4e00-\u9fff]+|[^\W\u4e00-\u9fff]+")
SPLIT_QUERY = """
function splitQuery(query) {
  const found = [];
  for (const run of query.match(/[\\u4e00-\\u9fff]+|[^\\u4e00-\\u9fff\\s\\p{Punctuation}]+/gu) ?? []) {
    const pairs = /[\\u4e00-\\u9fff]/.test(run) && run.length > 1;
    if (pairs) for (let i = 0; i + 1 < run.length; i++) found.push(run.slice(i, i + 2));
    else found.push(run);
  }
  return found;
}
"""


def words(text: str) -> list[str]:
    """The words that are in the index: pairs of Chinese characters, and the words of other scripts."""
    found: list[str] = []
    for run in RUNS.findall(text):
        pairs = "\u4e00" <= run[0] <= "\u9fff" and len(run) > 1
        found += [run[i : i + 2] for i in range(len(run) - 1)] if pairs else [run]
    return found


class SearchChinese(SearchEnglish):
    """Pairs of characters need no dictionary, and a reader's words are found whatever a dictionary would take for words."""

    lang = "zh"
    js_splitter_code = SPLIT_QUERY

    def split(self, input: str) -> list[str]:
        return words(input)


def setup(app: Sphinx) -> None:
    app.add_search_language(SearchChinese)
