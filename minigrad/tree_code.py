"""Functions generated for one structure: straight-line Python that takes its trees apart and puts them together, as `tree` does for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from . import tree
from .tree import TreeDef


def flattener(treedef: TreeDef) -> Callable[[Any], list[Any] | None]:
    """A function that gives the leaves of a tree of this structure, in a new list, and None for another structure or order of a dict.

    It may also give None for a tree of this structure: where leaves that are no ties stand twice."""
    take = loose_flattener(treedef)

    def flatten(value: Any) -> list[Any] | None:
        found = take(value)
        return found if found is not None and are_leaves(found) else None

    return flatten


def are_leaves(values: Sequence[Any]) -> bool:
    """Whether none is a tree of more than one leaf."""
    return not any(map(tree.containers.__getitem__, map(type, values)))


def loose_flattener(treedef: TreeDef) -> Callable[[Any], list[Any] | None]:
    """What `flattener` gives, for callers who look at the leaves: what stands in the place of one may be a tree."""
    if _is_tied(treedef):
        return lambda value: _flattened(value, treedef)
    code = _Code()
    code.take(treedef, "value")
    code.line(f"leaves = [{', '.join(code.leaves)}]")
    for start, stop in code.unlike:
        code.line(f"if len({{*map(id, leaves[{start}:{stop}])}}) != {stop - start}: return None")
    code.line("return leaves")
    return code.function("value")


def unflattener(treedef: TreeDef) -> Callable[[Sequence[Any]], Any]:
    """A function that puts leaves into a tree of this structure, as `tree.unflatten` does."""
    if _is_tied(treedef):
        return lambda leaves: tree.unflatten(treedef, leaves)
    code = _Code()
    made = code.put(treedef)
    if code.leaves:
        code.lines.insert(0, f"{', '.join(code.leaves)}, = leaves")
    code.line(f"return {made}")
    return code.function("leaves")


def _is_tied(treedef: TreeDef) -> bool:
    return bool(treedef.ties) or any(map(_is_tied, treedef.children))


def _flattened(value: Any, treedef: TreeDef) -> list[Any] | None:
    leaves, found = tree.flatten(value)
    return leaves if tree.alike(found, treedef) else None


def _is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


class _Code:
    """The lines of a function, the constants that they name, and the expressions of the leaves."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {}
        self.leaves: list[str] = []
        self.unlike: list[tuple[int, int]] = []  # the first leaf, and that after the last, of a part where no two leaves may be one
        self.variables = 0

    def line(self, text: str) -> None:
        self.lines.append(text)

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def variable(self) -> str:
        self.variables += 1
        return f"v{self.variables}"

    def function(self, argument: str) -> Callable[[Any], Any]:
        body = "\n".join(f"    {line}" for line in self.lines)
        text = f"def made({argument}):\n{body}\n"
        exec(compile(text, __file__, "exec"), self.constants)
        return self.constants["made"]

    def take(self, treedef: TreeDef, value: str, start: int = 0, inside: bool = False) -> None:
        """Lines that compare a tree with the structure and give None where it has another one."""
        if treedef.kind is None:
            self.leaves.append(value)
            return
        container = tree.containers[treedef.kind]
        assert container is not None
        if container.ties is not None and not inside:
            inside = True
            self.unlike.append((start, start + treedef.leaves))
        children = self.children(treedef, value, container.split)
        if all(c.kind is None for c in treedef.children):
            self.leaves += [f"*{children}"] if children else []
            return
        names = [self.variable() for _ in treedef.children]
        self.line(f"{', '.join(names)}, = {children}")
        for child, name in zip(treedef.children, names, strict=True):
            self.take(child, name, start, inside)
            start += child.leaves

    def children(self, treedef: TreeDef, value: str, split: Callable[[Any], Any]) -> str:
        """The expression of all children of a container; '' if there are none."""
        kind, size = self.constant(treedef.kind), len(treedef.children)
        if treedef.kind in (list, tuple) or _is_named_tuple(treedef.kind):
            self.line(f"if type({value}) is not {kind} or len({value}) != {size}: return None")
            return value if size else ""
        if treedef.kind is dict:
            self.line(f"if type({value}) is not {kind} or (*{value},) != {self.constant(treedef.meta.order)}: return None")
        if treedef.kind is dict and treedef.meta.value is None:
            get = self.constant(itemgetter(*treedef.keys) if size > 1 else None)
            return f"{get}({value})" if size > 1 else f"({value}[{treedef.keys[0]!r}],)" if size else ""
        self.line(f"if type({value}) is not {kind}: return None")
        keys, parts, meta = (self.variable() for _ in range(3))
        self.line(f"{keys}, {parts}, {meta} = {self.constant(split)}({value})")
        known = self.constant(treedef.keys)
        self.line(f"if ({keys} is not {known} and {keys} != {known}) or len({parts}) != {size}: return None")
        settings = self.constant(treedef.meta)
        own = f"{self.constant(type(treedef.meta))}({meta})" if type(treedef.meta) is tree.Own else meta
        self.line(f"if {meta} is not {settings} and {own} != {settings}: return None")
        return parts if size else ""

    def put(self, treedef: TreeDef) -> str:
        """Lines that make a tree; returns the expression of it."""
        if treedef.kind is None:
            self.leaves.append(self.variable())
            return self.leaves[-1]
        if treedef.kind is type(None):
            return "None"
        children = [self.put(child) for child in treedef.children]
        name = self.variable()
        if treedef.kind is dict:
            found = dict(zip(treedef.keys, children, strict=True))
            keys = [(repr(k) if type(k) is str else self.constant(k), k) for k in treedef.meta.order]
            made = f"{{{', '.join(f'{text}: {found[k]}' for text, k in keys)}}}"
        elif treedef.kind is tuple:
            made = f"({''.join(f'{c}, ' for c in children)})"
        elif _is_named_tuple(treedef.kind):
            made = f"{self.constant(treedef.kind)}({', '.join(children)})"
        elif treedef.kind is list:
            made = f"[{', '.join(children)}]"
        else:
            container = tree.containers[treedef.kind]
            assert container is not None
            made = f"{self.constant(container.join)}({self.constant(treedef)}, [{', '.join(children)}])"
        self.line(f"{name} = {made}")
        return name
