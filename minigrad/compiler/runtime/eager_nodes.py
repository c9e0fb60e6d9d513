"""Eager operations as one built-in function: it does what `graph.nodes.make` does for operands with values."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import Context

import numpy as np

from ... import origin
from ...graph import nodes
from ...graph.ir import Node, Signature
from ...graph.nodes import CONSTANT, NO_ATTRS
from .builtin import COUNT, TYPE, Body, Builtin, slot
from .memory import TUPLE_ITEMS
from .objects import FIELDS, FLAGS, IDS, WRITEABLE

MOST = 8  # operands
CALLER = 2  # frames above `make`: a function of the engine calls that, and the user's own most often calls this one
RESULT, UNIQUE = slot(Signature, "type"), slot(Signature, "unique")


def maker() -> Callable[..., Node | None]:
    """A function of an operation, nodes, attributes, their signature or None, whether a history is recorded, and the value or None.

    It gives the node; None where it does not know the signature, for an operand without a value, and for more operands than it takes."""
    silent = Context()
    silent.run(np.seterr, all="ignore")
    objects = silent, nodes._frozen, "numpy", IDS, np.ndarray, Node, CONSTANT, (), NO_ATTRS
    places = origin._override, sys._getframe, CALLER, "co_filename", origin._is_engine, origin.scopes, origin.place, CALLER + 1
    return _MAKE.bound((None, True, False, nodes._signatures, *objects, *places))


def _make(body: Body) -> None:
    """(operation, nodes, attributes, signature, whether a history is recorded, value) -> node or None"""
    none, true, false, signatures, *objects = body.items("%own", 21)
    silent, frozen, rule_name, ids, array_type, node_type, constant, empty, no_attrs, *places = objects
    op, args, attrs, given, records, known = (body.item("%args", i) for i in range(6))
    count, values, tracked = body.load(args, COUNT, "i64"), body.variable("zeroinitializer", f"[{MOST} x ptr]"), body.variable(false)
    owned = shared, rule, context, result, place, node = [body.variable("null") for _ in range(6)]
    body.go_if(body.emit(f"icmp ugt i64 {count}, {MOST}"), "unknown")
    with body.loop(count) as i:
        operand = body.item(body.at(args, TUPLE_ITEMS), i)
        value = body.load(operand, FIELDS["value"])
        body.go_if(body.emit(f"or i1 {body.same(value, none)}, {body.same(value, 'null')}"), "unknown")
        body.set(body.place(values, i), value)
        with body.when(body.same(body.load(operand, FIELDS["tracked"]), true)):
            body.set(tracked, true)
    body.set(shared, given)
    with body.when(body.same(given, none)):
        body.set(shared, "null")
        body.set(shared, _signature(body, signatures, op, args, count))
    body.hold(body.get(shared))
    with body.when(body.other(known, none)):
        body.hold(known)
        body.set(result, known)
    with body.when(body.same(known, none)):
        body.set(rule, body.made("PyObject_GetAttr", ("ptr", op), ("ptr", rule_name)))
        body.set(context, body.made("PyContext_Copy", ("ptr", silent)))
        body.set(result, _computed(body, body.get(rule), body.get(context), values, count, attrs))
        body.go_if(body.same(body.get(result), "null"), "failed")
    _freeze(body, result, array_type, frozen)
    _place(body, place, none, false, places)
    body.set(node, body.made("PyType_GenericAlloc", ("ptr", node_type), ("i64", "0")))
    made, signature = body.get(node), body.get(shared)
    body.store(body.made("PyIter_Next", ("ptr", ids)), made, FIELDS["id"])
    has_history = body.emit(f"or i1 {body.same(body.get(tracked), true)}, {body.same(body.load(signature, UNIQUE), true)}")
    kept = body.emit(f"and i1 {body.same(records, true)}, {has_history}")

    def either(x: str, y: str) -> str:
        return body.emit(f"select i1 {kept}, ptr {x}, ptr {y}")

    fields = {
        "op": either(op, constant), "args": either(args, empty), "attrs": either(attrs, no_attrs), "type": body.load(signature, RESULT),
        "value": body.get(result), "name": none, "place": body.get(place), "tracked": either(true, false), "learned": none,
        "signature": either(signature, none), "_holder": none,
    }  # fmt: skip
    for field, x in fields.items():
        body.put(x, made, FIELDS[field])
    for variable in owned[:-1]:
        body.drop(body.get(variable))
    body.give(made)
    body.label("unknown")
    body.hold(none)
    body.give(none)
    body.label("failed")
    for variable in owned:
        body.drop(body.get(variable))
    body.give("null")


def _computed(body: Body, rule: str, context: str, values: str, count: str, attrs: str) -> str:
    """What the NumPy rule gives, in a context without floating-point warnings; null for an exception."""
    with body.loop(count) as i:  # an operand may lose its value while NumPy lets other threads run
        body.hold(body.item(values, i))
    body.call("i32", "PyContext_Enter", ("ptr", context))
    result = body.call("ptr", "PyObject_VectorcallDict", ("ptr", rule), ("ptr", values), ("i64", count), ("ptr", attrs))
    body.call("i32", "PyContext_Exit", ("ptr", context))
    with body.loop(count) as i:
        body.drop(body.item(values, i))
    return result


def _signature(body: Body, signatures: str, op: str, args: str, count: str) -> str:
    """The signature of an operation without attributes."""
    types = body.made("PyTuple_New", ("i64", count))
    with body.loop(count) as i:
        type_ = body.load(body.item(body.at(args, TUPLE_ITEMS), i), FIELDS["type"])
        body.hold(type_)
        body.set(body.place(body.at(types, TUPLE_ITEMS), i), type_)
    body.hold(op)
    key = body.pair(op, types)
    found = body.call("ptr", "PyDict_GetItemWithError", ("ptr", signatures), ("ptr", key))
    body.drop(key)
    with body.when(body.same(found, "null"), leaves=True):
        body.go_if(body.other(body.call("ptr", "PyErr_Occurred"), "null"), "failed")
        body.do("br label %unknown")
    return found


def _freeze(body: Body, result: str, array_type: str, frozen: str) -> None:
    """An array becomes read-only; of anything else the function makes one, or several."""
    is_array = body.same(body.load(body.get(result), TYPE), array_type)
    with body.when(is_array):
        array = body.get(result)
        body.store(body.emit(f"and i32 {body.load(array, FLAGS, 'i32')}, {~WRITEABLE}"), array, FLAGS, "i32")
    with body.when(body.emit(f"xor i1 {is_array}, true")):
        before = body.get(result)
        body.set(result, body.call("ptr", "PyObject_CallOneArg", ("ptr", frozen), ("ptr", before)))
        body.drop(before)
        body.go_if(body.same(body.get(result), "null"), "failed")


def _place(body: Body, place: str, none: str, false: str, objects: list[str]) -> None:
    """What `origin.place` gives. That is called where the frame is not known to be the user's."""
    override, getframe, depth, filename, is_engine, scopes, general, there = objects
    found = body.variable("null")
    body.call("i32", "PyContextVar_Get", ("ptr", override), ("ptr", "null"), ("ptr", place))
    with body.when(body.same(body.get(place), none)):
        body.drop(none)
        body.set(place, "null")
        frame = body.made("PyObject_CallOneArg", ("ptr", getframe), ("ptr", depth))
        code = body.call("ptr", "PyFrame_GetCode", ("ptr", frame))
        name = body.call("ptr", "PyObject_GetAttr", ("ptr", code), ("ptr", filename))
        is_users = body.same(body.call("ptr", "PyDict_GetItemWithError", ("ptr", is_engine), ("ptr", name)), false)
        body.drop(name)
        with body.when(is_users):
            at = body.emit(f"sext i32 {body.call('i32', 'PyFrame_GetLasti', ('ptr', frame))} to i64")
            body.call("i32", "PyContextVar_Get", ("ptr", scopes), ("ptr", "null"), ("ptr", found))
            body.hold(code)
            parts = code, body.made("PyLong_FromLongLong", ("i64", at)), body.get(found)
            body.set(place, body.made("PyTuple_New", ("i64", "3")))
            for i, part in enumerate(parts):
                body.store(part, body.get(place), TUPLE_ITEMS + 8 * i)
        body.drop(code)
        body.drop(frame)
        with body.when(body.emit(f"xor i1 {is_users}, true")):
            body.set(place, body.made("PyObject_CallOneArg", ("ptr", general), ("ptr", there)))


_MAKE = Builtin("mg_make", 6, _make)
