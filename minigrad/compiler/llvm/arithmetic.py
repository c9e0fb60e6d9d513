"""NumPy's arithmetic on scalars, as LLVM instructions."""

from __future__ import annotations

from .. import loop_ir as L
from . import halves, math_llvm
from .llvm_text import SUFFIX, TYPES, Text, constant

ACCUMULATE = "reassoc contract nsz"  # of sums and products in loops; elsewhere not: atan2, copysign and 1/x see the sign of 0
INTEGER_POWER = """
define private i64 @mg_pow_int64(i64 %x, i64 %y) #0 {
entry:
  br label %test
test:
  %base = phi i64 [%x, %entry], [%square, %step]
  %left = phi i64 [%y, %entry], [%half, %step]
  %result = phi i64 [1, %entry], [%next, %step]
  %more = icmp ne i64 %left, 0
  br i1 %more, label %step, label %done
step:
  %odd = trunc i64 %left to i1
  %factor = select i1 %odd, i64 %base, i64 1
  %next = mul i64 %result, %factor
  %square = mul i64 %base, %base
  %half = lshr i64 %left, 1
  br label %test
done:
  ret i64 %result
}"""


class Arithmetic:
    """Appends the instructions of an operation to `text`. Operands and results are register names or constants.

    A sum with a product that nothing else reads is one fused multiply-add, asked for by name. With the flag `contract` LLVM would choose,
    in a vector loop otherwise than in the loop for the rest, and results would depend on how work is divided."""

    def __init__(self, text: Text, math: set[tuple[str, str]]) -> None:
        self.text = text
        self.math = math  # the elementwise functions that the code calls are added here
        self.products: dict[str, tuple[str, str]] = {}  # the register of a product that only one sum may read -> its factors

    def convert(self, x: str, source: str, target: str) -> str:
        if source == target:
            return x
        if source in L.HALVES:
            return self.convert(halves.widened(self.text, x, source), "float32", target)
        if target in L.HALVES:
            odd = source in ("float64", "int32", "uint32", "int64", "uint64")
            single = halves.to_odd(self.text, self.convert(x, source, "float64")) if odd else self.convert(x, source, "float32")
            return halves.narrowed(self.text, single, target)
        if target == "bool":
            return self.compare("ne", source, x, constant(TYPES[source], 0))
        a, b, emit = TYPES[source], TYPES[target], self.text.emit
        if source in L.FLOATS and target in L.FLOATS:
            return emit(f"{'fpext' if target == 'float64' else 'fptrunc'} {a} {x} to {b}")
        if source in L.FLOATS:
            return self.text.call(b, f"llvm.fpto{'s' if target in L.SIGNED else 'u'}i.sat.{b}.{SUFFIX[a]}", (a, x))
        if target in L.FLOATS:
            return emit(f"{'s' if source in L.SIGNED else 'u'}itofp {a} {x} to {b}")
        if source == "bool" or L.BITS[target] > L.BITS[source]:
            return emit(f"{'sext' if source in L.SIGNED else 'zext'} {a} {x} to {b}")
        return emit(f"trunc {a} {x} to {b}") if L.BITS[target] < L.BITS[source] else x

    def bitcast(self, x: str, source: str, target: str) -> str:
        a, b = TYPES[source], TYPES[target]
        return x if a == b else self.text.emit(f"bitcast {a} {x} to {b}")

    def compare(self, op: str, dtype: str, x: str, y: str) -> str:
        if dtype in L.FLOATS:
            return self.text.emit(f"fcmp {'u' if op == 'ne' else 'o'}{op} {TYPES[dtype]} {x}, {y}")
        sign = "" if op in ("eq", "ne") else "s" if dtype in L.SIGNED else "u"
        return self.text.emit(f"icmp {sign}{op} {TYPES[dtype]} {x}, {y}")

    def intrinsic(self, name: str, dtype: str, *operands: str) -> str:
        type = TYPES[dtype]
        return self.text.call(type, f"llvm.{name}.{SUFFIX[type]}", *((type, x) for x in operands))

    def unary(self, op: str, dtype: str, x: str) -> str:
        type, emit = TYPES[dtype], self.text.emit
        zero, one = constant(type, 0), constant(type, 1)
        match op, dtype in L.FLOATS:
            case "not", _:
                return emit(f"xor {type} {x}, {constant(type, -1)}")
            case "neg", True:
                return emit(f"fneg {type} {x}")
            case "neg", False:
                return emit(f"sub {type} 0, {x}")
            case "abs", True:
                return self.intrinsic("fabs", dtype, x)
            case "abs", False:
                negated = self.unary("neg", dtype, x)
                return x if dtype not in L.SIGNED else emit(f"select i1 {self.compare('lt', dtype, x, '0')}, {type} {negated}, {type} {x}")
            case "sign", _:
                if dtype in L.FLOATS:
                    x = emit(f"fadd {type} {x}, {zero}")  # −0 becomes 0
                above = emit(f"select i1 {self.compare('gt', dtype, x, zero)}, {type} {one}, {type} {x}")
                return emit(f"select i1 {self.compare('lt', dtype, x, zero)}, {type} {constant(type, -1)}, {type} {above}")
            case (("sqrt" | "floor" | "ceil" | "trunc"), _):
                return self.intrinsic(op, dtype, x)
            case "round", _:
                return self.intrinsic("rint", dtype, x)
        return self.math_call(op, dtype, x)

    def math_call(self, op: str, dtype: str, *operands: str) -> str:
        self.math.add((op, dtype))
        type, attributes = TYPES[dtype], math_llvm.call_attributes(op, dtype)
        return self.text.emit(f"call {type} @{math_llvm.name(op, dtype)}({', '.join(f'{type} {x}' for x in operands)}) {attributes}")

    def binary(self, op: str, dtype: str, x: str, y: str) -> str:
        type, emit = TYPES[dtype], self.text.emit
        match op, dtype in L.FLOATS:
            case (("add" | "sub"), True):
                return self.sum(op, dtype, x, y)
            case "mul", True:
                product = emit(f"fmul contract {type} {x}, {y}")  # what accumulates products takes them in
                self.products[product] = x, y
                return product
            case "div", True:  # without fast-math flags: x86 would compute an estimate, which is NaN at infinity
                return emit(f"fdiv {type} {x}, {y}")
            case (("maximum" | "minimum" | "copysign"), True):
                return self.intrinsic(op, dtype, x, y)
            case (("pow" | "floor_divide" | "remainder"), True):
                return self.math_call(op, dtype, x, y)
            case (("maximum" | "minimum"), False):
                return self.intrinsic(f"{'s' if dtype in L.SIGNED else 'u'}{op[:3]}", dtype, x, y)
            case (("shl" | "shr"), _):
                return self.shift(op, dtype, x, y)
            case (("floor_divide" | "remainder"), False):
                return self.integer_divide(op, dtype, x, y)
            case "pow", False:
                return self.integer_power(dtype, x, y)
        return emit(f"{op} {type} {x}, {y}")

    def sum(self, op: str, dtype: str, x: str, y: str) -> str:
        """x + y or x - y, fused with the first of them that is a product."""
        type = TYPES[dtype]
        if x in self.products:
            return self.intrinsic("fmuladd", dtype, *self.products[x], y if op == "add" else self.unary("neg", dtype, y))
        if y in self.products:
            factor, other = self.products[y]
            return self.intrinsic("fmuladd", dtype, factor if op == "add" else self.unary("neg", dtype, factor), other, x)
        return self.text.emit(f"f{op} {type} {x}, {y}")

    def constant_power(self, dtype: str, x: str, exponent: float) -> str:
        """x ** exponent for the exponents 2, 3 and 4, and for floats 0.5 and -1."""
        one = constant(TYPES[dtype], 1)
        if exponent == 0.5:
            return self.intrinsic("sqrt", dtype, x)
        if exponent == -1:
            return self.binary("div", dtype, one, x)
        square = self.binary("mul", dtype, x, x)
        return square if exponent == 2 else self.binary("mul", dtype, square, x if exponent == 3 else square)

    def shift(self, op: str, dtype: str, x: str, y: str) -> str:
        type, width, emit = TYPES[dtype], L.BITS[dtype], self.text.emit
        amount = self.text.call(type, f"llvm.umin.{type}", (type, y), (type, str(width - 1)))
        instruction = "shl" if op == "shl" else "ashr" if dtype in L.SIGNED else "lshr"
        shifted = emit(f"{instruction} {type} {x}, {amount}")
        if instruction == "ashr":
            return shifted
        return emit(f"select i1 {emit(f'icmp ult {type} {y}, {width}')}, {type} {shifted}, {type} 0")

    def integer_divide(self, op: str, dtype: str, x: str, y: str) -> str:
        """The quotient, rounded down, or its remainder; 0 for a divisor of 0. The instructions trap for that divisor, and for the least
        integer divided by -1, which wraps: there the divisor is 1 instead."""
        type, emit = TYPES[dtype], self.text.emit
        zero = emit(f"icmp eq {type} {y}, 0")
        if dtype not in L.SIGNED:
            instruction = "udiv" if op == "floor_divide" else "urem"
            found = emit(f"{instruction} {type} {x}, {emit(f'select i1 {zero}, {type} 1, {type} {y}')}")
            return emit(f"select i1 {zero}, {type} 0, {type} {found}")
        minus_one = emit(f"icmp eq {type} {y}, -1")
        safe = emit(f"select i1 {emit(f'or i1 {zero}, {minus_one}')}, {type} 1, {type} {y}")
        remainder = emit(f"srem {type} {x}, {safe}")
        opposite = emit(f"icmp slt {type} {emit(f'xor {type} {remainder}, {safe}')}, 0")
        below = emit(f"and i1 {opposite}, {emit(f'icmp ne {type} {remainder}, 0')}")
        if op == "remainder":
            return emit(f"add {type} {remainder}, {emit(f'select i1 {below}, {type} {safe}, {type} 0')}")
        floored = emit(f"add {type} {emit(f'sdiv {type} {x}, {safe}')}, {emit(f'sext i1 {below} to {type}')}")
        signed = emit(f"select i1 {minus_one}, {type} {emit(f'sub {type} 0, {x}')}, {type} {floored}")
        return emit(f"select i1 {zero}, {type} 0, {type} {signed}")

    def integer_power(self, dtype: str, x: str, y: str) -> str:
        """x ** y modulo 2 to the width; for a negative y 1 / x ** -y, rounded towards zero, and 0 for x = 0."""
        type, emit = TYPES[dtype], self.text.emit
        wide = [("i64", self.convert(v, dtype, "int64")) for v in (x, y)]
        power = self.convert(self.text.call("i64", "mg_pow_int64", *wide), "int64", dtype)
        if dtype not in L.SIGNED:
            return power
        odd = emit(f"trunc {type} {y} to i1")
        sign = emit(f"select i1 {odd}, {type} {x}, {type} 1")
        unit = emit(f"icmp ult {type} {emit(f'add {type} {x}, 1')}, 3")  # -1, 0 or 1
        nonzero = emit(f"icmp ne {type} {x}, 0")
        inverse = emit(f"select i1 {emit(f'and i1 {unit}, {nonzero}')}, {type} {sign}, {type} 0")
        return emit(f"select i1 {emit(f'icmp slt {type} {y}, 0')}, {type} {inverse}, {type} {power}")
