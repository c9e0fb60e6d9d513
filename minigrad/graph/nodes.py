"""Construction of nodes. While tracing, an equal node is reused (interning). The value is computed if those of all arguments are known."""

from __future__ import annotations

import copyreg
import itertools
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import Context, ContextVar
from typing import Any, NamedTuple

import numpy as np

from ..errors import OutOfMemoryError, message
from ..origin import place
from .dims import product
from .ir import Node, Operation, Signature, new_id, uses_sizes
from .types import OWN, TensorType


class Outside:
    """The tensors that a trace takes from outside. Those with a history or a gradient, and those in `wanted`, become inputs of the graph;
    others are constants."""

    def __init__(self, wanted: Collection[Node] = ()):
        self.start, self.wanted = new_id(), wanted
        self.inputs: dict[Node, Node] = {}
        self.constants: set[Node] = set()

    def taken(self, node: Node) -> Node:
        """The input that stands for the node, or the node itself."""
        if node.id > self.start or node.value is None:
            return node
        if not node.tracked and node not in self.wanted:
            self.constants.add(node)
            return node
        if node not in self.inputs:
            self.inputs[node] = Node(INPUT, (), {}, node.type, None, node.name)
        return self.inputs[node]


class Table(dict[Any, Node]):
    """The nodes of a trace, by operation, arguments and attributes. `searched`: loops were found in a function that is differentiated.

    What follows from types alone is found once, and kept by the ids of the types: these are hashed sooner than types with run-time sizes.
    An entry holds the types themselves, so that no other object has their ids."""

    def __init__(self, outside: Outside | None = None):
        super().__init__()
        self.outside, self.searched = outside, False
        self._signatures: dict[Any, Signature] = {}
        self._found: dict[Any, tuple[Any, Sequence[TensorType]]] = {}
        self._types: dict[Any, Any] = {}  # equal types are one object

    def once(self, what: tuple[Any, ...], types: Sequence[TensorType], find: Callable[[], Any]) -> Any:
        """What `find` gives for these types, asked once; `what` tells it apart."""
        key = (*what, *map(id, types))
        known = self._found.get(key)
        if known is None:
            known = self._found[key] = find(), types
        return known[0]

    def signature(self, op: Operation, nodes: tuple[Node, ...], attrs: dict[str, Any], items: Iterable[tuple[str, Any]]) -> Signature:
        """The signature of an operation on these arguments, with these attributes. Raises what the type rule raises."""
        key = (op, *[id(n.type) for n in nodes], *items)
        found = self._signatures.get(key)
        if found is None:
            types = [n.type for n in nodes]
            made = op.type(*types, **attrs)
            found = self._signatures[key] = Signature(op, types, attrs, self._types.setdefault(made, made))
        return found


class Paused(NamedTuple):
    """No history is recorded. `table` is that of the trace around it, if there is one; `stop` is the operation that detaches."""

    table: Table | None
    stop: Operation


# None: results are computed at once, and have a history where they are tracked.
_mode: ContextVar[Table | Paused | None] = ContextVar("mode", default=None)


@contextmanager
def _in_mode(mode: Table | Paused | None) -> Iterator[None]:
    token = _mode.set(mode)
    try:
        yield
    finally:
        _mode.reset(token)


def interning(outside: Outside | None = None) -> AbstractContextManager[None]:
    """Inside the `with`, equal operations on the same nodes are one node. Nested traces share the table."""
    return nullcontext() if is_tracing() else _in_mode(Table(outside))


def table_of_trace() -> Table | None:
    """The nodes of the trace that is open."""
    mode = _mode.get()
    return mode.table if isinstance(mode, Paused) else mode


def is_tracing() -> bool:
    return _mode.get() is not None and table_of_trace() is not None


def pause(stop: Operation) -> AbstractContextManager[None]:
    """Inside the `with`, results have no history: eagerly they are constants, in a trace they are detached, by the operation `stop`."""
    mode = _mode.get()
    return _in_mode(Paused(mode, stop) if mode is None or isinstance(mode, Table) else mode)


def resume() -> AbstractContextManager[None]:
    """Inside the `with`, histories are recorded: what differentiates a function needs them."""
    mode = _mode.get()
    return _in_mode(mode.table) if isinstance(mode, Paused) else nullcontext()


def is_paused() -> bool:
    return isinstance(_mode.get(), Paused)


# ---- nodes without arguments


def _leaf(name: str, kind: str) -> Operation:
    return Operation(name, type=lambda **_: None, numpy=lambda **_: None, kind=kind, symbol=name, unique=True)


INPUT = _leaf("input", "input")
CONSTANT = _leaf("constant", "constant")
PARAMETER = _leaf("parameter", "parameter")
COMPILED = _leaf("compiled", "constant")  # a result of a compiled function of parameters


def known(op: Operation, array: np.ndarray, name: str | None = None) -> Node:
    """A constant or a parameter with this value. A trace knows its own."""
    type_ = TensorType(array.shape, OWN.get(array.dtype, array.dtype))
    node, table = Node(op, (), {}, type_, array, name, tracked=op is not CONSTANT), table_of_trace()
    if table is not None:
        table[node] = node
    return node


def _restored(kind: str, array: np.ndarray, name: str | None) -> Node:
    """The node of a pickle."""
    return known({op.name: op for op in (PARAMETER, COMPILED, CONSTANT)}[kind], _frozen(array), name)


# A pickled node is a leaf: it has its value, and no history.
copyreg.pickle(Node, lambda n: (_restored, ((n.op if n.op in (PARAMETER, COMPILED) else CONSTANT).name, n.value, n.name)))


def number(value: Any, dtype: np.dtype) -> Node:
    """A 0-d constant. While tracing there is one node per value and dtype."""
    table = table_of_trace()
    array = np.array(value, dtype)
    array.flags.writeable = False
    if table is None:
        return known(CONSTANT, array)
    key = (CONSTANT, array.dtype, array.tobytes())
    if key not in table:
        table[key] = known(CONSTANT, array)
    return table[key]


# ---- operations

# `item` selects one result of a node with several results (a loop, a branch, a call), so that every argument is one tensor.
item = Operation(
    "item",
    type=lambda types, index: types[index],
    numpy=lambda values, index: values[index],
    kind="index",
    symbol="item",
)


NO_ATTRS: dict[str, Any] = {}
MANY = 1000  # eager operations, after which machine code makes their nodes
# Gives a function of an operation, nodes, attributes, their signature or None, whether a history is recorded, and the value or None. The
# function gives what `make` gives, or None where it leaves that to it. The compiler, which imports this file, puts it here.
machine_code: list[Callable[[], Callable[..., Node | None]]] = []
_operations = itertools.count(1)
_native: Callable[..., Node | None] | None = None
_signatures: dict[Any, Signature] = {}  # by operation, types of the arguments, and attributes
KEPT_SIGNATURES = 4096


def signature(op: Operation, types: tuple[TensorType, ...], attrs: dict[str, Any]) -> Signature:
    """The signature of an operation on arguments of these types, whose sizes are numbers. Raises what the type rule raises."""
    key = (op, types, *attrs.items()) if attrs else (op, types)
    found = _signatures.get(key)
    if found is None:
        found = Signature(op, types, attrs, op.type(*types, **attrs))
        if not found.has_body:  # a body is seldom seen again
            if len(_signatures) >= KEPT_SIGNATURES:
                _signatures.clear()
            _signatures[key] = found
    return found


def make(op: Operation, nodes: tuple[Node, ...], attrs: dict[str, Any]) -> Node:
    """The node of an operation on nodes: an equal one that exists if tracing, else a new one, with its value if it can be computed.

    Eager code spends most of its time here. A type rule is asked once for equal types and attributes."""
    mode = _mode.get()
    if mode is not None:
        if isinstance(mode, Table):
            return _make_traced(mode, op, nodes, attrs)
        if mode.table is not None:
            return _make_detached(mode.table, mode.stop, op, nodes, attrs)
    native = _native
    try:
        if native is not None and not attrs:
            found = native(op, nodes, attrs, None, mode is None, None)
            if found is not None:
                return found
        for node in nodes:
            if node.value is None:
                return Node(op, nodes, attrs, op.type(*[n.type for n in nodes], **attrs))
        shared = signature(op, tuple([n.type for n in nodes]), attrs)
        if native is not None and not shared.has_body:
            found = native(op, nodes, attrs, shared, mode is None, None)
            if found is not None:
                return found
        run = bodies.get() if shared.has_body else _run_silently
        value = _frozen(run(op, [n.value for n in nodes], attrs))
    except MemoryError:
        raise _out_of_memory(op, [n.value for n in nodes], attrs) from None
    if native is None and next(_operations) == MANY:
        _use_machine_code()
    if mode is None and (shared.unique or any(n.tracked for n in nodes)):
        node = Node(op, nodes, attrs, shared.type, value, None, place(3))
        node.signature = shared
        return node
    return Node(CONSTANT, (), NO_ATTRS, shared.type, value, None, place(3), False)


def make_eager(op: Operation, node: Node, attrs: dict[str, Any], shared: Signature, value: np.ndarray) -> Node:
    """`make` outside a trace, of one argument, where signature and value are known already."""
    records = _mode.get() is None
    if _native is not None:
        return _native(op, (node,), attrs, shared, records, value)  # type: ignore[return-value]  # it knows the signature
    value.setflags(write=False)
    if not node.tracked or not records:
        return Node(CONSTANT, (), NO_ATTRS, shared.type, value, None, place(3), False)
    made = Node(op, (node,), attrs, shared.type, value, None, place(3))
    made.signature = shared
    return made


def machine_code_is_off() -> bool:
    """Whether the environment turns machine code off, by MINIGRAD_JIT=0."""
    return os.environ.get("MINIGRAD_JIT") == "0"


def _use_machine_code() -> None:
    global _native
    _native = machine_code[0]() if machine_code and not machine_code_is_off() else None


def remake(node: Node, args: tuple[Node, ...]) -> Node:
    """The operation of a node on other arguments. Where these have the types of its own, its type is known."""
    mode = _mode.get()
    if not isinstance(mode, Table):
        return make(node.op, args, node.attrs)
    alike = all(a.type is b.type for a, b in zip(args, node.args, strict=True))
    return _make_traced(mode, node.op, args, node.attrs, node.type if alike else None)


def _make_traced(table: Table, op: Operation, nodes: tuple[Node, ...], attrs: dict[str, Any], type_: Any = None) -> Node:
    outside = table.outside
    if outside is not None:
        for node in nodes:
            if node.value is not None and node.id < outside.start:
                nodes = tuple(map(outside.taken, nodes))
                break
    key = shared = None
    items: Any = sorted(attrs.items()) if attrs else ()
    if not op.unique:
        key = (op, nodes, *items)
        found = table.get(key)
        if found is not None:
            return found
    if type_ is None:
        if key is None or op.has_body:  # a body is seldom seen again
            type_ = op.type(*[n.type for n in nodes], **attrs)
        else:
            shared = table.signature(op, nodes, attrs, items)
            type_ = shared.type
    if op.fold is not None:
        folded = op.fold(op, nodes, attrs, type_)
        if folded is not None:
            return folded
    value = None
    for node in nodes:
        if node.value is None:
            break
    else:
        value = None if uses_sizes(attrs) else compute(op, [n.value for n in nodes], attrs)
    node = Node(op, nodes, attrs, type_, value, None, place(4))
    node.signature = shared
    if key is not None:
        table[key] = node
    return node


def _make_detached(table: Table, stop: Operation, op: Operation, nodes: tuple[Node, ...], attrs: dict[str, Any]) -> Node:
    found = _make_traced(table, op, nodes, attrs)
    return found if type(found.type) is not TensorType or is_number(found) else _make_traced(table, stop, (found,), {})


def is_number(node: Node) -> bool:
    """Whether a node is a number or a broadcast number. Such a node is cheaper to compute than to store."""
    source = node.args[0] if node.op.name == "broadcast" else node
    return source.op is CONSTANT and not source.type.shape


def behind_broadcast(node: Node) -> Node:
    """What a node repeats, or the node itself where it repeats nothing."""
    return node.args[0] if node.op.name == "broadcast" else node


# ---- values


class _Silent(threading.local):
    """A context without floating-point warnings. It is ten times as fast as np.errstate, but it cannot be nested."""

    def __init__(self) -> None:
        self.run = Context().run
        self.run(np.seterr, all="ignore")


_silent = _Silent()


def _run_silently(op: Operation, values: Sequence[Any], attrs: dict[str, Any]) -> Any:
    return _silent.run(op.numpy, *values, **attrs)


def _run_silent(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with np.errstate(all="ignore"):
        return f(*args, **kwargs)


def interpreted(op: Operation, values: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """The result of an operation that runs a graph."""
    return _run_silent(op.numpy, *values, **attrs)


# How eager operations that run a graph are computed.
bodies: ContextVar[Callable[[Operation, Sequence[Any], dict[str, Any]], Any]] = ContextVar("bodies", default=interpreted)


def compute(op: Operation, values: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """Apply the NumPy rule, without warnings about overflow and invalid values. Results are read-only."""
    try:
        return _frozen((_run_silent if op.has_body else _silent.run)(op.numpy, *values, **attrs))
    except MemoryError:
        raise _out_of_memory(op, values, attrs) from None


def _out_of_memory(op: Operation, values: Sequence[Any], attrs: dict[str, Any]) -> OutOfMemoryError:
    return OutOfMemoryError(message(op.name, _too_large(op, values, attrs), "Sum before you broadcast, or work on parts"))


def _too_large(op: Operation, values: Sequence[Any], attrs: dict[str, Any]) -> str:
    found = op.type(*(TensorType(v.shape, v.dtype) for v in values), **attrs)
    types = [found] if isinstance(found, TensorType) else found
    needed = sum(int(product(t.shape)) * t.dtype.itemsize for t in types)
    return f"{', '.join(map(str, types))} needs {needed / 2**30:,.1f} GiB, more than there is"


def _frozen(value: Any) -> Any:
    """An array, or a tuple of arrays, that cannot be written to."""
    if type(value) is tuple:
        return tuple(map(_frozen, value))
    array = value if type(value) is np.ndarray else np.asarray(value)
    array.setflags(write=False)
    return array
