"""The names that object code leaves for the linker to find: of ELF, COFF and Mach-O."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def undefined(code: bytes) -> set[str]:
    """The undefined symbols, without the underscore that Mach-O puts before every name."""
    if code.startswith(b"\x7fELF"):
        return set(_elf(code))
    if code.startswith(b"\xcf\xfa\xed\xfe"):
        return {name.removeprefix("_") for name in _mach_o(code)}
    return set(_coff(code))


def _name(code: bytes, at: int) -> str:
    return code[at : code.index(b"\0", at)].decode()


def _elf(code: bytes) -> Iterator[str]:
    start, size, count = *struct.unpack_from("<Q", code, 0x28), *struct.unpack_from("<HH", code, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", code, start + i * size) for i in range(count)]
    for _, kind, _, _, offset, length, link, *_ in sections:
        for at in range(offset + 24, offset + length, 24) if kind == 2 else ():  # a table of symbols, after its first, empty one
            name, _, _, section = struct.unpack_from("<IBBH", code, at)
            if section == 0:
                yield _name(code, sections[link][4] + name)


def _coff(code: bytes) -> Iterator[str]:
    table, count = struct.unpack_from("<II", code, 8)
    i = 0
    while i < count:
        short, value, section, _, kind, more = struct.unpack_from("<8sIhHBB", code, table + 18 * i)
        if section == 0 and value == 0 and kind == 2:
            place = struct.unpack_from("<II", short)
            yield _name(code, table + 18 * count + place[1]) if place[0] == 0 else short.rstrip(b"\0").decode()
        i += 1 + more


def _mach_o(code: bytes) -> Iterator[str]:
    at = 32
    for _ in range(struct.unpack_from("<I", code, 16)[0]):
        command, size = struct.unpack_from("<II", code, at)
        if command == 2:  # the table of symbols
            table, count, names, _ = struct.unpack_from("<IIII", code, at + 8)
            for i in range(count):
                name, kind, _ = struct.unpack_from("<IBB", code, table + 16 * i)
                if kind & 1 and kind & 0xE == 0:
                    yield _name(code, names + name)
        at += size
