"""Settings as data: what a function's keyword parameters may be, and the settings of a run.

A setting is a parameter annotated `Annotated[kind, "help"]`, of a task's `batch`, of a model's builder, or a field of Config. Its kind is
int, float, bool, str, a Literal of words, Range ('1-20' as (1, 20)), Size ('128x20') or Words ('a,b').
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from .. import optim
from ..errors import SettingError
from ..models.registry import MODELS, Size, builder
from ..models.settings import annotation
from ..models.tasks import RENAMED, TASKS
from ..models.tasks.draw import Range, Words
from .loading import absolute, brief, digest, file_of, is_target, load
from .presets import PRESETS

# ---- one setting


def span(text: str) -> tuple[int, int]:
    """'1-20' or '20' as (1, 20) or (20, 20)."""
    found = re.fullmatch(r"(\d+)(?:\s*[-–]\s*(\d+))?", text.strip())
    if not found:
        raise ValueError(f"are written 1-20, got {text!r}")
    return int(found[1]), int(found[2] or found[1])


def size(text: str) -> tuple[int, int]:
    """'128x20' as (128, 20)."""
    found = re.fullmatch(r"(\d+)\s*[x×]\s*(\d+)", text.strip())
    if not found:
        raise ValueError(f"is written 128x20, slots by width, got {text!r}")
    return int(found[1]), int(found[2])


def _number(kind: Any, value: Any) -> Any:
    try:
        return kind(value) if isinstance(value, str) or kind(value) == value else kind("")
    except (TypeError, ValueError):
        raise ValueError(f"must be a {'whole ' if kind is int else ''}number, got {value!r}") from None


def _switch(value: Any) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(value).lower() not in words:
        raise ValueError(f"must be yes or no, got {value!r}")
    return words[str(value).lower()]


def _pair(value: Any, read: Callable[[str], tuple[int, int]]) -> tuple[int, int]:
    if isinstance(value, int) and read is span:
        return value, value
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return _number(int, value[0]), _number(int, value[1])
    return read(value if isinstance(value, str) else repr(value))


def _words(value: Any) -> tuple[str, ...]:
    return tuple(w for w in value.split(",") if w) if isinstance(value, str) else tuple(map(str, value))


_READ: dict[Any, Callable[[Any], Any]] = {
    int: lambda v: _number(int, v),
    float: lambda v: _number(float, v),
    bool: _switch,
    str: str,
    Range: lambda v: _pair(v, span),
    Size: lambda v: _pair(v, size),
    Words: _words,
}


@dataclass(frozen=True)
class Setting:
    """A parameter that can be set: its kind says how it is read from text or JSON.

    earlier  {a word's name in an earlier version: its name}
    """

    name: str
    kind: Any
    default: Any
    help: str
    earlier: Mapping[str, str] = field(default_factory=dict, hash=False)

    def read(self, value: Any) -> Any:
        """The value from itself, text or JSON; whole numbers are at least 1, or 0 where that is the default. Raises SettingError."""
        if get_origin(self.kind) is Literal:
            value = self.earlier.get(value, value) if isinstance(value, str) else value
            if value not in get_args(self.kind):
                raise SettingError(f"{self.name} {value!r} is unknown: take one of {', '.join(get_args(self.kind))}")
            return value
        try:
            found = _READ[self.kind](value)
        except ValueError as error:
            raise SettingError(f"{self.name} {error}") from None
        self._require_in_bounds(found)
        return found

    def _require_in_bounds(self, value: Any) -> None:
        if self.kind not in (int, Range, Size):
            return
        lowest, least = (v if self.kind is int else min(_pair(v, span)) for v in (value, self.default))
        if lowest < min(1, least):
            raise SettingError(f"{self.name} must be at least {min(1, least)}, got {self.show(value)}")
        if self.kind == Range and value[0] > value[1]:
            raise SettingError(f"{self.name} go from the smallest to the greatest, got {self.show(value)}")

    def show(self, value: Any) -> str:
        """The value as it is written on the command line."""
        if self.kind == Range:
            low, high = _pair(value, span)
            return f"{low}" if low == high else f"{low}-{high}"
        if self.kind == Size:
            return "{}x{}".format(*value)
        if self.kind is bool:
            return "yes" if value else "no"
        return ",".join(value) if self.kind == Words else f"{value:g}" if self.kind is float else f"{value}"

    @property
    def form(self) -> str:
        """What is to be written for it."""
        if get_origin(self.kind) is Literal:
            return "|".join(get_args(self.kind))
        names: dict[Any, str] = {Range: "LOW-HIGH", Size: "SLOTSxWIDTH", Words: "NAME,…", bool: "yes|no", int: "INT", float: "FLOAT"}
        return names.get(self.kind, "TEXT")


def settings_of(what: Callable[..., Any], skip: int) -> dict[str, Setting]:
    """The settings among the parameters of a function or dataclass, without the first few."""
    return dict(_settings_of(what, skip))


@lru_cache(256)
def _settings_of(what: Callable[..., Any], skip: int) -> dict[str, Setting]:
    hints = get_type_hints(what, include_extras=True)
    found = {}
    for p in list(inspect.signature(what).parameters.values())[skip:]:
        kind, text, *earlier = annotation(p.replace(annotation=hints.get(p.name)))
        if kind not in _READ and get_origin(kind) is not Literal:
            kinds = "int, float, bool, str, Literal, Range, Size or Words"
            raise SettingError(f"the parameter {p.name} cannot be a setting: it is annotated {kind}; annotate it {kinds}")
        found[p.name] = Setting(p.name, kind, p.default, text, *earlier)
    return found


# ---- models and tasks by name

IN_A_TASK = ("batch", "sizes", "loss", "measures", "given", "baselines")


def task_of(name: str) -> Any:
    """The task of this name, or FILE.py:NAME of a user's. Raises SettingError for an unknown one, and for one that lacks a function."""
    if not is_target(name):
        return _known("task", RENAMED.get(name, name), TASKS)
    found = load(name)[1]
    if missing := [f for f in IN_A_TASK if not callable(getattr(found, f, None))]:
        raise SettingError(f"{name} has no {', '.join(missing)}: a task has {', '.join(IN_A_TASK)}, as minigrad.models.tasks says")
    return found


def builder_of(name: str) -> Callable[..., Any]:
    """The function (key, inputs, outputs, **settings) -> model of this name, or of FILE.py:NAME. Raises SettingError."""
    if not is_target(name):
        return _known("model", name, MODELS)
    with named(name):
        return builder(load(name)[1])


@contextmanager
def named(what: str) -> Iterator[None]:
    """SettingErrors with the name of what is wrong."""
    try:
        yield
    except SettingError as error:
        raise SettingError(f"{what}: {error}") from None


def task_settings(task: str) -> dict[str, Setting]:
    """What can be set of a task: the parameters of its `batch` after (seed, step, batch)."""
    return settings_of(task_of(task).batch, 3)


def model_settings(model: str) -> dict[str, Setting]:
    """What can be set of a model: the parameters of its builder after (key, inputs, outputs)."""
    return settings_of(builder_of(model), 3)


def run_settings() -> dict[str, Setting]:
    """What can be set of every run: the fields of Config after the task's and the model's."""
    return settings_of(Config, 5)


def _known(what: str, name: str, among: Mapping[str, Any]) -> Any:
    if name not in among:
        raise SettingError(f"{what} {name!r} is unknown: take one of {', '.join(among)}, or FILE.py:CLASS")
    return among[name]


# ---- the settings of a run


@dataclass(frozen=True)
class Config:
    """The settings of a run. Those in EXTENDABLE may differ when it is resumed.

    task_settings and model_settings are filled up with the defaults of the task and the model. `Config.of` sorts settings by name.
    A model or task may be FILE.py:NAME; `sources` has the SHA-256 of such files. Raises SettingError naming what is unknown, and what there
    is, and for a file that is another one than `sources` says.
    """

    task: str
    model: str
    task_settings: dict[str, Any]
    model_settings: dict[str, Any]
    sources: dict[str, str] = field(default_factory=dict)
    batch: Annotated[int, "sequences an update"] = 8
    steps: Annotated[int, "updates at most"] = 20_000
    optimizer: Annotated[Literal["adam", "adamw", "rmsprop", "graves-rmsprop", "sgd"], "rule of the updates"] = "adam"
    lr: Annotated[float, "learning rate"] = 2e-3
    schedule: Annotated[Literal["constant", "cosine", "exponential"], "of the learning rate; the others fall to a hundredth"] = "constant"
    lr_steps: Annotated[int, "updates in which the learning rate falls; 0: as many as --steps"] = 0
    warmup: Annotated[int, "updates in which the learning rate rises at first"] = 0
    encoder_after: Annotated[int, "updates after which an encoder of images learns too"] = 0
    clip_norm: Annotated[float, "limit of the gradient's norm; inf: none"] = 1.0
    seed: Annotated[int, "of weights and data"] = 0
    until: Annotated[float, "learned is: the task's first measure is past this, and the harder test is passed"] = 0.05
    stop: Annotated[bool, "stop when that is learned; no: go on to the last step"] = True
    evaluate_every: Annotated[int, "updates between evaluations and checkpoints"] = 200

    def __post_init__(self) -> None:
        object.__setattr__(self, "task", absolute(RENAMED.get(self.task, self.task)))
        object.__setattr__(self, "model", absolute(self.model))
        object.__setattr__(self, "sources", self._current_sources())
        for name, known in (("task", task_settings(self.task)), ("model", model_settings(self.model))):
            given = getattr(self, f"{name}_settings")
            _require_known(f"{name} {getattr(self, name)}", given, known)
            object.__setattr__(self, f"{name}_settings", {k: s.read(given.get(k, s.default)) for k, s in known.items()})
        for name, setting in run_settings().items():
            object.__setattr__(self, name, setting.read(getattr(self, name)))
        object.__setattr__(self, "lr_steps", self.lr_steps or self.steps)
        if self.seed >= 2**64:
            raise SettingError(f"seed must be in 0 … 2⁶⁴ − 1, got {self.seed}")
        if math.isnan(self.until):
            raise SettingError("until must be a number, got nan, which no measure is past")

    def _current_sources(self) -> dict[str, str]:
        """The digests of the files as they are. Raises SettingError for one that changed."""
        found = {}
        for file in dict.fromkeys(file_of(name) for name in (self.task, self.model) if is_target(name)):
            found[str(file)] = digest(file)
            then = self.sources.get(str(file), found[str(file)])
            if then != found[str(file)]:
                problem = f"{file} has changed since the run began: its SHA-256 was {then[:12]}…, now it is {found[str(file)][:12]}…"
                raise SettingError(f"{problem}. Bring the file back as it was, or begin a new run")
        return found

    @classmethod
    def of(cls, task: str = "copy", model: str | None = None, **settings: Any) -> Config:
        """A Config from settings by name, of the task, the model or the run, as values or as text; the rest is the task's preset.

        Presets for models are of those that have the setting; one that names a setting of the task is equal to it.

        Config.of("recall", "ntm", items="2-6", hidden=100, lr=1e-3)
        """
        task = RENAMED.get(task, task)
        defaults = {"model": "ntm", **PRESETS.get(task, {})}
        model = model or defaults["model"]
        of_task, of_model, of_run = task_settings(task), model_settings(model), run_settings()
        _require_known(f"a run of {model} on {task}", settings, {**of_task, **of_model, **of_run})
        given = {**defaults, **settings}
        run = {k: v for k, v in given.items() if k in of_run}
        for_task = {k: given.get(k, setting.default) for k, setting in of_task.items()}
        usual = {k: for_task.get(v, v) if isinstance(v, str) else v for k, v in defaults.items()}
        for_model = {k: v for k, v in {**usual, **settings}.items() if k in of_model}
        return cls(task, model, for_task, for_model, **run)

    def setting(self, name: str) -> Setting:
        """The setting of this name, whichever part it is of."""
        every = {**task_settings(self.task), **model_settings(self.model), **run_settings()}
        _require_known(f"a run of {self.model} on {self.task}", [name], every)
        return every[name]

    @property
    def flat(self) -> dict[str, Any]:
        """All settings by name."""
        return {**self.task_settings, **self.model_settings, **{k: getattr(self, k) for k in run_settings()}}

    def words(self, settings: Mapping[str, Any]) -> str:
        """'lengths 1-20, bits 8'; what is empty is left out."""
        shown = {name: self.setting(name).show(value) for name, value in settings.items()}
        return ", ".join(f"{name} {text}" for name, text in shown.items() if text)

    @property
    def title(self) -> str:
        """'ntm (hidden 100, memory 128x20, heads 1, layers 1) on copy (lengths 1-20, bits 8)': sizes, and what is not as by default."""
        model = self._telling(brief(self.model), self.model_settings, model_settings(self.model))
        return f"{model} on {self._telling(brief(self.task), self.task_settings, task_settings(self.task))}"

    def _telling(self, name: str, values: Mapping[str, Any], known: Mapping[str, Setting]) -> str:
        sizes = [k for k, s in known.items() if s.kind in (int, Range, Size) and values[k]]
        shown = self.words({k: v for k, v in values.items() if k in sizes or v != known[k].read(known[k].default)})
        return f"{name} ({shown})" if shown else name

    def rate(self) -> optim.Rate:
        """The learning rate as a function of the updates made."""
        optim.Constant(self.lr)  # refuses what is no rate, by its name
        rates: dict[str, Callable[[], optim.Rate]] = {
            "constant": lambda: self.lr,
            "cosine": lambda: optim.Cosine(self.lr, self.lr_steps, self.lr / 100),
            "exponential": lambda: optim.Exponential(self.lr, 0.01, self.lr_steps),
        }
        found = rates[self.schedule]()
        return optim.Warmup(found, self.warmup) if self.warmup else found

    def rates(self) -> dict[str, optim.Rate]:
        """Those of the model's parts that have another."""
        waits = self.model_settings.get("image") and self.encoder_after
        return {"encoder": optim.Delayed(self.rate(), self.encoder_after)} if waits else {}

    def as_json(self) -> dict[str, Any]:
        """JSON has no infinity: it is written as text."""
        return json.loads(json.dumps({k: str(v) if v == math.inf else v for k, v in dataclasses.asdict(self).items()}))

    @classmethod
    def from_json(cls, found: Any) -> Config:
        """The Config from as_json; settings that there were not yet when it was written have their defaults. Raises SettingError."""
        every = dataclasses.fields(cls)
        needed = {f.name for f in every if f.default is f.default_factory is dataclasses.MISSING}
        if not isinstance(found, dict) or not needed <= set(found) <= {f.name for f in every}:
            wrong = sorted(needed ^ (set(found) - {"sources", *run_settings()})) if isinstance(found, dict) else found
            raise SettingError(f"the settings are not those of a run: {wrong}")
        return cls(**found)


EXTENDABLE = ("steps", "until", "stop")


def _require_known(what: str, given: Any, known: Mapping[str, Any]) -> None:
    unknown = [k for k in given if k not in known]
    if unknown:
        raise SettingError(f"{what} has no setting {', '.join(map(repr, unknown))}: take {', '.join(known)}")
