"""The error of drawings."""

from __future__ import annotations

from minigrad.errors import MinigradError


class DrawingError(MinigradError):
    """A drawing cannot be made: the message says what is missing and how to get it."""
