"""The rooms of the source and what they import, read from the code: `python -m docs.architecture` renews ARCHITECTURE.md's picture.

A room is a folder of minigrad, models or viz, or a file that stands beside them. Imports for type checkers alone do not count.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = {"minigrad": "minigrad", "models": "minigrad.models", "viz": "minigrad.viz"}
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- begin: python -m docs.architecture -->", "<!-- end -->"

Imports = dict[str, set[str]]  # of a module, the modules that it imports


def modules() -> dict[str, Path]:
    """Every module of the package, by its name when installed."""
    found = {}
    for folder, package in SOURCES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join([package, *(p for p in parts if p != "__init__")])] = path
    return found


def imports() -> Imports:
    """What each module imports, inside functions too."""
    known = modules()
    return {name: set(_imported(name, path, known)) - {name} for name, path in known.items()}


def _imported(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in _running(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name in known)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(filter(None, [above, node.module]))
            for a in node.names:
                target = f"{source}.{a.name}"
                if target in known or source in known:
                    yield target if target in known else source


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but what stands under `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from _running(node)


def circles(graph: Imports) -> list[list[str]]:
    """The largest sets of modules that import each other in a circle, the largest first."""
    below = {name: _reached(graph, name) for name in graph}
    found = {frozenset(m for m in below[name] if name in below[m]) for name in graph if name in below[name]}
    return sorted((sorted(c) for c in found), key=len, reverse=True)


def _reached(graph: Imports, start: str) -> set[str]:
    found: set[str] = set()
    todo = [start]
    while todo:
        for name in graph.get(todo.pop(), ()):
            if name not in found:
                found.add(name)
                todo.append(name)
    return found


def room(module: str) -> str:
    """The folder that a module stands in, or its own name."""
    path = modules()[module].relative_to(ROOT)
    parts = path.parts[1:] if path.parts[0] == "minigrad" else path.parts
    return parts[0].removesuffix(".py")


def rooms(graph: Imports) -> Imports:
    """The imports between rooms; a package's own __init__, which gathers the public names, is left out."""
    place = {name: room(name) for name in graph if name not in SOURCES.values()}
    found: Imports = {r: set() for r in place.values()}
    for name, targets in graph.items():
        for target in targets & place.keys():
            if name in place and place[name] != place[target]:
                found[place[name]].add(place[target])
    return found


def levels(graph: Imports) -> list[list[str]]:
    """Rooms in the order of reading: each after what it imports. Rooms that import each other share a level."""
    member = {name: "+".join(c) for c in circles(graph) for name in c}
    groups: Imports = defaultdict(set)
    for name, targets in graph.items():
        groups[member.get(name, name)] |= {member.get(t, t) for t in targets} - {member.get(name, name)}
    order = TopologicalSorter(groups)
    order.prepare()
    found = []
    while order.is_active():
        ready = sorted(order.get_ready())
        found.append(sorted(name for group in ready for name in group.split("+")))
        order.done(*ready)
    return found


def without_shortcuts(graph: Imports) -> Imports:
    """The arrows that are not implied by others, as a picture needs them."""
    found = {}
    for name, targets in graph.items():
        implied = {far for near in targets for far in _reached(graph, near) if near not in _reached(graph, far)}
        found[name] = targets - implied
    return found


def picture() -> str:
    """The rooms as a Mermaid flow chart, what is built on at the bottom, and the circles of imports."""
    graph = imports()
    between = rooms(graph)
    lines = ["```mermaid", "flowchart BT"]
    lines += ["  " + (f"subgraph {level[0]}_[ ]; {'; '.join(level)}; end" if level[1:] else level[0]) for level in levels(between)]
    for name, targets in sorted(without_shortcuts(between).items()):
        lines += [f"  {name} --> {target}" for target in sorted(targets)]
    lines += ["```", ""]
    for circle in circles(graph):
        lines.append(f"{len(circle)} files import each other in a circle: {', '.join(f'`{m}`' for m in circle)}.")
    return "\n".join(lines)


def renewed(text: str) -> str:
    """The page with its picture made anew."""
    return re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: f"{BEGIN}\n{picture()}\n{END}", text, flags=re.S)


if __name__ == "__main__":
    try:
        PAGE.write_text(renewed(PAGE.read_text()))
    except CycleError as error:
        sys.exit(f"rooms import each other: {error.args[1]}")
