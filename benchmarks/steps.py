"""The main table: one training step of each work."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import minigrad as mg

from .console import say
from .contestants import agreement, first_weights, make
from .machine import products
from .timing import TURN, interleaved
from .work import Contestant, Skip, Work, smaller

Row = dict[str, Any]


def run(works: Sequence[Work], peers: Sequence[str], rounds: int, quick: bool) -> list[Row]:
    return [measure(smaller(w), peers, 2, 0.01) if quick else measure(w, peers, rounds) for w in works]


def measure(work: Work, peers: Sequence[str], rounds: int, turn: float = TURN) -> Row:
    """Times of all who agree; the others with the reason why they have none."""
    say(f"[bold]{work.name}")
    found, row = assemble(work, peers)
    for name, t in interleaved(found, rounds, turn).items():
        low, high = t.spread
        row["times"][name] = {"median": t.median, "p10": low, "p90": high, "rounds": t.rounds}
        say(f"  {name:14} {1e3 * t.median:9.3f} ms   [{1e3 * low:.3f} – {1e3 * high:.3f}]")
    return row


def assemble(work: Work, peers: Sequence[str]) -> tuple[dict[str, Contestant], Row]:
    """The contestants that compute what minigrad computes, and the row so far."""
    row: Row = {"work": work.name, "kind": work.kind, "bar": work.bar, "flop": products(work), "agreement": {}, "without": {}, "times": {}}
    weights = first_weights(work)
    ours = make("minigrad", work, weights)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", mg.CompileWarning)
        expected = ours.value_and_grad()
    row["interpreted"] = next((str(w.message) for w in caught if issubclass(w.category, mg.CompileWarning)), "")
    if row["interpreted"]:
        say(f"  [yellow]{row['interpreted']}")
    found = {"minigrad": ours}
    for name in peers:
        try:
            peer = make(name, work, weights)
            close = agreement(expected, peer.value_and_grad())
        except Skip as reason:
            row["without"][name] = str(reason)
            continue
        except Exception as problem:  # a peer that breaks is reported, not fatal
            row["without"][name] = f"{type(problem).__name__}: {problem}"[:300]
            say(f"  [red]{name} fails: {row['without'][name]}")
            continue
        row["agreement"][name] = {"loss": close.loss, "gradient": close.gradient, "worst": close.worst}
        say(f"  {name:14} {'agrees' if close.holds else '[red]DISAGREES, not timed[/]'}: {close}")
        if close.holds:
            found[name] = peer
        else:
            row["without"][name] = f"disagrees: {close}"
    return found, row
