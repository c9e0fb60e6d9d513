"""The Neural Turing Machine (NTM)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np

import minigrad as mg
from minigrad import Tensor
from minigrad.errors import SettingError, setting_error

from .addressing import address, memory_size, write
from .cell import Cell, Linear, choose, keys
from .controllers import controller as make_controller
from .settings import Controller, Heads, Hidden, Layers, Memory, Read, require_at_least

CLIP = 20.0  # bound of the head parameters before their activations
MemoryStart = Literal["constant", "learned", "random"]
WeightingStart = Literal["focused", "learned", "uniform"]
ReadStart = Literal["learned", "zeros"]
Start = Literal["plain", "location", "weak-location"]
EARLIER = {"tape": "location", "loose": "weak-location"}  # {a start's name in an earlier version: its name}
LOCATION_BIAS = {"location": (4, -3), "weak-location": (2, -1)}  # of write heads: the logits of shift +1 and of the gate g


class NTMState(NamedTuple):
    """The controller's state, the memory, and the read vectors and weightings of the last step."""

    controller: Any
    M: Tensor  # (batch, slots, width)
    r: Tensor  # (batch, read heads, width)
    w_read: Tensor  # (batch, read heads, slots)
    w_write: Tensor  # (batch, write heads, slots)


class NTM(Cell):
    """Neural Turing Machine (Graves, Wayne and Danihelka 2014): x (batch, inputs) -> y (batch, outputs).

    controller    h_t = controller(x_t, r_{t−1});  the parameters of each head are a linear map of h_t
    write heads   w as in §3.3 from M_{t−1};  M_t = M_{t−1} ⊙ Π (1 − w e) + Σ w a           eqs. 3, 4
    read heads    w as in §3.3 from M_t;      r_t = Σ_i w(i) M_t(i)                          eq. 2
    output        y_t = [h_t; r_t] W + b

    controller   "lstm" or "ff" (feed-forward), with `layers` layers of `hidden` units each
    memory       (slots, width)
    shift        the largest shift: s weighs the shifts −shift … shift
    read         "after" the write, from M_t (the paper), or "before" it, from M_{t−1} (Collier and Beel 2018)
    M_0          "constant", 1e-6 (Collier and Beel), "learned", or "random" and fixed
    w_0          "focused" on slot 0, the softmax of "learned" logits, or "uniform"; copy is learned fastest with "focused"
    r_0          the tanh of a "learned" vector, or "zeros"
    start        the initial bias of the heads. "plain": none. "location": towards location-based addressing (§3.3.2): the shift is
                 near +1, write heads have a small gate g, and the keys of read heads are the add vectors. Associative recall is then
                 learned in a tenth of the sequences. "weak-location": the same with a weaker bias of the write heads, s(+1) = 0.79
                 instead of 0.96. Priority sort is then learned in a quarter of the sequences, recall more slowly and not with every seed

    If all rows of M_0 are equal and w_0 is uniform, the slots stay equal whatever is learned: SettingError.
    """

    label = "ntm"

    def __init__(
        self,
        inputs: int,
        outputs: int,
        controller: Controller = "lstm",
        hidden: Hidden = 100,
        memory: Memory = (128, 20),
        read_heads: Heads = 1,
        write_heads: int = 1,
        shift: Annotated[int, "slots that a head can move in a step, either way"] = 1,
        read: Read = "after",
        M_0: Annotated[MemoryStart, "the memory a sequence begins with"] = "constant",
        w_0: Annotated[WeightingStart, "the weightings it begins with"] = "focused",
        r_0: Annotated[ReadStart, "what was read before it"] = "learned",
        layers: Layers = 1,
        start: Annotated[Start, "bias of the heads; location: to the next slot at each step; weak-location: less so", EARLIER] = "plain",
        key: Any = 0,
        dtype: Any = "float32",
    ):
        slots, width = memory_size("NTM", memory)
        require_at_least("NTM", 1, inputs=inputs, outputs=outputs, hidden=hidden, layers=layers)
        require_at_least("NTM", 1, read_heads=read_heads, write_heads=write_heads)
        require_at_least("NTM", 0, shift=shift)
        if 2 * shift + 1 > slots:
            problem = f"memory={memory!r} has {slots} slots, but with shift={shift} a head chooses among {2 * shift + 1}"
            raise setting_error("NTM", problem, f"Take {2 * shift + 1} slots or more, or shift={(slots - 1) // 2}")
        k = keys(key, 7)
        self.inputs, self.outputs, self.memory = inputs, outputs, (slots, width)
        self.read_heads, self.write_heads, self.shifts = read_heads, write_heads, 2 * shift + 1
        self.order = choose("read", read, ["after", "before"])
        bias = choose("start", EARLIER.get(start, start), {"plain": None, **LOCATION_BIAS})
        gain = 0.1 if bias else 1.0
        self.controller = make_controller(controller, inputs, read_heads * width, hidden, layers, k[0], dtype, gain)
        hidden = self.controller.hidden
        self.heads = Linear(hidden, read_heads * self._per_head + write_heads * (self._per_head + 2 * width), k[1], dtype)
        self.readout = Linear(hidden + read_heads * width, outputs, k[2], dtype)
        if bias:
            self._bias_to_location(*bias)
        self.memory_start = choose("M_0", M_0, get_args(MemoryStart))
        self.weighting_start = choose("w_0", w_0, get_args(WeightingStart))
        self.seed = tuple(map(int, k[3].numpy()))
        self.M_0 = mg.parameter(self._random_memory(dtype)) if M_0 == "learned" else None
        heads = (read_heads + write_heads, slots)
        self.w_0 = mg.parameter(mg.init.uniform(k[4], heads, (6 / (slots + 1)) ** 0.5, dtype)) if w_0 == "learned" else None
        learned = choose("r_0", r_0, get_args(ReadStart)) == "learned"
        self.r_0 = mg.parameter(mg.init.glorot(k[5], (read_heads, width), dtype)) if learned else None
        self._refuse_symmetry()

    @property
    def _per_head(self) -> int:
        """The width of a head's parameters k, β, g, s and γ."""
        return self.memory[1] + 3 + self.shifts

    def _bias_to_location(self, forward: float, write_gate: float) -> None:
        """Set the biases of shift +1, of g and of β, and the weights of each read head's k to those of a write head's a.

        An input that is repeated then gives the key with which it was added, because r has small weights in h (`gain` of the controller).
        forward and write_gate are the logits of shift +1 and of g in the write heads.
        """
        if self.shifts == 1:
            raise SettingError("a location bias moves heads by a slot a step, and shift=0 allows none: take shift=1 or start='plain'")
        W, b, n, width = self.heads.W.numpy().copy(), self.heads.b.numpy().copy(), self.read_heads * self._per_head, self.memory[1]
        keys_ = W[:, :n].reshape(len(W), self.read_heads, -1)[..., :width]
        adds = W[:, n:].reshape(len(W), self.write_heads, -1)[..., -width:]
        keys_[:] = adds[:, np.arange(self.read_heads) % self.write_heads]
        beta, gate, onward = width, width + 1, width + 3 + self.shifts // 2
        for head, s, g in ((b[:n].reshape(self.read_heads, -1), 4, 1), (b[n:].reshape(self.write_heads, -1), forward, write_gate)):
            head[:, beta], head[:, gate], head[:, onward] = 3, g, s
        self.heads.W, self.heads.b = mg.parameter(W), mg.parameter(b)

    def _random_memory(self, dtype: Any) -> Tensor:
        return mg.init.normal(mg.tensor(np.array(self.seed, np.uint64)), self.memory, self.memory[1] ** -0.5, dtype)

    def _first_memory(self) -> Tensor:
        if self.M_0 is not None:
            return self.M_0
        return mg.full(self.memory, 1e-6, self.dtype) if self.memory_start == "constant" else self._random_memory(self.dtype)

    def _first_weightings(self) -> Tensor:
        heads, slots = self.read_heads + self.write_heads, self.memory[0]
        if self.w_0 is not None:
            return mg.softmax(self.w_0)
        uniform = self.weighting_start == "uniform"
        return mg.full((heads, slots), 1 / slots, self.dtype) if uniform else mg.one_hot(np.zeros(heads, int), slots, self.dtype)

    def initial_state(self, batch: Any) -> NTMState:
        first_read = mg.zeros((self.read_heads, self.memory[1]), self.dtype) if self.r_0 is None else mg.tanh(self.r_0)
        M, r, w = (mg.broadcast_to(v, (batch, *v.shape)) for v in (self._first_memory(), first_read, self._first_weightings()))
        n = self.read_heads
        return NTMState(self.controller.initial_state(batch), M, r, w[:, :n], w[:, n:])

    def _refuse_symmetry(self) -> None:
        if self.memory[0] == 1:
            return
        state = self.initial_state(1)
        spread = max(float(np.ptp(v.numpy(), axis).max()) for v, axis in ((state.M, 1), (state.w_read, 2), (state.w_write, 2)))
        if spread == 0:
            raise SettingError(
                f"M_0={self.memory_start!r} with w_0={self.weighting_start!r} is symmetric: all slots are alike and stay so for ever, "
                "so nothing can be stored. Take w_0='learned' or 'focused', or M_0='learned' or 'random'"
            )

    def step(self, state: NTMState, x: Tensor) -> tuple[NTMState, Tensor]:
        batch, width = x.shape[0], self.memory[1]
        with mg.scope("controller"):
            inner, h = self.controller(state.controller, x, mg.reshape(state.r, (batch, self.read_heads * width)))
        p_read, p_write = self._head_parameters(h)
        with mg.scope("write"):
            w_write = address(p_write[..., : self._per_head], state.M, state.w_write, self.shifts).named("w_write")
            erase, add = mg.split(p_write[..., self._per_head :], 2)
            erase, add = mg.sigmoid(erase).named("erase"), mg.tanh(add).named("add")
            M = write(state.M, w_write, erase, add).named("M")
        with mg.scope("read"):
            source = M if self.order == "after" else state.M
            w_read = address(p_read, source, state.w_read, self.shifts).named("w_read")
            r = (w_read @ source).named("r")
        y = self.readout(mg.concat([h, mg.reshape(r, (batch, self.read_heads * width))], -1)).named("y")
        return NTMState(inner, M, r, w_read, w_write), y

    def _head_parameters(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Head parameters before their activations: (batch, read heads, k β g s γ) and (batch, write heads, k β g s γ e a)."""
        p = mg.clip(self.heads(h), -CLIP, CLIP)
        n = self.read_heads * self._per_head
        read = mg.reshape(p[:, :n], (h.shape[0], self.read_heads, self._per_head))
        return read, mg.reshape(p[:, n:], (h.shape[0], self.write_heads, self._per_head + 2 * self.memory[1]))
