"""Object code for other machines, which need not be at hand: LLVM makes it, and it needs only what a process there has."""

import ctypes.util
from unittest import mock

import llvmlite.binding as llvm
import numpy as np
import pytest
from objects import undefined
from shares import shared

import minigrad as mg
from minigrad.compiler.llvm.functions import OUTSIDE, outside
from minigrad.compiler.llvm.gemm import gemm_module
from minigrad.compiler.llvm.gemm_kernels import tile
from minigrad.compiler.runtime import assemble, eager_nodes, objects
from minigrad.compiler.runtime.builtin import Builtin
from minigrad.compiler.runtime.executable import Executable

MACHINES = {
    "x86-64 without AVX": ("x86_64-unknown-linux-gnu", "x86-64", ""),
    "x86-64 with AVX2": ("x86_64-unknown-linux-gnu", "x86-64-v3", "+avx,+avx2,+fma"),
    "x86-64 with AVX-512": ("x86_64-unknown-linux-gnu", "x86-64-v4", "+avx,+avx2,+fma,+avx512f"),
    "AArch64": ("aarch64-unknown-linux-gnu", "generic", ""),
    "Windows": ("x86_64-pc-windows-msvc", "x86-64-v3", "+avx,+avx2,+fma"),
    "macOS": ("arm64-apple-darwin", "apple-m1", ""),
}
C = {
    "acos",
    "asin",
    "atan",
    "atan2",
    "cbrt",
    "ceil",
    "cos",
    "cosh",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "fma",
    "fmax",
    "fmin",
    "fmod",
    "hypot",
}
C |= {"ldexp", "log", "log10", "log1p", "log2", "nearbyint", "pow", "rint", "round", "sin", "sinh", "sqrt", "tan", "tanh", "trunc"}
C |= {f"{name}f" for name in C} | {"memcpy", "memmove", "memset"}
SYSTEM = {  # what is not of the C standard
    "x86_64-unknown-linux-gnu": {"sincos", "sincosf", "_GLOBAL_OFFSET_TABLE_"},
    "aarch64-unknown-linux-gnu": {"sincos", "sincosf"},
    "x86_64-pc-windows-msvc": {"__chkstk", "_fltused"},  # `link` provides the first; nothing reads the second
    "arm64-apple-darwin": {"bzero", "__sincos_stret", "__sincosf_stret"},
}


@pytest.fixture(scope="module")
def modules():
    """LLVM modules of programs that use most of what the compiler can emit."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    found = []
    plain = Executable.__init__

    def noted(self, lowered):
        plain(self, lowered)
        found.extend(unit for kernel in self.kernels for unit in kernel.code.units)

    def loss(w, xs):
        h = mg.scan(lambda h, x: (mg.tanh(x + h @ w), None), mg.zeros((4, 4), xs.dtype), xs)[0]
        return mg.sum(mg.exp(h) + mg.sin(h) * mg.sigmoid(h) + mg.softmax(h) + mg.sort(h) + mg.remainder(h, 3.0) + mg.pow(h, 2.5))

    with mock.patch.object(Executable, "__init__", noted):
        for dtype in ("float32", "float64"):
            mg.jit(mg.value_and_grad(loss))(mg.ones((4, 4), dtype), mg.ones((3, 4, 4), dtype))
        mg.jit(lambda k: mg.random.normal(k, (5,)))(mg.random.key(0))
        mg.jit(lambda n: (n // 3, n % 3, n**3, mg.astype(n, "float32"), mg.argmax(n), mg.cumsum(n, 0)))(np.arange(5))
        mg.jit(lambda x: (mg.astype(x, "int32"), mg.floor(x), mg.log(x), mg.max(x), x[mg.argmax(x)]))(np.arange(5.0))
    return found


@pytest.mark.parametrize("machine", shared(MACHINES))
def test_every_machine_gets_object_code_that_needs_only_what_it_has(machine, modules, monkeypatch):
    triple, _, features = MACHINES[machine]
    monkeypatch.setattr(assemble, "machine", lambda: MACHINES[machine])
    shared = [outside(name, features.split(",")) for name in sorted({n for u in modules for n in OUTSIDE.findall(u.text)})]
    units = [*{u.name: u for u in modules}.values(), *shared]
    needed = set.union(*(undefined(assemble.assemble(u.text, u.plain)) for u in units))
    assert {"mg_gemm_float32", "mg_gemm_float64", "fmod"} <= needed
    assert any(name.startswith("mg_sin_float32") for name in needed)
    foreign = needed - C - SYSTEM[triple] - {name for u in units for name in (u.name, *u.others)}
    assert all(name.startswith("mg_") for name in foreign), foreign
    if machine == "Windows":
        assert "__chkstk" in needed
    for function in (f for f in (vars(objects) | vars(eager_nodes)).values() if isinstance(f, Builtin)):
        needed = undefined(assemble.assemble(function.unit.text))
        assert needed - SYSTEM[triple] == {*function.needed}


def test_a_processor_without_avx_gets_no_wide_vectors(monkeypatch):
    for machine, wide in (("x86-64 without AVX", False), ("x86-64 with AVX2", True)):
        monkeypatch.setattr(assemble, "machine", lambda machine=machine: MACHINES[machine])
        text = gemm_module(tile("float32", MACHINES[machine][2].split(",")))
        assert ("%ymm" in assemble.target_machine().emit_assembly(assemble.optimized(text))) == wide


def test_the_names_are_functions_of_the_c_library():
    library = ctypes.CDLL(ctypes.util.find_library("m") or ctypes.util.find_library("ucrtbase"))
    assert all(hasattr(library, name) for name in C if not name.startswith("mem"))


def test_undefined_names_are_found_in_every_format(monkeypatch):
    text = (
        'declare i64 @other_function_of_this_name(i64)\ndefine i64 @"f"(i64 %x) {\n  %y = call i64 @other_function_of_this_name(i64 %x)\n'
    )
    for machine in MACHINES.values():
        monkeypatch.setattr(assemble, "machine", lambda machine=machine: machine)
        assert undefined(assemble.assemble(text + "  ret i64 %y\n}")) - {"_GLOBAL_OFFSET_TABLE_"} == {"other_function_of_this_name"}
