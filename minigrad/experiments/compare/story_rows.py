"""The rows of the story table: which models on which task, what is published of them, and what theory says must come out.

Published numbers are those of the sources named, at their sizes and lengths; ours are small enough for a few minutes of a CPU each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """A model in a row.

    settings   what it is set to beside the row's settings, those of the task among them
    published  the number in the row's source
    expected   whether it must learn; None where nothing is known
    bar        what counts as learned, where that is not the row's
    at_test    attributes of the trained model that are others when it is measured, as in its paper
    """

    name: str
    model: str
    settings: Mapping[str, Any] = {}
    published: float | None = None
    expected: bool | None = None
    bar: float | None = None
    at_test: Mapping[str, Any] = {}


class Row(NamedTuple):
    """A task and the models that are tried on it.

    settings   of all; each is of those models that have it
    measure    what is measured, by its name
    points     {words: changed settings} at which it is measured; the last one decides
    bar, fail  what counts as learned, and as failed; between them neither
    source     of the published numbers, and how theirs differ from ours
    """

    name: str
    title: str
    task: str
    settings: Mapping[str, Any]
    measure: str
    points: Mapping[str, Mapping[str, Any]]
    bar: float
    fail: float
    source: str
    entries: tuple[Entry, ...]


REFLECTS = {"negative_eigenvalues": True}
LEARNED = {"S_0": "learned", "h_0": "learned"}  # from a state of zeros the first symbol would only begin
ONE_HEAD = {"heads": 1}
SMALL = {"hidden": 32}
ALONE = {"convolution": False}  # a step by itself: a convolution mixes its key with those of the three steps before
VECTORS = {"embedding": 64}  # of symbols; one-hot inputs become small numbers, by which what reads them learns slowly


def _parity() -> Row:
    entries = (
        Entry("RNN", "rnn", {}, 1.0, True),
        Entry("LSTM", "lstm", {}, 1.0, True),
        Entry("GRU", "gru", {}, None, True),
        Entry("sLSTM", "slstm", {}, 1.0, True),
        Entry("transformer", "transformer", SMALL, 0.022, False),
        Entry("mLSTM", "mlstm", SMALL, 0.087, False),
        Entry("minGRU", "mingru", {}, None, False),
        Entry("S6 [0, 1]", "s6", SMALL, 0.000, False),
        Entry("S6 [−1, 1]", "s6", {**REFLECTS, **SMALL}, 1.000, True),
        Entry("DeltaNet [0, 1]", "deltanet", SMALL, 0.017, False),
        Entry("DeltaNet [−1, 1]", "deltanet", {**REFLECTS, **SMALL, **ALONE, "embedding": 32}, 1.000, True),
    )
    settings = {"lengths": (3, 40), "steps": 8000, "evaluate_every": 1000, **LEARNED}
    source = "Grazzi et al. 2024, Table 3, best of 3 seeds; RNN and LSTM: Delétang et al. 2022, Table 2, lengths 41–500, best of 30"
    points = {"40–256": {"lengths": (40, 256)}}
    return Row("parity", "Parity, lengths 3–40", "parity", settings, "scaled", points, 0.95, 0.2, source, entries)


def _groups() -> Row:
    swaps, every = {"words": "swaps"}, {"words": "all"}
    entries = (
        Entry("LSTM, all", "lstm", every, None, True),
        Entry("GRU, all", "gru", every, None, True),
        Entry("DeltaNet [0, 1], swaps", "deltanet", swaps, None, False),
        Entry("DeltaNet [−1, 1], swaps", "deltanet", {**REFLECTS, **swaps}, None, True),
        Entry("DeltaNet [−1, 1], all", "deltanet", {**REFLECTS, **every}, None, False),
        Entry("DeltaProduct of 2 [−1, 1], all", "deltanet", {**REFLECTS, "product": 2, **every, **ALONE, "embedding": 32}, None, True),
        Entry("S6 [−1, 1], swaps", "s6", {**REFLECTS, **swaps}, None, False),
        Entry("S6 [−1, 1], all", "s6", {**REFLECTS, **every}, None, False),
        Entry("mLSTM, all", "mlstm", every, None, False),
    )
    settings = {"group": "S3", "lengths": 20, "hidden": 64, "lr": 3e-3, "steps": 5000, "evaluate_every": 1000, **LEARNED}
    source = "Grazzi et al. 2024, on S5, figures only: one layer of DeltaNet [−1, 1] solves swaps, with [0, 1] none"
    points = {"20": {"lengths": 20}, "100": {"lengths": 100}}
    return Row("groups", "Words of S3, length 20", "group-words", settings, "accuracy", points, 0.95, 0.8, source, entries)


def _reassignment() -> Row:
    published = {
        20: {"sum, DPFP-1": 0.097, "delta, DPFP-1": 0.0008, "delta, DPFP-2": 0.0010, "delta, elu": 0.0008},
        60: {"sum, DPFP-1": 0.103, "delta, DPFP-1": 0.005, "delta, DPFP-2": 0.0005, "delta, elu": 0.0005},
    }
    entries = []
    for keys, numbers in published.items():
        for name, number in numbers.items():
            rule, feature = name.split(", ")
            kernel, _, nu = feature.partition("-")
            settings = {"rule": rule, "feature": kernel.lower(), "nu": int(nu or 1), "keys": keys, **ONE_HEAD}
            if feature == "elu":
                settings["steps"] = 10_000
            bar = max(2 * number, 0.002) if rule == "delta" else 0.002
            entries.append(Entry(f"{name}, {keys} keys", "linear-attention", settings, number, rule == "delta", bar))
        entries.append(
            Entry(f"DeltaNet, {keys} keys", "deltanet", {"keys": keys, **ONE_HEAD, **ALONE, "lr": 5e-3, "steps": 6000}, None, True)
        )
        entries.append(Entry(f"LSTM, {keys} keys", "lstm", {"keys": keys}, None, None))
    settings = {"hidden": 64, "batch": 32, "lr": 3e-3, "schedule": "cosine", "steps": 3000, "evaluate_every": 500}
    source = "Schlag et al. 2021, setting 2: best evaluation loss in the logs of their code"
    points: dict[str, dict[str, Any]] = {"as trained": {}}
    return Row("reassignment", "Key reassignment", "key-reassignment", settings, "half-error", points, 0.002, 0.05, source, tuple(entries))


def _strings() -> Row:
    stack = {"cell_size": 8, "cells": 128, "activation": "relu", "W_h": "glorot"}
    tape = {"cell_size": 8, "cells": 44}  # a longer one at test
    memories: dict[tuple[str, str], tuple[dict[str, Any], dict[str, Any]]] = {  # settings; what is another at test
        ("Stack-RNN", "reverse-string"): (stack, {}),
        ("Stack-RNN", "duplicate-string"): (stack, {}),
        ("Tape-RNN", "reverse-string"): (tape, {"cells": 128}),
        ("Tape-RNN", "duplicate-string"): ({**tape, "pause": 1}, {"cells": 400}),  # steps to go back to the beginning
    }
    models = {"RNN": "rnn", "LSTM": "lstm", "transformer": "transformer", "Stack-RNN": "stack-rnn", "Tape-RNN": "tape-rnn"}
    published = {
        "reverse-string": {"RNN": 0.620, "LSTM": 0.609, "transformer": 0.623, "Stack-RNN": 1.0, "Tape-RNN": 1.0},
        "duplicate-string": {"RNN": 0.503, "LSTM": 0.576, "transformer": 0.528, "Stack-RNN": 0.528, "Tape-RNN": 1.0},
    }
    entries = []
    for language, numbers in published.items():
        for name, number in numbers.items():
            memory, at_test = memories.get((name, language), ({}, {}))
            title = f"{name}, {language.partition('-')[0]}"
            entries.append(Entry(title, models[name], {**memory, "language": language}, number, number == 1, at_test=at_test))
    settings = {"lengths": (1, 20), "batch": 32, "lr": 3e-3, "steps": 8000, "evaluate_every": 1000}
    source = "Delétang et al. 2022, Table 2: trained at 1–40, measured at 41–500, best of 30"
    points: dict[str, dict[str, Any]] = {"21–100": {"lengths": (21, 100)}, "100": {"lengths": 100}}
    return Row(
        "strings", "Reverse and duplicate strings of 1–20", "chomsky", settings, "accuracy", points, 0.99, 0.8, source, tuple(entries)
    )


def _selective() -> Row:
    faster = {**VECTORS, "lr": 5e-3, "steps": 6000}
    entries = (
        Entry("LSTM", "lstm", {**faster, "steps": 10_000}, None, True),
        Entry("GRU", "gru", faster, None, True),
        Entry("minGRU", "mingru", {"layers": 3, **faster}, 0.995, True),
        Entry("minLSTM", "minlstm", {"layers": 3, **faster}, 0.960, True),
        Entry("S6, gated", "s6", {"layers": 2}, 0.998, True),
        Entry("S6 without gate", "s6", {"layers": 2, "output_gate": False}, 0.970, True),
        Entry("linear attention (no decay; published: S4)", "linear-attention", {"layers": 2}, 0.183, False),
        Entry("CNN of width 9", "cnn", {"kernel": 9, "layers": 2}, None, False),
        Entry("transformer", "transformer", {"layers": 2}, None, None),
    )
    settings = {"length": 64, "symbols": 8, "hidden": 64, "batch": 32, "lr": 3e-3, "schedule": "cosine", "steps": 5000}
    source = "Gu and Dao 2023, Table 1, and Feng et al. 2024, Table 1: 16 symbols among 4,096, measured as trained"
    points = {"256": {"length": 256}, "64, as trained": {"length": 64}}
    return Row(
        "selective", "Selective copying, 8 symbols among 64", "selective-copy", {**settings, "evaluate_every": 500}, "accuracy", points,
        0.95, 0.4, source, entries,
    )  # fmt: skip


def _coreference() -> Row:
    entries = (
        Entry("CNN of width 9", "cnn", {"kernel": 9, "layers": 1}, None, False),
        Entry("RNN", "rnn", {}, None, None),
        Entry("LSTM", "lstm", {}, None, True),
        Entry("GRU", "gru", {}, None, True),
        Entry("attention", "attention", {}, None, True),
        Entry("transformer", "transformer", {}, None, True),
        Entry("NTM", "ntm", {"memory": (32, 16)}, None, True),
        Entry("MANN", "mann", {"memory": (32, 16)}, None, True),
        Entry("MemN2N", "memn2n", {}, None, True),
        Entry("DeltaNet", "deltanet", {}, None, None),
    )
    settings = {"distance": (0, 10), "hidden": 64, "lr": 5e-3, "schedule": "cosine", "steps": 2500, "evaluate_every": 250}
    points = {f"{n}": {"distance": n} for n in (0, 5, 30, 10)}
    source = "none"
    return Row("coreference", 'Who is "he"? by distance, 0–10', "coreference", settings, "accuracy", points, 0.95, 0.2, source, entries)


def _recall() -> Row:
    """DeltaNet with d_k 22 has as large a state as Titans and TTT-Linear, with d_k 64 as TTT-MLP."""
    rotary = {"positions": "rotary", "lr": 1e-3, "warmup": 500, "steps": 10_000}
    entries = (
        Entry("attention", "attention", {"hidden": 64}, None, True),
        Entry("transformer", "transformer", {"hidden": 64, "layers": 2, **VECTORS, **rotary}, None, True),
        Entry("Hopfield", "hopfield", {"hidden": 64}, None, True),
        Entry("linear attention, d_k 16", "linear-attention", {"hidden": 16, "convolution": True, **ONE_HEAD}, None, False),
        Entry("linear attention, d_k 64", "linear-attention", {"hidden": 64, "convolution": True, **ONE_HEAD}, None, None),
        Entry("DeltaNet, d_k 16", "deltanet", {"hidden": 16, **ONE_HEAD}, None, False),
        Entry("DeltaNet, d_k 64", "deltanet", {"hidden": 64, **ONE_HEAD}, None, True),
        Entry("DeltaNet, d_k 22", "deltanet", {"hidden": 22, **ONE_HEAD}, None, None),
        Entry("Titans, linear, d_k 16", "titans", {"hidden": 16, "depth": 1, **ONE_HEAD}, None, None),
        Entry("TTT-Linear, d_k 16", "ttt", {"hidden": 16, "network": "linear", **ONE_HEAD, **VECTORS}, None, None),
        Entry("TTT-MLP, d_k 16", "ttt", {"hidden": 16, "network": "mlp", **ONE_HEAD, **VECTORS}, None, None),
        Entry("LSTM", "lstm", {"hidden": 128}, None, False),
    )
    settings = {"pairs": (4, 32), "words": 64, "batch": 16, "lr": 3e-3, "schedule": "cosine", "steps": 4000, "evaluate_every": 500}
    points = {f"{n}": {"pairs": n} for n in (8, 16, 32)}
    source = "Arora et al. 2023: figures only; nothing is published of memories that learn at test time"
    return Row("recall", "MQAR of 4–32 pairs, by the state's size", "mqar", settings, "accuracy", points, 0.95, 0.9, source, entries)


ROWS = (_parity(), _groups(), _reassignment(), _strings(), _selective(), _coreference(), _recall())
