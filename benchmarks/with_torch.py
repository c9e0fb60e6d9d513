"""PyTorch: own cells step by step (eager, or the cell under torch.compile), torch.nn's recurrent layers, and minigrad's models in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

import minigrad as mg

from .with_minigrad import build
from .work import BETA1, BETA2, EPSILON, LEARNING_RATE, Arrays, Skip, Work

Forward = Callable[[Any, Any], Any]  # (parameters, xs) -> ys
Wrap = Callable[[Any], Any]  # torch.compile or nothing, around what runs once a step of time
Cell = tuple[Callable[..., Any], Callable[..., Any]]  # start(p, batch) -> state; step(p, state, x) -> (state, y)

LOSSES: dict[str, Callable[..., Any]] = {
    "bce": F.binary_cross_entropy_with_logits,
    "cross-entropy": lambda z, y: F.cross_entropy(z.flatten(0, 1), y.flatten(0, 1)),
    "mse": F.mse_loss,
}


def lstm_cell(z: Any, c: Any) -> tuple[Any, Any]:
    i, f, g, o = z.chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def lstm(work: Work) -> Cell:
    def start(p: Any, batch: int) -> Any:
        return torch.zeros(batch, work.hidden), torch.zeros(batch, work.hidden)

    def step(p: Any, state: Any, x: Any) -> Any:
        h, c = lstm_cell(x @ p["W_x"] + p["b"] + state[0] @ p["W_h"], state[1])
        return (h, c), h

    return start, step


def gru(work: Work) -> Cell:
    n = 2 * work.hidden

    def step(p: Any, h: Any, x: Any) -> Any:
        a, u = x @ p["W_x"] + p["b"], h @ p["W_h"]
        r, z = torch.sigmoid(a[:, :n] + u[:, :n]).chunk(2, -1)
        new = torch.tanh(a[:, n:] + r * (u[:, n:] + p["c_n"]))
        h = new + z * (h - new)
        return h, h

    return lambda p, batch: torch.zeros(batch, work.hidden), step


def rnn(work: Work) -> Cell:
    def step(p: Any, h: Any, x: Any) -> Any:
        h = torch.tanh(x @ p["W_x"] + p["b"] + h @ p["W_h"])
        return h, h

    return lambda p, batch: torch.zeros(batch, work.hidden), step


def controller(p: Any, state: Any, x: Any, r: Any) -> tuple[Any, Any]:
    inner = torch.cat([r.flatten(1), state[0]], -1)
    return lstm_cell(x @ p["controller.W_x"] + p["controller.b"] + inner @ p["controller.W_h"], state[1])


def similarity(k: Any, M: Any) -> Any:
    squares = (k * k).sum(-1, keepdim=True) * (M * M).sum(-1)[:, None]
    return k @ M.mT / torch.sqrt(squares + 1e-8)


def address(p: Any, M: Any, previous: Any, width: int) -> Any:
    k, beta, g, s, gamma = p.split([width, 1, 1, 3, 1], -1)
    w = torch.softmax(F.softplus(beta) * similarity(torch.tanh(k), M), -1)
    g, s = torch.sigmoid(g), torch.softmax(s, -1)
    w = g * w + (1 - g) * previous
    w = w.roll(-1, -1) * s[..., :1] + w * s[..., 1:2] + w.roll(1, -1) * s[..., 2:]
    return torch.softmax((1 + F.softplus(gamma)) * torch.log(w + 1e-16), -1)


def readout(p: Any, h: Any, r: Any) -> Any:
    return torch.cat([h, r.flatten(1)], -1) @ p["readout.W"] + p["readout.b"]


def ntm(work: Work) -> Cell:
    heads, width = work.heads, work.width
    size = width + 6  # k, β, g, three shifts, γ

    def start(p: Any, batch: int) -> Any:
        M = torch.full((batch, work.slots, width), 1e-6)
        focused = torch.zeros(2 * heads, work.slots)
        focused[:, 0] = 1
        r, w = (v.expand(batch, *v.shape) for v in (torch.tanh(p["r_0"]), focused))
        zero = torch.zeros(batch, work.hidden)
        return (zero, zero), M, r, w[:, :heads], w[:, heads:]

    def step(p: Any, state: Any, x: Any) -> Any:
        inner, M, r, w_read, w_write = state
        inner = controller(p, inner, x, r)
        out = torch.clamp(inner[0] @ p["heads.W"] + p["heads.b"], -20, 20)
        p_read = out[:, : heads * size].unflatten(1, (heads, size))
        p_write = out[:, heads * size :].unflatten(1, (heads, size + 2 * width))
        w_write = address(p_write[..., :size], M, w_write, width)
        erase, add = torch.sigmoid(p_write[..., size : size + width]), torch.tanh(p_write[..., size + width :])
        for i in range(heads):
            M = M * (1 - w_write[:, i, :, None] * erase[:, i, None])
        M = M + w_write.mT @ add
        w_read = address(p_read, M, w_read, width)
        r = w_read @ M
        return (inner, M, r, w_read, w_write), readout(p, inner[0], r)

    return start, step


def mann(work: Work) -> Cell:
    heads, slots, width = work.heads, work.slots, work.width

    def start(p: Any, batch: int) -> Any:
        zero, w_read = torch.zeros(batch, work.hidden), torch.zeros(batch, heads, slots)
        w_read[..., 0] = 1
        M = torch.full((batch, slots, width), 1e-6)
        return (zero, zero), M, torch.zeros(batch, heads, width), w_read, torch.zeros(batch, slots)

    def step(p: Any, state: Any, x: Any) -> Any:
        inner, M, r, w_read, usage = state
        inner = controller(p, inner, x, r)
        out = (inner[0] @ p["heads.W"] + p["heads.b"]).unflatten(1, (heads, width + 1))
        k, gate = torch.tanh(out[..., :width]), torch.sigmoid(out[..., width:])
        least = F.one_hot(torch.argsort(usage, stable=True)[:, :heads], slots).to(x.dtype)
        w_write = gate * w_read + (1 - gate) * least
        M = M * (1 - least[:, 0, :, None]) + w_write.mT @ k
        w_read = torch.softmax(similarity(k, M), -1)
        r = w_read @ M
        usage = (0.99 * usage + (w_read + w_write).sum(1)).detach()
        return (inner, M, r, w_read, usage), readout(p, inner[0], r)

    return start, step


def over_time(cell: Callable[[Work], Cell]) -> Callable[..., Forward]:
    def make(work: Work, wrap: Wrap) -> Forward:
        start, step = cell(work)
        step = wrap(step)

        def forward(p: Any, xs: Any) -> Any:
            state, ys = start(p, xs.shape[1]), []
            for x in xs:
                state, y = step(p, state, x)
                ys.append(y)
            return torch.stack(ys)

        return forward

    return make


def decoder(work: Work, wrap: Wrap) -> Forward:
    """An LSTM that attends to a source by Bahdanau's score; the source stands in the first columns of xs."""

    def step(p: Any, state: Any, x: Any, h: Any, keys: Any) -> Any:
        scores = torch.tanh((state[0] @ p["W"])[:, None] + keys) @ p["v"]
        context = (torch.softmax(scores, -1)[:, None] @ h)[:, 0]
        state = lstm_cell(torch.cat([x, context, state[0]], -1) @ p["W_h"] + p["b"], state[1])
        return state, torch.cat([state[0], context], -1) @ p["readout.W"] + p["readout.b"]

    step = wrap(step)

    def forward(p: Any, xs: Any) -> Any:
        source, xs = xs[..., : work.width], xs[..., work.width :]
        h, keys, ys = source.transpose(0, 1).contiguous(), (source @ p["U"]).transpose(0, 1).contiguous(), []
        state = (torch.zeros(xs.shape[1], work.hidden),) * 2
        for x in xs:
            state, y = step(p, state, x, h, keys)
            ys.append(y)
        return torch.stack(ys)

    return forward


def block(work: Work, wrap: Wrap) -> Forward:
    """A causal pre-norm transformer block, (T, batch, width)."""
    shape = (work.hidden,)

    def forward(p: Any, x: Any) -> Any:
        T, batch = x.shape[:2]
        z = F.layer_norm(x, shape, p["norm1.scale"], p["norm1.shift"]) @ p["attention.W"] + p["attention.b"]
        q, k, v = z.view(T, batch, 3, work.heads, -1).permute(2, 1, 3, 0, 4)
        found = F.scaled_dot_product_attention(q, k, v, is_causal=True).permute(2, 0, 1, 3).reshape(x.shape)
        x = x + found @ p["attention.out.W"] + p["attention.out.b"]
        h = F.gelu(F.layer_norm(x, shape, p["norm2.scale"], p["norm2.shift"]) @ p["linear1.W"] + p["linear1.b"])
        return x + h @ p["linear2.W"] + p["linear2.b"]

    return wrap(forward)


MODELS: dict[str, Callable[..., Forward]] = {
    **{name: over_time(cell) for name, cell in {"lstm": lstm, "gru": gru, "rnn": rnn, "ntm": ntm, "mann": mann}.items()},
    "bahdanau": decoder,
    "transformer": block,
}


class Torch:
    """Own cells, op by op, with the fused Adam."""

    compilations = 0

    def __init__(self, work: Work, weights: Arrays):
        self.xs, self.ys = work.data()
        self.criterion = LOSSES[work.loss]
        self.p: dict[str, Any] = self.parameters(work, weights)
        self.optimizer = torch.optim.Adam(self.p.values(), LEARNING_RATE, (BETA1, BETA2), EPSILON, fused=True)

    def parameters(self, work: Work, weights: Arrays) -> dict[str, Any]:
        self.model = MODELS[work.kind](work, self.wrap)
        return {k: torch.tensor(v, requires_grad=True) for k, v in weights.items()}

    def wrap(self, step: Any) -> Any:
        return step

    def forward(self, xs: Any) -> Any:
        return self.model(self.p, xs)

    def gradients(self) -> Arrays:
        return {k: v.grad.numpy().copy() for k, v in self.p.items()}

    def backward(self, xs: np.ndarray, ys: np.ndarray) -> Any:
        self.optimizer.zero_grad()
        loss = self.criterion(self.forward(torch.from_numpy(xs)), torch.from_numpy(ys))
        loss.backward()
        return loss

    def value_and_grad(self) -> tuple[float, Arrays]:
        return self.backward(self.xs, self.ys).item(), self.gradients()

    def step(self) -> float:
        return self.step_on(self.xs, self.ys)

    def step_on(self, xs: np.ndarray, ys: np.ndarray) -> float:
        loss = self.backward(xs, ys)
        self.optimizer.step()
        return float(loss.item())

    def working_memory(self, xs: np.ndarray, ys: np.ndarray) -> int:
        """What autograd saves: storages counted once, parameters and data left out."""
        saved: dict[int, int] = {}

        def note(t: Any) -> Any:
            saved[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
            return t

        with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
            kept = self.criterion(self.forward(torch.from_numpy(xs)), torch.from_numpy(ys))
        for known in (*self.p.values(), torch.from_numpy(xs), torch.from_numpy(ys)):
            saved.pop(known.untyped_storage().data_ptr(), None)
        return sum(saved.values()) if kept.requires_grad else 0


class InTorch(Torch):
    """minigrad's model as a torch.nn.Module: PyTorch's loss, backward and Adam around minigrad's two programs."""

    def parameters(self, work: Work, weights: Arrays) -> dict[str, Any]:
        self.model = mg.export.torch.module(build(work))
        self.model.load_state_dict({k: torch.tensor(v) for k, v in weights.items()})
        return dict(self.model.named_parameters())

    def forward(self, xs: Any) -> Any:
        return self.model(xs)


class TorchCompile(Torch):
    """The same cells, each step of time one call of torch.compile's code: the whole loop unrolled takes it minutes."""

    def wrap(self, step: Any) -> Any:
        torch.compiler.reset()  # else the work before counts towards the limit beyond which it falls back to eager
        return torch.compile(step)


class TorchNN(Torch):
    """nn.LSTM, nn.GRU, nn.RNN, nn.TransformerEncoderLayer, each under its own names and transposes."""

    def parameters(self, work: Work, weights: Arrays) -> dict[str, Any]:
        recurrent = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}
        if work.kind in recurrent:
            self.layer = recurrent[work.kind](work.inputs, work.hidden)
            self.names = {"weight_ih_l0": "W_x", "weight_hh_l0": "W_h", "bias_ih_l0": "b"}
        elif work.kind == "transformer":
            self.layer = torch.nn.TransformerEncoderLayer(work.hidden, work.heads, work.outputs * 4, 0.0, "gelu", norm_first=True)
            self.mask = torch.nn.Transformer.generate_square_subsequent_mask(work.length)
            self.names = BLOCK_NAMES
        else:
            raise Skip(f"no {work.kind} there")
        self.work = work
        values = {theirs: torch.tensor(weights[ours].T) for theirs, ours in self.names.items()}
        if work.kind in recurrent:
            values["bias_hh_l0"] = torch.zeros(values["bias_ih_l0"].shape)
        if work.kind == "gru":
            values["bias_hh_l0"][-work.hidden :] = torch.tensor(weights["c_n"])
        self.layer.load_state_dict(values)
        return dict(self.layer.named_parameters())

    def forward(self, xs: Any) -> Any:
        return self.layer(xs, self.mask, is_causal=True) if self.work.kind == "transformer" else self.layer(xs)[0]

    def gradients(self) -> Arrays:
        g = super().gradients()
        found = {ours: g[theirs].T for theirs, ours in self.names.items()}
        return found | ({"c_n": g["bias_hh_l0"][-self.work.hidden :]} if self.work.kind == "gru" else {})


BLOCK_NAMES = {
    **{f"self_attn.in_proj_{a}": f"attention.{b}" for a, b in (("weight", "W"), ("bias", "b"))},
    **{f"self_attn.out_proj.{a}": f"attention.out.{b}" for a, b in (("weight", "W"), ("bias", "b"))},
    **{f"{n}.{a}": f"{n}.{b}" for n in ("linear1", "linear2") for a, b in (("weight", "W"), ("bias", "b"))},
    **{f"{n}.{a}": f"{n}.{b}" for n in ("norm1", "norm2") for a, b in (("weight", "scale"), ("bias", "shift"))},
}
