"""What models that learned to copy hold on to: longer sequences, fewer slots, a memory that was not wiped, a slot overwritten.

Every function takes trained models and gives a figure; percentages are of the scored bits, medians over seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import minigrad as mg

from ...models.attention import AttentiveLSTM, allowed
from ...models.tasks import bits
from .figure import Curve, Figure, Panel
from .trained import KEY, MEMORY, Models, Trained, forward, medians, with_slots, wrong_bits

GUESSING = {"guessing": 50.0, "optimum": 0.0}
WRONG = "wrong bits (%)"


def _batch(t: Trained, length: int, count: int, step: int = 0) -> tuple[Any, Any, Any]:
    return t.experiment.task.batch(KEY, step, count, **{**t.settings, "lengths": length})


def _trained_range(models: Models) -> tuple[int, int]:
    return next(iter(models.values()))[0].settings["lengths"]


def length_generalisation(models: Models, lengths: Sequence[int] = (5, 10, 20, 30, 40, 60, 90, 120), count: int = 20) -> Figure:
    """Wrong bits against length, within the trained range and far beyond (Graves et al. 2014, §4.1).

    Memories have a slot for each item of the longest one, however many they were trained with.
    """

    def measured(t: Trained) -> Curve:
        model = with_slots(t.model, max(*lengths, t.model.memory[0])) if t.experiment.config.model in MEMORY else t.model
        return {n: _wrong(model, _batch(t, n, count)) for n in lengths}

    panel = Panel("length of the sequence", WRONG, medians(models, measured), GUESSING, trained=_trained_range(models), bounds=(-2, 55))
    return Figure("length_generalisation", "Copy: longer sequences than any that was trained", (panel,))


def _wrong(model: Any, batch: tuple[Any, Any, Any]) -> float:
    inputs, targets, mask = batch
    return wrong_bits(forward(model, inputs), targets, mask)


def memory_pressure(models: Models, slots: Sequence[int] = (4, 8, 12, 16, 20, 24, 32, 64, 128), count: int = 20) -> Figure:
    """Wrong bits when the memory has fewer slots than there are items: the same weights, for no weight depends on the number of slots."""
    items = _trained_range(models)[1]

    def measured(t: Trained) -> Curve:
        batch = _batch(t, items, count)
        return {n: _wrong(with_slots(t.model, n), batch) for n in slots}

    fits: Curve = {n: 50 * max(0.0, 1 - n / items) for n in slots}
    baselines: dict[str, float | Curve] = {**GUESSING, "one item a slot, the rest guessed": fits}
    panel = Panel("slots", WRONG, medians(models, measured), baselines, marks={f"{items} items": items}, log="x", bounds=(-2, 55))
    return Figure("memory_pressure", f"Copy of {items} vectors by a memory of fewer or more slots", (panel,))


def interference(models: Models, sequences: int = 8, length: int = 10, count: int = 20) -> Figure:
    """Proactive interference: wrong bits in sequences read one after another by a memory that is never wiped."""

    def measured(t: Trained) -> Curve:
        parts = [_batch(t, length, count, step) for step in range(sequences)]
        inputs, targets, mask = (np.concatenate(part) for part in zip(*parts, strict=True))
        outputs, steps = forward(t.model, inputs), 2 * length + 1
        each = [slice(i * steps, (i + 1) * steps) for i in range(sequences)]
        return {i + 1: wrong_bits(outputs[part], targets[part], mask[part]) for i, part in enumerate(each)}

    found = medians(models, measured)
    panel = Panel("sequence, the memory never wiped", WRONG, found, GUESSING, trained=(0.9, 1.1), bounds=(-2, 55))
    return Figure("interference", f"Copy of {length} vectors after {length} others, after {length} others …", (panel,))


# ---- the gradient


def gradient_span(models: Models, count: int = 32) -> Figure:
    """‖∂L_T/∂x_{T−k}‖ of the last output's cost, before and after training."""
    length = _trained_range(models)[1]

    def before(t: Trained) -> Curve:
        return _spread(t, t.experiment.model(), length, count)

    def after(t: Trained) -> Curve:
        return _spread(t, t.model, length, count)

    asked = {"the answer was read": length + 1}
    panels = [
        Panel(
            "k, steps before the output",
            f"‖∂L_T / ∂x(T − k)‖ {when} training",
            medians(models, f),
            marks=asked,
            log="y",
            bounds=(1e-9, 1e2),
        )
        for when, f in (("before", before), ("after", after))
    ]
    return Figure("gradient_span", f"How far back gradients reach: the last output of a copy of {length} vectors", tuple(panels))


@mg.jit
def _gradient(model: Any, xs: Any, ys: Any, mask: Any) -> Any:
    return mg.grad(lambda xs: bits.loss(model(xs), ys, mask))(xs)


def _spread(t: Trained, model: Any, length: int, count: int) -> Curve:
    inputs, targets, mask = _batch(t, length, count)
    mask = np.zeros_like(mask)
    mask[-1] = True
    grads = count * _gradient(model, inputs, targets, mask).numpy()
    norms = np.sqrt((grads**2).sum(-1)).mean(-1)[::-1]
    return {k: float(v) for k, v in enumerate(norms)}


# ---- the intervention test


def intervention(models: Models, count: int = 20) -> Figure:
    """In mid-recall the slot of an item that is yet to come gets what the first item's slot holds: does the output follow the memory?

    An item's slot is the one that is read most when the item is given; attention's is the state
    that it looks back on most. Of the bits in which both items differ, the share in which the output is the first item's.
    """
    length = _trained_range(models)[1]

    def measured(t: Trained) -> Curve:
        inputs, targets, _ = _batch(t, length, count)
        overwritten = _attention_overwritten if isinstance(t.model, AttentiveLSTM) else _memory_overwritten
        items = targets[length + 1 :] > 0.5
        outputs = overwritten(t.model, inputs, length)
        return {i + 1: 100 * float((outputs[i] == items[0])[items[i] != items[0]].mean()) for i in _to_come(length)}

    baselines = {"the memory is read": 100.0, "guessing": 50.0, "it is ignored": 0.0}
    panel = Panel("item whose slot is overwritten", "outputs that follow (%)", medians(models, measured), baselines, bounds=(-5, 105))
    return Figure("intervention", f"A slot overwritten after {length // 2} of {length} vectors were recalled", (panel,))


def _to_come(length: int) -> range:
    return range(length // 2, length)


@mg.jit
def _run(model: Any, xs: Any, state: Any) -> Any:
    """(outputs, (T, batch) the slot that each step reads most, the last state)."""

    def step(state: Any, x: Any) -> Any:
        after, y = model.step(state, x)
        return after, (y, mg.argmax(mg.sum(after.w_read, 1), -1))

    last, (ys, slots) = mg.scan(step, state, xs)
    return ys, slots, last


def _memory_overwritten(model: Any, xs: np.ndarray, length: int) -> dict[int, np.ndarray]:
    """{item: the bits (batch, bits) that are given for it when its slot was overwritten in mid-recall}."""
    half, rows = length // 2, np.arange(xs.shape[1])
    recall = xs[length + 1 :]
    _, _, read = _run(model, xs[: length + 1], model.initial_state(xs.shape[1]))
    _, slots, _ = _run(model, recall, read)
    _, _, state = _run(model, recall[:half], read)
    slots, first = slots.numpy(), read.M.numpy()[rows, slots.numpy()[0]]
    found = {}
    for item in _to_come(length):
        M = state.M.numpy().copy()
        M[rows, slots[item]] = first
        outputs, _, _ = _run(model, recall[half:], state._replace(M=mg.tensor(M)))
        found[item] = outputs.numpy()[item - half] > 0
    return found


@mg.jit
def _look_back(model: Any, hs: Any, past: Any) -> Any:
    """(outputs, (T, batch) the place that is attended to most) where states hs look back on other ones."""
    context, weights = model.attention(hs, past, allowed(hs.shape[0]))
    return model.readout(mg.tanh(model.combine(mg.concat([context, hs], -1)))), mg.argmax(weights, -1).T


def _attention_overwritten(model: Any, xs: np.ndarray, length: int) -> dict[int, np.ndarray]:
    """As _memory_overwritten, for the states that attention looks back on."""
    hs, rows = model.lstm(xs), np.arange(xs.shape[1])
    places = _look_back(model, hs, hs)[1].numpy()[length + 1 :]
    found = {}
    for item in _to_come(length):
        past = hs.numpy().copy()
        past[places[item], rows] = past[places[0], rows]
        outputs, _ = _look_back(model, hs, mg.tensor(past))
        found[item] = outputs.numpy()[length + 1 + item] > 0
    return found
