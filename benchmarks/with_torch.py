"""PyTorch: own cells step by step (eager, or the cell under torch.compile), and torch.nn's recurrent layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from .work import BETA1, BETA2, EPSILON, LEARNING_RATE, Arrays, Skip, Work

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


CELLS: dict[str, Callable[[Work], Cell]] = {"lstm": lstm, "gru": gru, "rnn": rnn, "ntm": ntm, "mann": mann}


class Torch:
    """Own cells, op by op, with the fused Adam."""

    def __init__(self, work: Work, weights: Arrays):
        self.xs, self.ys = map(torch.from_numpy, work.data())
        self.criterion = LOSSES[work.loss]
        self.p: dict[str, Any] = self.parameters(work, weights)
        self.optimizer = torch.optim.Adam(self.p.values(), LEARNING_RATE, (BETA1, BETA2), EPSILON, fused=True)

    def parameters(self, work: Work, weights: Arrays) -> dict[str, Any]:
        if work.kind not in CELLS:
            raise Skip(f"no {work.kind} written here")
        self.start, self.cell = CELLS[work.kind](work)
        return {k: torch.tensor(v, requires_grad=True) for k, v in weights.items()}

    def forward(self, xs: Any) -> Any:
        state, ys = self.start(self.p, xs.shape[1]), []
        for x in xs:
            state, y = self.cell(self.p, state, x)
            ys.append(y)
        return torch.stack(ys)

    def gradients(self) -> Arrays:
        return {k: v.grad.numpy().copy() for k, v in self.p.items()}

    def value_and_grad(self) -> tuple[float, Arrays]:
        self.optimizer.zero_grad()
        loss = self.criterion(self.forward(self.xs), self.ys)
        loss.backward()
        return loss.item(), self.gradients()

    def step(self) -> float:
        return self.step_on(self.xs, self.ys)

    def step_on(self, xs: Any, ys: Any) -> float:
        xs, ys = torch.as_tensor(xs), torch.as_tensor(ys)
        self.optimizer.zero_grad()
        loss = self.criterion(self.forward(xs), ys)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    compilations = 0


class TorchCompile(Torch):
    """The same cells, each step of time one call of torch.compile's code: the whole loop unrolled takes it minutes."""

    def parameters(self, work: Work, weights: Arrays) -> dict[str, Any]:
        found = super().parameters(work, weights)
        self.cell = torch.compile(self.cell)
        return found


class TorchNN(Torch):
    """nn.LSTM, nn.GRU, nn.RNN. Their second bias trains too: it is there whether one wants it or not."""

    def parameters(self, work: Work, weights: Arrays) -> dict[str, Any]:
        made = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}.get(work.kind)
        if made is None:
            raise Skip(f"torch.nn has no {work.kind}")
        self.layer = made(work.inputs, work.hidden)
        second = np.zeros_like(weights["b"])
        if "c_n" in weights:
            second[-work.hidden :] = weights["c_n"]
        values = {"weight_ih_l0": weights["W_x"].T, "weight_hh_l0": weights["W_h"].T, "bias_ih_l0": weights["b"], "bias_hh_l0": second}
        self.layer.load_state_dict({k: torch.tensor(v) for k, v in values.items()})
        self.hidden, self.names = work.hidden, list(weights)
        return dict(self.layer.named_parameters())

    def forward(self, xs: Any) -> Any:
        return self.layer(xs)[0]

    def gradients(self) -> Arrays:
        g = super().gradients()
        found = {"W_x": g["weight_ih_l0"].T, "W_h": g["weight_hh_l0"].T, "b": g["bias_ih_l0"], "c_n": g["bias_hh_l0"][-self.hidden :]}
        return {name: found[name] for name in self.names}
