"""The chapters run and show what they tell of; those that train here do so for a few steps only."""

import importlib
import xml.etree.ElementTree as ET

import pytest

pytest.importorskip("matplotlib")

CHAPTERS = ["1_loop", "2_vanishing", "3_lstm", "4_attention", "5_ntm", "6_one_shot", "7_source"]
TRAINED = {"3_lstm", "4_attention", "5_ntm", "6_one_shot"}


def chapter(name):
    return importlib.import_module(f"examples.chapters.{name}")


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_ends_with_its_picture(name, tmp_path, capsys):
    chapter(name).main(str(tmp_path), *([4] if name in TRAINED else []))
    picture = tmp_path / f"{name}.svg"
    assert ET.parse(picture).getroot().tag.endswith("svg")
    assert f"Look at {picture}" in capsys.readouterr().out


def test_the_loop_and_its_unfolding_are_one_function():
    loop = chapter("1_loop")
    assert loop.written_out(loop.XS).item() == pytest.approx(loop.looped(loop.XS).item(), rel=1e-6)


def test_gradients_vanish_below_one_and_explode_above():
    vanishing = chapter("2_vanishing")
    small, one, large = (vanishing.reach(vanishing.network(scale)) for scale in (0.7, 1.0, 1.3))
    assert small < 1e-5 < 1e-2 < one < 1 < large


def test_the_parts_are_the_model(tmp_path):
    assert chapter("7_source").main(str(tmp_path)) < 1e-6


@pytest.mark.slow
def test_memory_lasts_where_the_chapters_say_so(tmp_path):
    lags = chapter("3_lstm").main(str(tmp_path))
    assert min(lags["lstm"]) > 0.95 > 0.6 > max(lags["rnn"])
    assert min(chapter("4_attention").main(str(tmp_path))["attention"]) > 0.9
    assert max(chapter("5_ntm").main(str(tmp_path))) < 1
    shots = chapter("6_one_shot").main(str(tmp_path))["mann"]
    assert shots[1] > shots[0] + 0.2
