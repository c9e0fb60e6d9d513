"""Every model by name, as experiments and the command line make it: (key, inputs, outputs, **settings) -> model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

import minigrad as mg

from .attention import AttentiveLSTM
from .cell import keys
from .dnc import DNC
from .encoder import Encoded, ImageEncoder
from .feedforward import FeedForwardNetwork
from .gru import GRU
from .layers import Stack
from .lstm import LSTM
from .mann import MANN
from .ntm import NTM
from .rnn import RNN
from .transformer import Transformer

LEARNED = 1024  # positions of a transformer
Size = tuple[int, int]
Hidden = Annotated[int, "units"]
Layers = Annotated[int, "layers on top of each other"]
Controller = Annotated[Literal["lstm", "ff"], "of a memory network"]
Memory = Annotated[Size, "slots by width"]
Image = Annotated[int, "side of a square image that each input begins with, seen through convolutions; 0: taken as numbers"]
Heads = Annotated[int, "heads that attend, or read from a memory (the ntm has as many that write)"]
Weights = Annotated[Literal["orthogonal", "identity", "glorot", "uniform"], "start of the weights from state to state"]
Read = Annotated[Literal["after", "before"], "from the memory as it is after the step's write, or before it"]


def feedforward(key: Any, inputs: int, outputs: int, hidden: Hidden = 200, image: Image = 0) -> Any:
    return _seeing(image, key, inputs, lambda n: FeedForwardNetwork(n, hidden, outputs, key=key))


def _seeing(side: int, key: Any, inputs: int, make: Callable[[int], Any]) -> Any:
    """make(its inputs), behind an encoder of the image of so many pixels a side that the inputs begin with, if they do."""
    if not side:
        return make(inputs)
    if side**2 > inputs:
        raise ValueError(f"image={side}, but an input has {inputs} numbers, fewer than {side}²")
    encoder = ImageEncoder(side, key=mg.random.fold_in(mg.random.as_key(key), side))
    return Encoded(encoder, make(encoder.outputs + inputs - side**2))


def rnn(
    key: Any,
    inputs: int,
    outputs: int,
    hidden: Hidden = 100,
    layers: Layers = 1,
    activation: Annotated[Literal["tanh", "relu"], "of the units; relu with --W-h identity is the IRNN"] = "tanh",
    W_h: Weights = "orthogonal",
    image: Image = 0,
) -> Any:
    cell = partial(RNN, activation=activation, start=W_h)
    return _seeing(image, key, inputs, lambda n: _stack(cell, key, n, outputs, hidden, layers))


def lstm(
    key: Any,
    inputs: int,
    outputs: int,
    hidden: Hidden = 100,
    layers: Layers = 1,
    longest: Annotated[int, "start the forget gates for dependencies of up to so many steps (chrono); 0: their biases at 1"] = 0,
    peephole: Annotated[bool, "gates see the cell"] = False,
    coupled: Annotated[bool, "the input gate is 1 − the forget gate"] = False,
    projection: Annotated[int, "numbers that h is projected to; 0: it stays as it is"] = 0,
    W_h: Weights = "orthogonal",
    image: Image = 0,
) -> Any:
    cell = partial(LSTM, longest=longest or None, peephole=peephole, coupled=coupled, projection=projection or None, start=W_h)
    return _seeing(image, key, inputs, lambda n: _stack(cell, key, n, outputs, hidden, layers, projection))


def gru(
    key: Any,
    inputs: int,
    outputs: int,
    hidden: Hidden = 100,
    layers: Layers = 1,
    reset_first: Annotated[bool, "reset the state before its product with the weights, as in the paper; else after it, as cuDNN"] = False,
    W_h: Weights = "orthogonal",
    image: Image = 0,
) -> Any:
    cell = partial(GRU, reset_first=reset_first, start=W_h)
    return _seeing(image, key, inputs, lambda n: _stack(cell, key, n, outputs, hidden, layers))


def _stack(make: Callable[..., Any], key: Any, inputs: int, outputs: int, hidden: int, layers: int, projection: int = 0) -> Any:
    """One layer, or several of which the last one has the readout."""
    if layers == 1:
        return make(inputs, hidden, outputs, key=key)
    sizes = [inputs, *[projection or hidden] * (layers - 1)]
    readouts = [*[None] * (layers - 1), outputs]
    return Stack([make(n, hidden, y, key=k) for n, y, k in zip(sizes, readouts, keys(key, layers), strict=True)])


def attention(
    key: Any,
    inputs: int,
    outputs: int,
    hidden: Hidden = 100,
    score: Annotated[Literal["general", "dot", "concat", "bahdanau"], "how a query is compared with the past"] = "general",
    image: Image = 0,
) -> Any:
    return _seeing(image, key, inputs, lambda n: AttentiveLSTM(n, hidden, outputs, score, key=key))


def transformer(
    key: Any,
    inputs: int,
    outputs: int,
    hidden: Hidden = 64,
    layers: Layers = 2,
    heads: Heads = 4,
    positions: Annotated[Literal["sinusoids", "learned", "none"], f"how positions are told; learned: up to {LEARNED}"] = "sinusoids",
    image: Image = 0,
) -> Any:
    def make(n: int) -> Transformer:
        return Transformer(n, outputs, hidden, heads, layers, positions, longest=LEARNED, key=key)

    return _seeing(image, key, inputs, make)


def ntm(
    key: Any,
    inputs: int,
    outputs: int,
    controller: Controller = "lstm",
    hidden: Hidden = 100,
    memory: Memory = (128, 20),
    heads: Heads = 1,
    layers: Layers = 1,
    start: Annotated[Literal["plain", "tape", "loose"], "of the heads; tape: slot after slot, read by content; loose: blurred"] = "plain",
    M_0: Annotated[Literal["constant", "learned", "random"], "the memory a sequence begins with"] = "constant",
    w_0: Annotated[Literal["focused", "learned", "uniform"], "the weightings it begins with"] = "focused",
    r_0: Annotated[Literal["learned", "zeros"], "what was read before it"] = "learned",
    shifts: Annotated[int, "slots that a head can move in a step, either way"] = 1,
    read: Read = "after",
    image: Image = 0,
) -> Any:
    def make(n: int) -> NTM:
        return NTM(n, outputs, controller, hidden, memory, heads, heads, shifts, read, M_0, w_0, r_0, layers, start, key)

    return _seeing(image, key, inputs, make)


def mann(
    key: Any,
    inputs: int,
    outputs: int,
    controller: Controller = "lstm",
    hidden: Hidden = 200,
    memory: Memory = (128, 40),
    heads: Heads = 4,
    content: Annotated[Literal["key", "add"], "what is written: the key, or a vector of its own"] = "key",
    strength: Annotated[bool, "scale similarities by a strength β"] = False,
    decay: Annotated[float, "of usage in a step"] = 0.99,
    read: Read = "after",
    image: Image = 0,
) -> Any:
    def make(n: int) -> MANN:
        return MANN(n, outputs, controller, hidden, memory, heads, decay, content, strength, read, key)

    return _seeing(image, key, inputs, make)


def dnc(
    key: Any,
    inputs: int,
    outputs: int,
    controller: Controller = "lstm",
    hidden: Hidden = 100,
    memory: Memory = (64, 20),
    heads: Heads = 1,
    layers: Layers = 1,
    image: Image = 0,
) -> Any:
    return _seeing(image, key, inputs, lambda n: DNC(n, outputs, controller, hidden, memory, heads, layers, key=key))


MODELS: dict[str, Callable[..., Any]] = {
    "rnn": rnn, "lstm": lstm, "gru": gru, "attention": attention, "transformer": transformer, "ntm": ntm, "mann": mann, "dnc": dnc,
    "feedforward": feedforward,
}  # fmt: skip
