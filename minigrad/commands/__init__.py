"""What the command line does, one file a command; needs the extra `cli`."""

from . import cache, check, compare, draw, inspect, measure, sweep, train
from .shared import app

__all__ = ["app", "cache", "check", "compare", "draw", "inspect", "measure", "sweep", "train"]
