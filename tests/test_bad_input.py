"""Bad input: the exact message for each, which names the operation, the values or types, and the remedy; and the user's line."""
# ruff: noqa: E501, E711  (one line a case)

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from minigrad.models import DNC, LSTM, MANN, NTM, Bidirectional, to_torch
from minigrad.models.attention import Score

import minigrad as mg
from minigrad import errors
from minigrad.errors import (
    AbstractValueError,
    AxisError,
    BoundsError,
    CheckpointError,
    DTypeError,
    EmptyError,
    GraphError,
    NonFiniteError,
    OutOfMemoryError,
    RangeError,
    SettingError,
    ShapeError,
)
from minigrad.optim import SGD, Adam, OptimizerError

BUILTINS = {
    AbstractValueError: TypeError, AxisError: IndexError, BoundsError: IndexError, CheckpointError: ValueError, DTypeError: TypeError,
    EmptyError: ValueError, GraphError: RuntimeError, NonFiniteError: FloatingPointError, OptimizerError: ValueError,
    OutOfMemoryError: MemoryError, RangeError: OverflowError, SettingError: ValueError, ShapeError: ValueError,
}  # fmt: skip


class Elsewhere:
    """Another library's tensor, on a device that NumPy cannot read."""

    device = "cuda:0"

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("can't convert cuda:0 device type tensor to numpy.\nMore about that")


class Tracked(Elsewhere):
    requires_grad = True
    device = "cpu"


def ruled(rule: Any) -> Any:
    """The gradient of a function with this backward rule."""
    f = mg.custom_vjp(lambda x: x * x)
    f.defvjp(rule)
    return mg.grad(lambda x: mg.sum(f(x)))(X)


X = mg.zeros((3, 4))
W = mg.parameter(np.ones((2, 2), "float32"))
V = mg.parameter(np.ones(2, "float32"))
cell = LSTM(3, 4)
xs = mg.ones((5, 2, 3))
leaked: list[Any] = []
mg.trace(lambda x: leaked.append(x) or x, X)

BAD: list[tuple[str, Any, type, str]] = [
    ('object', lambda: mg.tensor(np.array([1, None], object)), DTypeError, 'tensor: cannot make a tensor from an array of dtype object. Take bool, an integer, float32 or float64'),
    ('string', lambda: mg.tensor("abc"), DTypeError, "tensor: cannot make a tensor from the text 'abc'. Take bool, an integer, float32 or float64"),
    ('ragged', lambda: mg.tensor([[1,2],[3]]), DTypeError, 'tensor: cannot make a tensor from ragged nested lists, of lengths 2, 1. Pad them, and pass a mask'),
    ('complex', lambda: mg.tensor(1j), DTypeError, 'tensor: cannot make a tensor from 1j. Take .real and .imag'),
    ('complex arr', lambda: mg.tensor(np.ones(2, complex)), DTypeError, 'tensor: cannot make a tensor from an array of dtype complex128. Take .real and .imag'),
    ('datetime', lambda: mg.tensor(np.array(["2020-01-01"], "datetime64[D]")), DTypeError, "tensor: cannot make a tensor from an array of dtype datetime64[D]. Count in a unit, as in (t - t[0]) / np.timedelta64(1, 's')"),
    ('float16', lambda: mg.tensor(np.zeros(2,"float16")) * 2, DTypeError, "mul: float16 is for storage, and nothing is computed in it. Convert with .astype('float32')"),
    ('longdouble', lambda: mg.tensor(np.zeros(2,"longdouble")), DTypeError, "tensor: cannot make a tensor from an array of dtype float128. Convert with .astype('float32')"),
    ('None', lambda: mg.tensor(None), DTypeError, 'tensor: cannot make a tensor from None. Take bool, an integer, float32 or float64'),
    ('None op', lambda: X + None, DTypeError, 'add: cannot make a tensor from None. Take bool, an integer, float32 or float64'),
    ('dict', lambda: mg.tensor({"a": 1}), DTypeError, 'tensor: cannot make a tensor from a dict (it reads as dtype object). Take its leaves apart with mg.tree.map'),
    ('ordered dict', lambda: mg.grad(lambda d: d["a"])(OrderedDict(a=1.0)), DTypeError, 'tensor: cannot make a tensor from a OrderedDict (it reads as dtype object). Make it a dict: other mappings are no trees'),
    ('dict op', lambda: X + {"a": 1}, DTypeError, 'add: cannot make a tensor from a dict (it reads as dtype object). Take its leaves apart with mg.tree.map'),
    ('str op', lambda: X + "a", DTypeError, "add: cannot make a tensor from the text 'a'. Take bool, an integer, float32 or float64"),
    ('function op', lambda: X * mg.sin, DTypeError, 'multiply: cannot make a tensor from a function (it reads as dtype object). Take bool, an integer, float32 or float64'),
    ('bad dtype name', lambda: mg.zeros(3, "flaot32"), DTypeError, 'zeros: cannot make a tensor from dtype flaot32. Take bool, an integer, float32 or float64'),
    ('dtype int too big', lambda: mg.tensor([300], "uint8"), RangeError, 'tensor: 300 does not fit uint8. Give a wider dtype'),
    ('big int', lambda: mg.tensor(2**70), DTypeError, 'tensor: cannot make a tensor from 1180591620717411303424, which no integer dtype holds. Take bool, an integer, float32 or float64'),
    ('big int op', lambda: mg.tensor([1]) + 2**70, RangeError, 'add: 1180591620717411303424 does not fit int64. It holds -9223372036854775808 … 9223372036854775807'),
    ('infinite int', lambda: mg.full(3, np.inf, dtype='int32'), RangeError, 'full: inf does not fit int32. It holds -2147483648 … 2147483647'),
    ('nan int', lambda: mg.full(3, np.nan, dtype='int32'), RangeError, 'full: nan does not fit int32. It holds -2147483648 … 2147483647'),
    ('neg uint', lambda: mg.tensor(np.array([1],'uint8')) + -1, RangeError, 'add: -1 does not fit uint8. It holds 0 … 255'),
    ('f64 overflow', lambda: X * 1e300, RangeError, "multiply: 1e+300 does not fit float32. Convert the tensor with .astype('float64')"),
    ('masked', lambda: mg.tensor(np.ma.array([1.,2.], mask=[0,1])), DTypeError, 'tensor: a masked array would lose its mask. Fill it with .filled(0), and pass the mask as weights'),
    ('masked op', lambda: mg.tensor([1.,2.]) + np.ma.array([1.,2.], mask=[0,1]), DTypeError, 'add: a masked array would lose its mask. Fill it with .filled(0), and pass the mask as weights'),
    ('huge zeros+1', lambda: mg.zeros((10**6, 10**6)) + 1, OutOfMemoryError, 'add: float32(1000000, 1000000) needs 3,725.3 GiB, more than there is. Sum before you broadcast, or work on parts'),
    ('huge bc', lambda: mg.ones((10**6, 1)) * mg.ones((1, 10**6)), OutOfMemoryError, 'mul: float32(1000000, 1000000) needs 3,725.3 GiB, more than there is. Sum before you broadcast, or work on parts'),
    ('arange inf', lambda: mg.arange(0.0, 1.0, float('inf')), SettingError, 'arange: takes finite numbers, got 0.0, 1.0 and inf'),
    ('arange nan', lambda: mg.arange(float('nan')), SettingError, 'arange: takes finite numbers, got 0.0, nan and 1.0'),
    ('huge but empty', lambda: mg.zeros((2**40, 2**40, 0)), ShapeError, 'zeros: (1099511627776, 1099511627776, 0) is too large: the lengths other than 0 multiply to 2⁶⁰ or more'),
    ('huge overflow', lambda: mg.zeros((2**40, 2**40)), ShapeError, 'zeros: (1099511627776, 1099511627776) is too large: the lengths other than 0 multiply to 2⁶⁰ or more'),
    ('huge arange', lambda: mg.arange(10**13), OutOfMemoryError, 'iota: int64(10000000000000) needs 74,505.8 GiB, more than there is. Sum before you broadcast, or work on parts'),
    ('huge matmul', lambda: mg.ones((10**6, 1)) @ mg.ones((1, 10**6)), OutOfMemoryError, 'matmul: float32(1000000, 1000000) needs 3,725.3 GiB, more than there is. Sum before you broadcast, or work on parts'),
    ('huge onehot', lambda: mg.one_hot(np.arange(10**6), 10**6), OutOfMemoryError, 'one_hot: float32(1000000, 1000000) needs 3,725.3 GiB, more than there is. Sum before you broadcast, or work on parts'),
    ('huge jit', lambda: mg.jit(lambda x: mg.exp(mg.reshape(x,(-1,1)) * x))(np.ones(10**6,'float32')), OutOfMemoryError, '<lambda>: its working memory is more than there is (Unable to allocate 3.64 TiB for an array with shape (4000000000064,) and data type uint8). Sum before you broadcast, or give it smaller batches'),
    ('huge random', lambda: mg.random.normal(mg.random.key(0), (10**6, 10**6)), OutOfMemoryError, 'random: float32(2, 1000000, 1000000) needs 7,450.6 GiB, more than there is. Sum before you broadcast, or work on parts'),
    ('huge pad', lambda: mg.pad(mg.ones(3), [(0, 10**13)]), OutOfMemoryError, 'pad: float32(10000000000003) needs 37,252.9 GiB, more than there is. Sum before you broadcast, or work on parts'),
    ('np ufunc', lambda: np.cbrt(X), DTypeError, 'np.cbrt: takes no minigrad tensor here. Use mg.cbrt if there is one, or t.detach().numpy()'),
    ('bool abstract', lambda: mg.trace(lambda x: 1 if x > 0 else 2, mg.zeros(())), AbstractValueError, 'abstract tensor: Tensor(bool(), abstract) has no truth value: it has no value while the graph is built. Choose with mg.where(c, x, y) or mg.cond(c, f, g, *args); compile a flag with mg.jit(f, static_argnames=...)'),
    ('float abstract', lambda: mg.jit(lambda x: float(x))(1.0), AbstractValueError, "abstract tensor: Tensor(float32(), abstract, name='x') float() needs its value: it has no value while the graph is built. Return it from the function and convert there"),
    ('range abstract', lambda: mg.jit(lambda x, n: sum(x for _ in range(n)))(1.0, 3), AbstractValueError, "abstract tensor: Tensor(int64(), abstract, name='n') int() needs its value: it has no value while the graph is built. Return it from the function and convert there; compile a number of steps with mg.jit(f, static_argnames=...)"),
    ('plain class', lambda: mg.grad(lambda m: m.w * m.w)(SimpleNamespace(w=mg.parameter(1.0))), DTypeError, 'tensor: cannot make a tensor from a SimpleNamespace (it reads as dtype object). Derive SimpleNamespace from mg.Module, or make it a dataclass: then it is a tree of its tensors'),
    ('np.sin2 abstract', lambda: mg.jit(lambda x: np.median(x))(np.ones(3)), AbstractValueError, "np.median: is not a function of graphs, and needs values. Use functions of mg, or return Tensor(float64(n0_0), abstract, name='x') from the function and call np.median there"),
    ('bool many', lambda: bool(mg.ones(3)), ShapeError, 'bool(): only a tensor of one element is true or false, got float32(3). Use mg.all or mg.any'),
    ('float many', lambda: float(mg.ones(3)), DTypeError, 'float(): only a tensor of one element is a number, got float32(3). Use .tolist() or .numpy()'),
    ('index float', lambda: X[1.0], DTypeError, 'index: 1.0 is no index. Take integers, slices, None, ..., integer or boolean arrays'),
    ('index str', lambda: X["a"], DTypeError, "index: 'a' is no index. Take integers, slices, None, ..., integer or boolean arrays"),
    ('index toomany', lambda: X[0,0,0], AxisError, 'index: 3 indices for a 2-d tensor (3, 4)'),
    ('index oob', lambda: X[5], BoundsError, 'index: index 5 out of bounds for axis 0 of size 3'),
    ('index arr oob', lambda: X[np.array([0, 7])], BoundsError, 'index: index 7 out of bounds for axis 0 of size 3'),
    ('index mask len', lambda: X[np.array([True, False])], AxisError, 'index: a boolean mask of length 2 for axis 0 of length 3'),
    ('index two ...', lambda: X[..., ...], ShapeError, "index: only one Ellipsis ('...') is allowed"),
    ('index float arr', lambda: X[np.array([0.5])], DTypeError, "index: an index array must hold integers or bools, got float64(1). Convert with .astype('int64')"),
    ('slice step0', lambda: X[::0], ShapeError, "index: a slice's step cannot be 0"),
    ('slice float', lambda: X[0.5:], DTypeError, "index: a slice's bound or step must be an integer, got 0.5. Divide with //, or convert with int()"),
    ('len 0d', lambda: len(mg.tensor(1.0)), DTypeError, 'len(): a 0-d tensor has no length'),
    ('einsum sizes', lambda: mg.einsum("ij,jk->ik", X, X), ShapeError, "einsum: 'j' is 4 in operand 0 (3, 4) but 3 in operand 1 (3, 4)"),
    ('einsum out', lambda: mg.einsum("ij->k", X), ShapeError, "einsum: the output 'k' must name axes of the operands, each once"),
    ('einsum count', lambda: mg.einsum("ij,jk", X), ShapeError, "einsum: 'ij,jk' names 2 operands, got 1"),
    ('einsum dims', lambda: mg.einsum("ijk->i", X), ShapeError, "einsum: 'ijk' must name the 2 axes of (3, 4), each with a letter, or some with an ellipsis"),
    ('einsum ellipsis', lambda: mg.einsum("...i->i", X), ShapeError, "einsum: '...i->i' has an ellipsis for axes of the operands, and none in the output. Put ... after ->"),
    ('einsum nonstr', lambda: mg.einsum(X, X), DTypeError, "einsum: takes its letters first, as in 'ij,jk->ik', got Tensor"),
    ('reshape str', lambda: mg.reshape(X, "ab"), DTypeError, "reshape: a length must be an integer, got 'ab'"),
    ('reshape neg', lambda: mg.reshape(X, (-2, 6)), ShapeError, 'reshape: 12 elements of (3, 4) cannot become (-2, 6) (-12)'),
    ('zeros float', lambda: mg.zeros(2.5), DTypeError, 'zeros: a length must be an integer, got 2.5. Divide with //, or convert with int()'),
    ('zeros str', lambda: mg.zeros("3"), DTypeError, "zeros: a length must be an integer, got '3'"),
    ('zeros neg', lambda: mg.zeros(-1), ShapeError, 'zeros: lengths must not be negative, got (-1,)'),
    ('permute str', lambda: mg.permute_dims(X, ("a","b")), DTypeError, "permute_dims: axis must be an integer, got 'a'"),
    ('stack none', lambda: mg.stack([]), ShapeError, 'stack: needs at least one tensor'),
    ('concat dims', lambda: mg.concat([X, mg.zeros(3)]), ShapeError, 'concat along axis 0: input 1 is float32(3), expected float32(*, 4) like input 0'),
    ('concat 0d', lambda: mg.concat([mg.zeros(()), mg.zeros(())]), AxisError, 'concat: axis 0 out of range for a 0-d tensor (it has no axes)'),
    ('split not even', lambda: mg.split(X, 3), ShapeError, 'split: axis 1 of (3, 4) has length 4, which is not 3 equal parts'),
    ('split zero', lambda: mg.split(X, 0), ShapeError, 'split: axis 1 of (3, 4) has length 4, which is not 0 equal parts'),
    ('split str', lambda: mg.split(X, "ab"), DTypeError, "split: the number of parts must be an integer, got 'ab'"),
    ('roll float', lambda: mg.roll(X, 1.5), DTypeError, 'roll: the shift must be an integer, got 1.5. Divide with //, or convert with int()'),
    ('pad int', lambda: mg.pad(X, -1), ShapeError, 'pad: needs one (before, after) of numbers ≥ 0 for each axis of (3, 4), got -1'),
    ('moveaxis', lambda: mg.moveaxis(X, 0, 5), AxisError, 'moveaxis: axis 5 out of range for a 2-d tensor (valid -2..1)'),
    ('topk', lambda: mg.top_k(X, 2.5), DTypeError, 'top_k: k must be an integer, got 2.5. Divide with //, or convert with int()'),
    ('one_hot float', lambda: mg.one_hot(mg.ones(3), 2), DTypeError, "one_hot: indices must be integers, got float32(3). Convert with .astype('int64')"),
    ('tensordot', lambda: mg.tensordot(X, X, 1), ShapeError, 'tensordot: the last 1 axes of x (3, 4) must be the first 1 of y (3, 4)'),
    ('tensordot axes', lambda: mg.tensordot(X, X, 5), ShapeError, 'tensordot: the last 5 axes of x (3, 4) must be the first 5 of y (3, 4)'),
    ('outer', lambda: mg.outer(X, X), ShapeError, 'outer: takes two vectors, got float32(3, 4) and float32(3, 4). For more axes use mg.einsum'),
    ('tril 1d', lambda: mg.tril(mg.ones(3)), ShapeError, 'tril: needs two axes, got float32(3)'),
    ('softmax axis', lambda: mg.softmax(X, 2), AxisError, 'softmax: axis 2 out of range for a 2-d tensor (valid -2..1)'),
    ('softmax 0d', lambda: mg.softmax(mg.tensor(1.0)), AxisError, 'softmax: axis -1 out of range for a 0-d tensor (it has no axes)'),
    ('layer_norm scale', lambda: mg.layer_norm(X, mg.ones(3)), ShapeError, 'multiply: shapes (3, 4) and (3,) do not broadcast: axis 1 is 4 vs 3. To combine per row, index the vector as v[:, None]'),
    ('dropout rate', lambda: mg.dropout(X, 1.5, mg.random.key(0)), SettingError, 'dropout: the rate must be in [0, 1), got 1.5'),
    ('dropout key', lambda: mg.dropout(X, .5, 3), DTypeError, 'random: takes a key first, got 3. Make one from a seed with mg.random.key(0)'),
    ('ce oob', lambda: mg.cross_entropy(X, np.array([0,1,9])), BoundsError, 'cross_entropy: a target is 9, but must be one of 0 … 3'),
    ('ce shape', lambda: mg.cross_entropy(X, np.array([0,1])), ShapeError, 'cross_entropy: targets int64(2) are classes, which must have the shape (3,) for logits float32(3, 4)'),
    ('ce prob shape', lambda: mg.cross_entropy(X, np.ones((3,5))), ShapeError, 'cross_entropy: targets float64(3, 5) are probabilities, which must have the shape (3, 4) for logits float32(3, 4)'),
    ('bce shape', lambda: mg.binary_cross_entropy(X, mg.ones((3,5))), ShapeError, 'binary_cross_entropy: shapes (3, 4) and (3, 5) do not broadcast: axis 1 is 4 vs 5'),
    ('bce bcast', lambda: mg.binary_cross_entropy(mg.ones((3,1)), mg.ones((3,))), ShapeError, 'binary_cross_entropy: targets float32(3) have more elements than the logits float32(3, 1)'),
    ('mse', lambda: mg.mse(X, mg.ones(3)), ShapeError, 'mse: shapes (3, 4) and (3,) do not broadcast: axis 1 is 4 vs 3. To combine per row, index the vector as v[:, None]'),
    ('weights shape', lambda: mg.binary_cross_entropy(X, X, mg.ones(5)), ShapeError, 'broadcast_to: (5,) does not broadcast to (3, 4)'),
    ('huber', lambda: mg.huber(X, X, -1), SettingError, 'huber: delta must not be negative, got -1'),
    ('circ', lambda: mg.circular_convolution(mg.ones(2), mg.ones(3)), ShapeError, 'circular_convolution: a kernel of odd length up to 2 is needed, got 3'),
    ('norm axis', lambda: mg.norm(X, 3), AxisError, 'norm: axis 3 out of range for a 2-d tensor (valid -2..1)'),
    ('clip', lambda: mg.clip(X, 1, 0), SettingError, 'clip: min = 1 is above max = 0'),
    ('where', lambda: mg.where(X, 1, 0), DTypeError, 'where: the condition must be bool, got float32(3, 4). Compare it, as in c > 0'),
    ('where cond shape', lambda: mg.where(mg.tensor([True, False]), X, 0), ShapeError, 'where: shapes (2,) and (3, 4) do not broadcast: axis 1 is 2 vs 4'),
    ('logical and', lambda: X & X, DTypeError, 'bitwise_and: takes integers or bools, got float32(3, 4). Compare it, as in x != 0'),
    ('invert', lambda: ~X, DTypeError, 'bitwise_invert: takes integers or bools, got float32(3, 4). Compare it, as in x != 0'),
    ('shift of bools', lambda: mg.tensor([True]) << mg.tensor([True]), DTypeError, 'bitwise_left_shift: takes integers, got bool(1). Multiply by a power of 2'),
    ('shift of floats', lambda: X << 1, DTypeError, 'bitwise_left_shift: takes integers, got float32(3, 4). Multiply by a power of 2'),
    ('round integers', lambda: mg.round(mg.arange(3), -1), DTypeError, "round: takes floats for decimals = -1, got int64(3). Convert with .astype('float64')"),
    ('positive bool', lambda: +mg.tensor([True]), DTypeError, "positive: takes numbers, got bool(1). Convert with .astype('int64')"),
    ('neg bool', lambda: -mg.tensor([True]), DTypeError, "neg: takes numbers, got bool(1). Convert with .astype('int64')"),
    ('cumsum bool', lambda: mg.cumsum(mg.tensor([True]), dtype="bool"), DTypeError, "cumsum: takes numbers, got bool(1). Convert with .astype('int64')"),
    ('grad argnums', lambda: mg.grad(lambda x: mg.sum(x), 3)(X), GraphError, 'grad: argnums=3, but there are 1 positional arguments. It differentiates with respect to those alone'),
    ('grad argnums str', lambda: mg.grad(lambda x: mg.sum(x), "x")(X), DTypeError, "grad: argnums must be an integer, got 'x'"),
    ('grad argnums twice', lambda: mg.grad(lambda x, y: mg.sum(x * y), (0, -2))(X, X), GraphError, 'grad: argnums=(0, -2) names an argument twice. Name each once'),
    ('grad of an array', lambda: mg.grad(lambda x: mg.sum(x), X[0, :2]), DTypeError, f'grad: argnums must be an integer, got {X[0, :2]!r}'),
    ('jacobian argnums', lambda: mg.jacobian(lambda x: x, 1)(X), GraphError, 'jacobian: argnums=1, but there are 1 positional arguments. It differentiates with respect to those alone'),
    ('scan swapped', lambda: mg.scan(0.0, lambda c, x: (c, x), X), DTypeError, 'scan: takes a function, got 0.0'),
    ('cond of values', lambda: mg.cond(True, 1.0, 2.0), DTypeError, 'cond: takes a function, got 1.0'),
    ('while swapped', lambda: mg.while_loop(0.0, lambda c: c < 3, lambda c: c + 1), DTypeError, 'while_loop: takes a function, got 0.0'),
    ('zeros of two numbers', lambda: mg.zeros(2, 3), DTypeError, 'zeros: cannot make a tensor from dtype 3. Give the shape as one tuple'),
    ('zeros of two integers of NumPy', lambda: mg.zeros(np.int64(2), np.int64(3)), DTypeError, 'zeros: cannot make a tensor from dtype 3. Give the shape as one tuple'),
    ('grad no args', lambda: mg.grad(lambda: 1)(), GraphError, 'grad: argnums=0, but there are 0 positional arguments. It differentiates with respect to those alone'),
    ('grad none', lambda: mg.grad(lambda x: None)(X), GraphError, 'grad: the function must return one scalar tensor, got NoneType. With has_aux=True it returns (loss, anything)'),
    ('grad str', lambda: mg.grad(lambda x: mg.sum(x))("a"), DTypeError, "tensor: cannot make a tensor from the text 'a'. Take bool, an integer, float32 or float64"),
    ('grad float ret', lambda: mg.grad(lambda x: 1.0)(X), GraphError, 'grad: the function must return one scalar tensor, got float. With has_aux=True it returns (loss, anything)'),
    ('grad of noncallable', lambda: mg.grad(3)(X), DTypeError, 'grad: takes a function, got 3'),
    ('vjp ct many', lambda: mg.vjp(lambda x: x, X)[1]((X, X)), GraphError, 'cotangent: the trees differ in structure: a leaf against tuple'),
    ('jvp array', lambda: mg.jvp(mg.sum, X, X), DTypeError, 'jvp: takes tuples, with one entry for each argument of the function, got Tensor. Give (x,) and (v,) for one argument'),
    ('hvp array', lambda: mg.hvp(mg.sum, (X,), X), DTypeError, 'hvp: takes tuples, with one entry for each argument of the function, got Tensor. Give (x,) and (v,) for one argument'),
    ('jvp lens', lambda: mg.jvp(lambda x: x, [X], []), GraphError, 'jvp: 1 arguments need as many tangents, got 0'),
    ('jvp shape', lambda: mg.jvp(lambda x: x, [X], [mg.ones(3)]), ShapeError, 'jvp: the tangent is float32(3), its argument float32(3, 4)'),
    ('jvp int', lambda: mg.jvp(lambda x: x, [mg.tensor([1])], [mg.tensor([1])]), DTypeError, 'grad: cannot differentiate with respect to the argument (int64(1)). Only floats have gradients'),
    ('hvp', lambda: mg.hvp(lambda x: x, [X], [X]), ShapeError, 'grad: needs a scalar loss, got float32(3, 4). Use mg.sum or mg.mean, or vjp with a cotangent'),
    ('hvp shape', lambda: mg.hvp(lambda x: mg.sum(x*x), [X], [mg.ones(3)]), ShapeError, 'cotangent: it is float32(3), the output is float32(3, 4)'),
    ('jacobian', lambda: mg.jacobian(lambda x: x)(np.array([1,2])), DTypeError, 'grad: cannot differentiate with respect to the argument (int64(2)). Only floats have gradients'),
    ('scan carry dtype', lambda: mg.scan(lambda c,x: (c*x, c), mg.tensor(0), mg.ones(3)), GraphError, "scan: the carry must keep its types:\n  carry: int64() goes in, float32() comes out; start from a float32, or end the step with .astype('int64')"),
    ('scan carry shape', lambda: mg.scan(lambda c,x: (mg.stack([c,c]), c), mg.zeros(()), mg.ones(3)), GraphError, 'scan: the carry must keep its types:\n  carry: float32() goes in, float32(2) comes out; start from mg.zeros((2,))'),
    ('scan carry tree', lambda: mg.scan(lambda c,x: ((c,c), c), mg.zeros(()), mg.ones(3)), GraphError, 'scan: the carry changes its structure: a leaf against tuple. Return the carry as it came in, then y'),
    ('scan ret', lambda: mg.scan(lambda c,x: c, mg.zeros(()), mg.ones(3)), GraphError, 'scan: the step must return (carry, y), got Tensor'),
    ('scan ret3', lambda: mg.scan(lambda c,x: (c,c,c), mg.zeros(()), mg.ones(3)), GraphError, 'scan: the step must return (carry, y), got tuple'),
    ('scan lens', lambda: mg.scan(lambda c,x: (c, c), mg.zeros(()), (mg.ones(3), mg.ones(4))), ShapeError, 'scan: xs[1] has 4 steps, expected 3'),
    ('scan none', lambda: mg.scan(lambda c,x: (c, c), mg.zeros(())), GraphError, 'scan: it has neither xs nor a length. Give length=T'),
    ('scan 0d', lambda: mg.scan(lambda c,x: (c, c), mg.zeros(()), mg.ones(())), ShapeError, 'scan: xs is a 0-d tensor and has no steps'),
    ('scan neg', lambda: mg.scan(lambda c,x: (c, c), mg.zeros(()), length=-1), ShapeError, 'scan: length must not be negative, got -1'),
    ('scan float len', lambda: mg.scan(lambda c,x: (c, c), mg.zeros(()), length=2.5), DTypeError, 'scan: length must be an integer, got 2.5. Divide with //, or convert with int()'),
    ('scan trunc neg', lambda: mg.scan(lambda c,x: (c, c), mg.zeros(()), mg.ones(3), truncate=-1), ShapeError, 'scan: chunks must have at least one step, got -1'),
    ('cond many', lambda: mg.cond(X > 0, lambda: 1, lambda: 2), DTypeError, 'cond: the condition must be one bool, got bool(3, 4). For a choice per element use mg.where'),
    ('cond float', lambda: mg.cond(mg.tensor(1.0), lambda: mg.ones(3), lambda: mg.zeros(3)), DTypeError, 'cond: the condition must be one bool, got float32(). For a choice per element use mg.where'),
    ('cond types', lambda: mg.cond(True, lambda: mg.ones(3), lambda: mg.zeros(4)), GraphError, 'cond: the sides differ at result: float32(3) against float32(4)'),
    ('cond tree', lambda: mg.cond(True, lambda: (mg.ones(3),), lambda: mg.zeros(3)), GraphError, 'cond: the two sides: the trees differ in structure: tuple against a leaf'),
    ('vmap int', lambda: mg.vmap(lambda x: x)(mg.ones(())), AxisError, 'vmap: axis 0 out of range for a 0-d tensor (it has no axes)'),
    ('vmap axes', lambda: mg.vmap(lambda x: x, in_axes=5)(X), AxisError, 'vmap: axis 5 out of range for a 2-d tensor (valid -2..1)'),
    ('vmap str', lambda: mg.vmap(lambda x: x, in_axes="a")(X), DTypeError, "vmap: axis must be an integer, got 'a'"),
    ('jit ragged', lambda: mg.jit(lambda x: mg.sum(x))([[1,2],[3]]), ShapeError, "tensor: a list holds tensors of shapes (2,), (1,), which cannot be stacked"),
    ('jit ret str', lambda: mg.jit(lambda x: "a")(X), DTypeError, "<lambda>: must return tensors or trees of them, got 'a'"),
    ('jit device', lambda: mg.jit(mg.sum)(Elsewhere()), DTypeError, "tensor: cannot read a test_bad_input.Elsewhere on cuda:0 (can't convert cuda:0 device type tensor to numpy). Bring it to the host as a NumPy array first"),
    ('jit oob', lambda: mg.jit(lambda x, i: mg.take(x, i))(np.ones(3), np.array([7])), BoundsError, 'take: index 7 out of bounds for an axis of size 3'),
    ('jit backward', lambda: mg.jit(lambda x: mg.sum(x).backward())(X), GraphError, 'backward: Tensor(float32(), abstract) has no value yet. Inside a traced function use mg.grad'),
    ('jit inf', lambda: mg.jit(lambda x: mg.sum(1/x), finite=True)(np.array([0.0])), NonFiniteError, 'div: inf at index (0,) of float64(1), in the forward pass'),
    ('adam lr', lambda: Adam(-1), OptimizerError, 'lr must be a finite number in [0, inf), got -1'),
    ('adam lr nan', lambda: Adam(float("nan")), OptimizerError, 'lr must be a finite number in [0, inf), got nan'),
    ('adam lr str', lambda: Adam("fast"), OptimizerError, "lr must be a number, got 'fast'"),
    ('adam beta', lambda: Adam(beta1=1.5), OptimizerError, 'beta1 must be a finite number in [0, 1), got 1.5'),
    ('adam clip', lambda: Adam(clip_norm=0), OptimizerError, 'clip_norm must be a finite number in [4.94066e-324, inf), got 0'),
    ('adam none', lambda: Adam().init({}), OptimizerError, 'Adam: there are no parameters to train. Make what is to be learned with mg.parameter'),
    ('adam int', lambda: Adam().init({"a": mg.tensor([1])}), OptimizerError, "Adam: params['a'] is int64(1); only floats can be trained"),
    ('adam twice', lambda: Adam().init({"a": W, "b": W}), OptimizerError, "Adam: params['b'] and params['a'] are the same tensor; keep it in one place or in a Module"),
    ('adam tree', lambda: Adam().update({"a": W}, {"b": W}, Adam().init({"a": W})), GraphError, "Adam: gradients against parameters: the trees differ in structure: dict with ['a'] against ['b']"),
    ('adam shape', lambda: Adam().update({"a": W}, {"a": mg.ones(3)}, Adam().init({"a": W})), ShapeError, "Adam: the gradient of params['a'] is float32(3), the parameter float32(2, 2)"),
    ('adam state', lambda: Adam().update({"a": W}, {"a": W}, SGD().init({"a": W})), OptimizerError, 'Adam: the state must have slots mean, square, got slots velocity. Make it with Adam(…).init(params)'),
    ('adam state other', lambda: Adam().update({"a": W}, {"a": W}, Adam().init({"a": W, "b": V})), GraphError, "Adam: slot 'mean' of the state against the parameters: the trees differ in structure: dict with ['a'] against ['a', 'b']"),
    ('adam state none', lambda: Adam().update({"a": W}, {"a": W}, None), OptimizerError, 'Adam: the state must have slots mean, square, got None. Make it with Adam(…).init(params)'),
    ('lstm in', lambda: cell(mg.ones((5,2,7))), ShapeError, 'LSTM: takes xs of shape (T, batch, 3), got (5, 2, 7). Time is the first axis'),
    ('lstm 2d', lambda: cell(mg.ones((5,3))), ShapeError, 'LSTM: takes xs of shape (T, batch, 3), got (5, 3). Time is the first axis'),
    ('lstm state', lambda: cell(xs, state=cell.initial_state(4)), ShapeError, 'LSTM: state.h has shape (4, 4), a batch of 2 needs (2, 4)'),
    ('lstm state tuple', lambda: cell(xs, state=(mg.ones((2,4)), mg.ones((2,4)))), GraphError, 'LSTM: its state against the one given: the trees differ in structure: LSTMState against tuple'),
    ('lstm mask', lambda: cell(xs, mask=mg.ones((4,2))), ShapeError, 'LSTM: takes a mask of shape (5, 2) for xs (5, 2, 3), got (4, 2)'),
    ('lstm mask2', lambda: cell(xs, mask=mg.ones((5,3))), ShapeError, 'LSTM: takes a mask of shape (5, 2) for xs (5, 2, 3), got (5, 3)'),
    ('lstm step', lambda: cell.step(cell.initial_state(2), mg.ones((2,7))), ShapeError, 'matmul: x has 7 columns but y has 3 rows: x (2, 7) @ y (3, 16)'),
    ('lstm neg', lambda: LSTM(3, -1), SettingError, 'LSTM: hidden=-1 must be an integer of at least 1'),
    ('lstm float', lambda: LSTM(3, 2.5), SettingError, 'LSTM: hidden=2.5 must be an integer of at least 1'),
    ('lstm dtype', lambda: LSTM(3, 4, dtype="int32"), DTypeError, 'random.uniform: takes a float dtype, got int32. For whole numbers use random.integers'),
    ('ntm memory', lambda: NTM(3, 4, memory=5), SettingError, "NTM: memory=5 must be two positive integers, the number of slots and the width of each. Write it as in memory=(128, 20)"),
    ('ntm slots', lambda: NTM(3, 4, memory=(2, 5)), SettingError, "NTM: memory=(2, 5) has 2 slots, but with shift=1 a head chooses among 3. Take 3 slots or more, or shift=0"),
    ('ntm slot', lambda: NTM(3, 4, memory=(1, 5), M_0="learned"), SettingError, "NTM: memory=(1, 5) has 1 slots, but with shift=1 a head chooses among 3. Take 3 slots or more, or shift=0"),
    ('no aux', lambda: mg.grad(lambda x: mg.sum(x), has_aux=True)(X), GraphError, "grad: with has_aux the function must return a pair (loss, anything), got Tensor. Return loss, {} where there is nothing else"),
    ('mann memory', lambda: MANN(3, 4, memory=(8, 4, 2)), SettingError, "MANN: memory=(8, 4, 2) must be two positive integers, the number of slots and the width of each. Write it as in memory=(128, 20)"),
    ('dnc memory', lambda: DNC(3, 4, memory=(0, 20)), SettingError, "DNC: memory=(0, 20) must be two positive integers, the number of slots and the width of each. Write it as in memory=(128, 20)"),
    ('ntm heads', lambda: NTM(3, 4, read_heads=0), SettingError, "NTM: read_heads=0 must be an integer of at least 1"),
    ('ntm shift', lambda: NTM(3, 4, shift=-1), SettingError, "NTM: shift=-1 must be an integer of at least 0"),
    ('mann heads', lambda: MANN(3, 4, heads=1.5), SettingError, "MANN: heads=1.5 must be an integer of at least 1"),
    ('dnc heads', lambda: DNC(3, 4, read_heads=0), SettingError, "DNC: read_heads=0 must be an integer of at least 1"),
    ('ntm memory text', lambda: NTM(3, 4, memory="64x20"), SettingError, "NTM: memory='64x20' must be two positive integers, the number of slots and the width of each. Write it as in memory=(128, 20)"),
    ('ntm controller', lambda: NTM(3, 4, controller="gru"), SettingError, "controller='gru' is unknown: take one of 'lstm', 'feedforward', 'ff'"),
    ('key str', lambda: mg.random.key("a"), DTypeError, "random.key: a seed is an integer in 0 … 2¹²⁸ − 1, got 'a'"),
    ('key float', lambda: mg.random.normal(mg.random.key(1.5), (2,)), DTypeError, 'random.key: a seed is an integer in 0 … 2¹²⁸ − 1, got 1.5'),
    ('random shape', lambda: mg.random.normal(mg.random.key(0), (-1,)), ShapeError, 'random: lengths must not be negative, got (2, -1)'),
    ('random keys of split', lambda: mg.random.normal(mg.random.split(mg.random.key(0)), (2,)), ShapeError, 'random: takes one key, uint64(2), got uint64(2, 2). Unpack or index the keys of split, or use mg.vmap'),
    ('bernoulli above 1', lambda: mg.random.bernoulli(mg.random.key(0), 2.0), SettingError, 'random.bernoulli: needs a probability from 0 to 1, got 2.0'),
    ('bernoulli above 1 of NumPy', lambda: mg.random.bernoulli(mg.random.key(0), np.float32(2)), SettingError, 'random.bernoulli: needs a probability from 0 to 1, got 2.0'),
    ('random int key', lambda: mg.random.normal(0, (2,)), DTypeError, 'random: takes a key first, got 0. Make one from a seed with mg.random.key(0)'),
    ('split n', lambda: mg.random.split(mg.random.key(0), -1), ShapeError, 'random: lengths must not be negative, got (-1, 2)'),
    ('tree', lambda: mg.tree.map(lambda a,b: a, {"a":1}, {"b":1}), GraphError, "tree.map: the trees differ in structure: dict with ['a'] against ['b']"),
    ('param int', lambda: mg.parameter(np.array([1])), DTypeError, "parameter: it has dtype int64, which has no gradient. Give dtype='float32'"),
    ('max empty', lambda: mg.max(mg.zeros(0)), EmptyError, 'max: axis 0 of float32(0) is empty, and the max of nothing has no value'),
    ('mean empty', lambda: mg.mean(mg.zeros(0)), EmptyError, 'mean: float32(0) has no elements along axis None, and the mean of nothing has no value'),
    ('argmax empty', lambda: mg.argmax(mg.zeros((0,))), EmptyError, 'argmax: axis 0 of float32(0) is empty, and the argmax of nothing has no value'),
    ('trace noncallable', lambda: mg.trace(3, X), DTypeError, 'trace: takes a function, got 3'),
    ('astype', lambda: X.astype("string"), DTypeError, 'astype: cannot make a tensor from dtype string. Take bool, an integer, float32 or float64'),
    ('eq none', lambda: X == None, DTypeError, 'equal: cannot make a tensor from None. Take bool, an integer, float32 or float64'),
    ('neg axis', lambda: mg.sum(X, -3), AxisError, 'sum: axis -3 out of range for a 2-d tensor (valid -2..1)'),
    ('axis float', lambda: mg.sum(X, 1.0), DTypeError, 'sum: axis must be an integer, got 1.0. Divide with //, or convert with int()'),
    ('keepdims', lambda: mg.expand_dims(X, 4), AxisError, 'expand_dims: axis 4 out of range for a 3-d tensor (valid -3..2)'),
    ('squeeze', lambda: mg.squeeze(X, 0), ShapeError, 'squeeze: axis 0 of (3, 4) has length 3, not 1'),
    ('extent', lambda: mg.eye(-3), ShapeError, 'eye: lengths must not be negative, got (-3, -3)'),
    ('arange f', lambda: mg.arange(2.5, dtype="int32"), DTypeError, 'arange: int32 does not hold the numbers from 0 to 2.5 by 1. Give another dtype'),
    ('eye f', lambda: mg.eye("a"), DTypeError, "eye: a length must be an integer, got 'a'"),
    ('full', lambda: mg.full((2,), "a"), DTypeError, "full: takes one number, got 'a'. Repeat an array with mg.broadcast_to"),
    ('full none', lambda: mg.full((2,), None), DTypeError, 'full: takes one number, got None. Repeat an array with mg.broadcast_to'),
    ('full arr', lambda: mg.full((2,), np.ones(2)), DTypeError, 'full: takes one number, got array([1., 1.]). Repeat an array with mg.broadcast_to'),
    ('matmul', lambda: X @ X, ShapeError, 'matmul: x has 4 columns but y has 3 rows: x (3, 4) @ y (3, 4). Did you mean x @ y.T?'),
    ('batched matmul', lambda: mg.zeros((2, 3, 4)) @ mg.zeros((5, 2)), ShapeError, 'matmul: x has 4 columns but y has 5 rows: x (2, 3, 4) @ y (5, 2)'),
    ('matmul batch', lambda: mg.zeros((2, 3, 4)) @ mg.zeros((3, 4, 2)), ShapeError, 'matmul: shapes (2,) and (3,) do not broadcast: axis 0 is 2 vs 3'),
    ('matmul 0-d', lambda: X @ 2.0, ShapeError, 'matmul: takes no 0-d tensor: x (3, 4) @ y (). Use * to scale'),
    ('add', lambda: X + mg.zeros(3), ShapeError, 'add: shapes (3, 4) and (3,) do not broadcast: axis 1 is 4 vs 3. To combine per row, index the vector as v[:, None]'),
    ('axis', lambda: mg.sum(X, axis=5), AxisError, 'sum: axis 5 out of range for a 2-d tensor (valid -2..1)'),
    ('axis type', lambda: mg.sum(X, axis="rows"), DTypeError, "sum: axis must be an integer, got 'rows'"),
    ('axis twice', lambda: mg.sum(X, axis=(0, -2)), ShapeError, 'sum: axis (0, -2) names an axis twice'),
    ('reshape', lambda: mg.reshape(X, (5, 3)), ShapeError, 'reshape: 12 elements of (3, 4) cannot become (5, 3) (15)'),
    ('two -1', lambda: mg.reshape(X, (-1, -1)), ShapeError, 'reshape: only one length can be -1, got (-1, -1)'),
    ('-1 over', lambda: mg.reshape(X, (5, -1)), ShapeError, 'reshape: 12 elements of (3, 4) cannot become (5, -1)'),
    ('concat', lambda: mg.concat([X, mg.zeros((3, 5))]), ShapeError, 'concat along axis 0: input 1 is float32(3, 5), expected float32(*, 4) like input 0'),
    ('concat nothing', lambda: mg.concat([]), ShapeError, 'concat: needs at least one tensor'),
    ('stack', lambda: mg.stack([mg.zeros(3), mg.zeros(4)]), ShapeError, 'concat along axis 0: input 1 is float32(1, 4), expected float32(*, 3) like input 0'),
    ('broadcast_to', lambda: mg.broadcast_to(X, (2, 3)), ShapeError, 'broadcast_to: (3, 4) does not broadcast to (2, 3)'),
    ('permute', lambda: mg.permute_dims(X, (0, 0)), ShapeError, 'permute_dims: axes (0, 0) are not an order of the 2 axes of (3, 4)'),
    ('pad', lambda: mg.pad(X, [(1, 1)]), ShapeError, 'pad: needs one (before, after) of numbers ≥ 0 for each axis of (3, 4), got [(1, 1)]'),
    ('negative length', lambda: mg.zeros((2, -1)), ShapeError, 'zeros: lengths must not be negative, got (2, -1)'),
    ('top_k', lambda: mg.top_k(X, 5), ShapeError, 'top_k: k = 5, but axis 1 of (3, 4) has 4 elements'),
    ('take', lambda: mg.take(X, 7), BoundsError, 'take: index 7 out of bounds for an axis of size 3'),
    ('take floats', lambda: mg.take(X, 0.5), DTypeError, "take: indices must be integers, got float32(). Convert with .astype('int64')"),
    ('take_along_axis', lambda: mg.take_along_axis(X, [[0]], 0), ShapeError, 'take_along_axis: indices (1, 1) must agree with (3, 4) except along axis 0'),
    ('empty max', lambda: mg.max(mg.zeros((2, 0)), axis=1), EmptyError, 'max: axis 1 of float32(2, 0) is empty, and the max of nothing has no value'),
    ('empty mean', lambda: mg.mean(mg.zeros((2, 0)), axis=1), EmptyError, 'mean: float32(2, 0) has no elements along axis 1, and the mean of nothing has no value'),
    ('bool arithmetic', lambda: mg.tensor([True]) + mg.tensor([True]), DTypeError, "add: takes numbers, got two bool tensors. Convert with .astype('float32'), or use & and |"),
    ('bool sum', lambda: mg.sum(mg.tensor([True]), dtype="bool"), DTypeError, "sum: takes numbers, got bool(1). Convert with .astype('int64')"),
    ('astype again', lambda: X.astype("complex64"), DTypeError, 'astype: cannot make a tensor from dtype complex64. Take bool, an integer, float32 or float64'),
    ('circular', lambda: mg.circular_convolution(mg.zeros(5), mg.zeros(2)), ShapeError, 'circular_convolution: a kernel of odd length up to 5 is needed, got 2'),
    ('grad of no tensor', lambda: mg.grad(lambda x: (x, x))(X), GraphError, 'grad: the function must return one scalar tensor, got tuple. With has_aux=True it returns (loss, anything)'),
    ('grad of an integer loss', lambda: mg.grad(lambda x: mg.argmax(x))(mg.zeros(3)), DTypeError, 'grad: needs a float loss, got int64()'),
    ('grad wrt integers', lambda: mg.grad(lambda p: mg.sum(p["ids"]))({"ids": mg.tensor([1])}), DTypeError, "grad: cannot differentiate with respect to ['ids'] (int64(1)). Only floats have gradients"),
    ('cotangent', lambda: mg.vjp(lambda x: x, X)[1](mg.zeros(2)), ShapeError, 'cotangent: it is float32(2), the output is float32(3, 4)'),
    ('cotangent tree', lambda: mg.vjp(lambda x: (x, x), X)[1](X), GraphError, 'cotangent: the trees differ in structure: tuple against a leaf'),
    ('backward of a matrix', lambda: mg.parameter(np.ones(3)).backward(), ShapeError, 'grad: needs a scalar loss, got float64(3). Use mg.sum or mg.mean, or vjp with a cotangent'),
    ('backward of constants', lambda: mg.sum(X).backward(), GraphError, 'backward: the loss was computed from no parameter. Make what is to be learned with mg.parameter'),
    ('custom_vjp without rule', lambda: mg.custom_vjp(lambda x: x)(X), GraphError, 'custom_vjp: it has no backward rule yet. Define one with @f.defvjp'),
    ('leaked tensor', lambda: mg.trace(lambda x: x + leaked[0], X), GraphError, '<lambda>: uses <x float32(3, 4)>, an input of another trace. Pass the tensor as an argument, or trace the outer function'),
    ('vmap sizes', lambda: mg.vmap(lambda x, y: x)(mg.zeros(3), mg.zeros(4)), ShapeError, 'vmap: batch sizes differ: [3, 4]'),
    ('vmap axes again', lambda: mg.vmap(lambda x: x, in_axes=(0, 0))(X), ShapeError, 'vmap: in_axes has 2 entries for 1 arguments'),
    ('vmap nothing', lambda: mg.vmap(lambda x: x, in_axes=None)(X), ShapeError, 'vmap: no argument has a batch axis'),
    ('key', lambda: mg.random.uniform(mg.zeros(2), (2,)), DTypeError, 'random: a key is uint64(2), got float32(2). Make one with mg.random.key(seed)'),
    ('seed', lambda: mg.random.key(-1), DTypeError, 'random.key: a seed is an integer in 0 … 2¹²⁸ − 1, got -1'),
    ('integers', lambda: mg.random.integers(mg.random.key(0), 3, 3), SettingError, 'random.integers: needs low < high, got 3 and 3'),
    ('device op', lambda: X + Elsewhere(), DTypeError, "add: cannot read a test_bad_input.Elsewhere on cuda:0 (can't convert cuda:0 device type tensor to numpy). Bring it to the host as a NumPy array first"),
    ('tensor with history', lambda: X * Tracked(), DTypeError, "multiply: cannot read a test_bad_input.Tracked on cpu (can't convert cuda:0 device type tensor to numpy). Give it as .detach().numpy()"),
    ('setitem', lambda: X.__setitem__(0, 1), DTypeError, 'assignment: tensors are immutable. Take the new tensor t.at[index].set(value), or choose with mg.where'),
    ('ufunc.reduce', lambda: np.subtract.reduce(X), DTypeError, 'np.subtract.reduce: takes no minigrad tensor here. Use mg.subtract if there is one, or t.detach().numpy()'),
    ('jit of a number', lambda: mg.jit(3), DTypeError, 'jit: takes a function, got 3'),
    ('rule gives another shape', lambda: ruled(lambda ct, out, x: mg.sum(ct)), ShapeError, 'custom_vjp: the backward rule gave float32() as the gradient of float32(3, 4)'),
    ('rule gives nothing', lambda: ruled(lambda ct, out, x: None), GraphError, 'custom_vjp: gradients against arguments: the trees differ in structure: at 0: a leaf against NoneType'),
    ('rule gives too many', lambda: ruled(lambda ct, out, x: (ct, ct)), GraphError, 'custom_vjp: gradients against arguments: the trees differ in structure: list with [0] against [0, 1]'),
    ('matrix transpose', lambda: mg.matrix_transpose(mg.ones(3)), ShapeError, 'matrix_transpose: needs two axes, got float32(3)'),
    ('split lengths', lambda: mg.split(X, [1, 2]), ShapeError, 'split: axis 1 of (3, 4) has length 4, the parts [1, 2] add up to 3'),
    ('mse all pairs', lambda: mg.mse(mg.ones((3, 1)), mg.ones(3)), ShapeError, 'mse: float32(3, 1) and float32(3) would broadcast to (3, 3), all pairs. Reshape one to the shape of the other'),
    ('string list', lambda: mg.tensor(["a", "b"]), DTypeError, 'tensor: cannot make a tensor from a list (it reads as dtype <U1). Take bool, an integer, float32 or float64'),
    ('lstm', lambda: LSTM(3, 4, start="orthognal"), SettingError, "start='orthognal' is unknown: take one of 'glorot', 'orthogonal', 'identity', 'uniform'"),
    ('no checkpoint', lambda: mg.io.load("/nowhere/x.safetensors"), CheckpointError, '/nowhere/x.safetensors: could not be read: No such file or directory. Nothing was loaded'),
    ('checkpoint of text', lambda: mg.io.save("x.safetensors", {"a": "text"}), CheckpointError, "a leaf has dtype <U4, which checkpoints don't hold; make it a tensor first"),
    ('meta no JSON', lambda: mg.io.save("x.safetensors", {"a": W}, {"f": open}), CheckpointError, 'the metadata is not JSON: Object of type builtin_function_or_method is not JSON serializable'),
    ('two of one name', lambda: mg.io.save("x.safetensors", {"a.b": W, "a": {"b": W}}), CheckpointError, "these names can't stand in a checkpoint, or stand for two tensors: a.b"),
    ('keep none', lambda: mg.io.Checkpoints(".", keep=0), CheckpointError, 'keep must be at least 1, got 0'),
    ('nan in compiled', lambda: mg.jit(lambda x: mg.log(x), finite=True)(np.array([-1.0])), NonFiniteError, 'log: nan at index (0,) of float64(1), in the forward pass'),
    ('schedule', lambda: mg.optim.Cosine(0.1, steps=0), OptimizerError, 'steps must be a finite number in [1, inf), got 0'),
    ('unknown gate', lambda: NTM(3, 4, read="never"), SettingError, "read='never' is unknown: take one of 'after', 'before'"),
]  # fmt: skip


@pytest.mark.parametrize(("do", "kind", "text"), [c[1:] for c in BAD], ids=[c[0] for c in BAD])
def test_bad_input_is_explained(do: Any, kind: type, text: str) -> None:
    with pytest.raises(kind) as caught:
        do()
    assert type(caught.value) is kind
    assert isinstance(caught.value, errors.MinigradError)
    assert isinstance(caught.value, BUILTINS[kind])
    found, _, line = str(caught.value).partition("\n  at ")
    assert found == text
    assert kind in (OptimizerError, SettingError, CheckpointError) or "test_bad_input.py:" in line


def test_there_are_enough_of_them() -> None:
    assert len(BAD) >= 60
    assert len({c[0] for c in BAD}) == len(BAD)
    assert {c[2] for c in BAD} == set(BUILTINS)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Bidirectional(LSTM(3, 4), LSTM(2, 4)), "forward takes 3 inputs, backward 2"),
        (lambda: Score("dot", 3, 4), "dot scores need queries and keys of one width, got 3 and 4"),
        (lambda: to_torch(NTM(3, 4)), "PyTorch has no layout for NTM: take RNN, LSTM, GRU"),
        (lambda: MANN(3, 4, heads=9, memory=(8, 4)), "heads=9, but the memory has only 8 slots to write to"),
    ],
)
def test_settings_of_models_that_contradict_each_other_are_refused(make: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        make()
