"""The site's table of bridges: every primitive has a rule or a named refusal in each of them, in both languages."""

from __future__ import annotations

import pytest

pytest.importorskip("jax")
pytest.importorskip("onnx")

from docs import bridges
from docs.languages import LANGUAGES
from minigrad.export.jax import rules as to_jax
from minigrad.export.onnx_model import RULES, writer
from minigrad.export.refusal import Refusal
from minigrad.table import TABLE


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_primitive_has_a_rule_or_a_refusal_in_every_bridge(language: str) -> None:
    found = list(bridges.rows(language))
    assert [name for name, *_ in found] == sorted(TABLE)
    assert all(cells and all(cells) for _, *cells in found)
    assert bridges.WORDS[language].keys() == bridges.WORDS["en"].keys()
    page = "\n".join(bridges.page(language))
    for refusal in (*to_jax.REFUSALS.values(), *writer.REFUSALS.values()):
        assert bridges.escaped(refusal.why) in page


def test_what_is_refused_is_a_primitive_with_a_rule_that_refuses_it() -> None:
    assert writer.REFUSALS.keys() <= RULES.keys() == TABLE.keys()
    assert to_jax.REFUSALS.keys() <= to_jax.RULES.keys() == TABLE.keys()
    assert all(isinstance(r, Refusal) and r.why and r.fix for r in (*writer.REFUSALS.values(), *to_jax.REFUSALS.values()))


def test_a_primitive_without_a_rule_is_found() -> None:
    with pytest.raises(KeyError, match="new"):
        bridges.cell("new", RULES, writer.REFUSALS, bridges.WORDS["en"])


def test_jax_has_primitives_that_are_read_and_others_that_are_refused() -> None:
    read, refused = bridges.from_jax()
    assert {"dot_general", "scan", "custom_jvp_call"} <= set(read)
    assert {"fft", "cholesky"} <= set(refused)
