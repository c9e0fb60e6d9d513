"""What mg.jit takes beside arrays: self, static arguments, Modules with settings of any kind; and calls from several threads."""

from __future__ import annotations

import copy
import enum
import pickle
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models import RNN
from minigrad.models.registry import MODELS
from shares import shared

import minigrad as mg
from minigrad import compiled, tree
from minigrad.errors import AbstractValueError, DTypeError, SettingError

X = np.array([1.0, 2.0])


class Level(enum.IntEnum):
    LOW = 2


@dataclass(frozen=True)
class Options:
    scale: Any


class Net(mg.Module):
    def __init__(self, setting: Any):
        self.weight = mg.parameter(X)
        self.setting = setting

    @mg.jit
    def __call__(self, x: Any) -> Any:
        return self.weight * x

    @mg.jit
    def scaled(self, x: Any, by: Any) -> Any:
        """by times the weighted x."""
        return self(x) * by

    @classmethod
    @mg.jit
    def twice(cls, x: Any) -> Any:
        return x * cls.factor

    @staticmethod
    @mg.jit
    def thrice(x: Any) -> Any:
        return x * 3

    factor = 2


class Deeper(Net):
    factor = 20

    @mg.jit
    def scaled(self, x: Any, by: Any) -> Any:
        return super().scaled(x, by) + 1


# ---- methods


@pytest.mark.parametrize("net", [Net("a"), Deeper("a")], ids=["class", "subclass"])
def test_methods_compile_with_self_as_the_first_argument(net: Net) -> None:
    assert np.array_equal(net(X), X * X)
    assert np.array_equal(net.scaled(X, by=3.0), 3 * X * X + isinstance(net, Deeper))
    assert np.array_equal(net.twice(X), type(net).factor * X)
    assert np.array_equal(type(net).twice(X), type(net).factor * X)
    assert np.array_equal(net.thrice(X), type(net).thrice(X))


def test_a_method_has_the_gradient_of_self() -> None:
    found = mg.grad(lambda net: mg.sum(net.scaled(X, 2.0)))(Net("a"))
    assert np.array_equal(found.weight, 2 * X)


def test_a_new_value_of_a_part_is_seen_and_instances_share_a_program() -> None:
    first, second = Net("shared"), Net("shared")
    assert np.array_equal(first.scaled(X, 2.0), 2 * X * X)
    before = len(Net.scaled.specializations)
    second.weight = mg.parameter(X + 1)
    assert np.array_equal(second.scaled(X, 2.0), 2 * X * (X + 1))
    assert len(Net.scaled.specializations) == before


def test_a_method_keeps_its_name_words_and_tools() -> None:
    net = Net("a")
    net.scaled(X, 2.0)
    assert net.scaled.__name__ == "scaled"
    assert "by times" in (Net.scaled.__doc__ or "")
    assert "phase 0" in net.scaled.explain()


def test_a_static_method_may_be_compiled_from_outside() -> None:
    class Tools:
        doubled = mg.jit(staticmethod(lambda x: x * 2))  # type: ignore[arg-type]

    assert np.array_equal(Tools().doubled(X), 2 * X)


class Plain:
    @mg.jit
    def f(self, x: Any) -> Any:
        return x

    @partial(mg.jit, static_argnames="self")
    def g(self, x: Any) -> Any:
        return x * self.k

    k = 4.0


def test_an_object_that_is_no_tree_is_refused_by_name_and_may_be_static() -> None:
    with pytest.raises(DTypeError, match=r"in self, an argument of f.*static_argnames='self'"):
        Plain().f(X)
    assert np.array_equal(Plain().g(X), 4 * X)


# ---- static arguments


@pytest.mark.parametrize(
    "static", [{"static_argnums": 1}, {"static_argnums": (-2,)}, {"static_argnames": "mode"}, {"static_argnames": ["mode"]}]
)
def test_a_static_argument_is_given_as_it_is_by_position_or_name(static: Any) -> None:
    f = mg.jit(lambda x, mode, y=1.0: getattr(mg, mode)(x) * y, **static)
    for mode in ("tanh", "exp", "tanh"):
        want = getattr(np, mode)(X)
        assert np.allclose(f(X, mode), want)
        assert np.allclose(f(X, mode=mode, y=2.0), 2 * want)
    assert len({g for programs in f.programs.values() for g in map(id, programs)}) == 4


@pytest.mark.parametrize(
    "value", ["text", None, b"bytes", np.tanh, Level.LOW, Options(2), (1, "a"), [1, "a"], {"a": [1]}, {1, 2}, int, ...]
)
def test_what_is_static_keeps_its_type_and_value(value: Any) -> None:
    seen: list[Any] = []
    f = mg.jit(lambda x, static: (seen.append(static), x)[1], static_argnames="static")
    f(X, value)
    f(X, copy.deepcopy(value))
    assert [type(v) for v in seen] == [type(value)]
    assert seen == [value]


def test_a_list_that_changes_is_another_static_argument() -> None:
    sizes = [1, 2]
    f = mg.jit(lambda x, sizes: x * len(sizes), static_argnums=1)
    assert np.array_equal(f(X, sizes), 2 * X)
    sizes.append(3)
    assert np.array_equal(f(X, sizes), 3 * X)


def test_static_arguments_work_in_keywords_and_extra_positions() -> None:
    f = mg.jit(lambda x, *rest, **options: x * len(rest[0]) * len(options["name"]), static_argnums=1, static_argnames="name")
    assert np.array_equal(f(X, "ab", name="abc"), 6 * X)


def test_inside_a_trace_static_arguments_are_given_as_they_are() -> None:
    inner = mg.jit(lambda x, mode: getattr(mg, mode)(x), static_argnames="mode")
    assert np.allclose(mg.jit(lambda x: inner(x, "exp"))(X), np.exp(X))


@pytest.mark.parametrize("static", [{"static_argnums": 2}, {"static_argnums": -3}, {"static_argnames": "z"}])
def test_static_arguments_that_the_function_lacks_are_refused(static: Any) -> None:
    with pytest.raises(SettingError, match="has x, y"):
        mg.jit(lambda x, y: x, **static)


def test_arguments_by_name_have_their_own_names_in_any_order() -> None:
    f = lambda y, x: y * x  # noqa: E731
    for named in ({"x": np.ones(1), "y": np.ones(2)}, {"y": np.ones(2), "x": np.ones(1)}):
        assert [(p.name, p.type.shape) for p in mg.trace(f, **named).params] == [("x", (1,)), ("y", (2,))]
        with pytest.raises(DTypeError, match="in x, an argument of"):
            mg.jit(f)(**(named | {"x": "text"}))


@pytest.mark.parametrize("value", [np.ones(2), mg.ones(2), deque([1])])
def test_a_static_argument_that_is_not_hashable_is_refused_by_name(value: Any) -> None:
    with pytest.raises(DTypeError, match=rf"static argument .* is a {type(value).__name__}, which is not hashable"):
        mg.jit(lambda x, y: x, static_argnums=1)(X, value)


@pytest.mark.parametrize("value", ["tanh", np.tanh, b"x", object(), [1.0, "a"]])
def test_a_value_that_is_no_array_is_refused_with_the_argument_and_the_way_out(value: Any) -> None:
    with pytest.raises(DTypeError, match=r"in mode.*, an argument of .*static_argnames='mode'"):
        mg.jit(lambda x, mode: x)(X, value)


def test_a_branch_on_a_flag_is_told_of_static_arguments() -> None:
    with pytest.raises(AbstractValueError, match="static_argnames"):
        mg.jit(lambda x, flag: x if flag else -x)(X, True)


# ---- settings, compared by type and value

NUMBERS = st.sampled_from([0, 1, 2, 0.0, -0.0, 1.0, 2.0, True, False, Level.LOW, np.float32(2), np.float64(2), np.int32(2), "2", None])
NESTED = st.recursive(
    NUMBERS,
    lambda v: (
        st.lists(v, max_size=2) | st.tuples(v) | st.dictionaries(NUMBERS, v, max_size=2) | st.builds(Options, v) | st.builds(OrderedDict)
    ),
    max_leaves=4,
)


@given(values=st.lists(NESTED, min_size=2, max_size=4))
def test_a_setting_or_static_argument_of_another_type_value_or_sign_is_traced_again(values: list[Any]) -> None:
    seen: list[Any] = []
    of_setting = mg.jit(lambda net, x: (seen.append(net.setting), x)[1])
    of_static = mg.jit(lambda value, x: (seen.append(value), x)[1], static_argnums=0)
    for f, of in ((of_setting, Net), (of_static, lambda v: v)):
        seen.clear()
        for value in values:
            before = len(seen)
            f(of(value), X)
            f(of(copy.deepcopy(value)), X)
            assert len(seen) - before <= 1
            assert any(repr(value) == repr(v) and type(value) is type(v) for v in seen)


@pytest.mark.parametrize("pair", [(2, 2.0), (0.0, -0.0), (True, 1), ([0.0], [-0.0]), ({"a": (2,)}, {"a": (2.0,)})])
def test_equal_settings_that_differ_do_not_share_a_program(pair: Any) -> None:
    def f(net: Net, x: Any) -> Any:
        (setting,) = tree.leaves(net.setting)
        return 1 / mg.tensor(setting) if isinstance(setting, float) else x.astype("int64") * setting

    shared = mg.jit(f)
    assert [str(shared(Net(v), X)) for v in pair] == [str(f(Net(v), mg.tensor(X))) for v in pair]


def test_keys_of_dicts_are_compared_by_type_too() -> None:
    f = mg.jit(lambda d: d)
    assert [[type(k) for k in f({k: X})] for k in (1, True, 1.0)] == [[int], [bool], [float]]


@given(value=NESTED)
def test_settings_come_back_as_they_were_and_as_copies(value: Any) -> None:
    net = Net([value])
    back = tree.map(lambda x: x, net)
    assert repr(back.setting) == repr(net.setting)
    back.setting.append("more")
    assert len(net.setting) == 1
    assert tree.difference(tree.flatten(net)[1], tree.flatten(back)[1])
    frozen = tree.Frozen(value)
    assert pickle.loads(pickle.dumps(frozen)) == copy.deepcopy(frozen) == frozen


def test_a_list_that_changes_in_place_is_seen() -> None:
    f = mg.jit(lambda net, x: x * len(net.setting))
    for net in (Net([1]), tree.map(lambda w: w, Net([1]))):
        assert np.array_equal(f(net, X), X)
        net.setting.append(2)
        assert np.array_equal(f(net, X), 2 * X)


def test_settings_and_parts_that_change_after_a_call_are_seen() -> None:
    f = mg.jit(lambda net: [net.weight * net.setting, *(getattr(net, "more", []))])
    net: Any = Net(2)
    assert [v.tolist() for v in f(net)] == [[2, 4]]
    net.setting = 3
    net.more = [mg.parameter(X)]
    assert [v.tolist() for v in f(net)] == [[3, 6], [1, 2]]
    net.more.append(net.weight)
    assert [v.tolist() for v in f(copy.deepcopy(net))] == [v.tolist() for v in f(net)] == [[3, 6], [1, 2], [1, 2]]
    del net.more
    assert [v.tolist() for v in f(net)] == [[3, 6]]


def test_a_setting_that_is_not_hashable_is_refused_by_name() -> None:
    with pytest.raises(DTypeError, match="the setting 'setting' of Net is a deque, which is not hashable"):
        mg.jit(lambda net: net.weight)(Net(deque()))


# ---- several threads


def test_a_program_found_by_another_thread_meanwhile_is_not_taken_for_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    f, build = mg.jit(lambda x: x * len(x)), compiled.Compiled._build
    started = threading.Barrier(4)

    def together(self: Any, *args: Any) -> Any:
        made = build(self, *args)
        started.wait(timeout=60)
        return made

    monkeypatch.setattr(compiled.Compiled, "_build", together)
    found: dict[int, Any] = {}
    threads = [threading.Thread(target=lambda n=n: found.update({n: f(np.ones(n))})) for n in (2, 3, 4, 5)]  # type: ignore[misc]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert {n: y.tolist() for n, y in found.items()} == {n: [float(n)] * n for n in (2, 3, 4, 5)}


def test_what_is_kept_is_bounded_though_threads_step_over_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "KEPT_SPECIALIZATIONS", 3)
    f = mg.jit(lambda x: x)
    f.specializations.update(dict.fromkeys(range(5)))  # type: ignore[misc]
    for n in range(1, 9):
        f(np.ones(n))
    assert len(f.specializations) <= 3


# ---- models made inside


@pytest.mark.parametrize("name", shared(MODELS, 1, of=4))
def test_a_model_made_inside_is_the_model_made_outside(name: str) -> None:
    make = MODELS[name]
    f = mg.jit(lambda x: make(1, x.shape[-1], 3)(x))
    for inputs in (4, 5):
        x = np.random.default_rng(0).standard_normal((5, 2, inputs)).astype("float32")
        np.testing.assert_allclose(f(x), make(1, inputs, 3)(x), rtol=1e-4, atol=1e-5)


def test_a_model_may_be_made_of_a_traced_key_where_its_start_is_drawn_by_number() -> None:
    x, key = np.ones((5, 2, 4), "float32"), mg.random.key(3)
    f = mg.jit(lambda key, start: RNN(4, 3, key=key, start=start)(x), static_argnames="start")
    for start in ("glorot", "identity", "uniform"):
        np.testing.assert_allclose(f(key, start), RNN(4, 3, key=key, start=start)(x), rtol=1e-5, atol=1e-6)
    with pytest.raises(AbstractValueError, match=r"init\.orthogonal: the factorisation needs the value of the key"):
        f(key, "orthogonal")
