"""The exact facts of who is "he"? and of question reading: every answer follows from the text, by a reader of its own."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from minigrad.models.tasks import babi, coreference
from minigrad.models.tasks.stories import FormatError, parse, write
from minigrad.models.tasks.texts import asked_at_the_end, flush_left, one_hot, text

quick = settings(max_examples=20, deadline=None)
FILE = """1 Mary moved to the bathroom.
2 John went to the hallway.
3 Where is Mary? \tbathroom\t1
4 Daniel's cat slept.
5 What does John carry?\tapple,milk\t2 4
1 Sandra left.
2 Where is Sandra?\tgarden\t1
"""


@quick
@given(seed=st.integers(0, 2**32), distance=st.integers(0, 8))
def test_who_is_he(seed, distance):
    inputs, targets, mask = coreference.batch(seed, 0, 6, distance=distance)
    assert mask.sum(0).tolist() == [1] * 6
    assert inputs[0].any(-1).all()
    for words, answer in zip(coreference.read(inputs), targets.T[mask.T], strict=True):
        *sentences, question = words.split(" . ")
        name, own = sentences[0].split()[0], coreference.MEN if question == "who is he ?" else coreference.WOMEN
        assert coreference.NAMES[answer] == name
        assert question in ("who is he ?", "who is she ?")
        assert len(sentences) == distance + 2
        assert sentences[-1].split()[:2] == ["then", question.split()[2]]
        assert [w for w in words.split() if w in own] == [name]
        for sentence in sentences:
            assert re.fullmatch(r"((then|the) )?\w+ \w+ (a|the) (\w+ )?\w+", sentence)


def test_guessing_a_name_of_that_sex_is_right_once_in_eight():
    inputs, targets, mask = coreference.batch(1, 0, 8000, distance=1)
    men = np.array([t.endswith("who is he ?") for t in coreference.read(inputs)])
    guess = np.broadcast_to(np.eye(16)[np.where(men, 0, 8)], (*targets.shape, 16))
    right = coreference.measures(guess, targets, mask)["accuracy"].numpy()
    assert right.mean() == pytest.approx(coreference.baselines()["chance"], abs=4 * float(right.std()) / 8000**0.5)
    assert men.mean() == pytest.approx(0.5, abs=0.03)
    others = sum(
        len(set(t.split()) & set(coreference.WOMEN if m else coreference.MEN)) for t, m in zip(coreference.read(inputs), men, strict=True)
    )
    assert others / 8000 == pytest.approx(0.25, abs=0.02)


def test_texts_begin_together_and_are_asked_at_their_last_words():
    tokens = np.array([[0, -1, 1, -1], [-1, 2, -1, -1], [-1, -1, 1, 0]])
    flush = flush_left(tokens)
    np.testing.assert_array_equal(flush, [[0, 1], [2, -1], [1, 0]])
    shown = one_hot(flush, 3)
    assert shown.shape == (2, 3, 3)
    assert not shown[1, 1].any()
    assert text(shown, ["a", "b", "c"]) == ["a b", "c", "b a"]
    targets, mask = asked_at_the_end(np.array([7, 8, 9]), flush)
    np.testing.assert_array_equal(mask, [[False, True, False], [True, False, True]])
    np.testing.assert_array_equal(targets[mask], [8, 7, 9])


def test_the_published_format_is_read():
    first, second, third = parse(FILE)
    assert " ".join(first.words) == "mary moved to the bathroom . john went to the hallway . where is mary ?"
    assert (first.answer, first.support) == ("bathroom", [1])
    assert " ".join(second.words).endswith("the hallway . daniel's cat slept . what does john carry ?")
    assert (second.answer, second.support) == ("apple,milk", [2, 4])
    assert " ".join(third.words) == "sandra left . where is sandra ?"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no questions"),
        ("1 Mary moved.\n", "no questions"),
        ("Mary moved.\n", "line 1 must begin with a number"),
        ("1 Mary moved.\n2 Where is Mary?\tbathroom\n", "line 2 must have an answer"),
        ("1 Where is Mary?\t\t1\n", "line 1 must have an answer"),
        ("1 Where is Mary?\thall\tx\n", "line 1 must have an answer"),
    ],
)
def test_what_is_not_in_the_format_is_refused(text, message):
    with pytest.raises(FormatError, match=message):
        parse(text)


def answered(lines, facts):
    """What a careful reader answers at each question, with the lines that tell it."""
    place, held, lying, found = {}, {}, {}, []
    for line in lines:
        number, words = line.split("\t")[0].rstrip(" .?").split(" ", 1)
        if int(number) == 1:
            place, held, lying = {}, {}, {}
        name = words.split()[0]
        if name == "Where":
            asked = words.split()[-1]
            if facts == 1:
                found.append((place[asked][0], [place[asked][1]]))
            else:
                by, at = held.get(asked, (None, 0))
                found.append((place[by][0], [at, place[by][1]]) if by else lying[asked])
        elif " the " in words and words.split()[-1] in ("there", "football", "milk", "apple"):
            thing = re.search(r"football|milk|apple", words)[0]
            if words.endswith("there"):
                assert thing not in held
                assert thing not in lying or lying[thing][0] == place[name][0]
                held[thing] = name, int(number)
                lying.pop(thing, None)
            else:
                assert held.pop(thing)[0] == name
                lying[thing] = place[name][0], [int(number), place[name][1]]
        else:
            assert place.get(name, ("",))[0] != words.split()[-1]
            place[name] = words.split()[-1], int(number)
    return found


@pytest.mark.parametrize("facts", [1, 2])
@quick
@given(seed=st.integers(0, 2**32))
@example(seed=28795)
def test_stories_are_in_the_format_and_their_answers_follow(seed, facts):
    written = write(seed, 4, facts)
    assert write(seed, 4, facts) == written
    lines = written.splitlines()
    expected = answered(lines, facts)
    if expected:
        assert [q[1:] for q in parse(written)] == expected
    else:  # in four stories nothing may be taken, so that the places of things are never stated
        with pytest.raises(ValueError, match="no questions"):
            parse(written)
    for before, after in zip(["0 ", *lines], [*lines, "1 "], strict=True):
        assert int(after.split()[0]) in (1, int(before.split()[0]) + 1)


def test_files_of_the_format_make_a_task(tmp_path):
    (tmp_path / "qa1_train.txt").write_text(FILE)
    (tmp_path / "qa1_test.txt").write_text("1 Zoe slept.\n2 Where is Zoe?\tattic\t1\n")
    for data in (str(tmp_path), str(tmp_path / "qa1_train.txt")):
        assert babi.sizes(data=data)[1] == 4
        inputs, targets, mask = babi.batch(0, 0, 20, data=data)
        assert set(targets[mask]) <= {0, 2, 3}
        assert inputs[0].any(-1).all()
        assert set(babi.read(inputs, data)) <= {" ".join(q.words) for q in parse(FILE)}
        assert babi.read(babi.batch(0, 0, 1, data=data, split="test")[0], data) == ["zoe slept . where is zoe ?"]
        assert babi.baselines(data=data)["chance"] == pytest.approx(1 / 3)


def test_the_full_stop_is_the_first_word_whatever_the_words_are(tmp_path):
    for split in ("train", "test"):
        (tmp_path / f"qa1_{split}.txt").write_text("1 'Twas -ish Zoe.\n2 Where is Zoe?\tattic\t1\n")
    assert babi._corpus(str(tmp_path), 1, "train").vocabulary[0] == "."


def test_folders_without_such_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no file \*_train.txt"):
        babi.sizes(data=str(tmp_path))
    (tmp_path / "qa1_train.txt").write_text("nonsense")
    with pytest.raises(ValueError, match=r"qa1_train.txt: line 1 must begin with a number"):
        babi.sizes(data=str(tmp_path))
    (tmp_path / "stories.txt").write_text(FILE)
    with pytest.raises(ValueError, match=r"stories.txt': the file is called …_train.txt"):
        babi.sizes(data=str(tmp_path / "stories.txt"))
    with pytest.raises(OSError, match="nowhere"):
        babi.sizes(data=str(tmp_path / "nowhere.txt"))


def test_made_up_stories_differ_between_splits():
    train, test = (set(babi.read(babi.batch(0, 0, 2000, split=s)[0])) for s in ("train", "test"))
    assert len(test - train) > 0.9 * len(test)
    with pytest.raises(ValueError, match="facts=3"):
        babi.sizes(facts=3)
