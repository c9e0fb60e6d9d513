"""The addresses of LLVM functions: object code is found in the process, found in the disk cache, or made by LLVM; and linked.

The unit of all this is one LLVM function. A process compiles and links equal functions once, whichever programs have them. The disk cache
has one entry a program, with the object code of all its functions.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, wait

import llvmlite
import llvmlite.binding as llvm
from llvmlite.binding import ffi

from ..llvm.functions import OUTSIDE, Unit, outside
from . import cache
from .assemble import FLAGS, assemble_all, begin, machine, target_machine

_lock = threading.RLock()
_engines: list[llvm.ExecutionEngine] = []  # an engine owns its machine code, so all engines are kept for the life of the process
_linked: dict[str, tuple[int, bytes]] = {}  # the address and the object code of each function of the process
_begun: dict[str, Future[bytes]] = {}  # functions that another thread compiles already


def _hold() -> None:
    """Before a fork: wait until no other thread is in LLVM. The child would never see its locks released, nor its work completed."""
    _lock.acquire()
    wait(_begun.values())
    ffi.lib._lock.__enter__()


def _let_go() -> None:
    ffi.lib._lock.__exit__()
    _lock.release()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_let_go)


def foresee(names: Iterable[str]) -> None:
    """Begin to compile functions of `outside` on another core, while a program that will call them is not yet LLVM text."""
    if not _lock.acquire(blocking=False):  # another thread compiles, on all cores
        return
    try:
        for name in {*names} - _linked.keys() - _begun.keys():
            unit = outside(name, machine()[2].split(","))
            job = begin(unit) if cache.load(_key([unit])) is None else None
            if job is not None:
                _begun[name] = job
    finally:
        _lock.release()


def link(units: Sequence[Unit]) -> dict[str, int]:
    """The address of each function; of those that are new in the process after compiling, or loading from the disk cache, and linking."""
    with _lock:
        shared = {name for u in units for name in OUTSIDE.findall(u.text)}
        features = machine()[2].split(",")
        groups = [*([outside(name, features)] for name in sorted(shared - _linked.keys())), units]
        found = zip(itertools.chain(*groups), itertools.chain(*_object_code(groups)), strict=True)
        new = {u.name: (u, c) for u, c in found if u.name not in _linked}
        if new:
            engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
            for _, code in new.values():
                engine.add_object_file(llvm.ObjectFileRef.from_data(code))
            engine.finalize_object()
            _engines.append(engine)
            for unit, code in new.values():
                addresses = [engine.get_function_address(name) for name in (unit.name, *unit.others)]
                for name, address in zip((unit.name, *unit.others), addresses, strict=True):
                    llvm.add_symbol(name, address)
                _linked[unit.name] = addresses[0], code
        return {u.name: _linked[u.name][0] for u in units}


def _object_code(groups: Sequence[Sequence[Unit]]) -> list[list[bytes]]:
    """The object code of groups of functions. Each group is an entry of the disk cache."""
    names = [_key(group) for group in groups]
    loaded = [cache.load(name) for name in names]
    missing = [u for group, data in zip(groups, loaded, strict=True) if data is None for u in group if u.name not in _linked]
    rest = [u for u in missing if u.name not in _begun]
    made = dict(zip((u.name for u in rest), assemble_all(rest), strict=True))
    made |= {u.name: _begun.pop(u.name).result() for u in missing if u.name not in made}
    found = []
    for name, group, data in zip(names, groups, loaded, strict=True):
        if data is None:
            codes = [made[u.name] if u.name in made else _linked[u.name][1] for u in group]
            cache.save(name, b"".join(len(c).to_bytes(8, "little") + c for c in codes))
        else:
            codes = _parts(data)
        found.append(codes)
    return found


def _key(group: Sequence[Unit]) -> str:
    """The name of a group of functions in the disk cache."""
    return cache.key(*(u.text for u in group), FLAGS, *machine(), *_versions())


def _parts(data: bytes) -> list[bytes]:
    """The parts of an entry, each after its length."""
    found, at = [], 0
    while at < len(data):
        start, at = at + 8, at + 8 + int.from_bytes(data[at : at + 8], "little")
        found.append(data[start:at])
    return found


def _versions() -> tuple[str, ...]:
    return llvmlite.__version__, ".".join(map(str, llvm.llvm_version_info))
