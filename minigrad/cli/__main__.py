"""python -m minigrad.cli: the command line."""

from . import app

app()
