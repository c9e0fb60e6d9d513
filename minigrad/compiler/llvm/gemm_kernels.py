"""The kernels of the matrix product as LLVM IR text: a tile in registers, dot products, and packing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import llvmlite.binding as llvm

from .llvm_text import SUFFIX, TYPES, Text

MATRICES = (
    "i64 %m, i64 %n, i64 %k, ptr noalias readonly %a, i64 %ars, i64 %acs, ptr noalias readonly %b, i64 %brs, i64 %bcs, "
    "ptr noalias %c, i64 %crs, i64 %ccs, i1 %accumulate"
)

OLD_MASKED = llvm.llvm_version_info[0] < 22
KERNEL_ATTRIBUTES = "attributes #3 = { noinline nounwind }"


@dataclass(frozen=True)
class Tile:
    """The tile of C that a kernel keeps in registers: `rows` × `vectors` accumulators of `lanes` elements."""

    dtype: str
    lanes: int
    rows: int
    vectors: int

    @property
    def type(self) -> str:
        return TYPES[self.dtype]

    @property
    def vector(self) -> str:
        return f"<{self.lanes} x {self.type}>"

    @property
    def suffix(self) -> str:
        return f"v{self.lanes}{SUFFIX[self.type]}"

    @property
    def align(self) -> int:
        return 4 if self.dtype == "float32" else 8

    @property
    def width(self) -> int:
        return self.lanes * self.vectors

    @property
    def row_counts(self) -> list[int]:
        return [self.rows, *(r for r in (4, 2, 1) if r < self.rows)]


def tile(dtype: str, features: Sequence[str]) -> Tile:
    """The tile for a CPU with these features."""
    avx512, avx = "+avx512f" in features, "+avx" in features
    size = 64 if avx512 else 32 if avx else 16
    rows, vectors = (4, 3) if avx and not avx512 else (6, 4)
    return Tile(dtype, size // (4 if dtype == "float32" else 8), rows, vectors)


class Code(Text):
    """Text with short forms for the addresses, loads, stores and arithmetic of the kernels."""

    def __init__(self, tile: Tile, declarations: dict[str, str]) -> None:
        super().__init__(declarations)
        self.tile = tile

    def at(self, pointer: str, index: str) -> str:
        return self.emit(f"getelementptr inbounds {self.tile.type}, ptr {pointer}, i64 {index}")

    def op(self, op: str, x: str, y: str | int) -> str:
        return self.emit(f"{op} i64 {x}, {y}")

    def at2(self, pointer: str, i: str, row: str, j: str = "0", column: str = "1") -> str:
        return self.at(pointer, self.op("add", self.op("mul", i, row), self.op("mul", j, column)))

    def load(self, pointer: str) -> str:
        return self.emit(f"load {self.tile.type}, ptr {pointer}, align {self.tile.align}")

    def wide(self, value: str) -> str:
        """An element as a double."""
        return self.emit(f"fpext float {value} to double") if self.tile.type == "float" else value

    def narrow(self, value: str) -> str:
        """A double as an element."""
        return self.emit(f"fptrunc double {value} to float") if self.tile.type == "float" else value

    def load_vector(self, pointer: str, mask: str = "") -> str:
        t = self.tile
        if not mask:
            return self.emit(f"load {t.vector}, ptr {pointer}, align {t.align}")
        operands = *self._place(pointer), (f"<{t.lanes} x i1>", mask), (t.vector, "zeroinitializer")
        return self.call(t.vector, f"llvm.masked.load.{t.suffix}.p0", *operands)

    def store_vector(self, value: str, pointer: str, mask: str = "") -> None:
        t = self.tile
        if not mask:
            self.do(f"store {t.vector} {value}, ptr {pointer}, align {t.align}")
            return
        operands = (t.vector, value), *self._place(pointer), (f"<{t.lanes} x i1>", mask)
        self.call("void", f"llvm.masked.store.{t.suffix}.p0", *operands)

    def _place(self, pointer: str) -> list[tuple[str, str]]:
        """A pointer with its alignment. Before LLVM 22 the alignment was an operand of its own."""
        align = self.tile.align
        return [("ptr", pointer), ("i32", str(align))] if OLD_MASKED else [(f"ptr align {align}", pointer)]

    def splat(self, scalar: str, type: str, lanes: int) -> str:
        first = self.emit(f"insertelement <{lanes} x {type}> poison, {type} {scalar}, i64 0")
        return self.emit(f"shufflevector <{lanes} x {type}> {first}, <{lanes} x {type}> poison, <{lanes} x i32> zeroinitializer")

    @property
    def all_lanes(self) -> str:
        return "splat (i1 true)"

    def mask(self, count: str) -> str:
        """A mask that selects the first `count` lanes."""
        lanes = self.tile.lanes
        numbers = ", ".join(f"i64 {i}" for i in range(lanes))
        return self.emit(f"icmp slt <{lanes} x i64> <{numbers}>, {self.splat(count, 'i64', lanes)}")

    def fma(self, x: str, y: str, z: str) -> str:
        v = self.tile.vector
        return self.call(v, f"llvm.fmuladd.{self.tile.suffix}", (v, x), (v, y), (v, z))

    def define(self, name: str, parameters: str, internal: bool = True) -> str:
        linkage = "internal " if internal else ""
        return "\n".join([f"define {linkage}void @{name}({parameters}) #3 {{", "entry:", *self.lines, "  ret void", "}"])


def tile_kernel(t: Tile, rows: int, vectors: int, declarations: dict[str, str]) -> str:
    """Defines C[rows, vectors * lanes] (+)= A @ B. If the tile is narrower than a panel, the last vector is masked."""
    code = Code(t, declarations)
    masks = [""] * vectors if vectors == t.vectors else [*[""] * (vectors - 1), "%mask"]
    slots = [[code.emit(f"alloca {t.vector}") for _ in range(vectors)] for _ in range(rows)]
    for slot in (slot for row in slots for slot in row):
        code.do(f"store {t.vector} zeroinitializer, ptr {slot}")
    with code.loop("%k", "k") as k:
        b = code.at2("%b", k, "%brs")
        columns = [code.load_vector(code.at(b, str(v * t.lanes)), masks[v]) for v in range(vectors)]
        a = code.at2("%a", k, "%acs")
        for r in range(rows):
            element = code.splat(code.load(code.at2(a, str(r), "%ars")), t.type, t.lanes)
            for v in range(vectors):
                total = code.fma(element, columns[v], code.emit(f"load {t.vector}, ptr {slots[r][v]}"))
                code.do(f"store {t.vector} {total}, ptr {slots[r][v]}")
    cells = [(r, v, code.at(code.at2("%c", str(r), "%crs"), str(v * t.lanes))) for r in range(rows) for v in range(vectors)]
    with code.when("%accumulate"):
        for r, v, place in cells:
            total = code.emit(f"load {t.vector}, ptr {slots[r][v]}")
            total = code.emit(f"fadd {t.vector} {code.load_vector(place, masks[v])}, {total}")
            code.do(f"store {t.vector} {total}, ptr {slots[r][v]}")
    for r, v, place in cells:
        code.store_vector(code.emit(f"load {t.vector}, ptr {slots[r][v]}"), place, masks[v])
    return code.define(kernel_name(t, rows, vectors), kernel_parameters(t))


def kernel_name(t: Tile, rows: int, vectors: int) -> str:
    return f"mg_tile_{t.dtype}_{rows}x{vectors}"


def kernel_parameters(t: Tile) -> str:
    return (
        "i64 %k, ptr noalias readonly %a, i64 %ars, i64 %acs, ptr noalias readonly %b, i64 %brs, ptr noalias %c, i64 %crs, "
        f"i1 %accumulate, <{t.lanes} x i1> %mask"
    )


def dot_kernel(t: Tile, rows: int, columns: int, declarations: dict[str, str]) -> str:
    """Defines C[rows, columns] (+)= A @ B by dot products. The rows of A and C and the columns of B are contiguous."""
    code = Code(t, declarations)
    pairs = [(r, c) for r in range(rows) for c in range(columns)]
    slots = {pair: code.emit(f"alloca {t.vector}") for pair in pairs}
    for slot in slots.values():
        code.do(f"store {t.vector} zeroinitializer, ptr {slot}")

    def step(k: str, mask: str) -> None:
        a = [code.load_vector(code.at2("%a", str(r), "%ars", k), mask) for r in range(rows)]
        b = [code.load_vector(code.at2("%b", str(c), "%bcs", k), mask) for c in range(columns)]
        for r, c in pairs:
            total = code.fma(a[r], b[c], code.emit(f"load {t.vector}, ptr {slots[r, c]}"))
            code.do(f"store {t.vector} {total}, ptr {slots[r, c]}")

    with code.loop(code.op("udiv", "%k", t.lanes), "k") as k:
        step(code.op("mul", k, t.lanes), "")
    rest = code.op("urem", "%k", t.lanes)
    with code.when(code.emit(f"icmp ne i64 {rest}, 0")):
        step(code.op("sub", "%k", rest), code.mask(rest))
    totals = [code.emit(f"load {t.vector}, ptr {slot}") for slot in slots.values()]
    sums = [_sums(code, totals[i : i + t.lanes]) for i in range(0, len(totals), t.lanes)]
    width = min(columns, t.lanes)
    for i in range(0, len(pairs), width):
        r, c = pairs[i]
        lanes = ", ".join(f"i32 {i % t.lanes + j}" for j in range(width))
        part = f"<{width} x {t.type}>"
        found = code.emit(f"shufflevector {t.vector} {sums[i // t.lanes]}, {t.vector} poison, <{width} x i32> <{lanes}>")
        place = code.at2("%c", str(r), "%crs", str(c))
        old = code.emit(f"select i1 %accumulate, {part} {code.emit(f'load {part}, ptr {place}, align {t.align}')}, {part} zeroinitializer")
        code.do(f"store {part} {code.emit(f'fadd {part} {old}, {found}')}, ptr {place}, align {t.align}")
    return code.define(f"mg_dot_{t.dtype}_{rows}x{columns}", MATRICES)


def _sums(code: Code, vectors: list[str]) -> str:
    """A vector whose lane i is the sum of vector i. Each step adds neighbouring lanes of two vectors into one vector.

    The order of additions does not depend on the number of vectors."""
    v, n, step = code.tile.vector, code.tile.lanes, 1
    vectors = [*vectors, *["zeroinitializer"] * (n - len(vectors))]
    while step < n:
        left, right = _exchanged(n, step)
        vectors = [
            x
            if x == y == "zeroinitializer"
            else code.emit(
                f"fadd {v} {code.emit(f'shufflevector {v} {x}, {v} {y}, {left}')}, {code.emit(f'shufflevector {v} {x}, {v} {y}, {right}')}"
            )
            for x, y in zip(vectors[::2], vectors[1::2], strict=True)
        ]
        step *= 2
    return vectors[0]


def _exchanged(n: int, step: int) -> tuple[str, str]:
    """Shuffle masks that swap the off-diagonal blocks of two vectors."""
    low = ", ".join(f"i32 {i if not i & step else i - step + n}" for i in range(n))
    high = ", ".join(f"i32 {i + step if not i & step else i + n}" for i in range(n))
    return f"<{n} x i32> <{low}>", f"<{n} x i32> <{high}>"


def pack_kernel(t: Tile, declarations: dict[str, str]) -> str:
    """Defines the copy of B[k, columns] to the rows of a panel. If B is transposed, squares of it are transposed in registers."""
    code = Code(t, declarations)
    k_done = code.op("and", code.emit(f"select i1 {code.emit('icmp eq i64 %brs, 1')}, i64 %k, i64 0"), -t.lanes)
    j_done = code.op("and", "%columns", -t.lanes)
    with (
        code.loop(code.op("udiv", j_done, t.lanes), "js") as js,
        code.loop(code.op("udiv", k_done, t.lanes), "ks") as ks,
    ):
        j, k = code.op("mul", js, t.lanes), code.op("mul", ks, t.lanes)
        rows = [code.load_vector(code.at2("%b", code.op("add", j, i), "%bcs", k)) for i in range(t.lanes)]
        for i, row in enumerate(_transpose(code, rows)):
            code.store_vector(row, code.at2("%panel", code.op("add", k, i), str(t.width), j))
    contiguous = code.emit("icmp eq i64 %bcs, 1")
    vectors = code.op("udiv", code.op("add", "%columns", t.lanes - 1), t.lanes)
    with code.when(contiguous), code.loop("%k", "k") as k, code.loop(vectors, "v") as v:
        j = code.op("mul", v, t.lanes)
        mask = code.mask(code.op("sub", "%columns", j))
        value = code.load_vector(code.at2("%b", k, "%brs", j), mask)
        code.store_vector(value, code.at2("%panel", k, str(t.width), j))
    with code.when(code.emit(f"xor i1 {contiguous}, true")):
        _copy(code, k_done, "%k", "0", "%columns")
        _copy(code, "0", k_done, j_done, "%columns")
    parameters = "i64 %k, i64 %columns, ptr noalias readonly %b, i64 %brs, i64 %bcs, ptr noalias %panel"
    return code.define(f"mg_pack_{t.dtype}", parameters)


def _copy(code: Code, k_start: str, k_end: str, j_start: str, j_end: str) -> None:
    with (
        code.loop(code.op("sub", k_end, k_start), "k") as k_,
        code.loop(code.op("sub", j_end, j_start), "j") as j_,
    ):
        k, j = code.op("add", k_, k_start), code.op("add", j_, j_start)
        value = code.load(code.at2("%b", k, "%brs", j, "%bcs"))
        code.do(f"store {code.tile.type} {value}, ptr {code.at2('%panel', k, str(code.tile.width), j)}, align {code.tile.align}")


def _transpose(code: Code, rows: list[str]) -> list[str]:
    """The transpose of a square of n vectors, in log2(n) steps. Each step swaps off-diagonal blocks, twice as large as before."""
    n, v, step = len(rows), code.tile.vector, 1
    while step < n:
        low, high = _exchanged(n, step)
        new = list(rows)
        for i in range(n):
            if not i & step:
                pair = f"{v} {rows[i]}, {v} {rows[i + step]}"
                new[i] = code.emit(f"shufflevector {pair}, {low}")
                new[i + step] = code.emit(f"shufflevector {pair}, {high}")
        rows, step = new, 2 * step
    return rows
