"""Training runs: what the command line runs, from Python.

config     settings as data, and those of a run
presets    what they are for each task
run        the model, task, loss and measures that settings stand for, and the folder of a run
sweep      many runs at once
pictures   the pictures of a run
exported   a run's model as a file for other programs
progress   how training shows itself
notebook   what a notebook shows of a run
compare    the models side by side

It stands above the engine and knows minigrad.models and minigrad.viz; the command line is built on it.
"""

from __future__ import annotations

from ..errors import SettingError as ConfigError
from . import notebook as notebook  # it tells runs how to show themselves
from .config import EXTENDABLE, MODELS, TASKS, Config, span
from .run import Experiment, Keys, Run

__all__ = ["EXTENDABLE", "MODELS", "TASKS", "Config", "ConfigError", "Experiment", "Keys", "Run", "span"]
