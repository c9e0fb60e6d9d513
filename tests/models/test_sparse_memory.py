"""SAM against its dense form in PyTorch, whose memory is rewritten whole at each step; which rows a step touches; memory over time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minigrad.models import SAM
from minigrad.models.sparse_memory import ACCESS

import minigrad as mg
from minigrad.errors import SettingError
from tests.counting import working_memory

torch = pytest.importorskip("torch")
XS = np.random.default_rng(2).standard_normal((8, 2, 3))


def made(**settings: Any) -> SAM:
    return SAM(3, 2, **{"hidden": 5, "memory": (7, 4), "heads": 2, "nearest": 3, "dtype": "float64", **settings})


def dense(model: SAM, p: dict[str, Any], xs: Any) -> Any:
    """Outputs, the last memory and the last accesses by eqs. 1 to 6 of Rae et al. 2016 with weightings over all slots, of which a read
    keeps the K best: (T, batch, outputs), (batch, slots, width), (batch, slots)."""
    (N, W), H, batch = model.memory, model.head_count, xs.shape[1]
    h = c = xs.new_zeros(batch, 5)
    M, r, w_read = xs.new_full((batch, N, W), 1e-6), xs.new_zeros(batch, H, W), xs.new_zeros(batch, H, N)
    accessed, ys = torch.zeros(batch, N, dtype=torch.int64), []
    for t, x in enumerate(xs, 1):
        z = x @ p["controller.W_x"] + torch.cat([r.reshape(batch, H * W), h], -1) @ p["controller.W_h"] + p["controller.b"]
        i, f, g, o = z.chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        q, beta, a, alpha, gamma = (h @ p["heads.W"] + p["heads.b"]).reshape(batch, H, -1).split([W, 1, W, 1, 1], -1)
        least = torch.nn.functional.one_hot(accessed.argsort(dim=-1, stable=True)[:, :H], N).to(xs.dtype)
        w_write = alpha.sigmoid() * (gamma.sigmoid() * w_read + (1 - gamma.sigmoid()) * least)
        M = M * (1 - least.sum(1)[..., None]) + w_write.mT @ a.tanh()
        q, beta = q.tanh(), 1 + torch.nn.functional.softplus(beta)
        K = q @ M.mT / ((q * q).sum(-1)[..., None] * (M * M).sum(-1)[:, None] + 1e-8).sqrt()
        best = torch.zeros_like(K).scatter(-1, K.detach().argsort(dim=-1, descending=True, stable=True)[..., : model.nearest], 1.0)
        w_read = (beta * K).masked_fill(best == 0, -torch.inf).softmax(-1)
        r = w_read @ M
        touched = ((w_write > ACCESS) | (w_read > ACCESS)).any(1)
        accessed = torch.where(touched, t, accessed)
        ys.append(torch.cat([h, r.reshape(batch, H * W)], -1) @ p["readout.W"] + p["readout.b"])
    return torch.stack(ys), M, accessed


CASES: dict[str, dict[str, Any]] = {
    "few rows": {},
    "one head": {"heads": 1, "nearest": 1},
    "all rows": {"nearest": 7},
}


@pytest.mark.parametrize("case", CASES)
def test_it_equals_the_dense_form_whose_reads_keep_the_best(case: str, rotational: Any) -> None:
    """Values, the memory and all gradients. With as many rows as there are slots nothing is left out."""
    model = rotational(made(**CASES[case]), gain=1.5)
    leaves, treedef = mg.tree.flatten(model)
    p = {name: torch.tensor(leaf.numpy(), requires_grad=True) for name, leaf in zip(mg.io.names(treedef), leaves, strict=True)}
    ct = np.random.default_rng(3).standard_normal((8, 2, 2))
    expected, M, accessed = dense(model, p, torch.tensor(XS))
    (expected * torch.tensor(ct)).sum().backward()

    def loss(model: SAM, xs: Any) -> Any:
        ys, last = model.run(xs)
        return mg.sum(ys * ct), (ys, last)

    for f in (mg.value_and_grad(loss, has_aux=True), mg.jit(mg.value_and_grad(loss, has_aux=True))):
        (_, (ys, last)), grads = f(model, XS)
        np.testing.assert_allclose(ys.numpy(), expected.detach(), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(last.M.numpy(), M.detach(), rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(last.accessed.numpy(), accessed)
        for name, g in zip(mg.io.names(treedef), mg.tree.leaves(grads), strict=True):
            np.testing.assert_allclose(g.numpy(), p[name].grad, rtol=1e-9, atol=1e-12, err_msg=name)


def test_a_memory_rolled_back_by_the_rows_that_changed_is_the_first_one(rotational: Any) -> None:
    """A step changes the rows read before it and the least recently accessed ones, so that these alone bring the first memory back."""
    model = rotational(made(memory=(30, 4)), gain=1.5)
    state, changes = model.initial_state(2), []
    first, batch = state.M.numpy(), np.arange(2)[:, None]
    for x in XS:
        least = np.argsort(state.accessed.numpy(), stable=True)[:, : model.head_count]
        rows = np.concatenate([state.rows.numpy().reshape(2, -1), least], -1)
        changes.append((rows, state.M.numpy()[batch, rows]))
        state, _ = model.step(state, mg.tensor(x))
    M = state.M.numpy().copy()
    assert (first != M).any()
    for rows, old in reversed(changes):
        M[batch, rows] = old
    np.testing.assert_array_equal(M, first)


def test_training_keeps_one_memory_however_many_steps_there_are() -> None:
    """With its gradient, it keeps a few numbers for each slot, and for each step what does not depend on the slots."""

    used = {}
    for slots in (2**10, 2**11):
        fast = mg.jit(mg.value_and_grad(lambda model, xs: mg.mean(model(xs) ** 2)))
        fast(SAM(3, 2, hidden=5, memory=(slots, 32)), np.ones((2, 1, 3), "float32"))
        used |= {(slots, T): working_memory(fast, T, 1) for T in (2, 100, 1000)}
    assert used[2**11, 2] - used[2**10, 2] < 1.5 * (2**10 * 32 * 4)
    for T in (100, 1000):
        assert used[2**11, T] - used[2**11, 2] == used[2**10, T] - used[2**10, 2] < 3000 * T


def test_a_mask_needs_no_second_memory() -> None:
    fast = mg.jit(mg.value_and_grad(lambda model, xs, mask: mg.mean(model(xs, mask=mask) ** 2)))
    slots, mask = 2**11, np.array([[True], [True], [False]])
    fast(SAM(3, 2, hidden=5, memory=(slots, 32)), np.ones((3, 1, 3), "float32"), mask)
    assert working_memory(fast) < 1.5 * (slots * 32 * 4)


def test_what_it_reads_and_writes_fits_the_memory() -> None:
    with pytest.raises(SettingError, match="heads=2 and nearest=8, but the memory has only 7 slots"):
        made(nearest=8)
