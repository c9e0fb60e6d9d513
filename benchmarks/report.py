"""Results as tables, on the screen and in README.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from .bridges import OVERHEAD, SPEEDUP
from .console import console

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
Results = dict[str, Any]


@dataclass
class Sheet:
    title: str
    head: list[str]
    body: list[list[str]]
    note: str = ""

    def markdown(self) -> str:
        lines = [self.head, ["---", *["---:"] * (len(self.head) - 1)], *self.body]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"### {self.title}\n\n{table}\n" + (f"\n{self.note}\n" if self.note else "")

    def show(self) -> None:
        table = Table(title=self.title, caption=self.note or None, title_justify="left", caption_justify="left")
        for i, name in enumerate(self.head):
            table.add_column(name, justify="right" if i else "left", overflow="fold")
        for line in self.body:
            table.add_row(*line)
        console.print(table)


def verdict(ok: bool) -> str:
    return "yes" if ok else "**no**"


def ms(t: dict[str, Any]) -> str:
    return f"{1e3 * t['median']:.3g} [{1e3 * t['p10']:.3g}–{1e3 * t['p90']:.3g}]"


def best_peer(times: dict[str, float]) -> tuple[str, float] | None:
    """The fastest of the others, and how many times longer it takes than minigrad."""
    others = {k: t for k, t in times.items() if k != "minigrad"}
    if not others:
        return None
    name = min(others, key=lambda k: others[k])
    return name, others[name] / times["minigrad"]


def step_sheet(rows: Sequence[dict[str, Any]]) -> Sheet:
    names = list(dict.fromkeys(name for row in rows for name in row["times"]))
    body, worst = [], 0.0
    for row in rows:
        best = best_peer({k: t["median"] for k, t in row["times"].items()})
        ratio, met = (f"{best[1]:.2f}", verdict(best[1] >= row["bar"])) if best else ("–", "–")
        rate = f"{row['flop'] / row['times']['minigrad']['median'] / 1e9:.1f}" if row["flop"] else "–"
        times = [ms(row["times"][n]) if n in row["times"] else "–" for n in names]
        body.append([row["work"] + (" (interpreted!)" if row["interpreted"] else ""), *times, ratio, f"≥ {row['bar']:g}", met, rate])
        worst = max([worst, *(max(a["loss"], a["gradient"]) for name, a in row["agreement"].items() if name in row["times"])])
    left: dict[str, list[str]] = {}
    for row in rows:
        for name, why in row["without"].items():
            if not why.startswith("no "):  # that a peer has no such model, its dash says
                left.setdefault(f"{name}: {why}", []).append(row["work"])
    some = [f"{why} ({len(works)} of {len(rows)} works)" for why, works in left.items()]
    note = "Milliseconds, median [10 % – 90 %] of all steps. Losses and gradients of those who are timed agree with minigrad's "
    note += f"within {worst:.0e} of the largest entry." + (" Left out: " + "; ".join(some) + "." if some else "")
    return Sheet("One training step", ["work", *names, "best peer ÷ minigrad", "bar", "met", "minigrad's GFLOP/s"], body, note)


def bridge_sheet(rows: Sequence[dict[str, Any]]) -> Sheet:
    body = []
    for row in rows:
        own, inside, torch = (row["times"].get(name) for name in ("minigrad", "minigrad in torch", "torch"))
        if own and inside and torch:
            overhead, speedup = inside["median"] / own["median"], torch["median"] / inside["median"]
            met = verdict(overhead <= OVERHEAD and speedup >= SPEEDUP)
            bars = [f"{overhead:.2f} (≤ {OVERHEAD:g})", f"{speedup:.2f} (≥ {SPEEDUP:g})", met]
            body.append([row["work"], ms(own), ms(inside), ms(torch), *bars])
    head = ["work", "minigrad's own step", "minigrad in PyTorch", "PyTorch", "÷ own step (bar)", "PyTorch ÷ it (bar)", "met"]
    return Sheet("A training step inside a PyTorch program", head, body, "PyTorch's loss, backward and Adam around minigrad's programs.")


def fresh_sheet(found: Results) -> Sheet:
    engines = list(found["cold"])
    mega = 2**20

    def line(title: str, part: str, key: str, form: str, scale: float, bar: str, ratio: float) -> list[str]:
        values = {e: found[part][e][key] / scale for e in engines}
        met = verdict(values["jax"] / max(values["minigrad"], 1e-9) >= ratio) if "jax" in values else "–"
        return [title, *(format(values[e], form) for e in engines), bar, met]

    body = [
        line("cold compile, s", "cold", "compile", ".2f", 1, "≤ JAX", 1),
        line("process start to first finished step, nothing cached, s", "cold", "first_done", ".2f", 1, "", 0),
        line("the same, caches full, s", "warm", "first_done", ".2f", 1, "≤ 2 s, < JAX", 1),
        line("100 steps of random lengths 1–20, nothing cached, s", "lengths", "total", ".2f", 1, "≥ 10× less than JAX", 10),
        line("… programs compiled", "lengths", "compilations", ".0f", 1, "", 0),
        line("T = 100, B = 16: working memory of the step, MB", "peak", "working", ".1f", mega, "≤ JAX", 1),
        line("… peak resident memory, MB", "peak", "rss_peak", ".0f", mega, "≤ JAX", 1),
        line("… of that since before the first step, MB", "peak", "rss_growth", ".0f", mega, "≤ JAX", 1),
    ]  # fmt: skip
    if found["warm"]["minigrad"]["first_done"] > 2:
        body[2][-1] = verdict(False)
    for row in body:
        row[-1] = row[-1] if row[-2] else ""
    note = "Fresh processes. PyTorch runs eagerly: it compiles nothing, and its working memory is what autograd saves. Peaks are with "
    note += "compiled code from the cache, so that no compiler's own memory is in them."
    return Sheet("NTM: start, lengths, memory", ["", *engines, "bar", "met"], body, note)


def depth_sheet(found: Results) -> Sheet:
    engines = list(next(iter(found.values())))
    body = []
    for name, cells in found.items():
        times = {e: cells[e]["compile"] for e in engines}
        met = verdict(times["minigrad"] <= times["jax"]) if "jax" in times else "–"
        body.append([name, *(f"{times[e]:.2f}" for e in engines), "≤ JAX", met])
    note = "Seconds of the first training step beyond a later one, in fresh processes with nothing cached, matrix products included."
    return Sheet("Compiling layers", ["", *engines, "bar", "met"], body, note)


def growth_sheet(found: Results) -> Sheet:
    engines = list(next(iter(found["times"].values()))["seconds"])
    body = []
    for axis, sweep in found["times"].items():
        sizes = list(sweep["seconds"]["minigrad"])
        powers = [f"{sweep['exponent'][e]:.2f} ({sweep['tail'][e]:.2f})" for e in engines]
        met = verdict(max(sweep["exponent"]["minigrad"], sweep["tail"]["minigrad"]) <= 1.05) if axis != "H" else ""
        body.append([f"{axis} = {sizes[0]} … {sizes[-1]} ({sweep['title']})", *powers, "≤ 1.05" if axis != "H" else "", met])
    powers = found["memory"]["exponent"]
    note = f"Exponent over all sizes (over the last three). Working memory at B = 1 grows as T^{powers['all kept']:.2f}, with a checkpoint "
    note += f"every √T steps as T^{powers['checkpoints']:.2f}."
    return Sheet("Growth of the time of a step", ["", *engines, "bar", "met"], body, note)


def large_sheet(found: Results) -> Sheet:
    engines = list(dict.fromkeys(e for sweep in found["sweeps"].values() for e in sweep["seconds"]))
    body, grown = [], []
    for axis, sweep in found["sweeps"].items():
        for size, ours in sweep["seconds"]["minigrad"].items():
            times = [f"{1e3 * t[size]:.4g}" if (t := sweep["seconds"].get(e)) else "–" for e in engines]
            kept = [f"{b[size] / 2**20:,.1f}" if (b := sweep["bytes"].get(e)) else "–" for e in engines[:2]]
            moved = sweep["moved"][size]
            body.append([f"{axis} = {int(size):,} ({sweep['title']})", *times, *kept, f"{1e3 * moved:.3g}", f"{ours / moved:.1f}"])
        grown += [f"{e}'s as {axis}^{p:.2f}" for e, p in sweep["exponent"].items()]
    head = ["", *(f"{e}, ms" for e in engines), *(f"{e}, MB" for e in engines[:2]), "moving minigrad's MB once, ms", "minigrad ÷ it"]
    note = f"Working memory, and the time to write and read it once as a large copy does, {found['rate'] / 1e9:.1f} GB/s. "
    return Sheet("Large memories and long times", head, body, note + "Times grow: " + ", ".join(grown) + ".")


EAGER_BARS = {"tanh(x)": 1.5, "LSTM of 100 steps, forward and backward()": 1.0}  # times PyTorch's


def eager_sheet(found: dict[str, dict[str, float]]) -> Sheet:
    engines = list(next(iter(found.values())))
    body = []
    for name, times in found.items():
        bar, peer = EAGER_BARS.get(name), times.get("torch")
        met = verdict(times["minigrad"] <= bar * peer) if bar and peer else ""
        cells = [f"{1e6 * times[e]:.3g}" if e in times else "–" for e in engines]
        body.append([name, *cells, f"{times['minigrad'] / peer:.2f}" if peer else "–", f"≤ {bar:g}" if bar else "", met])
    note = "x and y are 8×8. The LSTM has 32 units, is written as a Python loop of cells, and runs at B = 1."
    return Sheet("Eager work, the graph recorded, µs", ["", *engines, "÷ torch", "bar", "met"], body, note)


def loops_sheet(found: dict[str, dict[str, float]]) -> Sheet:
    ways = list(next(iter(found.values())))
    body = [[name, *(f"{1e3 * times[w]:.3g}" for w in ways)] for name, times in found.items()]
    note = "`mg.value_and_grad` of a model whose loop is a scan, at B = 1. Compiling is not counted."
    return Sheet("Loops, ms", ["", *ways], body, note)


def written_out_sheet(rows: Sequence[dict[str, Any]]) -> Sheet:
    engines = list(dict.fromkeys(e for row in rows for e in row["first"]))
    scan, loop = engines[:2]
    body = []
    for row in rows:
        first, step = row["first"], row["step"]
        cells = [f"{first[e]:.2f}, {1e3 * step[e]:.3g}" if e in first else "–" for e in engines]
        ratios = first[loop] / first[scan], step[loop] / step[scan]
        body.append([row["work"], *cells, *(f"{r:.2f}" for r in ratios), verdict(ratios[0] <= 1.5 and ratios[1] <= 1.1)])
    note = "Seconds of the first step of a fresh process, nothing cached, and milliseconds of a later one; the least of some runs. "
    note += "The bars: ≤ 1.5 and ≤ 1.1 times those of `scan`. JAX unrolls the loop: beyond the lengths given its compiler takes minutes."
    return Sheet("A Python loop over time", ["work", "minigrad, scan", *engines[1:], "first", "step", "met"], body, note)


def calls_sheet(found: Results) -> Sheet:
    engines = list(dict.fromkeys(name for row in found.values() for name in row if name != "bar"))
    body = [
        [
            name,
            *(f"{1e6 * row[e]:.1f}" if e in row else "–" for e in engines),
            f"≤ {1e6 * row['bar']:g}",
            verdict(row["minigrad"] <= row["bar"]),
        ]
        for name, row in found.items()
    ]
    return Sheet(
        "One call of a compiled function, µs", ["", *engines, "bar", "met"], body, "B = 1; a step takes the state and gives it back."
    )


def machine_text(m: Results) -> str:
    packages = ", ".join(f"{k} {v}" for k, v in m["packages"].items())
    threads = ", ".join(f"{k}: {v}" for k, v in m["threads"].items())
    return (
        f"{m['cpu']}, {m['cores']} cores, Python {m['python']}; {packages}. NumPy's BLAS: {m['numpy BLAS']}. Threads: nobody is pinned "
        f"({threads}). Load when the run began: {m['load']:.1f}. A large float32 matrix product runs at {m['gemm'] / 1e9:.0f} GFLOP/s, "
        f"a large copy at {m['copy'] / 1e9:.1f} GB/s (read and written)."
    )


SHEETS: dict[str, Callable[[Any], Sheet]] = {
    "steps": step_sheet,
    "bridges": bridge_sheet,
    "fresh": fresh_sheet,
    "depth": depth_sheet,
    "growth": growth_sheet,
    "large": large_sheet,
    "written out": written_out_sheet,
    "eager": eager_sheet,
    "calls": calls_sheet,
    "loops": loops_sheet,
}


def sheets(results: Results) -> list[Sheet]:
    return [make(results[name]) for name, make in SHEETS.items() if name in results]


def show(results: Results) -> None:
    for sheet in sheets(results):
        sheet.show()
    console.print(machine_text(results["machine"]))


def write(results: Results, plots: Sequence[Path]) -> None:
    """Put the tables between README's markers."""
    text = README.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    images = "\n".join(f"![{p.stem}]({p.relative_to(README.parent)})" for p in plots if p.is_relative_to(README.parent))
    parts = [machine_text(results["machine"]) + "\n", *(s.markdown() for s in sheets(results)), images]
    README.write_text(before + BEGIN + "\n\n" + "\n".join(parts) + "\n\n" + END + after)
