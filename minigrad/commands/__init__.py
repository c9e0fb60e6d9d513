"""What the command line does, one file a command; needs the extra `cli`."""

from . import cache, draw, inspect, measure, sweep, train
from .shared import app

__all__ = ["app", "cache", "draw", "inspect", "measure", "sweep", "train"]
