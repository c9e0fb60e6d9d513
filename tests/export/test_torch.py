"""minigrad's functions and models inside PyTorch programs: values and gradients are PyTorch's, and so are the rules of its graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minigrad.models import (
    CNN,
    DNC,
    GRU,
    LSTM,
    MANN,
    MLSTM,
    NTM,
    RNN,
    S6,
    SAM,
    SLSTM,
    TTT,
    AttentiveLSTM,
    Bidirectional,
    DeltaNet,
    FastWeights,
    HopfieldNetwork,
    MemN2N,
    MinGRU,
    MinLSTM,
    Stack,
    StackRNN,
    TapeRNN,
    Titans,
    Transformer,
)

import minigrad as mg
from minigrad.errors import DTypeError, GraphError

torch = pytest.importorskip("torch")
small: dict[str, Any] = {"hidden": 4, "memory": (5, 3), "dtype": "float64"}


def recurrent(W: Any, xs: Any, h: Any, scale: Any = 2.0) -> Any:
    """Two differentiable results, one of integers and one that no gradient passes."""

    def step(h: Any, x: Any) -> Any:
        h = mg.tanh(x + h @ W)
        return h, h

    last, hs = mg.scan(step, h, xs)
    return {"last": scale * last, "all": hs, "where": mg.argmax(hs, -1), "fixed": mg.detach(last)}


def in_torch(W: Any, xs: Any, h: Any, scale: float = 2.0) -> Any:
    hs = []
    for x in xs:
        h = torch.tanh(x + h @ W)
        hs.append(h)
    return {"last": scale * h, "all": torch.stack(hs)}


shared = mg.export.torch.function(recurrent)  # compiled once for the tests of this file


def numbers(*shape: int, grad: bool = True, seed: int = 0) -> Any:
    found = torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))
    return found.requires_grad_(grad)


def arguments(T: int = 4, B: int = 2) -> tuple[Any, Any, Any]:
    return torch.nn.Parameter(numbers(3, 3, grad=False)), numbers(T, B, 3, seed=1), numbers(B, 3, seed=2)


def total(found: Any) -> Any:
    return (found["last"] ** 2).sum() + found["all"].sin().sum()


def close(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-12)


def test_values_and_gradients_are_pytorchs_at_sizes_that_were_not_compiled() -> None:
    for T, B in ((4, 2), (7, 1), (2, 5)):
        given = arguments(T, B)
        found, expected = shared(*given), in_torch(*given)
        for name in expected:
            close(found[name], expected[name])
        for a, b in zip(torch.autograd.grad(total(found), given), torch.autograd.grad(total(expected), given), strict=True):
            close(a, b)
    before = len(shared.pairs.known)
    for T, B in ((3, 3), (1, 4), (9, 6)):
        shared(*arguments(T, B))
    assert [len(pairs) for pairs in shared.pairs.known.values()] == [2] * before  # literal axes of leaves, until they changed


def test_results_without_a_gradient_require_none() -> None:
    found = shared(*arguments())
    assert {name: t.requires_grad for name, t in found.items()} == {"last": True, "all": True, "where": False, "fixed": False}
    assert found["where"].dtype == torch.int64


def test_first_and_second_gradients_agree_with_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    def loss(f: Any) -> Any:
        return lambda *given: total(f(*given))

    assert torch.autograd.gradcheck(loss(shared), arguments())
    monkeypatch.setenv("MINIGRAD_JIT", "0")
    assert torch.autograd.gradgradcheck(loss(mg.export.torch.function(recurrent)), arguments(2, 1))


def test_only_what_requires_a_gradient_has_one() -> None:
    W, xs, h = arguments()
    given = W, xs.detach(), h
    total(shared(*given)).backward()
    found = torch.autograd.grad(total(in_torch(*given)), (W, h))
    assert given[1].grad is None
    close(W.grad, found[0])
    close(h.grad, found[1])
    unused = numbers(2)
    g = mg.export.torch.function(lambda x, y: mg.sum(x * x))
    assert torch.autograd.grad(g(xs, unused), (xs, unused), allow_unused=True)[1] is None


def test_without_a_gradient_nothing_is_kept_for_one() -> None:
    shared(*arguments())
    with torch.no_grad():
        found = shared(*arguments())
    assert not any(t.requires_grad for t in found.values())
    kept = {any(wanted): pairs for (_, wanted, _), pairs in shared.pairs.known.items()}
    assert all(len(p.forward.graph.outputs) == p.results and p.backward is None for p in kept[False])
    assert all(len(p.forward.graph.outputs) > p.results for p in kept[True])


def test_changing_what_the_gradient_reads_in_place_raises() -> None:
    for name in ("argument", "result"):
        W, xs, h = arguments()
        found = shared(W, xs, h)
        with torch.no_grad():
            (W if name == "argument" else found["all"]).mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            total(found).backward()


def test_a_second_way_back_is_the_same_where_the_graph_is_retained_and_refused_elsewhere() -> None:
    given = arguments()
    loss = total(shared(*given))
    first, second = (torch.autograd.grad(loss, given, retain_graph=retain) for retain in (True, False))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        torch.autograd.grad(loss, given)


def test_arrays_are_shared_and_views_are_read_in_their_order() -> None:
    x = numbers(4, 2, 3, grad=False)
    assert np.shares_memory(mg.export.torch.as_array(x), x.numpy())
    assert np.shares_memory(mg.export.torch.as_torch(x.numpy()).numpy(), x.numpy())
    W, xs, h = arguments()
    turned = xs.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
    assert not turned.is_contiguous()
    a, b = (torch.autograd.grad(total(shared(W, x, h)), x)[0] for x in (xs, turned))
    assert torch.equal(a, b)


def test_arguments_may_be_arrays_numbers_and_tensors_of_minigrad() -> None:
    W, xs, h = arguments()
    expected = shared(W, xs, h, 3.0)["last"]
    assert torch.equal(shared(W, mg.tensor(xs.detach().numpy()), h.detach().numpy(), scale=3.0)["last"], expected)
    close(expected, in_torch(W, xs, h, 3.0)["last"])


def test_halves_keep_their_dtype() -> None:
    g = mg.export.torch.function(lambda x: (x.astype("float32") * mg.exp(x.astype("float32"))).astype(x.dtype))
    for dtype in (torch.bfloat16, torch.float16):
        x = torch.linspace(-1, 1, 7).to(dtype).requires_grad_()
        (g(x).sum() + 0 * x.sum()).backward()
        assert g(x).dtype == x.grad.dtype == dtype
        np.testing.assert_allclose(x.grad.float(), ((1 + x) * x.exp()).detach().float(), rtol=2e-2, atol=2e-2)


MODELS: dict[str, Any] = {
    "rnn": lambda: RNN(3, 4, 2, dtype="float64"),
    "lstm": lambda: Stack([LSTM(3, 4, peephole=True, projection=3, dtype="float64"), GRU(3, 3, 2, dtype="float64")]),
    "both ways": lambda: Bidirectional(LSTM(3, 4, dtype="float64"), GRU(3, 3, dtype="float64")),
    "cnn": lambda: CNN(3, 4, 2, 3, 2, dtype="float64"),
    "memn2n": lambda: MemN2N(3, 4, 2, 2, 3, separator=1, dtype="float64"),
    "hopfield": lambda: HopfieldNetwork(3, 4, 2, 2, dtype="float64"),
    "ttt": lambda: TTT(3, 4, 2, mini_batch=2, dtype="float64"),
    "titans": lambda: Titans(3, 4, 2, dtype="float64"),
    "ntm": lambda: NTM(3, 2, M_0="learned", **small),
    "dnc": lambda: DNC(3, 2, **small),
    "mann": lambda: MANN(3, 2, heads=2, **small),
    "xlstm": lambda: Stack([SLSTM(3, 4, heads=1, convolution=True, dtype="float64"), MLSTM(4, 4, 2, heads=1, dtype="float64")]),
    "minimal": lambda: Stack([MinGRU(3, 4, dtype="float64"), MinLSTM(4, 3, 2, dtype="float64")]),
    "s6": lambda: S6(3, 4, 2, states=3, convolution=True, dtype="float64"),
    "sam": lambda: SAM(3, 2, heads=2, nearest=3, **small),
    "stack-rnn": lambda: StackRNN(3, 4, 2, stacks=2, cells=5, dtype="float64"),
    "tape-rnn": lambda: TapeRNN(3, 4, 2, cells=5, cell_size=2, writer=3, dtype="float64"),
    "attention": lambda: AttentiveLSTM(3, 4, 2, dtype="float64"),
    "deltanet": lambda: DeltaNet(3, 4, 2, gated=True, product=2, dtype="float64"),
    "fast weights": lambda: FastWeights(3, 4, 2, dtype="float64"),
    "transformer": lambda: Transformer(3, 2, 4, 2, 1, dtype="float64"),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_its_values_and_gradients(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the interpreter: that compiled programs agree with it, other tests say."""
    monkeypatch.setenv("MINIGRAD_JIT", "0")
    model, xs, ct = MODELS[name](), numbers(5, 2, 3, grad=False), np.random.default_rng(3).standard_normal((5, 2, 9))
    wrapped = mg.export.torch.module(model)

    def loss(model: Any) -> Any:
        ys = model(xs.numpy())
        return mg.sum(ys * ct[..., : ys.shape[-1]])

    value, grads = mg.value_and_grad(loss)(model)
    ys = wrapped(xs)
    found = (ys * torch.from_numpy(ct[..., : ys.shape[-1]])).sum()
    found.backward()
    assert found.item() == pytest.approx(value.item(), rel=1e-12)
    named = dict(zip(mg.io.names(mg.tree.flatten(grads)[1]), mg.tree.leaves(grads), strict=True))
    assert dict(wrapped.named_parameters()).keys() == named.keys()
    for key, p in wrapped.named_parameters():
        np.testing.assert_allclose(p.grad.numpy(), named[key].numpy(), rtol=1e-12, atol=1e-13, err_msg=key)


def test_what_the_interpreter_gives_is_the_callers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAD_JIT", "0")
    x = numbers(3, grad=False)
    same, constant = mg.export.torch.function(lambda x: (x, mg.ones(2)))(x)
    same += 1
    constant += 1
    assert torch.equal(x, numbers(3, grad=False))


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "another device": (lambda: shared(arguments()[0], torch.ones(4, 2, 3, device="meta"), numbers(2, 3)), DTypeError, "xs, a .* on meta"),
    "a sparse tensor": (lambda: shared(numbers(3, 3).to_sparse(), *arguments()[1:]), DTypeError, "cannot read W, .*dense arrays"),
    "complex numbers": (lambda: mg.export.torch.function(mg.sum)(torch.ones(2, dtype=torch.complex64)), DTypeError, "complex"),
    "functionalize": (
        lambda: torch.func.functionalize(mg.export.torch.function(mg.sum))(torch.ones(3)),
        DTypeError,
        "would keep its results",
    ),
    "a trace": (lambda: torch.jit.trace(mg.export.torch.function(mg.sum), (torch.ones(3),)), DTypeError, "would keep its results"),
    "a batch of gradients": (
        lambda: torch.autograd.functional.jacobian(mg.export.torch.function(mg.sin), numbers(3), vectorize=True),
        DTypeError,
        "torch.func.vmap, jacrev or jacfwd",
    ),
    "a parameter from outside": (lambda: mg.export.torch.function(LSTM(3, 4).run)(torch.ones(2, 1, 3)), GraphError, "a module"),
    "a text": (lambda: shared(*arguments(), scale="large"), DTypeError, "cannot read scale, the str 'large'. .* functools.partial"),
    "a packed sequence": (
        lambda: shared(torch.nn.utils.rnn.pack_sequence([numbers(4, 3, grad=False)]), *arguments()[1:]),
        DTypeError,
        r"takes no PackedSequence. Give pad_packed_sequence\(xs\)\[0\]",
    ),
    "what is no function": (lambda: mg.export.torch.function(3), DTypeError, "takes a function"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_done_is_refused_by_name(what: str) -> None:
    call, error, pattern = REFUSED[what]
    with pytest.raises(error, match=pattern):
        call()
