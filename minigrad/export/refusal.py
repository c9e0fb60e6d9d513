"""What a bridge does not take of a primitive, as data: its errors and the table on the site say the same."""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """of    which case of the primitive it is, as "float64"; "" for all of them;  why, fix    as they stand in the error"""

    of: str
    why: str
    fix: str
