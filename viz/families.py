"""What the named values of known families of cells are for. From this table their pictures follow (`value_cell`).

A step belongs to a family by the names of its values, of models here as of the user's own loops.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from . import text
from .parts import inner_scope
from .timeline import Item, Timeline, step_key

NONE: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class Family(NamedTuple):
    """A family of cells.

    needs    the names by which its loops are known;  lacks    names that its loops do not have
    memory   values that are heat maps: what the cell remembers in
    rows     of a memory whose rows have numbers, what stands at the first one: the top of a stack, a head; or else "slot"
    write, read    values that change the memory, and that look something up in it; by default the scopes of these names tell
    boxes    scopes that are one box each, with all that is in them
    weights  values that are weights between 0 and 1;  elements    the names of the elements of a value
    """

    needs: str
    memory: str = ""
    write: str = ""
    read: str = ""
    weights: str = ""
    rows: str = ""
    elements: Mapping[str, tuple[str, ...]] = NONE
    lacks: str = ""
    boxes: str = ""

    def role(self, item: Item) -> str:
        """ "memory", "write", "read", or "" for another value."""
        name = text.plain(item.name or "")
        for role, names in (("memory", self.memory), ("write", self.write), ("read", self.read)):
            if name in names.split():
                return role
        scope = inner_scope(item.node)
        return scope if scope in ("write", "read") else ""


ACTIONS = {"actions": ("push", "pop", "no-op")}
MOVES = {"moves": ("stay", "left", "right", "jump left", "jump right")}
FAMILIES = (
    Family("M rows accessed", "M", weights="w_write w_read", rows="slot", boxes="controller"),  # SAM
    Family("s actions pushed", "s", "actions pushed", "top", "actions", "top", ACTIONS),  # Stack-RNN
    Family("tape moves written", "tape", "moves written", "", "moves", "head", MOVES),  # Tape-RNN
    Family("S kappa k v", "S", "kappa a w k v", "r"),  # RWKV-7, whose r asks
    Family("S k v q", "S", "alpha beta k v", "q r"),  # DeltaNet, linear attention
    Family("C n k v q", "C", "i' f' k v", "q"),  # mLSTM
    Family("W0 G0 eta", "W0 W1 W2 W3 G0 G1 G2 G3", "k v eta c", "q r"),  # TTT
    Family("M1 S1 eta theta", "M1 M2 M3 M4 S1 S2 S3 S4", "k v eta theta alpha", "q r"),  # Titans
    Family("M bag placed", "M", "sentence bag placed words", "u p"),  # MemN2N
    Family("A h", "A", lacks="delta"),  # fast weights of Ba et al.
    Family("delta A B h", "h", "delta A B u"),  # S6
    Family("c n m z o"),  # sLSTM
    Family("f' h", lacks="c C i'"),  # minLSTM
    Family("z h", lacks="r n c"),  # minGRU
)


PLAIN = Family("")  # of no value anything is known
Known = Mapping[str, Family]  # {loop: its family}


def of(timeline: Timeline) -> dict[int, Known]:
    """The families of the loops whose steps stand in a column, by its number, for each column with any. All steps of a loop have one."""
    names: dict[str, set[str]] = {}
    columns: dict[int, set[str]] = {}
    for number, column in enumerate(timeline.columns):
        items = [timeline.items[i] for i in column.items]
        if not column.gradient:
            columns[number] = {key.loop for item in items if (key := step_key(item.node))}
            for item in (i for i in items if i.named and i.name):
                names.setdefault(loop_of(item), set()).add(text.plain(item.name))
    known = {loop: next((f for f in FAMILIES if _is(f, found)), PLAIN) for loop, found in names.items()}
    found = {number: {loop: known.get(loop, PLAIN) for loop in loops} for number, loops in columns.items()}
    return {number: families for number, families in found.items() if any(f is not PLAIN for f in families.values())}


def loop_of(item: Item) -> str:
    key = step_key(item.node)
    return key.loop if key else ""


def family_of(known: Known, item: Item) -> Family:
    return known.get(loop_of(item), PLAIN)


def _is(family: Family, names: set[str]) -> bool:
    return names.issuperset(family.needs.split()) and names.isdisjoint(family.lacks.split())
