"""GradBench's times as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .. import machine
from ..report import BEGIN, END, Sheet, verdict
from .session import COMPILED, OURS, Row

README = Path(__file__).parent / "README.md"
FUTHARK = 26 / 125  # of the time of the C++ written by hand, for the gradient of the LSTM, in GradBench's own table
CPP, PLACE, PEERS = 0.5, 2.0, 1.0  # bars: the other's time ÷ minigrad's


def line(row: Row) -> str:
    times = ", ".join(f"{name} {t / 1e6:.4g}" for name, t in row.times.items())
    left = "".join(f"; without {name}: {why.strip().splitlines()[-1]}" for name, why in row.without.items())
    return f"{row.module} {row.function} {row.workload}, {row.threads} threads: {times} ms{'' if row.valid else ', NOT VALID'}{left}"


def number(value: float, digits: int = 4) -> str:
    """So many digits, without an exponent of ten."""
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.0f}" if rounded >= 1000 else f"{rounded:g}"


def ratio(row: Row, tool: str) -> float:
    return row.times[tool] / row.times[OURS]


def tools(rows: Sequence[Row]) -> list[str]:
    return [name for name in dict.fromkeys(name for row in rows for name in row.times) if name != OURS]


def score_sheet(rows: Sequence[Row], threads: int) -> Sheet:
    """A line an eval. GradBench's score is the sum of all its times."""
    others, body = tools(rows), []
    for module in dict.fromkeys(row.module for row in rows):
        own = [row for row in rows if row.module == module]
        cells = []
        for name in others:
            shared = [row for row in own if name in row.times]
            if not shared:
                cells.append("–")
                continue
            whole = sum(row.times[name] for row in shared) / sum(row.times[OURS] for row in shared)
            each = sorted(ratio(row, name) for row in shared)
            left = len(own) - len(shared)
            cells.append(f"{number(whole, 3)} [{number(each[0], 2)}–{number(each[-1], 3)}]" + (f", without {left}" if left else ""))
        valid = sum(row.valid for row in own)
        body.append([module, f"{valid} of {len(own)}", number(sum(row.times[OURS] for row in own) / 1e6), *cells])
    note = "The sum of the times of all workloads, as GradBench scores: minigrad's in milliseconds, then the others' ÷ minigrad's, "
    note += "with the least and the greatest ratio of one workload. Without: workloads that the other fails, or takes too long for."
    return Sheet(f"Scores, {threads} thread{'s' * (threads > 1)}", ["eval", "valid", OURS, *(f"{n} ÷" for n in others)], body, note)


def lstm_sheet(rows: Sequence[Row], threads: int) -> Sheet:
    body = []
    for row in rows:
        if row.module == "lstm" and row.function == "jacobian" and "manual" in row.times:
            place = FUTHARK * ratio(row, "manual")
            others = [number(row.times[name] / 1e6) if name in row.times else "–" for name in ("manual", "jax", "pytorch")]
            body.append([row.workload, number(row.times[OURS] / 1e6), *others, f"{place:.3g}", verdict(place >= PLACE)])
    head = ["gradient of lstm", OURS, "manual", "jax", "pytorch", "Futhark's place ÷", f"≥ {PLACE:g}"]
    return Sheet(f"LSTM, {threads} thread{'s' * (threads > 1)}", head, body, f"Milliseconds. Futhark's place is {FUTHARK:.2f} of manual.")


def missed(row: Row) -> list[str]:
    """The tools whose bar this workload misses."""
    return [name for name in row.times if name != OURS and ratio(row, name) < (CPP if name in COMPILED else PEERS)]


def missed_sheet(rows: Sequence[Row], threads: int) -> Sheet:
    """A line for each workload and tool; where several inputs have one name, the worst of them."""
    worst: dict[tuple[str, str], Row] = {}
    for row in rows:
        for name in missed(row):
            key = (f"{row.module} {row.function} {row.workload}".strip(), name)
            if key not in worst or ratio(row, name) < ratio(worst[key], name):
                worst[key] = row
    body = [
        [workload, number(row.times[OURS] / 1e3), f"{name} {number(row.times[name] / 1e3)}", f"{ratio(row, name):.2g}"]
        for (workload, name), row in worst.items()
    ]
    note = f"Of {len(rows)} workloads. Microseconds. The bars: half the time of C++, and the times of the others."
    return Sheet(f"Bars missed, {threads} thread{'s' * (threads > 1)}", ["workload", OURS, "other", "÷"], body, note)


def sheets(rows: Sequence[Row]) -> list[Sheet]:
    counts = dict.fromkeys(row.threads for row in rows)
    return [make([r for r in rows if r.threads == n], n) for n in counts for make in (score_sheet, lstm_sheet, missed_sheet)]


def show(rows: Sequence[Row]) -> None:
    for sheet in sheets(rows):
        sheet.show()


def write(rows: Sequence[Row]) -> None:
    text = README.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    found = machine.run()
    head = f"{found['cpu']}, {found['cores']} cores; minigrad, " + ", ".join(f"{k} {v}" for k, v in found["packages"].items() if k != OURS)
    tables = "\n".join(sheet.markdown() for sheet in sheets(rows))
    README.write_text(f"{before}{BEGIN}\n\n{head}.\n\n{tables}\n{END}{after}")
