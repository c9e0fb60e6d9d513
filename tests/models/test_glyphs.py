"""The exact facts of one-shot episodes, of the drawings they show, and that a small network learns from them."""

from __future__ import annotations

import zipfile
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minigrad.models import MANN
from minigrad.models.tasks import glyphs
from minigrad.models.tasks.glyphs_data import FINE, read, smoothed, view
from minigrad.models.tasks.strokes import ALPHABETS, CHARACTERS, DRAWERS, alphabets

import minigrad as mg

ONE = {"test": ALPHABETS[1:]}  # trains on one alphabet, so that few are drawn
STILL = {"blur": 0.0, "turn": 0.0, "shift": 0.0, "warp": 0.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Omniglot's layout: 3 alphabets of 4 characters of 6 drawings, each a grey of its own: 10 · its number below white."""
    from PIL import Image

    root = tmp_path_factory.mktemp("drawings") / "images"
    for i in range(72):
        path = root / f"alphabet{i // 24}" / f"character{i // 6 % 4}" / f"{i:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((30, 30), 252 - 3 * i, np.uint8)).save(path)
    return root


def numbers(inputs, size):
    """Which of the folder's drawings each image is, by the grey of its middle: (T, batch)."""
    grey = inputs[..., : size * size].reshape(*inputs.shape[:2], size, size)[..., size // 2, size // 2]
    return np.rint(grey * 72).astype(int) - 1


# ---- episodes


@settings(max_examples=20)
@given(ways=st.integers(2, 8), shots=st.integers(1, 12), labels=st.sampled_from(["one-hot", "strings"]), seed=st.integers(0, 9))
def test_every_class_comes_as_often_and_keeps_its_label(ways, shots, labels, seed):
    inputs, targets, mask = glyphs.batch(seed, 3, 4, ways, shots, labels, size=6, **ONE)
    width, outputs = glyphs.sizes(ways, labels, 6)
    assert inputs.shape == (ways * shots, 4, width)
    assert targets.shape[2:] == ((ways,) if labels == "one-hot" else (5, 5))
    assert (inputs.dtype, targets.dtype, mask.dtype) == (np.float32, np.float32, bool)
    assert mask.all()
    assert (targets.sum(-1) == 1).all()
    flat = targets.reshape(*mask.shape, outputs)
    np.testing.assert_array_equal(inputs[1:, :, 36:], flat[:-1])
    assert not inputs[0, :, 36:].any()
    for b in range(4):
        names, counts = np.unique(flat[:, b], axis=0, return_counts=True)
        assert len(names) == ways
        assert (counts == shots).all()
        nth = glyphs.presentation(targets).numpy()[:, b]
        for name in names:
            assert nth[(flat[:, b] == name).all(-1)].tolist() == list(range(1, shots + 1))


def test_a_label_is_of_one_character_and_dealt_anew(folder):
    dealt = set()
    for step in range(10):
        inputs, targets, _ = glyphs.batch(0, step, 3, 4, 6, data=(str(folder),), test=("alphabet2",), size=4, **STILL)
        drawn, label = numbers(inputs, 4), targets.argmax(-1)
        for b in range(3):
            pairs = set(zip(drawn[:, b] // 6, label[:, b], strict=True))
            assert len(pairs) == len({c for c, _ in pairs}) == len({name for _, name in pairs}) == 4
            assert len(set(drawn[:, b])) == 24  # no drawing twice
            dealt |= pairs
    assert len(dealt) == 8 * 4  # each of the 8 characters under every label


def test_training_and_test_alphabets_are_apart(folder):
    shown = {}
    for split in ("train", "test"):
        found = [glyphs.batch(0, n, 9, 4, 6, data=(str(folder),), test=("alphabet1",), split=split, size=4, **STILL) for n in range(9)]
        shown[split] = {n // 24 for inputs, _, _ in found for n in numbers(inputs, 4).ravel()}
    assert shown == {"train": {0, 2}, "test": {1}}
    assert glyphs.harder() == {"split": "test", "turn": 0, "shift": 0}


def test_pure_function_of_seed_and_step():
    first, same, later, other = (glyphs.batch(*at, 2, size=6, **ONE)[0] for at in ((5, 7), (5, 7), (5, 8), (6, 7)))
    np.testing.assert_array_equal(first, same)
    assert (first != later).any()
    assert (first != other).any()
    order = glyphs.batch(0, 0, 1, size=6, **ONE)[1].argmax(-1)[:12, 0].tolist()
    assert order == [0, 2, 3, 1, 1, 3, 3, 0, 3, 0, 1, 2]  # must never change: results are quoted by seed


def test_easy_episodes_show_one_drawing_of_a_class_and_become_rare():
    def differences(step, easy):
        inputs, targets, _ = glyphs.batch(0, step, 40, shots=3, size=6, easy=easy, **ONE, **STILL)
        images, label = inputs[..., :36].swapaxes(0, 1), targets.argmax(-1).T
        return [np.ptp(x[y == 0], axis=0).max() > 0 for x, y in zip(images, label, strict=True)]

    assert sum(differences(0, 100)) == 0
    assert [len(glyphs.batch(0, n, 1, size=6, easy=80, **ONE)[0]) for n in (0, 40, 80)] == [25, 35, 50]
    assert 10 <= sum(differences(50, 100)) <= 30
    assert sum(differences(100, 100)) == sum(differences(0, 0)) == 40
    tests = [glyphs.batch(0, 0, 2, easy=n, split="test", size=6, test=ALPHABETS[:1])[0] for n in (0, 100)]
    np.testing.assert_array_equal(*tests)


def test_too_little_to_draw_from_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="ways=5 and shots=6, but the alphabets to test have 4 characters of 6 drawings"):
        glyphs.batch(0, 0, 1, 5, 6, data=(str(folder),), test=("alphabet1",), split="test")
    with pytest.raises(ValueError, match="shots=7"):
        glyphs.batch(0, 0, 1, 4, 7, data=(str(folder),), test=("alphabet1",))
    with pytest.raises(ValueError, match="no alphabet Klingon to test on: there are alphabet0, alphabet1, alphabet2"):
        glyphs.batch(0, 0, 1, data=(str(folder),), test=("Klingon",))
    with pytest.raises(ValueError, match="no alphabet runes: there are strokes00 … strokes19"):
        glyphs.batch(0, 0, 1, test=("runes",), split="test")
    with pytest.raises(FileNotFoundError, match="nothing is neither a folder nor a zip"):
        glyphs.batch(0, 0, 1, data=(str(tmp_path / "nothing"),))
    with pytest.raises(ValueError, match=r"no drawings; they are expected as alphabet/character/name\.png"):
        glyphs.batch(0, 0, 1, data=(str(tmp_path),))


# ---- drawings


def test_a_zip_is_read_as_its_folder_and_both_as_one(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in sorted(folder.rglob("*.png"), reverse=True):
            archive.write(file, file.relative_to(folder.parent))
    found = [read(paths, 5) for paths in ((str(folder),), (str(tmp_path / "set.zip"),), (str(folder), str(tmp_path / "set.zip")))]
    for other in found:
        np.testing.assert_array_equal(other.images, found[0].images)
        assert other.alphabet == tuple(f"alphabet{i}" for i in range(3) for _ in range(4))
        assert other.first.tolist() == list(range(0, 72, 6))
        assert other.count.tolist() == [6] * 12
    assert found[0].images.shape == (72, 5 * FINE, 5 * FINE)


def test_views():
    rng = np.random.default_rng(0)
    coarse = np.zeros((2, 6, 6), np.uint8)
    coarse[:, 1:-1, 1:-1] = rng.integers(0, 256, (2, 4, 4))
    images, which = coarse.repeat(FINE, 1).repeat(FINE, 2), np.array([1, 0, 1])

    def seen(rows):
        return np.rint(view(images, which, 6, np.tile(np.array(rows), (3, 1, 1))) * 255)

    np.testing.assert_array_equal(seen([[1, 0, 0], [0, 1, 0]]), coarse[which])
    np.testing.assert_array_equal(seen([[0, 1, 0], [-1, 0, 0]]), np.rot90(coarse[which], -1, (1, 2)))
    np.testing.assert_array_equal(seen([[-1, 0, 0], [0, 1, 0]]), coarse[which][:, :, ::-1])
    moved = seen([[1, 0, 2 / 6], [0, 1, 0]])  # a place shows what lies one pixel to its right
    np.testing.assert_array_equal(moved[:, :, :-1], coarse[which][:, :, 1:])
    assert not seen([[1, 0, 9], [0, 1, 0]]).any()


@pytest.mark.parametrize("pixels", [0.5, 1, 2])
def test_smoothing_brings_neighbours_together_and_keeps_strokes_dark(pixels):
    strokes = np.zeros((2, 40, 40), np.float32)
    strokes[0, :, 20] = strokes[1, :, 21] = 1
    found = smoothed(strokes, pixels)
    assert found[0, 20, 20] == found.max() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(found[0, 20], np.exp(-(((np.arange(40) - 20) / pixels) ** 2) / 2), atol=1e-5)
    assert np.square(found[0] - found[1]).sum() < 0.9 * np.square(found).sum()
    np.testing.assert_array_equal(smoothed(strokes, 0), strokes)


def test_synthetic_alphabets():
    found = alphabets(ALPHABETS[:2], 8)
    assert found.images.shape == (2 * CHARACTERS * DRAWERS, 24, 24)
    assert found.count.tolist() == [DRAWERS] * 2 * CHARACTERS
    np.testing.assert_array_equal(found.images[CHARACTERS * DRAWERS :], alphabets(ALPHABETS[1:2], 8).images)
    ink = (found.images > 100).mean((1, 2))
    assert ink.min() > 0.005
    assert ink.max() < 0.4
    assert len(np.unique(found.images, axis=0)) == len(found.images)


# ---- measures and baselines


def test_measures():
    _, targets, mask = glyphs.batch(0, 0, 3, shots=4, size=6, **ONE)
    nth = glyphs.presentation(targets).numpy()
    logits = np.where((nth >= 2)[..., None], 50 * targets, 50 * np.roll(targets, 1, -1))
    found = {k: v.numpy() for k, v in glyphs.measures(logits, targets, mask).items()}
    assert list(found) == ["accuracy", "accuracy@1", "accuracy@2", "accuracy@5", "accuracy@10", "nats"]
    assert found["accuracy"] == pytest.approx([0.75] * 3)
    assert found["accuracy@1"].tolist() == [0] * 3
    assert found["accuracy@2"].tolist() == [1] * 3
    assert np.isnan(found["accuracy@5"]).all()
    assert found["nats"] == pytest.approx([50 / 4] * 3)
    assert float(glyphs.loss(np.zeros_like(targets), targets, mask)) == pytest.approx(20 * np.log(5))
    compiled = mg.jit(glyphs.measures)(logits, targets, mask)
    assert all(compiled[k].numpy() == pytest.approx(v, nan_ok=True) for k, v in found.items())


def test_a_string_is_right_when_all_its_letters_are():
    _, targets, mask = glyphs.batch(0, 0, 2, 15, 2, "strings", size=6, **ONE)
    logits = targets.reshape(30, 2, 25).copy()
    assert glyphs.measures(logits, targets, mask)["accuracy"].tolist() == [1, 1]
    logits[:15, 0, :5] = np.roll(logits[:15, 0, :5], 1, -1)
    assert glyphs.measures(logits, targets, mask)["accuracy"].tolist() == [0.5, 1]
    assert float(glyphs.loss(0 * logits, targets, mask)) == pytest.approx(30 * 5 * np.log(5))


@pytest.mark.parametrize("ways", [5, 15])
def test_the_first_drawing_is_guessed_among_the_labels_left(ways):
    _, targets, _ = glyphs.batch(0, 0, 3, ways, 3, size=6, **ONE)
    nth, chances = glyphs.presentation(targets).numpy(), []
    for b in range(3):
        taken = 0
        for t in np.flatnonzero(nth[:, b] == 1):
            chances.append(Fraction(1, ways - taken))
            taken += len({targets[t, b].argmax()})
    assert glyphs.first_guess(ways) == pytest.approx(float(sum(chances) / len(chances)))
    assert glyphs.first_guess(ways) == pytest.approx({5: 0.4567, 15: 0.2212}[ways], abs=1e-4)
    assert glyphs.baselines(ways, 3)["optimum"] == pytest.approx((2 + glyphs.first_guess(ways)) / 3)


def test_nearest_neighbour_is_above_chance_and_below_knowing():
    inputs, targets, mask = glyphs.batch(0, 0, 40, test=ALPHABETS[:2], **{**glyphs.harder()})
    found = {k: float(np.mean(v.numpy())) for k, v in glyphs.measures(glyphs.nearest(inputs, targets), targets, mask).items()}
    assert found["accuracy@1"] < 0.2
    assert 0.35 < found["accuracy@2"] < found["accuracy@5"] < found["accuracy@10"] < 0.95


def test_a_small_mann_learns_to_recognize():
    """One drawing of two characters each, shown twice: the second time it is right more often than the ideal first guess, 3/4."""
    task = {"ways": 2, "shots": 2, "size": 6, "easy": 10**9, **ONE}
    optimizer = mg.optim.Adam(2e-2, clip_norm=10)
    model = MANN(*glyphs.sizes(**task), hidden=32, memory=(8, 8), heads=1, strength=True)
    state = optimizer.init(model)

    @mg.jit
    def step(model, state, inputs, *rest):
        grads = mg.grad(lambda m: glyphs.loss(m(inputs), *rest))(model)
        return optimizer.update(model, grads, state)

    for n in range(1000):
        model, state = step(model, state, *glyphs.batch(0, n, 16, **task))
    inputs, *rest = glyphs.batch(1, 0, 500, **task)
    found = {k: float(np.mean(v.numpy())) for k, v in glyphs.measures(model(inputs), *rest).items()}
    assert found["accuracy@1"] < glyphs.first_guess(2) + 0.05
    assert found["accuracy@2"] > 0.85
