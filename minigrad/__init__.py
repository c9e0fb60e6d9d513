"""minigrad: a small symbolic graph engine with reverse-mode autograd, for networks that remember."""

from __future__ import annotations

from . import errors, functional, init, io, ops, optim, random, tree
from .autodiff import checkpoint, custom_vjp, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from .functional import *  # noqa: F403
from .ir import Graph, Node, Primitive
from .jit import CompileWarning, jit
from .module import Module
from .ops import *  # noqa: F403
from .origin import scope
from .scan import cond, scan, unroll
from .tensor import Tensor, parameter, tensor
from .trace import trace
from .vmap import vmap

__all__ = [
    "CompileWarning", "Graph", "Module", "Node", "Primitive", "Tensor", "checkpoint", "cond", "custom_vjp", "errors", "grad", "hessian",
    "hvp", "init", "io", "jacobian", "jit", "jvp", "optim", "parameter", "random", "scan", "scope", "tensor", "trace", "tree", "unroll",
    "value_and_grad", "vjp", "vmap", *functional.__all__, *ops.__all__,
]  # fmt: skip
