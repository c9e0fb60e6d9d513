"""Heat maps and curves: attention weights, gradients of each loss to each input, and norms of the Jacobians of steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import Tensor, tree

from . import style, text
from .errors import DrawingError
from .plots import Plot, canvas

EXACT = 64  # up to so many numbers in a state the whole Jacobian is computed
ITERATIONS, CLOSE = 100, 1e-4  # of the power iteration


@style.plotting()
def attention_map(weights: Any, title: str = "", rows: str = "position t", columns: str = "attended position s") -> Plot:
    """Attention weights as a heat map: weights (T, S), or (heads, T, S) with the heads beside each other on one scale. White is 0.

    Raises DrawingError for another number of axes.
    """
    array = np.asarray(weights.numpy() if isinstance(weights, Tensor) else weights, np.float64)
    if array.ndim not in (2, 3) or not array.size:
        raise DrawingError(f"attention_map: takes weights (T, S) or (heads, T, S), got shape {array.shape}: take one member of the batch")
    heads = array[None] if array.ndim == 2 else array
    count, T, S = heads.shape
    height = min(5.0, max(2.0, 3.2 * T / S))
    figure, axes = canvas(height + 0.8, [1], count * 3.4 + 1.2, count)
    for n, (axis, head) in enumerate(zip(axes, heads, strict=True)):
        found = _heat(axis, head, _fade("#2C6AA6"), 0.0, max(float(np.nanmax(heads)), 1e-12))
        axis.set_xlabel(columns, fontsize=9, color=style.TEXT)
        if count > 1:
            axis.set_title(f"head {n + 1}", fontsize=9, color=style.TEXT)
    axes[0].set_ylabel(rows, fontsize=9, color=style.TEXT)
    _scale(figure, found, list(axes), "weight")
    return _titled(figure, title)


@style.plotting()
def connectivity(losses: Callable[[Any], Any], xs: Any, title: str = "") -> Plot:
    """‖∂L_t/∂x_s‖ for every pair of steps as a heat map: how much the loss at step t depends on the input at step s.

    losses   a function of xs (T, …) that gives one loss for each step, (T,)

    Colours are those of gradient norms (log10). Raises DrawingError where the function gives something else.
    """
    xs = mg.tensor(xs)
    found = losses(xs)
    if not isinstance(found, Tensor) or tuple(found.shape) != (xs.shape[0],):
        got = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise DrawingError(f"connectivity: the function must give one loss a step, ({xs.shape[0]},), got {got}: sum over the other axes")
    jacobian = mg.jacobian(losses)(xs).numpy().astype(np.float64)
    norms = np.sqrt((jacobian**2).sum(axis=tuple(range(2, jacobian.ndim))))
    figure, (axis,) = canvas(4.6, [1], 5.6)
    with np.errstate(all="ignore"):
        decades = np.where(norms == 0, -np.inf, np.log10(norms))
    low, high = style.STOPS[0][0], style.STOPS[-1][0]
    image = _heat(axis, decades, _decades(), low, high)
    axis.set_xlabel("input at step s", fontsize=9, color=style.TEXT)
    axis.set_ylabel("loss at step t", fontsize=9, color=style.TEXT)
    _scale(figure, image, [axis], "log₁₀ ‖∂L_t/∂x_s‖  (grey: none)")
    return _titled(figure, title)


@style.plotting()
def spectral_norms(cells: Any, xs: Any, title: str = "") -> Plot:
    """The spectral norm of ∂s_t/∂s_{t−1} over time, where s_t is the whole state of a cell.

    cells   a cell with `step(state, x) -> (state, y)` and `initial_state(batch)`, or a dict {label: cell} to compare
    xs      (T, batch, inputs); the curve shows the largest norm over the batch

    Below 1, a gradient shrinks in each step back; above 1, it may grow. The norm is exact for states of up to 64 numbers, and
    computed by power iteration for larger ones. Raises DrawingError for cells without a step.
    """
    found = {text.clean(k, 30): v for k, v in cells.items()} if isinstance(cells, Mapping) else {"": cells}
    figure, (axis,) = canvas(3.2, [1], 7.0)
    for n, (label, cell) in enumerate(found.items()):
        axis.plot(step_norms(cell, xs), color=style.CYCLE[n % len(style.CYCLE)], lw=1.5, marker=".", ms=4, label=label.replace("$", r"\$"))
    axis.axhline(1, color=style.MUTED, lw=1, ls="--")
    axis.set_yscale("log")
    axis.grid(True, which="major", color=style.GRID, lw=0.6)
    axis.set_xlabel("time step t", fontsize=9, color=style.TEXT)
    axis.set_ylabel("‖∂state$_t$/∂state$_{t-1}$‖₂", fontsize=9, color=style.TEXT)
    axis.tick_params(labelsize=8, colors=style.MUTED)
    if any(found):
        axis.legend(fontsize=8, frameon=False)
    return _titled(figure, title)


def step_norms(cell: Any, xs: Any) -> list[float]:
    """The largest singular value of ∂s_t/∂s_{t−1} for each step."""
    if not hasattr(cell, "step") or not hasattr(cell, "initial_state"):
        raise DrawingError(f"spectral_norms: {type(cell).__name__} has no step and initial_state, so no state passes from step to step")
    xs = mg.tensor(xs)
    state = cell.initial_state(xs.shape[1])
    found = []
    for x in xs:
        leaves, form = tree.flatten(state)
        moving = [i for i, leaf in enumerate(leaves) if leaf.type.is_float]
        flat = mg.concat([mg.reshape(leaves[i], (-1,)) for i in moving])

        def after(vector: Tensor, x: Any = x, leaves: Any = leaves, form: Any = form, moving: Any = moving) -> Tensor:
            parts = mg.split(vector, [leaves[i].size for i in moving])
            new = list(leaves)
            for i, part in zip(moving, parts, strict=True):
                new[i] = mg.reshape(part, leaves[i].shape)
            made = tree.leaves(cell.step(tree.unflatten(form, new), x)[0])
            return mg.concat([mg.reshape(made[i], (-1,)) for i in moving])

        found.append(largest_singular_value(after, flat))
        state, _ = cell.step(state, x)
    return found


def largest_singular_value(f: Callable[[Tensor], Tensor], at: Tensor) -> float:
    """The largest singular value of the Jacobian J of f: (n,) -> (m,). It is exact for small n, else computed by power iteration on JᵀJ."""
    if at.size <= EXACT:
        return float(np.linalg.norm(mg.jacobian(f)(at).numpy().astype(np.float64), 2))
    v = np.random.default_rng(0).standard_normal(at.shape)
    value = 0.0
    for _ in range(ITERATIONS):
        v = v / max(float(np.linalg.norm(v)), 1e-300)
        _, forward = mg.jvp(f, (at,), (mg.tensor(v, at.dtype),))
        before, value = value, float(np.linalg.norm(forward.numpy().astype(np.float64)))
        if not math.isfinite(value) or value == 0 or abs(value - before) < CLOSE * value:
            break
        v = mg.vjp(f, at)[1](forward)[0].numpy().astype(np.float64)
    return value


# ---- the look of heat maps


def _fade(colour: str) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("fade", ["#FFFFFF", colour]).with_extremes(bad=style.NOT_FINITE)


def _decades() -> Any:
    """The colour map of gradient norms; NaN and infinity are magenta."""
    from matplotlib.colors import LinearSegmentedColormap

    low, high = style.STOPS[0][0], style.STOPS[-1][0]
    stops = [((at - low) / (high - low), colour) for at, colour in style.STOPS]
    return LinearSegmentedColormap.from_list("decades", stops, 240).with_extremes(bad=style.NOT_FINITE)


def _heat(axis: Any, array: np.ndarray, colours: Any, low: float, high: float) -> Any:
    """Draw a heat map with numbered rows and columns. −∞ is grey, NaN and +∞ are magenta."""
    from matplotlib.ticker import MaxNLocator

    none = np.isneginf(array)
    image = axis.imshow(
        np.ma.masked_where(~np.isfinite(array), np.clip(array, low, high)),
        cmap=colours,
        vmin=low,
        vmax=high,
        aspect="auto",
        interpolation="nearest",
    )
    if none.any():
        from matplotlib.colors import ListedColormap

        axis.imshow(np.ma.masked_where(~none, none), cmap=ListedColormap([style.NO_GRADIENT]), aspect="auto", interpolation="nearest")
    for a in (axis.xaxis, axis.yaxis):
        a.set_major_locator(MaxNLocator(8, integer=True))
    axis.tick_params(labelsize=8, colors=style.MUTED)
    return image


def _scale(figure: Any, image: Any, axes: list[Any], label: str) -> None:
    bar = figure.colorbar(image, ax=axes, pad=0.02, fraction=0.05)
    bar.set_label(label, fontsize=8, color=style.TEXT)
    bar.ax.tick_params(labelsize=7, colors=style.MUTED)


def _titled(figure: Any, title: str) -> Plot:
    if title:
        figure.suptitle(text.clean(title, 80).replace("$", r"\$"), fontsize=11, color=style.TEXT)
    return Plot(figure, title)
