"""`python -m benchmarks`: everything, or a part of it."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .work import ENGINES, WORKS

PARTS = ["eager", "loops", "calls", "steps", "bridges", "fresh", "depth", "growth", "large", "written out"]


def names(among: list[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        found = [n for n in text.split(",") if n]
        unknown = sorted(set(found) - set(among))
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)} unknown: take some of {', '.join(among)}")
        return found

    return parse


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser("benchmarks", description="minigrad beside its peers, on the same weights and data.")
    known = list(ENGINES)[1:]
    p.add_argument("--parts", type=names(PARTS), default=PARTS, help="of " + ", ".join(PARTS))
    p.add_argument("--work", type=names(list(WORKS)), default=list(WORKS), help="training steps of " + ", ".join(WORKS))
    p.add_argument("--peers", type=names(known), default=known, help="of " + ", ".join(known))
    p.add_argument("--rounds", type=int, default=12, help="turns that each contestant has at each work")
    p.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs: the numbers mean nothing")
    p.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of results.json and the plots")
    p.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    chosen = p.parse_args()
    if chosen.write and chosen.quick:
        p.error("--quick gives no numbers to --write down")
    return chosen


def measure(chosen: argparse.Namespace) -> dict[str, Any]:
    """All parts that were asked for, each stored as soon as it is there."""
    from . import bridges, calls, eager, fresh, growth, large, machine, steps, written_out

    works = [w for name in chosen.work for w in WORKS[name]]
    parts: dict[str, Callable[[], Any]] = {
        "machine": machine.run,
        "eager": lambda: eager.run(chosen.quick),
        "loops": lambda: eager.loops(chosen.quick),
        "calls": lambda: calls.run(chosen.quick),
        "steps": lambda: steps.run(works, chosen.peers, chosen.rounds, chosen.quick),
        "bridges": lambda: bridges.run(chosen.rounds, chosen.quick),
        "fresh": lambda: fresh.run(chosen.peers, chosen.quick),
        "depth": lambda: fresh.depths(chosen.peers, chosen.quick),
        "written out": lambda: written_out.run(chosen.peers, chosen.quick),
        "growth": lambda: growth.run([p for p in chosen.peers if p in ("jax", "torch")], chosen.quick),
        "large": lambda: large.run([p for p in chosen.peers if p in ("jax", "torch.nn")], chosen.quick),
    }
    results: dict[str, Any] = {}
    for name in ("machine", *chosen.parts):
        results[name] = parts[name]()
        (chosen.out / "results.json").write_text(json.dumps(results, indent=1))
    return results


def main() -> None:
    chosen = arguments()
    if chosen.quick:
        os.environ["OMP_NUM_THREADS"] = "1"  # PyTorch's two threads wait for each other for seconds on a busy machine
    chosen.out.mkdir(parents=True, exist_ok=True)
    results = measure(chosen)
    from . import plots, report

    report.show(results)
    drawn = plots.draw(results, chosen.out.resolve())
    if chosen.write:
        report.write(results, drawn)


if __name__ == "__main__":
    main()
