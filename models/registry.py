"""Constructors of all models by name, for experiments and the command line: (key, inputs, outputs, **settings) -> model.

The settings are parameters of the models' constructors, with the annotations (kind, help text) and defaults that stand there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import minigrad as mg

from .attention import AttentiveLSTM
from .cell import keys
from .cnn import CNN
from .deltanet import DeltaNet
from .dnc import DNC
from .encoder import Embedding, Encoded, ImageEncoder
from .fast_weights import FastWeights, LinearAttention
from .feedforward import FeedForwardNetwork
from .gru import GRU
from .hopfield import HopfieldNetwork
from .layers import Stack, width
from .lstm import LSTM
from .mann import MANN
from .memn2n import MemN2N
from .minimal import MinGRU, MinLSTM
from .ntm import NTM
from .rnn import RNN
from .rwkv import RWKV7
from .selective import S6
from .settings import Layers, Size, annotation
from .sparse_memory import SAM
from .stack_rnn import StackRNN
from .tape_rnn import TapeRNN
from .test_time import TTT
from .titans import Titans
from .transformer import Transformer
from .xlstm import MLSTM, SLSTM

__all__ = ["MODELS", "Size", "builder"]

Vectors = Annotated[int, "numbers in the learned vector of a symbol, which stands for the one-hot input; 0: the input as it is"]
Image = Annotated[int, "side of a square image that each input begins with, seen through convolutions; 0: taken as numbers"]

# {setting: the parameters that it sets}, where the names differ.
SETS = {"W_h": ("start",), "hidden": ("width",), "heads": ("read_heads", "write_heads"), "shifts": ("shift",)}


def _single(constructor: Callable[..., Any], inputs: int, outputs: int, key: Any, **arguments: Any) -> Any:
    return constructor(inputs=inputs, outputs=outputs, key=key, **arguments)


def _stacked(constructor: Callable[..., Any], inputs: int, outputs: int, key: Any, layers: Layers = 1, **arguments: Any) -> Any:
    """One layer, or a Stack of several, of which the last has the readout."""
    if layers == 1:
        return constructor(inputs, outputs=outputs, key=key, **arguments)
    made: list[Any] = []
    for k in keys(key, layers):
        last = len(made) == layers - 1
        made.append(constructor(width(made[-1]) if made else inputs, outputs=outputs if last else None, key=k, **arguments))
    return Stack(made)


def _encoded(key: Any, inputs: int, make: Callable[[int], Any], *, embedding: Vectors = 0, image: Image = 0) -> Any:
    """make(inputs), or encoders and a model of what they give: an ImageEncoder of the image with which inputs begin, then an Embedding."""
    k = mg.random.as_key(key)
    if image:
        if image**2 > inputs:
            raise mg.errors.SettingError(f"image={image}, but an input has {inputs} numbers, fewer than {image}²")
        encoder = ImageEncoder(image, key=mg.random.fold_in(k, image))
        return Encoded(encoder, _encoded(key, encoder.outputs + inputs - image**2, make, embedding=embedding))
    if not embedding:
        return make(inputs)
    model = make(embedding)
    if getattr(model, "reads_channels", False):
        problem = f"embedding={embedding}, but {type(model).__name__} asks which channels of an input are on, and vectors do not tell"
        raise mg.errors.SettingError(f"{problem}: leave it at 0")
    return Encoded(Embedding(inputs, embedding, mg.random.fold_in(k, embedding)), model)


def _builder(constructor: type, settings: str, make: Callable[..., Any] = _single, **values: Any) -> Callable[..., Any]:
    """The function (key, inputs, outputs, *, **settings, embedding=0, image=0) -> model, its signature derived from the constructor's.

    settings  names of parameters of the constructor or of `make`, or keys of SETS, in the order in which they are listed
    make      (constructor, inputs, outputs, key, **arguments) -> model
    values    defaults of settings where the constructor has none, and arguments that are no settings
    """
    known = {p.name: p for f in (make, constructor.__init__) for p in _parameters(f)}
    sets = {name: [p for p in (name, *SETS.get(name, ())) if p in known] for name in settings.split()}
    encoders = [p for p in _parameters(_encoded)[3:] if p.name not in sets]

    def build(key: Any, inputs: int, outputs: int, **given: Any) -> Any:
        before = {p.name: given.pop(p.name, 0) for p in encoders}
        arguments = {p: value for name, value in {**values, **given}.items() for p in sets.get(name, [name])}
        return _encoded(key, inputs, lambda n: make(constructor, n, outputs, key, **arguments), **before)

    first = _parameters(build)[:3]
    options = [_option(name, known[parameters[0]], values) for name, parameters in sets.items()]
    signature = inspect.Signature([*first, *options, *encoders])
    build.__signature__ = signature  # type: ignore[attr-defined]
    build.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    return build


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters, with annotations that are evaluated."""
    hints = get_type_hints(function, include_extras=True)
    return [p.replace(annotation=hints.get(p.name)) for p in inspect.signature(function).parameters.values()]


def _option(name: str, parameter: inspect.Parameter, values: dict[str, Any]) -> inspect.Parameter:
    """The parameter under the setting's name. {name} in its help text is replaced by the value of that name."""
    kind, text, *earlier = annotation(parameter)
    described, default = Annotated[kind, text.format(**values), *earlier], values.get(name, parameter.default)
    if default is parameter.empty:
        raise mg.errors.SettingError(f"the parameter {name} needs a default: it is a setting of a run, as in {name}: int = 32")
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=described)


GIVEN = ("inputs", "outputs", "key")  # what a run gives every model


def builder(constructor: Any) -> Callable[..., Any]:
    """The function (key, inputs, outputs, **settings) -> model for a class of the user's. All other parameters of it are settings."""
    if not isinstance(constructor, type):
        raise mg.errors.SettingError(f"a model is a class, got {constructor!r}")
    named = {p.name for p in _parameters(constructor.__init__) if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    if missing := [name for name in GIVEN if name not in named]:
        problem = f"{constructor.__name__}.__init__ has no parameter {', '.join(missing)}"
        raise mg.errors.SettingError(f"{problem}: a run makes {constructor.__name__}(inputs=…, outputs=…, key=…, **settings)")
    own = [p.name for p in _parameters(constructor.__init__)[1:] if p.name in named and p.name not in (*GIVEN, "dtype")]
    return _builder(constructor, " ".join(own))


MODELS: dict[str, Callable[..., Any]] = {
    "rnn": _builder(RNN, "hidden layers activation W_h", _stacked, hidden=100),
    "lstm": _builder(LSTM, "hidden layers longest peephole coupled projection W_h", _stacked, hidden=100),
    "gru": _builder(GRU, "hidden layers reset_first W_h", _stacked, hidden=100),
    "attention": _builder(AttentiveLSTM, "hidden score", hidden=100),
    "transformer": _builder(Transformer, "hidden layers heads kv_heads positions norms", longest=1024),
    "ntm": _builder(NTM, "controller hidden memory heads layers start M_0 w_0 r_0 shifts read"),
    "mann": _builder(MANN, "controller hidden memory heads content strength decay read"),
    "dnc": _builder(DNC, "controller hidden memory heads layers"),
    "linear-attention": _builder(LinearAttention, "hidden layers heads feature nu normalised rule convolution norm output_gate", _stacked),
    "deltanet": _builder(
        DeltaNet,
        "hidden layers heads gated product negative_eigenvalues S_0 convolution norm output_gate chunk",
        _stacked,
    ),
    "rwkv7": _builder(RWKV7, "hidden layers heads", _stacked),
    "fast-weights": _builder(FastWeights, "hidden layers inner A_decay A_rate", _stacked, hidden=100),
    "slstm": _builder(SLSTM, "hidden heads layers forget convolution norm W_h b_f", _stacked, hidden=100),
    "mlstm": _builder(MLSTM, "hidden heads layers forget convolution norm output_gate chunk", _stacked, hidden=100),
    "mingru": _builder(MinGRU, "hidden layers longest chunk", _stacked, hidden=100),
    "minlstm": _builder(MinLSTM, "hidden layers longest chunk", _stacked, hidden=100),
    "s6": _builder(
        S6, "hidden layers states expand discretisation negative_eigenvalues h_0 convolution output_gate skip", _stacked, hidden=100
    ),
    "ttt": _builder(TTT, "hidden layers heads network mini_batch dual plain convolution norm output_gate", _stacked),
    "titans": _builder(Titans, "hidden layers heads depth bound convolution norm output_gate", _stacked),
    "memn2n": _builder(MemN2N, "hidden hops sentences separator linear", hidden=20),
    "hopfield": _builder(HopfieldNetwork, "hidden updates beta kernel", hidden=100),
    "cnn": _builder(CNN, "hidden kernel layers", hidden=100),
    "sam": _builder(SAM, "controller hidden memory heads nearest"),
    "stack-rnn": _builder(StackRNN, "hidden stacks cells cell_size top no_op rounded activation W_h", hidden=100),
    "tape-rnn": _builder(TapeRNN, "hidden cells cell_size writer jump activation W_h", hidden=100),
    "feedforward": _builder(FeedForwardNetwork, "hidden", hidden=200),
}
