"""A minigrad model as a torch.nn.Module: optimisers, state dicts, copies, compilation around it, threads and workers."""

from __future__ import annotations

import copy
import importlib
import io
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from minigrad.models import GRU, LSTM, Bidirectional

import minigrad as mg
from minigrad.errors import MinigradError

torch = pytest.importorskip("torch")
from torch.nn.utils import parametrizations, prune  # noqa: E402

XS = torch.from_numpy(np.random.default_rng(0).standard_normal((4, 2, 3)))
RATE = 0.1


def lstm() -> Any:
    return LSTM(3, 4, 2, dtype="float64", key=0)


@pytest.fixture(scope="module")
def wrapped() -> Any:
    """One module for all tests that do not change it: its programs are compiled once."""
    return mg.export.torch.module(lstm())


def loss(module: Any, xs: Any = XS) -> Any:
    return (module(xs) ** 2).mean()


def test_it_learns_in_pytorch_what_it_learns_in_minigrad(wrapped: Any) -> None:
    ours, theirs = lstm(), copy.deepcopy(wrapped)
    optimizer, sgd = torch.optim.SGD(theirs.parameters(), RATE), mg.optim.SGD(RATE)
    state = sgd.init(ours)
    for _ in range(3):
        optimizer.zero_grad()
        loss(theirs).backward()
        optimizer.step()
        _, grads = mg.value_and_grad(lambda model: mg.mean(model(XS.numpy()) ** 2))(ours)
        ours, state = sgd.update(ours, grads, state)
    for a, b in zip(mg.tree.leaves(theirs.minigrad()), mg.tree.leaves(ours), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)
    assert loss(theirs) != loss(wrapped)


def test_its_names_are_those_of_a_checkpoint_and_its_state_comes_back(wrapped: Any, tmp_path: Any) -> None:
    model = lstm()
    assert list(wrapped.state_dict()) == mg.io.names(mg.tree.flatten(model)[1])
    other = mg.export.torch.module(LSTM(3, 4, 2, dtype="float64", key=1))
    other.load_state_dict(wrapped.state_dict())
    assert torch.equal(other(XS), wrapped(XS))
    mg.io.save(tmp_path / "m.safetensors", model)
    safetensors = pytest.importorskip("safetensors.torch")
    other.load_state_dict(safetensors.load_file(tmp_path / "m.safetensors"))
    assert other.minigrad().W_x.numpy().tolist() == model.W_x.numpy().tolist()


def test_what_is_trained_is_as_in_minigrad_also_in_a_model_that_was_computed() -> None:
    class Scaled(mg.Module):
        def __init__(self) -> None:
            self.weight, self.scale = mg.parameter(np.ones(2)), mg.buffer(np.ones(2))

    model = Scaled()
    for computed in (model, mg.tree.map(lambda t: 2 * t, model), mg.tree.map(lambda t: mg.parameter(t.numpy()), model)):
        found = mg.export.torch.module(computed, lambda model, x: model.weight * model.scale * x)
        assert [name for name, _ in found.named_parameters()] == ["weight"]
        assert [name for name, _ in found.named_buffers()] == ["scale"]
    leaves = {"W": mg.tensor(np.ones(2)), "at": mg.tensor(np.zeros(2, "int64")), "constant": np.ones(2)}
    assert [name for name, _ in mg.export.torch.module(leaves, lambda leaves: leaves["W"]).named_parameters()] == ["W"]


def test_parts_may_be_called_as_methods_of_a_module_are_and_constants_are_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAD_JIT", "0")
    model = Bidirectional(LSTM(3, 4), GRU(3, 3))
    model.scale = mg.tensor(2.0)
    found = mg.export.torch.module(model, lambda model, xs: model.scale * model(xs))
    assert {name for name, _ in found.named_buffers()} == {"scale"}
    assert {name.split(".")[0] for name, _ in found.named_parameters()} == {"forward", "backward"}
    np.testing.assert_allclose(found(XS.float()).detach(), 2 * model(XS.float().numpy()).numpy(), rtol=1e-6)
    again = found.minigrad()
    assert mg.tree.flatten(again)[1] == mg.tree.flatten(model)[1]
    assert again.scale.node.op is not again.forward.W_x.node.op


def masked(part: Any, name: str) -> Any:
    """Half of a weight is pruned. What gives the weight as it is now."""
    prune.random_unstructured(part, name, amount=0.5)
    return lambda: getattr(part, f"{name}_orig") * getattr(part, f"{name}_mask")


def normed(part: Any, name: str) -> Any:
    parametrizations.weight_norm(part, name)
    return lambda: getattr(part, name)


@pytest.mark.parametrize("name", ["W_x", "readout.W"])
@pytest.mark.parametrize("remade", [masked, normed])
def test_a_weight_may_be_made_of_other_parameters(remade: Any, name: str, wrapped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAD_JIT", "0")
    made, plain = copy.deepcopy(wrapped), copy.deepcopy(wrapped)
    part, _, last = name.rpartition(".")
    weight = remade(made.get_submodule(part), last)
    for _ in range(2):  # after a step it is another one
        made.zero_grad()
        loss(made).backward()
        torch.optim.SGD(made.parameters(), RATE).step()
    plain.load_state_dict({**made.state_dict(), name: weight()}, strict=False)
    assert torch.equal(made(XS), plain(XS))
    for a, b in zip(mg.tree.leaves(made.minigrad()), mg.tree.leaves(plain.minigrad()), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
        assert a.node.op is b.node.op


def test_two_names_may_have_one_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAD_JIT", "0")
    found = mg.export.torch.module({"a": mg.parameter(np.ones(2)), "b": mg.parameter(np.ones(2))}, lambda p, x: p["a"] * p["b"] * x)
    found.b = found.a
    found(torch.full((2,), 3.0)).sum().backward()
    assert found.a.grad.tolist() == [6, 6]


def test_an_error_names_the_function_and_the_users_line(wrapped: Any) -> None:
    for wrong, pattern in ((XS.to("meta"), "forward: cannot read xs(.|\n)*  at"), (XS[0, 0], "takes xs of shape(.|\n)*  called at")):
        with pytest.raises(MinigradError, match=rf"{pattern} test_torch_module\.py"):
            wrapped(xs=wrong)


def test_another_dtype_is_another_program(wrapped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAD_JIT", "0")
    single = copy.deepcopy(wrapped).float()
    found = loss(single, XS.float())
    found.backward()
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.detach(), loss(wrapped).detach(), rtol=1e-5)
    assert {p.grad.dtype for p in single.parameters()} == {torch.float32}


def test_copies_learn_apart_and_share_the_programs(wrapped: Any) -> None:
    again = pickle.loads(pickle.dumps(wrapped))
    assert torch.equal(again(XS), wrapped(XS))
    other = copy.deepcopy(wrapped)
    with torch.no_grad():
        other.W_x.add_(1)
    assert not torch.equal(other(XS), wrapped(XS))
    assert other._function is wrapped._function
    file = io.BytesIO()
    torch.save(wrapped.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other(XS), wrapped(XS))


def test_torch_compile_goes_around_it(wrapped: Any) -> None:
    @torch.compile(backend="eager")  # Dynamo's part; what Inductor makes of the rest does not matter here
    def f(xs: Any) -> Any:
        return torch.relu(wrapped(xs * 2)).sum()

    xs, again = XS.clone().requires_grad_(), XS.clone().requires_grad_()
    f(xs).backward()
    torch.relu(wrapped(again * 2)).sum().backward()
    assert torch.equal(xs.grad, again.grad)


def test_checkpoints_of_pytorch_compute_it_again(wrapped: Any) -> None:
    from torch.utils.checkpoint import checkpoint

    xs, again = XS.clone().requires_grad_(), XS.clone().requires_grad_()
    checkpoint(wrapped, xs, use_reentrant=False).sum().backward()
    wrapped(again).sum().backward()
    assert torch.equal(xs.grad, again.grad)


def gradients(module: Any, seed: int) -> list[bytes]:
    xs = torch.from_numpy(np.random.default_rng(seed).standard_normal((3 + seed % 3, 2, 3)))
    return [g.numpy().tobytes() for g in torch.autograd.grad(loss(module, xs), list(module.parameters()))]


def test_many_threads_compute_the_same_bits(wrapped: Any) -> None:
    expected = [gradients(wrapped, seed) for seed in range(6)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda seed: gradients(wrapped, seed), range(6))) == expected


class Rows(torch.utils.data.Dataset):  # type: ignore[misc]
    """Each item is a call of a function that was compiled before the workers were forked."""

    def __init__(self, f: Any):
        self.f = f

    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> Any:
        return self.f(XS + i).detach()


@pytest.mark.skipif(sys.platform != "linux", reason="forks, as Linux's loaders use them")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_workers_of_a_loader_compute_the_same(wrapped: Any) -> None:
    expected = torch.stack([wrapped(XS + i) for i in range(4)])
    loader = torch.utils.data.DataLoader(Rows(wrapped), batch_size=2, num_workers=2, multiprocessing_context="fork")
    assert torch.equal(torch.cat(list(loader)), expected)


def test_without_pytorch_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "minigrad.export.torch")
    for load in (lambda: mg.export.__getattr__("torch"), lambda: importlib.import_module("minigrad.export.torch")):
        with pytest.raises(ImportError, match=r"mg\.export\.torch: torch is not installed\. pip install 'minigrad\[torch\]'"):
            load()
    with pytest.raises(AttributeError, match="no attribute 'caffe'"):
        mg.export.__getattr__("caffe")


class Difference(mg.Module):
    """A model that goes through the values of a dict."""

    def __init__(self) -> None:
        self.w = mg.parameter(np.full(3, 2.0))

    def __call__(self, given: Any) -> Any:
        x, y = given.values()
        return self.w * x - y


def test_a_dict_in_another_order_is_another_argument() -> None:
    module, x, y = mg.export.torch.module(Difference()), XS[0, 0], XS[1, 0]
    for _ in range(2):
        for given in ({"x": x, "y": y}, {"y": y, "x": x}):
            first, second = given.values()
            torch.testing.assert_close(module(given), 2 * first - second)


def test_a_packed_sequence_is_refused_by_name(wrapped: Any) -> None:
    with pytest.raises(MinigradError, match="takes no PackedSequence"):
        wrapped(torch.nn.utils.rnn.pack_sequence([XS[:, 0]]))
