"""The end-to-end memory network: sentences, hops and tying as in the paper, in plain NumPy and PyTorch; what it remembers."""

from __future__ import annotations

import numpy as np
import pytest
from minigrad.models import MemN2N
from minigrad.models.memn2n import encoded
from minigrad.models.tasks import babi, coreference

import minigrad as mg
from minigrad.errors import SettingError
from minigrad.experiments.presets import PRESETS

rng = np.random.default_rng(0)
STOP, WORDS = 0, 6


def texts(*rows):
    """One-hot inputs (T, batch, WORDS) of texts of one length; 0 is the separator."""
    return np.eye(WORDS)[np.array(rows).T]


def code(J, d):
    """l_kj as (J, d), eq. of §4.1."""
    j, k = np.arange(1, J + 1)[:, None], np.arange(1, d + 1)
    return (1 - j / J) - (k / d) * (1 - 2 * j / J)


def model(hops=2, sentences=4, **settings):
    made = MemN2N(WORDS, 5, 3, hops, sentences, dtype="float64", **{"separator": STOP, **settings})
    return mg.tree.map(lambda p: mg.parameter(rng.normal(0, 0.7, p.shape)), made)


@pytest.mark.parametrize("J", [1, 2, 7])
def test_the_position_code_of_a_sentence_from_two_sums(J):
    """Its mean over the words and numbers of a sentence is ½; the sum of the words and that of the words times their places suffice."""
    e = rng.standard_normal((J, 1, 5))
    places = np.arange(1, J + 1)[:, None, None]
    found = encoded(mg.tensor(e.sum(0)), mg.tensor((places * e).sum(0)), mg.tensor([float(J)], "float64"))
    np.testing.assert_allclose(found.numpy()[0], (code(J, 5) * e[:, 0]).sum(0), rtol=1e-12, atol=1e-12)
    J, d = 7, 40
    assert code(J, d).mean() == pytest.approx(0.5, abs=0.5 / J)
    published = 1 + 4 * (np.arange(1, d + 1) - (d + 1) / 2) * (np.arange(1, J + 1)[:, None] - (J + 1) / 2) / (d * J)  # the authors' program
    assert published.mean() == pytest.approx(1)


def answered(m, story, question):
    """The equations of the paper, for sentences as lists of words."""
    E, T = m.E.numpy().reshape(WORDS, m.hops + 1, 5), m.T.numpy()

    def embed(words, n):
        return (code(len(words), 5) * E[words, n]).sum(0) if words else np.zeros(5)

    u = embed(question, 0)
    story = story[::-1][: m.sentences]
    for n in range(m.hops):
        memories = np.array([embed(s, n) + T[n, i] for i, s in enumerate(story)]).reshape(-1, 5)
        outputs = np.array([embed(s, n + 1) + T[n + 1, i] for i, s in enumerate(story)]).reshape(-1, 5)
        scores = memories @ u
        p = scores if m.linear else np.exp(scores - scores.max(initial=0)) / np.exp(scores - scores.max(initial=0)).sum()
        u = u + p @ outputs
    return u @ m.readout.W.numpy() + m.readout.b.numpy()


@pytest.mark.parametrize("linear", [False, True])
def test_stories_against_the_equations(linear):
    m = model(linear=linear)
    rows = [1, 2, 3, 0, 4, 5, 0, 2, 0, 1, 1, 0, 5, 4, 3, 0, 2, 3], [5, 0, 1, 0, 3, 2, 1, 0, 0, 4, 0, 1, 2, 2, 3, 4, 5, 1]
    ys = m(texts(*rows)).numpy()
    for b, row in enumerate(rows):
        story, sentence = [], []
        for t, word in enumerate(row):
            if word != STOP:
                sentence = [*sentence, word]
            np.testing.assert_allclose(ys[t, b], answered(m, story, sentence), rtol=1e-10, atol=1e-10)
            if word == STOP:
                story, sentence = [*story, sentence], []


def test_without_a_separator_every_step_is_a_sentence():
    m = model(hops=1, separator=-1)
    row = [1, 0, 3, 3, 5, 2]
    ys = m(texts(row)).numpy()
    for t, word in enumerate(row):
        np.testing.assert_allclose(ys[t, 0], answered(m, [[w] for w in row[:t]], [word]), rtol=1e-10, atol=1e-10)


def test_what_is_beyond_the_memory_is_forgotten():
    """The gradient to a sentence before the last `sentences` is exactly 0; what is remembered it reaches."""
    m, xs = model(sentences=2), texts([1, 2, 0, 3, 4, 0, 2, 5, 0, 1, 3])
    found = mg.grad(lambda xs: mg.sum(m(xs)[-1]))(xs).numpy()[:, 0]
    assert not found[:3].any()
    assert found[[3, 4, 6, 7, 9, 10]].any(1).all()


def test_the_tasks_of_texts_name_their_full_stop():
    for task, words in (("babi", babi._corpus("", 1, "train").vocabulary), ("coreference", coreference.WORDS)):
        assert words[PRESETS[task]["separator"]] == "."


def test_gradients_against_pytorch():
    """The last answer to a story of three sentences, by PyTorch from the equations."""
    torch = pytest.importorskip("torch")
    m, row, d = model(), [1, 2, 3, 0, 4, 5, 0, 2, 1, 0, 5, 1], 5
    leaves = {"E": m.E, "T": m.T, "W": m.readout.W, "b": m.readout.b}
    p = {n: torch.tensor(x.numpy(), requires_grad=True) for n, x in leaves.items()}
    E = p["E"].reshape(WORDS, 3, d)

    def embed(words, n):
        return (torch.tensor(code(len(words), d)) * E[words, n]).sum(0)

    story, u = [[2, 1], [4, 5], [1, 2, 3]], embed([5, 1], 0)
    for n in range(2):
        memories = torch.stack([embed(s, n) + p["T"][n, i] for i, s in enumerate(story)])
        outputs = torch.stack([embed(s, n + 1) + p["T"][n + 1, i] for i, s in enumerate(story)])
        u = u + torch.softmax(memories @ u, 0) @ outputs
    torch.sin(u @ p["W"] + p["b"]).sum().backward()
    grads = mg.grad(lambda m: mg.sum(mg.sin(m(texts(row))[-1])))(m)
    for name, g in {"E": grads.E, "T": grads.T, "W": grads.readout.W, "b": grads.readout.b}.items():
        np.testing.assert_allclose(g.numpy(), p[name].grad.numpy(), rtol=1e-10, atol=1e-12, err_msg=name)


def test_a_separator_that_is_no_input_is_refused_by_name():
    with pytest.raises(SettingError, match="separator=6 is none of the 6 inputs"):
        MemN2N(6, 5, 3, separator=6)
