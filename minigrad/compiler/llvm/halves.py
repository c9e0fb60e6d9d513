"""Casts of float16 and bfloat16, held as i16, by integer operations: the processor, or a library at run time, may not have them.

They round to nearest, ties to even, and keep infinities, NaN and subnormal numbers.
"""

from __future__ import annotations

from .llvm_text import Text

SIGN = -0x80000000
INFINITY = 0x7F800000
LEAST_NORMAL = 113 << 23  # 2**-14, the least normal float16, as float32
ABOVE = 143 << 23  # 2**16, from which on float16 is infinite
HALF_ULP = ((127 - 15) + (23 - 10) + 1) << 23  # added to a number below 2**-14, it rounds the number to a subnormal float16


def widened(text: Text, x: str, source: str) -> str:
    """A float16 or bfloat16 as a float32, which is exact."""
    emit = text.emit
    bits = emit(f"zext i16 {x} to i32")
    if source == "bfloat16":
        return emit(f"bitcast i32 {emit(f'shl i32 {bits}, 16')} to float")
    sign = emit(f"shl i32 {emit(f'and i32 {bits}, 32768')}, 16")
    moved = emit(f"shl i32 {emit(f'and i32 {bits}, 32767')}, 13")
    exponent = emit(f"and i32 {moved}, {31 << 23}")
    normal = emit(f"add i32 {moved}, {112 << 23}")
    special = emit(f"add i32 {moved}, {224 << 23}")
    magic = emit(f"bitcast i32 {emit(f'add i32 {moved}, {LEAST_NORMAL}')} to float")
    least = emit(f"bitcast i32 {LEAST_NORMAL} to float")
    small = emit(f"bitcast float {emit(f'fsub float {magic}, {least}')} to i32")
    finite = _select(text, f"icmp eq i32 {exponent}, 0", small, normal)
    found = _select(text, f"icmp eq i32 {exponent}, {31 << 23}", special, finite)
    return emit(f"bitcast i32 {emit(f'or i32 {found}, {sign}')} to float")


def narrowed(text: Text, x: str, target: str) -> str:
    """A float32 rounded to a float16 or bfloat16."""
    emit = text.emit
    bits = emit(f"bitcast float {x} to i32")
    sign = emit(f"and i32 {bits}, {SIGN}")
    size = emit(f"xor i32 {bits}, {sign}")
    nan = f"icmp ugt i32 {size}, {INFINITY}"
    if target == "bfloat16":
        odd = emit(f"and i32 {emit(f'lshr i32 {size}, 16')}, 1")
        moved = emit(f"add i32 {emit(f'add i32 {size}, {0x7FFF}')}, {odd}")
        found = _select(text, nan, str(0x7FC0), emit(f"lshr i32 {moved}, 16"))
    else:
        odd = emit(f"and i32 {emit(f'lshr i32 {size}, 13')}, 1")
        moved = emit(f"add i32 {emit(f'add i32 {size}, {0xFFF - (112 << 23)}')}, {odd}")
        normal = emit(f"lshr i32 {moved}, 13")
        magic = emit(f"bitcast i32 {HALF_ULP} to float")
        sum = emit(f"fadd float {emit(f'bitcast i32 {size} to float')}, {magic}")
        small = emit(f"sub i32 {emit(f'bitcast float {sum} to i32')}, {HALF_ULP}")
        finite = _select(text, f"icmp ult i32 {size}, {LEAST_NORMAL}", small, normal)
        special = _select(text, nan, str(0x7E00), str(0x7C00))
        found = _select(text, f"icmp uge i32 {size}, {ABOVE}", special, finite)
    signed = emit(f"or i32 {found}, {emit(f'lshr i32 {sign}, 16')}")
    return emit(f"trunc i32 {signed} to i16")


def to_odd(text: Text, x: str) -> str:
    """A float64 as a float32, rounded to odd: a later rounding to fewer digits gives what one rounding gives."""
    emit = text.emit
    near = emit(f"fptrunc double {x} to float")
    back = emit(f"fpext float {near} to double")
    bits = emit(f"bitcast float {near} to i32")
    sizes = [text.call("double", "llvm.fabs.f64", ("double", v)) for v in (back, x)]
    cut = _select(text, f"fcmp ogt double {sizes[0]}, {sizes[1]}", emit(f"sub i32 {bits}, 1"), bits)
    found = _select(text, f"fcmp one double {back}, {x}", emit(f"or i32 {cut}, 1"), bits)
    return emit(f"bitcast i32 {found} to float")


def _select(text: Text, condition: str, x: str, y: str) -> str:
    return text.emit(f"select i1 {text.emit(condition)}, i32 {x}, i32 {y}")
