"""Optimisers as pure functions of trees: init(params) -> state, update(params, grads, state) -> (params, state).

They run eagerly and inside jit alike. The new parameters are fresh leaves without history; inside a trace they are tensors of it, and
parameters again where they leave it.
"""

from __future__ import annotations

from .optimizer import Optimizer, OptimizerError, State, global_norm
from .rules import SGD, Adam, AdamW, GravesRMSProp, RMSProp
from .schedules import Constant, Cosine, Delayed, Exponential, Plateau, PlateauState, Rate, Warmup

__all__ = [
    "SGD", "Adam", "AdamW", "Constant", "Cosine", "Delayed", "Exponential", "GravesRMSProp", "Optimizer", "OptimizerError", "Plateau",
    "PlateauState", "RMSProp", "Rate", "State", "Warmup", "global_norm",
]  # fmt: skip
