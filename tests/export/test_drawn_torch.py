"""Programs of torch.export in drawings: values and gradients are PyTorch's, a Python loop is time, modules are scopes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import viz
from minigrad.export.steps import Operation, steps
from minigrad.origin import Scope
from minigrad.passes.reroll.lines import Frame
from minigrad.tensor import inline
from minigrad.transforms.interpret import run

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional
XS = torch.arange(24.0).reshape(4, 2, 3) / 10 - 1


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.U, self.V = nn.Linear(3, 16), nn.Linear(4, 16, bias=False)

    def forward(self, xs: Any) -> Any:
        h = c = torch.zeros(2, 4)
        for x in xs:
            i, f, g, o = (self.U(x) + self.V(h)).chunk(4, 1)
            i = torch.sigmoid(i)
            f = torch.sigmoid(f)
            g = torch.tanh(g)
            o = torch.sigmoid(o)
            c = f * c + i * g
            h = o * torch.tanh(c)
        return h.mean()


class Everything(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.layers = nn.LayerNorm(3), nn.Sequential(*(layer for _ in range(3) for layer in (nn.Linear(3, 3), nn.ReLU())))
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Any) -> Any:
        self.count.add_(1)
        y = self.layers(self.norm(x))
        y[0] = -1
        y = y.sin() + y.cos()
        a, b = y.transpose(1, 2).split([1, 2], 1)
        moved = torch.cat([a, b], 1).permute(0, 2, 1)[..., ::2].unsqueeze(0).expand(2, *y.shape[:2], 2).flatten(1)
        whole = (x * 10).to(torch.int64)
        mixed = torch.where(whole > 0.5, whole, whole - 1).sum() / 2 + (y.max(-1).values ** 2).abs().sqrt().amax([0])
        last = torch.add(x, y, alpha=2).narrow(1, 1, 1).squeeze(1) @ torch.full((3, 3), 0.5)
        return moved.sum(1, keepdim=True) - mixed, torch.softmax(last, -1).mean(0) + (-y).exp().log() + self.count


def exported(module: Any, *args: Any, **options: Any) -> Any:
    return torch.export.export(module, args, **options)


def labels(drawing: viz.Drawing) -> list[str]:
    return [s.label for p in drawing.scene.placed for s in p.part.shapes if s.label]


def test_a_program_computes_what_pytorch_does_and_says_which_sizes_are_an_example() -> None:
    batch = torch.export.Dim("batch", min=2, max=9)
    program = exported(Everything(), XS, dynamic_shapes=({0: batch},))
    found = run(mg.export.torch.graph(program), mg.export.torch.leaves(program, ()))
    for a, b in zip(found[1:], program.module()(XS), strict=True):
        np.testing.assert_allclose(a, b.detach(), rtol=1e-5, atol=1e-6)
    drawing = viz.unrolled(program)
    assert {"linear", "layer_norm", "softmax", "select_scatter", "relu"} <= {*labels(drawing)}
    assert "sizes that are free are drawn as: " in drawing.notes[-1]


def test_an_operation_of_pytorch_has_its_gradient() -> None:
    class Product(nn.Module):
        def forward(self, x: Any, y: Any) -> Any:
            return (F.gelu(x).cumsum(0) * torch.lgamma(y * y + 1)).sum()

    program = exported(Product(), XS, XS + 1)
    found = mg.grad(lambda *xs: inline(mg.export.torch.graph(program), xs)[0], argnums=(0, 1))(XS.numpy(), XS.numpy() + 1)
    given = [XS.clone().requires_grad_(), (XS + 1).requires_grad_()]
    for a, b in zip(found, torch.autograd.grad(Product()(*given), given), strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-5)


def test_an_lstm_that_python_writes_out_is_a_textbook_cell_over_time() -> None:
    program = exported(Recurrent(), XS)
    graph = mg.export.torch.graph(program)
    assert [p.name for p in graph.params] == ["self.U.weight", "self.U.bias", "self.V.weight", "xs"]
    assert {n.origin.scope for n in graph.nodes if n.op.name == "torch.linear"} == {f"Recurrent[{t}]/{m}" for t in range(4) for m in "UV"}
    (first, *_) = (n for n in graph.nodes if n.op.name == "tanh")
    assert "g = torch.tanh(g)" in first.origin.describe()
    drawing = viz.unrolled(program, level="cell", color="grad")
    assert labels(drawing).count("σ") == 12
    assert {"c₋₁ = 0", "h₋₁ = 0", "U.weight (16×3)"} <= {*labels(drawing)}
    assert labels(viz.rolled(program, level="op")).count("σ") == 3


def loop(reads: Any, *, step: int = 3, times: int = 3, at: int = 10) -> list[Operation]:
    """A loop of `times` steps of `step` operations, each of a line of its own."""
    frames = [(Frame("f", "f", at + k, at + k),) for k in range(step)]
    return [Operation(f"op{k}", frames[k], reads(t * step + k, t, k)) for t in range(times) for k in range(step)]


def test_what_repeats_with_the_same_weights_is_time() -> None:
    found = steps(loop(lambda i, t, k: [i - 1, "W"] if i else ["W"]))
    assert found == {i: Scope("f", i // 3) for i in range(9)}


def test_a_first_step_with_fewer_operations_is_a_step() -> None:
    found = steps(loop(lambda i, t, k: [i - 2, "W"] if i > 1 else ["W"])[1:])
    assert [found[i].step for i in range(8)] == [0, 0, 1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    "reads",
    [
        pytest.param(lambda i, t, k: [i - 1, ("W", i)] if i else [("W", i)], id="layers with weights of their own"),
        pytest.param(lambda i, t, k: [i - 1, "W"] if k else ["W"], id="steps that read nothing of the one before"),
        pytest.param(lambda i, t, k: ["W"] if k or not i else [i - 1, "W"], id="steps that hand on nothing that they were given"),
    ],
)
def test_other_repetition_is_no_time(reads: Any) -> None:
    assert steps(loop(reads)) == {}
