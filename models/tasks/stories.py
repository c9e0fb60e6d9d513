"""The file format of the bAbI question answering tasks (Weston et al. 2015), and a generator of such stories.

    1 Mary moved to the bathroom.
    2 John went to the hallway.
    3 Where is Mary?<tab>bathroom<tab>1

A line numbered 1 begins a new story. After a question stand its answer and the numbers of the supporting lines, separated by tabs.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from .draw import Draw


class Question(NamedTuple):
    """The words of the story so far (without earlier questions) and of the question, its answer, and the numbers of supporting lines."""

    words: list[str]
    answer: str
    support: list[int]


class FormatError(ValueError):
    """A text that does not have the format."""


def parse(text: str) -> list[Question]:
    """All questions of a file in lower case, with '.' and '?' as words. Raises FormatError that names the line."""
    found: list[Question] = []
    story: list[str] = []
    for n, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        number, _, rest = line.strip().partition(" ")
        if not number.isdigit() or not rest:
            raise FormatError(f"line {n} must begin with a number: {line[:60]!r}")
        if int(number) == 1:
            story = []
        sentence, *answered = rest.split("\t")
        words = re.findall(r"[\w'-]+|[.?]", sentence.lower())
        if not answered:
            story = story + words
            continue
        if len(answered) < 2 or not answered[0].strip() or not all(k.isdigit() for k in answered[1].split()):
            raise FormatError(f"line {n} must have an answer and the lines that tell it, after tabs: {line[:60]!r}")
        found.append(Question(story + words, answered[0].strip().lower(), [int(k) for k in answered[1].split()]))
    if not found:
        raise FormatError("there are no questions: lines with an answer after a tab")
    return found


PEOPLE = ["Mary", "John", "Daniel", "Sandra"]
PLACES = ["bathroom", "hallway", "garden", "office", "bedroom", "kitchen"]
THINGS = ["football", "milk", "apple"]
GO = ["moved to", "went to", "journeyed to", "travelled to", "went back to"]
TAKE, DROP = ["took", "picked up", "grabbed", "got"], ["dropped", "put down", "left", "discarded"]


class World:
    """The positions of people and things, with the numbers of the lines that stated them.

    place    {person: (place, line)}
    holder   {thing that is carried: (person, line)}
    lying    {thing that was put down: (place, lines)}
    """

    def __init__(self) -> None:
        self.place: dict[str, tuple[str, int]] = {}
        self.holder: dict[str, tuple[str, int]] = {}
        self.lying: dict[str, tuple[str, list[int]]] = {}

    def whereabouts(self, thing: str) -> tuple[str, list[int]] | None:
        """(place, supporting lines) of a thing, or None if the story does not state its place."""
        if thing in self.holder:
            person, line = self.holder[thing]
            return (self.place[person][0], [line, self.place[person][1]]) if person in self.place else None
        return self.lying.get(thing)


def write(seed: int, stories: int, facts: int, sentences: int = 10) -> str:
    """Stories in the format, with a question after every other sentence.

    facts=1   people move; questions ask where people are, which one line states
    facts=2   people also take and drop things; questions ask where things are, which follows from two lines
    """
    return "".join(line for n in range(stories) for line in _story(Draw(seed, n, 29), facts, sentences))


def _story(draw: Draw, facts: int, sentences: int) -> list[str]:
    """The lines of one story."""
    numbers = iter(draw.uniform((8 * sentences,)).tolist())

    def pick(among: list[str]) -> str:
        return among[int(next(numbers) * len(among))]

    world, lines = World(), []
    for n in range(sentences):
        lines.append(f"{len(lines) + 1} {_event(world, pick, len(lines) + 1, facts)}\n")
        if facts == 1:
            known = {p: (place, [line]) for p, (place, line) in world.place.items()}
        else:
            known = {t: at for t in THINGS if (at := world.whereabouts(t)) is not None}
        if known and n % 2:
            asked = pick(sorted(known))
            place, support = known[asked]
            name = asked if facts == 1 else f"the {asked}"
            lines.append(f"{len(lines) + 1} Where is {name}? \t{place}\t{' '.join(map(str, support))}\n")
    return lines


def _event(world: World, pick: Any, line: int, facts: int) -> str:
    """A random event, which changes the world; the sentence that states it."""
    person = pick(PEOPLE)
    held = [t for t, (p, _) in world.holder.items() if p == person]
    free = [t for t in THINGS if t not in world.holder and (t not in world.lying or world.lying[t][0] == world.place.get(person, ("",))[0])]
    deed = pick(["go", "take", "drop"]) if facts == 2 and person in world.place else "go"
    if deed == "take" and free:
        thing = pick(free)
        world.holder[thing] = person, line
        world.lying.pop(thing, None)
        return f"{person} {pick(TAKE)} the {thing} there."
    if deed == "drop" and held:
        thing = pick(held)
        del world.holder[thing]
        world.lying[thing] = world.place[person][0], [line, world.place[person][1]]
        return f"{person} {pick(DROP)} the {thing}."
    place = pick([p for p in PLACES if p != world.place.get(person, ("",))[0]])
    world.place[person] = place, line
    return f"{person} {pick(GO)} the {place}."
