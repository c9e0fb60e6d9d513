"""The entry of a phase: it loads the pointers and sizes from their tables and calls the body."""

from __future__ import annotations

from .. import loop_ir as L
from .expressions import Expressions
from .functions import Functions
from .llvm_text import Text
from .work_board import CELLS, THREADS

ARRAY_DATA = object.__basicsize__  # the offset of the data pointer in a NumPy array: the first field after the object header
REGION = {"%region.board": "ptr", "%region.passed": "ptr", "%region.worker": "i1", "%region.alone": "i1"}
PARAMETERS = [("ptr", "%table"), ("ptr", "%sizes"), ("ptr", "%arena"), ("ptr", "%board"), ("i64", "%worker")]


class Entries:
    """Defines the entries of functions that have the same arguments, sizes and locals.

    `through` is the offset of the data pointer if the table and the arena are of array objects, else None. `layout` is the function that
    fills the table of pointers, or "" if the only entry does it."""

    def __init__(self, functions: Functions, f: L.Function, through: int | None, count: int) -> None:
        self.functions, self.f, self.through = functions, f, through
        self.layout = self._layout() if count > 1 else ""

    def entry(self, body: str, used: list[str]) -> str:
        """Defines the entry of a body, which takes the `used` registers. Returns its name."""
        text, f = Text(self.functions.declarations), self.f
        emit, places = text.emit, self.functions.places
        text.do(f"%pointers = alloca [{len(places)} x ptr], align 8")
        shared = "%region.board" in used
        if shared:  # memory that is asked for later in a function takes LLVM longer
            own = emit(f"alloca [{CELLS} x i64], align 8")
            text.do("%region.passed = alloca i64")
        if self.layout:
            text.do(f"call void @{self.layout}(ptr %table, ptr %sizes, ptr %arena, ptr %pointers)")
            self._sizes(text, used)
        else:
            self._fill(text)
        text.do(f"%error.slot = getelementptr i64, ptr %sizes, i64 {len(f.sizes)}")
        registers = {r: emit(f"load ptr, ptr {emit(f'getelementptr ptr, ptr %pointers, i64 {places[r]}')}") for r in used if r in places}
        if shared:
            text.call("void", "llvm.memset.p0.i64", ("ptr", own), ("i8", "0"), ("i64", str(8 * CELLS)), ("i1", "false"))
            text.do(f"store i64 1, ptr {emit(f'getelementptr i64, ptr {own}, i64 {THREADS}')}")
            text.do(f"%region.board = select i1 {emit('icmp eq ptr %board, null')}, ptr {own}, ptr %board")
            text.do("%region.worker = icmp ne i64 %worker, 0")
            text.do("store i64 0, ptr %region.passed")
            registers["%region.alone"] = "false"
        operands = ", ".join(f"{REGION.get(r, 'i64' if r.startswith('%size') else 'ptr')} {registers.get(r, r)}" for r in used)
        text.do(f"ret i64 {emit(f'call i64 @{body}({operands})')}")
        return self.functions.add("i64", PARAMETERS, text.lines, plain=True)

    def _layout(self) -> str:
        text = Text(self.functions.declarations)
        self._fill(text)
        text.do("ret void")
        return self.functions.add("void", [*PARAMETERS[:3], ("ptr", "%pointers")], text.lines, plain=True)

    def _fill(self, text: Text) -> None:
        """Loads the sizes, and fills the table of pointers: of the arguments, then of the locals, each in its part of the arena."""
        code, emit, f = Expressions(text, set()), text.emit, self.f
        self._sizes(text, [f"%size.{s.name}" for s in f.sizes])

        def data(pointer: str) -> str:
            return (
                pointer if self.through is None else emit(f"load ptr, ptr {emit(f'getelementptr i8, ptr {pointer}, i64 {self.through}')}")
            )

        with text.loop(str(len(f.arguments))) as at:
            pointer = data(emit(f"load ptr, ptr {emit(f'getelementptr ptr, ptr %table, i64 {at}')}"))
            text.do(f"store ptr {pointer}, ptr {emit(f'getelementptr ptr, ptr %pointers, i64 {at}')}")
        if f.locals:
            above = emit(f"getelementptr i8, ptr {data('%arena')}, i64 {L.ALIGNMENT - 1}")
            arena = text.call("ptr", "llvm.ptrmask.p0.i64", ("ptr", above), ("i64", str(-L.ALIGNMENT)))
            end = str(L.ALIGNMENT)
            lengths: dict[L.Index, str] = {}  # in whole cache lines, with the unused ones
            for i, buffer in enumerate(f.locals, len(f.arguments)):
                pointer = emit(f"getelementptr i8, ptr {arena}, i64 {end}")
                text.do(f"store ptr {pointer}, ptr {emit(f'getelementptr ptr, ptr %pointers, i64 {i}')}")
                size = L.as_index(buffer.size) * buffer.itemsize
                if size not in lengths:
                    lengths[size] = emit(f"and i64 {emit(f'add i64 {code.index(size)}, {2 * L.ALIGNMENT - 1}')}, {-L.ALIGNMENT}")
                end = emit(f"add i64 {end}, {lengths[size]}")

    def _sizes(self, text: Text, used: list[str]) -> None:
        for i, size in enumerate(self.f.sizes):
            if f"%size.{size.name}" in used:
                text.do(f"%size.{size.name} = load i64, ptr {text.emit(f'getelementptr i64, ptr %sizes, i64 {i}')}")
