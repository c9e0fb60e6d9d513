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
from . import loops
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
    return _MAKE.bound((None, True, False, nodes._signatures, *objects, *loops.objects(), *places))


def _make(body: Body) -> None:
    """(operation, nodes, attributes, signature, whether a history is recorded, value) -> node or None"""
    none, true, false, signatures, *objects = body.items("%own", 25)
    silent, frozen, rule_name, ids, array_type, node_type, constant, empty, no_attrs, *others = objects
    of_loops, places = others[:4], others[4:]
    op, args, attrs, given, records, known = (body.item("%args", i) for i in range(6))
    count, values, tracked = body.load(args, COUNT, "i64"), body.variable("zeroinitializer", f"[{MOST} x ptr]"), body.variable(false)
    owned = shared, rule, context, result, place, frame, code, node = [body.variable("null") for _ in range(8)]
    held = [body.place(values, i) for i in range(MOST)]
    body.go_if(body.other(body.load(args, TYPE), body.load(empty, TYPE)), "unknown")
    body.go_if(body.emit(f"icmp ugt i64 {count}, {MOST}"), "unknown")
    with body.loop(count) as i:
        operand = body.item(body.at(args, TUPLE_ITEMS), i)
        body.require_node(operand, node_type, "unknown")
        value = body.load(operand, FIELDS["value"])
        body.go_if(body.emit(f"or i1 {body.same(value, none)}, {body.same(value, 'null')}"), "unknown")
        body.put(value, body.place(values, i), 0)  # an operand may lose its value while other code runs
        with body.when(body.same(body.load(operand, FIELDS["tracked"]), true)):
            body.set(tracked, true)
    with body.when(body.same(given, none)):
        body.set(shared, _signature(body, signatures, op, args, count))
    with body.when(body.other(given, none)):
        body.put(given, shared, 0)
    with body.when(body.other(known, none)):
        body.hold(known)
        body.set(result, known)
    with body.when(body.same(known, none)):
        body.set(rule, body.made("PyObject_GetAttr", ("ptr", op), ("ptr", rule_name)))
        body.set(result, loops.looped(body, body.get(rule), values, count, attrs, array_type, of_loops))
        body.do("br label %computed")
        body.label("general")
        body.set(context, body.made("PyContext_Copy", ("ptr", silent)))
        body.must("PyContext_Enter", ("ptr", body.get(context)))
        operands = ("ptr", body.get(rule)), ("ptr", values), ("i64", count), ("ptr", attrs)
        body.set(result, body.call("ptr", "PyObject_VectorcallDict", *operands))
        body.must("PyContext_Exit", ("ptr", body.get(context)))
        body.go_if(body.same(body.get(result), "null"), "failed")
        body.do("br label %computed")
        body.label("computed")
    _freeze(body, result, array_type, frozen)
    _place(body, place, frame, code, none, false, places)
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
    for variable in (*owned[:-1], *held):
        body.drop(body.get(variable))
    body.give(made)
    body.label("unknown")
    for variable in held:
        body.drop(body.get(variable))
    body.hold(none)
    body.give(none)
    body.label("failed")
    for variable in (*owned, *held):
        body.drop(body.get(variable))
    body.give("null")


def _signature(body: Body, signatures: str, op: str, args: str, count: str) -> str:
    """The signature of an operation without attributes: a reference."""
    types = body.made("PyTuple_New", ("i64", count))
    with body.loop(count) as i:
        type_ = body.load(body.item(body.at(args, TUPLE_ITEMS), i), FIELDS["type"])
        body.hold(type_)
        body.set(body.place(body.at(types, TUPLE_ITEMS), i), type_)
    body.hold(op)
    key = body.pair(op, types)
    found = body.call("ptr", "PyDict_GetItemWithError", ("ptr", signatures), ("ptr", key))
    body.hold(found)  # before anything is dropped
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


def _place(body: Body, place: str, frame: str, code: str, none: str, false: str, objects: list[str]) -> None:
    """What `origin.place` gives. That is called where the frame is not known to be the user's, or there is none."""
    override, getframe, depth, filename, is_engine, scopes, general, there = objects
    body.must("PyContextVar_Get", ("ptr", override), ("ptr", "null"), ("ptr", place))
    with body.when(body.same(body.get(place), none)):
        body.drop(none)
        body.set(place, "null")
        body.set(frame, body.call("ptr", "PyObject_CallOneArg", ("ptr", getframe), ("ptr", depth)))
        with body.when(body.same(body.get(frame), "null")):
            body.call("void", "PyErr_Clear")
        with body.when(body.other(body.get(frame), "null")):
            body.set(code, body.call("ptr", "PyFrame_GetCode", ("ptr", body.get(frame))))
            name = body.made("PyObject_GetAttr", ("ptr", body.get(code)), ("ptr", filename))
            is_users = body.same(body.call("ptr", "PyDict_GetItemWithError", ("ptr", is_engine), ("ptr", name)), false)
            body.drop(name)
            with body.when(is_users):
                body.set(place, body.made("PyTuple_New", ("i64", "3")))
                parts = body.get(place)
                body.put(body.get(code), parts, TUPLE_ITEMS)
                at = body.emit(f"sext i32 {body.call('i32', 'PyFrame_GetLasti', ('ptr', body.get(frame)))} to i64")
                body.store(body.made("PyLong_FromLongLong", ("i64", at)), parts, TUPLE_ITEMS + 8)
                body.must("PyContextVar_Get", ("ptr", scopes), ("ptr", "null"), ("ptr", body.at(parts, TUPLE_ITEMS + 16)))
        with body.when(body.same(body.get(place), "null")):
            body.set(place, body.made("PyObject_CallOneArg", ("ptr", general), ("ptr", there)))


_MAKE = Builtin("mg_make", 6, _make)
