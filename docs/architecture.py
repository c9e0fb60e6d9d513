"""The rooms of the source and what they import, read from the code: `python -m docs.architecture` renews ARCHITECTURE.md's picture.

A room is a folder of minigrad, models or viz, or a file that stands beside them. Imports for type checkers alone do not count.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = {"minigrad": "minigrad", "models": "minigrad.models", "viz": "minigrad.viz"}
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- begin: python -m docs.architecture -->", "<!-- end -->"

Imports = dict[str, set[str]]  # of a module, the modules that it imports


@cache
def modules() -> dict[str, Path]:
    """Every module of the package, by its name when installed."""
    found = {}
    for folder, package in SOURCES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join([package, *(p for p in parts if p != "__init__")])] = path
    return found


@cache
def imports() -> Imports:
    """What each module imports, inside functions too."""
    known = modules()
    return {name: set(_imported(name, path, known)) - {name} for name, path in known.items()}


def _imported(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in _running(ast.parse(path.read_text(encoding="utf-8"))):
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
    """The folder that a module stands in, or its own name; the names of `import minigrad as mg` are a room, too."""
    path = modules()[module].relative_to(ROOT)
    parts = path.parts[1:] if path.parts[0] == "minigrad" else path.parts
    return "the public names, mg" if parts[0] == "__init__.py" else parts[0].removesuffix(".py")


def rooms(graph: Imports) -> Imports:
    """The imports between rooms."""
    place = {name: room(name) for name in graph}
    found: Imports = {r: set() for r in place.values()}
    for name, targets in graph.items():
        found[place[name]] |= {place[t] for t in targets} - {place[name]}
    return found


def boxes(graph: Imports) -> Imports:
    """The same with rooms that import each other as one, named after all of them; in the order of reading, each after what it imports."""
    name = {r: r for r in graph} | {r: ", ".join(circle) for circle in circles(graph) for r in circle}
    found: Imports = defaultdict(set)
    for r, targets in graph.items():
        found[name[r]] |= {name[t] for t in targets} - {name[r]}
    return {box: found[box] for box in TopologicalSorter({b: sorted(found[b]) for b in sorted(found)}).static_order()}


def without_shortcuts(graph: Imports) -> Imports:
    """The arrows that are not implied by others, as a picture needs them."""
    return {name: targets - {far for near in targets for far in _reached(graph, near)} for name, targets in graph.items()}


def picture() -> str:
    """The rooms as a Mermaid flow chart, what is built on at the bottom, and the circles of imports."""
    graph = imports()
    between = boxes(rooms(graph))
    number = {box: f"r{i}" for i, box in enumerate(between)}
    lines = ["```mermaid", "flowchart TB"]
    lines += [f'  {number[box]}["{box}"]' for box in reversed(between)]
    arrows = {number[box]: " & ".join(sorted(number[t] for t in targets)) for box, targets in without_shortcuts(between).items()}
    lines += [f"  {source} --> {targets}" for source, targets in arrows.items() if targets]
    lines += ["```", ""]
    for circle in circles(graph):
        lines.append(f"{len(circle)} files import each other in a circle: {', '.join(f'`{m}`' for m in circle)}.")
    return "\n".join(lines)


def renewed(text: str) -> str:
    """The page with its picture made anew."""
    return re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: f"{BEGIN}\n{picture()}\n{END}", text, flags=re.S)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
