"""Matrix products for any sizes and strides, as LLVM IR text.

A kernel accumulates a tile of C in registers: it loads rows of B as vectors and broadcasts elements of A. B is read in place if its
rows are contiguous and A has few rows, else it is first packed in panels on the stack. If A has few rows and the columns of B are
contiguous, the elements of C are computed as dot products.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .gemm_kernels import (
    KERNEL_ATTRIBUTES,
    MATRICES,
    Code,
    Tile,
    dot_kernel,
    kernel_name,
    kernel_parameters,
    pack_kernel,
    tile_kernel,
)
from .llvm_text import constant

PARAMETERS = (MATRICES.replace("noalias readonly ", "").replace("noalias ", "").removesuffix(", i1 %accumulate")).replace(
    "i64 %k", "i64 %k, i64 %rows, i64 %columns"
)
K_BLOCK = 256
LONG = 4096  # products with more terms accumulate in float64 after so many
LONG_ROWS = 256  # the rows of a tile of such a product
PACK_ROWS = 128  # with this many rows of A or more, packing B is faster than reading it in place
DOT_ROWS = 24  # with this many rows of A or fewer, dot products are faster than packing: a thread may have few of them
DOT_TILES = {4: (4, 1), 1: (16, 4, 1)}  # the tiles of C that dot products compute: number of rows: numbers of columns, the largest first


def gemm_module(t: Tile) -> str:
    """The definitions of `mg_gemm_<dtype>(m, n, k, rows, columns, A, row stride, column stride, B, …, C, …)`.

    The product may be a part of one of `rows` × `columns`, which decide the order of additions."""
    declarations: dict[str, str] = {}
    parts = [tile_kernel(t, rows, vectors, declarations) for vectors in (t.vectors, 2, 1) for rows in t.row_counts]
    parts += [_rows(t, vectors, declarations) for vectors in (t.vectors, 2, 1)]
    parts += [dot_kernel(t, rows, columns, declarations) for rows, widths in DOT_TILES.items() for columns in widths]
    parts += [f(t, declarations) for f in (pack_kernel, _in_place, _packed, _dots, _scalar, _short, _long, _dispatch)]
    return "\n".join([*(declarations[name] for name in sorted(declarations)), *parts, KERNEL_ATTRIBUTES])


def _rows(t: Tile, vectors: int, declarations: dict[str, str]) -> str:
    """Defines the product of all rows of A with one panel of columns of B."""
    code = Code(t, declarations)

    def tile(rows: int, start: str) -> None:
        a, c = code.at2("%a", start, "%ars"), code.at2("%c", start, "%crs")
        operands = f"i64 %k, ptr {a}, i64 %ars, i64 %acs, ptr %b, i64 %brs, ptr {c}, i64 %crs, i1 %accumulate"
        code.do(f"call void @{kernel_name(t, rows, vectors)}({operands}, <{t.lanes} x i1> %mask)")

    with code.loop(code.op("udiv", "%m", t.rows), "i") as i:
        tile(t.rows, code.op("mul", i, t.rows))
    rest = code.op("urem", "%m", t.rows)
    for rows in t.row_counts[1:]:
        with code.when(code.emit(f"icmp ne i64 {code.op('and', rest, rows)}, 0")):
            tile(rows, code.op("sub", "%m", code.op("and", rest, 2 * rows - 1)))
    return code.define(f"mg_rows_{t.dtype}_{vectors}", f"i64 %m, {kernel_parameters(t)}")


def _blocks(code: Code) -> str:
    """The number of blocks of k. At least one, so that C is written even if k is 0."""
    return code.op("add", code.op("udiv", code.call("i64", "llvm.usub.sat.i64", ("i64", "%k"), ("i64", "1")), K_BLOCK), 1)


def _block(code: Code, number: str) -> tuple[str, str, str]:
    """The start and length of a block of k, and whether its product is added to C."""
    start = code.op("mul", number, K_BLOCK)
    length = code.call("i64", "llvm.umin.i64", ("i64", code.op("sub", "%k", start)), ("i64", str(K_BLOCK)))
    later = code.emit(f"icmp ne i64 {number}, 0")
    return start, length, code.emit(f"or i1 {later}, %accumulate")


def _panel(code: Code, vectors: int, length: str, a: str, b: str, brs: str, c: str, more: str, mask: str) -> None:
    t = code.tile
    operands = f"i64 %m, i64 {length}, ptr {a}, i64 %ars, i64 %acs, ptr {b}, i64 {brs}, ptr {c}, i64 %crs, i1 {more}"
    code.do(f"call void @mg_rows_{t.dtype}_{vectors}({operands}, <{t.lanes} x i1> {mask})")


def _tail(code: Code, columns: str, length: str, a: str, b: str, brs: str, c: str, more: str) -> None:
    """The last columns, fewer than a panel: pairs of vectors, then one vector if their number is odd. The last vector is masked."""
    lanes = code.tile.lanes

    def masked(vectors: int, j: str) -> None:
        mask = code.mask(code.op("sub", code.op("sub", columns, j), (vectors - 1) * lanes))
        _panel(code, vectors, length, a, code.at(b, j), brs, code.at(c, j), more, mask)

    count = code.op("udiv", code.op("add", columns, lanes - 1), lanes)
    with code.loop(code.op("udiv", count, 2), "pair") as pair:
        masked(2, code.op("mul", pair, 2 * lanes))
    with code.when(code.emit(f"trunc i64 {count} to i1")):
        masked(1, code.op("mul", code.op("sub", count, 1), lanes))


def _both(code: Code, x: str, y: str) -> str:
    return code.emit(f"and i1 {x}, {y}")


def _begins_early(code: Code, width: int) -> str:
    """Whether the last columns may be those of a full width that begins earlier: it stores some elements again, as they are."""
    return _both(code, code.emit("xor i1 %accumulate, true"), code.emit(f"icmp uge i64 %n, {width}"))


def _in_place(t: Tile, declarations: dict[str, str]) -> str:
    """Defines the product that reads B in place. The rows of B and C are contiguous."""
    code = Code(t, declarations)
    with code.loop(_blocks(code), "block") as number:
        start, length, more = _block(code, number)
        a, b = code.at2("%a", start, "%acs"), code.at2("%b", start, "%brs")
        with code.loop(code.op("udiv", "%n", t.width), "panel") as panel:
            j = code.op("mul", panel, t.width)
            _panel(code, t.vectors, length, a, code.at(b, j), "%brs", code.at("%c", j), more, code.all_lanes)
        rest = code.op("urem", "%n", t.width)
        one_block, few = code.emit(f"icmp ule i64 %k, {K_BLOCK}"), code.emit("icmp ult i64 %m, 4")
        whole = code.emit(f"icmp eq i64 {rest}, {t.width - t.lanes}")  # vectors, all but one of a panel: in a tail they take two kernels
        early = _both(code, _both(code, one_block, few), _both(code, whole, _begins_early(code, t.width)))
        with code.when(early):
            j = code.op("sub", "%n", t.width)
            _panel(code, t.vectors, length, a, code.at(b, j), "%brs", code.at("%c", j), more, code.all_lanes)
        with code.when(code.emit(f"xor i1 {early}, true")):
            j = code.op("sub", "%n", rest)
            _tail(code, rest, length, a, code.at(b, j), "%brs", code.at("%c", j), more)
    return code.define(f"mg_in_place_{t.dtype}", MATRICES)


def _packed(t: Tile, declarations: dict[str, str]) -> str:
    """Defines the product that copies panels of B to the stack. The rows of C are contiguous."""
    code = Code(t, declarations)
    panel = code.emit(f"alloca [{K_BLOCK * t.width} x {t.type}], align 64")
    with code.loop(_blocks(code), "block") as number:
        start, length, more = _block(code, number)
        a = code.at2("%a", start, "%acs")
        with code.loop(code.op("udiv", code.op("add", "%n", t.width - 1), t.width), "panel") as p:
            j = code.op("mul", p, t.width)
            columns = code.call("i64", "llvm.umin.i64", ("i64", code.op("sub", "%n", j)), ("i64", str(t.width)))
            b, c = code.at2("%b", start, "%brs", j, "%bcs"), code.at("%c", j)
            code.do(f"call void @mg_pack_{t.dtype}(i64 {length}, i64 {columns}, ptr {b}, i64 %brs, i64 %bcs, ptr {panel})")
            full = code.emit(f"icmp eq i64 {columns}, {t.width}")
            with code.when(full):
                _panel(code, t.vectors, length, a, panel, str(t.width), c, more, code.all_lanes)
            with code.when(code.emit(f"xor i1 {full}, true")):
                _tail(code, columns, length, a, panel, str(t.width), c, more)
    return code.define(f"mg_packed_{t.dtype}", MATRICES)


def _dots(t: Tile, declarations: dict[str, str]) -> str:
    """Defines the product by dot products. The rows of A and C and the columns of B are contiguous."""
    code = Code(t, declarations)

    def run(rows: int, columns: int, i_count: str, i_start: str, j_count: str, j_start: str) -> None:
        with code.loop(j_count, "j") as j_, code.loop(i_count, "i") as i_:
            i, j = code.op("add", code.op("mul", i_, rows), i_start), code.op("add", code.op("mul", j_, columns), j_start)
            a, b, c = code.at2("%a", i, "%ars"), code.at2("%b", j, "%bcs"), code.at2("%c", i, "%crs", j)
            operands = f"ptr {a}, i64 %ars, i64 1, ptr {b}, i64 1, i64 %bcs, ptr {c}, i64 %crs, i64 1, i1 %accumulate"
            code.do(f"call void @mg_dot_{t.dtype}_{rows}x{columns}(i64 {rows}, i64 {columns}, i64 %k, {operands})")

    i = "0"
    for rows, widths in DOT_TILES.items():
        j, i_count = "0", code.op("udiv", code.op("sub", "%m", i), rows)
        for columns in widths:
            j_count = code.op("udiv", code.op("sub", "%n", j), columns)
            run(rows, columns, i_count, i, j_count, j)
            j = code.op("add", j, code.op("mul", j_count, columns))
            if columns == max(DOT_TILES[1]):
                many = code.emit(f"icmp ugt i64 {code.op('sub', '%n', j)}, {widths[1]}")
                early = code.emit(f"zext i1 {_both(code, many, _begins_early(code, columns))} to i64")
                run(rows, columns, i_count, i, early, code.op("sub", "%n", columns))
                j = code.emit(f"select i1 {code.emit(f'icmp ne i64 {early}, 0')}, i64 %n, i64 {j}")
        i = code.op("add", i, code.op("mul", i_count, rows))
    return code.define(f"mg_dots_{t.dtype}", MATRICES)


def _scalar(t: Tile, declarations: dict[str, str]) -> str:
    """Defines the product for any strides, one element at a time. It accumulates in float64."""
    code = Code(t, declarations)
    slot = code.emit("alloca double")
    with code.loop("%m", "i") as i, code.loop("%n", "j") as j:
        place = code.at2("%c", i, "%crs", j, "%ccs")
        old = code.wide(code.load(place))
        start = code.emit(f"select i1 %accumulate, double {old}, double {constant('double', 0)}")
        code.do(f"store double {start}, ptr {slot}")
        with code.loop("%k", "k") as k:
            x = code.load(code.at2("%a", i, "%ars", k, "%acs"))
            y = code.load(code.at2("%b", k, "%brs", j, "%bcs"))
            product = code.emit(f"fmul contract double {code.wide(x)}, {code.wide(y)}")
            total = code.emit(f"fadd contract double {code.emit(f'load double, ptr {slot}')}, {product}")
            code.do(f"store double {total}, ptr {slot}")
        found = code.narrow(code.emit(f"load double, ptr {slot}"))
        code.do(f"store {t.type} {found}, ptr {place}, align {t.align}")
    return code.define(f"mg_scalar_{t.dtype}", MATRICES)


def _short(t: Tile, declarations: dict[str, str]) -> str:
    """Defines the product by the method that fits the sizes and strides. If the columns of C are contiguous or C is one column, it
    computes the transposed product Cᵀ = Bᵀ Aᵀ. Reading B in place and packing it give the same bits, so that m may decide between them."""
    code = Code(t, declarations)
    emit = code.emit

    def is_(op: str, x: str, y: str | int) -> str:
        return emit(f"icmp {op} i64 {x}, {y}")

    def both(x: str, y: str) -> str:
        return emit(f"and i1 {x}, {y}")

    def either(x: str, y: str) -> str:
        return emit(f"or i1 {x}, {y}")

    column = both(is_("eq", "%columns", 1), is_("ne", "%rows", 1))
    by_columns = both(is_("ne", "%ccs", 1), both(is_("eq", "%crs", 1), is_("sgt", "%columns", 1)))
    transpose = either(column, by_columns)
    names = ("m", "n", "k", "a", "ars", "acs", "b", "brs", "bcs", "c", "crs", "ccs")
    transposed = ("n", "m", "k", "b", "bcs", "brs", "a", "acs", "ars", "c", "ccs", "crs")
    v = {}
    for name, other in zip((*names, "rows", "columns"), (*transposed, "columns", "rows"), strict=True):
        type = "ptr" if name in "abc" else "i64"
        v[name] = emit(f"select i1 {transpose}, {type} %{other}, {type} %{name}")
    operands = ", ".join(f"{'ptr' if name in 'abc' else 'i64'} {v[name]}" for name in names) + ", i1 false"
    unit = {s: is_("eq", v[s], 1) for s in ("ars", "acs", "brs", "bcs", "crs", "ccs")}
    few = is_("sle", v["rows"], DOT_ROWS)
    rows_of_b = both(unit["bcs"], unit["ccs"])
    in_rows = either(unit["ccs"], is_("eq", v["columns"], 1))
    dots = both(both(both(unit["acs"], unit["brs"]), in_rows), both(few, emit(f"xor i1 {rows_of_b}, true")))
    many = is_("sge", v["m"], PACK_ROWS)
    in_place = both(rows_of_b, emit(f"xor i1 {many}, true"))
    for condition, name in ((dots, "dots"), (in_place, "in_place"), (unit["ccs"], "packed")):
        with code.when(condition, leaves=True):
            code.do(f"call void @mg_{name}_{t.dtype}({operands})")
            code.do("ret void")
    code.do(f"call void @mg_scalar_{t.dtype}({operands})")
    return code.define(f"mg_short_{t.dtype}", PARAMETERS)


def _long(t: Tile, declarations: dict[str, str]) -> str:
    """Defines the product with many terms. For each tile of C, the products of blocks of k are added up in float64 on the stack."""
    code, columns = Code(t, declarations), t.width
    part, total = (code.emit(f"alloca [{LONG_ROWS * columns} x {type}], align 64") for type in (t.type, "double"))

    @contextmanager
    def span(extent: str, size: int, name: str) -> Iterator[tuple[str, str]]:
        """The start and the length of each part of an axis."""
        with code.loop(code.op("udiv", code.op("add", extent, size - 1), size), name) as number:
            start = code.op("mul", number, size)
            yield start, code.call("i64", "llvm.umin.i64", ("i64", code.op("sub", extent, start)), ("i64", str(size)))

    @contextmanager
    def cells(rows: str, width: str) -> Iterator[tuple[str, str, str]]:
        """The row and column of each element of a tile, and its position on the stack."""
        with code.loop(rows, "r") as r, code.loop(width, "c") as c:
            yield r, c, code.op("add", code.op("mul", r, columns), c)

    def sum_at(at: str) -> str:
        return code.emit(f"getelementptr inbounds double, ptr {total}, i64 {at}")

    with span("%m", LONG_ROWS, "i") as (i, rows), span("%n", columns, "j") as (j, width):
        with cells(rows, width) as (_r, _c, at):
            code.do(f"store double {constant('double', 0)}, ptr {sum_at(at)}")
        with span("%k", LONG, "k") as (k, length):
            a, b = code.at2("%a", i, "%ars", k, "%acs"), code.at2("%b", k, "%brs", j, "%bcs")
            operands = f"ptr {a}, i64 %ars, i64 %acs, ptr {b}, i64 %brs, i64 %bcs, ptr {part}, i64 {columns}, i64 1"
            code.do(f"call void @mg_short_{t.dtype}(i64 {rows}, i64 {width}, i64 {length}, i64 %rows, i64 %columns, {operands})")
            with cells(rows, width) as (_r, _c, at):
                more, old = code.wide(code.load(code.at(part, at))), code.emit(f"load double, ptr {sum_at(at)}")
                code.do(f"store double {code.emit(f'fadd double {old}, {more}')}, ptr {sum_at(at)}")
        with cells(rows, width) as (r, c, at):
            found = code.narrow(code.emit(f"load double, ptr {sum_at(at)}"))
            place = code.at2("%c", code.op("add", i, r), "%crs", code.op("add", j, c), "%ccs")
            code.do(f"store {t.type} {found}, ptr {place}, align {t.align}")
    return code.define(f"mg_long_{t.dtype}", PARAMETERS)


def _dispatch(t: Tile, declarations: dict[str, str]) -> str:
    """Defines the entry."""
    code = Code(t, declarations)
    with code.when(code.emit(f"icmp ugt i64 %k, {LONG}"), leaves=True):
        code.do(f"call void @mg_long_{t.dtype}({PARAMETERS})")
        code.do("ret void")
    code.do(f"call void @mg_short_{t.dtype}({PARAMETERS})")
    return code.define(f"mg_gemm_{t.dtype}", PARAMETERS, internal=False)
