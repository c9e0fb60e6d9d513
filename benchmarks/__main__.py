"""`python -m benchmarks`: everything, or a part of it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from . import contestants, report, steps
from .work import WORKS


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser("benchmarks", description="minigrad beside its peers, on the same weights and data.")
    p.add_argument("--work", default=",".join(WORKS), help="of " + ", ".join(WORKS))
    p.add_argument("--peers", default=",".join(contestants.PEERS), help="of " + ", ".join(list(contestants.ENGINES)[1:]))
    p.add_argument("--rounds", type=int, default=12)
    p.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    p.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder of results.json and the plots")
    p.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    return p.parse_args()


def main() -> None:
    chosen = arguments()
    works = chosen.work.split(",")
    peers = chosen.peers.split(",")
    results: dict[str, Any] = {}
    results["steps"] = steps.run([w for name in works for w in WORKS[name]], peers, chosen.rounds, chosen.quick)
    report.show(results)
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "results.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
