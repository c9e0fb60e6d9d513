"""Test-time training (TTT): the state is the weights of a small network, which every mini-batch of steps takes down its own loss."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple, get_args

import minigrad as mg
from minigrad import Module, Tensor

from .block import Output, Past, Projections, head_width, lookup
from .cell import Cell, Linear, choose, keys, read, readout, sequences
from .chunked import connected, cut
from .settings import Convolution, Heads, Hidden, Norm, OutputGate, require_at_least

Kind = Literal["linear", "mlp"]
Weights = tuple[Tensor, ...]  # W and b of each layer of the network, (batch, heads, in, out) and (batch, heads, out)
RATE = {"linear": 1.0, "mlp": 0.1}  # the base learning rate


class TTTState(NamedTuple):
    """Where the mini-batch began and how far it has come, and the last inputs of the convolution, if there is one."""

    W: Weights  # before its first step
    G: Weights  # the sum of η ∇ℓ over its steps so far
    i: Tensor  # how many they are, int64(batch,)
    past: Past


class TTT(Cell):
    """TTT-Linear and TTT-MLP (Sun et al. 2024): x (batch, inputs) -> y (batch, outputs), or (batch, hidden) without `outputs`.

    k, q, v     of every head: linear maps of x_t, or their short convolutions
    network     f(x) = x + LN(z(x)), z(x) = x W + b (linear) or gelu(x W¹ + b¹) W² + b² with four times the units (mlp)
    loss        ℓ(W) = ½ |f(k) − v|²
    rates       η_t = base / width · σ(x_t W_η + b_η), base 1 (linear) or 0.1 (mlp);  c_i = max(0, 1 / i + ĉ_i) with ĉ learned
    weights     W_t = W − c_i Σ_s η_s ∇ℓ_s(W), the sum over the i steps of the mini-batch up to t; W are the weights before the first of
                them, and after the last one W_t takes their place
    output      r_t = f(q_t) with W_t;  y_t = [norm(r_t) ⊙ SiLU(x_t W_g + b_g)] W + b with `outputs`, else […]

    All gradients of a mini-batch are taken at the same W, which is learned for the first.

    dual    a call without a state, mask or options of the loop takes one gradient and a few matrix products a mini-batch (the dual form,
            §2.5), which gives the same as step by step
    plain   f(x) = x W, or gelu(x W¹) W², without b, LN and x: with c_i = 1 and W = 0 before the first step, one mini-batch of a linear f
            at η = 1 is causal linear attention, and mini-batches of 1 are the delta rule with β = η
    """

    label = "ttt"

    def __init__(
        self,
        inputs: int,
        hidden: Hidden = 32,
        outputs: int | None = None,
        heads: Heads = 1,
        network: Annotated[Kind, "that learns at test time"] = "linear",
        mini_batch: Annotated[int, "steps whose gradients are taken at the same weights"] = 16,
        plain: Annotated[bool, "a network without bias, normalisation and residual"] = False,
        dual: Annotated[bool, "a mini-batch at once, by matrix products, which is faster"] = False,
        convolution: Convolution = True,
        norm: Norm = True,
        output_gate: OutputGate = False,
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least("TTT", 1, inputs=inputs, hidden=hidden, outputs=1 if outputs is None else outputs)
        require_at_least("TTT", 1, heads=heads, mini_batch=mini_batch)
        width = head_width("TTT", hidden, heads)
        k = keys(key, 5)
        self.inputs, self.hidden, self.outputs, self.mini_batch, self.dual = inputs, hidden, outputs, mini_batch, bool(dual)
        self.projections = Projections(inputs, hidden, heads, 3, convolution, k[0], dtype)
        self.rate = Linear(inputs, heads, k[1], dtype)
        self.network = Network(choose("network", network, get_args(Kind)), heads, width, plain, k[2], dtype)
        self.c = mg.parameter(mg.zeros(mini_batch, dtype))
        self.output = Output(inputs, hidden, heads, norm, output_gate, k[3], dtype)
        self.readout = readout(hidden, outputs, k[4], dtype)

    def initial_state(self, batch: Any) -> TTTState:
        W = tuple(mg.broadcast_to(w, (batch, *w.shape)) for w in self.network.weights)
        return TTTState(W, tuple(map(mg.zeros_like, W)), mg.zeros(batch, "int64"), self.projections.initial_state(batch))

    def step(self, state: TTTState, x: Tensor) -> tuple[TTTState, Tensor]:
        past, q, k, v, eta = self._inputs(state.past, x)
        c = mg.take(self.coefficients(), state.i).named("c")
        with mg.scope("learn"):
            W, G, i, now = descend(self.network, state.W, state.G, state.i, k, v, eta, c, self.mini_batch)
        r = self.network(now, q).named("r")
        return TTTState(W, G, i, past), self._outputs(x, r)

    def coefficients(self) -> Tensor:
        """c_i of the steps of a mini-batch."""
        return mg.relu(1 / mg.arange(1, self.mini_batch + 1, dtype=self.dtype) + self.c)

    def _inputs(self, past: Past, x: Tensor) -> tuple[Past, Tensor, Tensor, Tensor, Tensor]:
        past, (q, k, v) = self.projections(past, x)
        eta = self.network.base / q.shape[-1] * mg.sigmoid(self.rate(x))
        return past, q.named("q"), k.named("k"), v.named("v"), eta.named("eta")

    def _outputs(self, x: Tensor, r: Tensor) -> Tensor:
        return read(self.readout, self.output(x, r).named("h"))

    def __call__(self, xs: Any, state: Any = None, mask: Any = None, **loop: Any) -> Tensor:
        if self.dual and state is None and mask is None and not loop:
            return self._in_mini_batches(xs)
        return self.run(xs, state, mask, **loop)[0]

    def _in_mini_batches(self, xs: Any) -> Tensor:
        """ys (T, batch, outputs) from the initial state. What fills the last mini-batch comes after all steps, so nothing depends on it."""
        xs = sequences(self, xs, self.dtype)
        start = self.initial_state(xs.shape[1])

        def inputs(past: Past, x: Tensor) -> tuple[Past, tuple[Tensor, ...]]:
            past, *given = self._inputs(past, x)
            return past, tuple(given)

        inputs.__name__ = self.label
        q, k, v, eta = (mg.moveaxis(cut(rows, self.mini_batch), 1, 3) for rows in mg.scan(inputs, start.past, xs)[1])
        c = self.coefficients()

        def mini_batch(W: Weights, rows: Any) -> tuple[Weights, Tensor]:
            return dual(self.network, W, *rows, c)

        r = mg.scan(mini_batch, start.W, (q, k, v, eta))[1]  # (mini-batches, batch, heads, steps, width)
        return self._outputs(xs, connected(mg.moveaxis(r, 3, 1), xs.shape[0]))


class Network(Module):
    """The network f with its initial weights. `weights` of a batch are given to a call; the scale and shift of LN stay as they are."""

    def __init__(self, kind: str, heads: int, width: int, plain: bool, key: Any = 0, dtype: Any = "float32"):
        sizes = [width, width] if kind == "linear" else [width, 4 * width, width]
        shapes = [(heads, n, m) for n, m in pairwise(sizes)]
        W = [mg.parameter(mg.init.normal(k, shape, 0.02, dtype)) for k, shape in zip(keys(key, 2), shapes, strict=False)]
        self.base, self.plain = RATE[kind], plain
        self.W1, self.W2 = W[0], W[1] if kind == "mlp" else None
        self.b1 = None if plain else mg.parameter(mg.zeros((heads, sizes[1]), dtype))
        self.b2 = mg.parameter(mg.zeros((heads, width), dtype)) if kind == "mlp" and not plain else None
        self.scale = None if plain else mg.parameter(mg.ones((heads, width), dtype))
        self.shift = None if plain else mg.parameter(mg.zeros((heads, width), dtype))

    @property
    def weights(self) -> Weights:
        """The initial weights, which have no batch axis."""
        return tuple(w for w in (self.W1, self.b1, self.W2, self.b2) if w is not None)

    def layers(self, weights: Weights) -> list[tuple[Tensor, Tensor | None]]:
        """(W, b) of each layer; b is None for a plain network."""
        return [(W, None) for W in weights] if self.plain else list(zip(weights[::2], weights[1::2], strict=True))

    def __call__(self, weights: Weights, x: Tensor) -> Tensor:
        """f(x) (batch, heads, width)."""
        z = x
        for n, (W, b) in enumerate(self.layers(weights)):
            z = lookup(W, z if n == 0 else mg.gelu(z)) + (0 if b is None else b)
        return self.over(x, z)

    def over(self, x: Tensor, z: Tensor) -> Tensor:
        """x + LN(z), or z for a plain network, for x and z (batch, heads, width) or (batch, heads, steps, width)."""
        if self.scale is None or self.shift is None:
            return z
        scale, shift = (p if z.ndim == 3 else p[:, None] for p in (self.scale, self.shift))
        return x + mg.layer_norm(z) * scale + shift


def descend(
    f: Network, W: Weights, G: Weights, i: Tensor, k: Tensor, v: Tensor, eta: Tensor, c: Tensor, size: int
) -> tuple[Weights, Weights, Tensor, Weights]:
    """(W, G, i) after a step, and the weights W − c (G + η ∇ℓ(W)) that it reads with. The loss is summed over batch and heads."""
    with mg.scope("gradient"):
        gradient = mg.grad(lambda W: 0.5 * mg.sum(mg.square(f(W, k) - v)))(W)
    G = tuple(g + _over(eta, d.ndim) * d for g, d in zip(G, gradient, strict=True))
    now = tuple(w - _over(c, w.ndim) * g for w, g in zip(W, G, strict=True))
    last = i + 1 == size
    after = tuple(mg.where(_over(last, w.ndim), new, w).named(f"W{n}") for n, (new, w) in enumerate(zip(now, W, strict=True)))
    G = tuple(mg.where(_over(last, g.ndim), 0, g).named(f"G{n}") for n, g in enumerate(G))
    return after, G, mg.where(last, 0, i + 1).named("i"), now


def dual(f: Network, W: Weights, q: Tensor, k: Tensor, v: Tensor, eta: Tensor, c: Tensor) -> tuple[Weights, Tensor]:
    """(W after a mini-batch, r) by the dual form. q, k, v and r (batch, heads, steps, width), η (batch, heads, steps), c (steps,).

    A layer of input a and output z changes by −c_i Σ_s η_s a_sᵀ δ_s, δ = ∂ℓ/∂z. So what it does to another input a′ at step i is
    a′ W + b − c_i Σ_{s≤i} η_s (a′·a_s + 1) δ_s, without the weights of any step; the 1 is from b.
    """
    layers = f.layers(W)

    def loss(nudges: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        z, given = k, []
        for n, ((w, b), nudge) in enumerate(zip(layers, nudges, strict=True)):
            given.append(z if n == 0 else mg.gelu(z))
            z = given[-1] @ w + nudge + (0 if b is None else mg.expand_dims(b, -2))
        return 0.5 * mg.sum(mg.square(f.over(k, z) - v)), given

    zeros = [mg.zeros((*k.shape[:-1], w.shape[-1]), k.dtype) for w, _ in layers]
    deltas, given = mg.grad(loss, has_aux=True)(zeros)
    z, after = q, []
    for n, ((w, b), delta, a) in enumerate(zip(layers, deltas, given, strict=True)):
        asked = z if n == 0 else mg.gelu(z)
        delta = mg.expand_dims(eta, -1) * delta
        overlap = mg.tril(asked @ a.mT + (0 if b is None else 1))
        z = asked @ w - mg.expand_dims(c, -1) * (overlap @ delta)
        after.append(w - c[-1] * (a.mT @ delta))
        if b is not None:
            z = z + mg.expand_dims(b, -2)
            after.append(b - c[-1] * mg.sum(delta, -2))
    return tuple(after), f.over(q, z)


def _over(x: Tensor, ndim: int) -> Tensor:
    """x (batch,) or (batch, heads) in a shape that broadcasts with `ndim` axes."""
    return mg.reshape(x, (*x.shape, *(1,) * (ndim - x.ndim)))
