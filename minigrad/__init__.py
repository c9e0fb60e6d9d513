"""minigrad: a small symbolic graph engine with reverse-mode autograd, for networks that remember."""

from __future__ import annotations

from . import errors, export, functional, init, io, ops, optim, random, tree
from . import numpy_protocol as numpy_protocol
from .compiled import CompileWarning, jit
from .control.call import checkpoint, custom_vjp
from .control.cond import cond
from .control.scan import scan
from .control.unroll import unroll
from .control.while_loop import while_loop
from .eager_loops import native_loops
from .functional import *  # noqa: F403
from .graph.ir import Graph, Node
from .module import Module
from .ops import *  # noqa: F403
from .passes.reroll import reroll
from .primitives.elementwise import *  # noqa: F403
from .primitives.trigonometry import *  # noqa: F403
from .scopes import scope
from .tensor import Primitive, Tensor, buffer, parameter, tensor
from .transforms.autodiff import grad, hessian, hvp, jacobian, jvp, no_grad, value_and_grad, vjp
from .transforms.batching import vmap
from .transforms.tracing import trace

__all__ = [
    "CompileWarning", "Graph", "Module", "Node", "Primitive", "Tensor", "buffer", "checkpoint", "cond", "custom_vjp", "errors", "export",
    "grad", "hessian", "hvp", "init", "io", "jacobian", "jit", "jvp", "native_loops", "no_grad", "optim", "parameter", "random", "reroll",
    "scan", "scope", "tensor", "trace", "tree", "unroll", "value_and_grad", "vjp", "vmap", "while_loop", *functional.__all__,
    *ops.__all__,
]  # fmt: skip
