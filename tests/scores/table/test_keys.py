"""A clip is known again by its name and label, however it is reached, and not taken for another."""

import numpy as np
import pytest

from facevoice.errors import InvalidInputError
from facevoice.scores.table.keys import are_among, as_texts, distinct_keys, from_texts, keys_of


def test_a_key_is_the_name_without_folder_and_suffix_and_the_label() -> None:
    same = ["03-01", "a/03-01.wav", "b\\c\\03-01.flac", "corpus/03-01.mp4"]
    assert len(set(keys_of(same, ["sad"] * 4).tolist())) == 1
    others = keys_of(["03-01", "03-01", "03-02"], ["sad", "happy", "sad"])
    assert len(set(others.tolist())) == 3


def test_folders_belong_to_the_name_where_they_tell_clips_apart() -> None:
    names = ["ann/01.mp4", "bob/01.mp4", "bob/02.mp4", "bob/01.mp4"]
    labels = ["happy", "happy", "happy", "sad"]
    learnt = distinct_keys(names, labels)[[0, 2]]
    assert are_among(names, labels, learnt).tolist() == [True, False, True, False]
    routes = ["/data/ann/01.wav", "mine/ann/01", "cleo/01.mp4", "elsewhere/02.mkv"]
    assert are_among(routes, ["happy"] * 4, learnt).tolist() == [True, True, False, True]


def test_clips_that_nothing_tells_apart_share_a_key() -> None:
    deep = [f"{top}/a/b/c/d/01.mp4" for top in ("x", "y")]
    first, second = distinct_keys(deep, ["sad", "sad"]).tolist()
    assert first == second
    assert are_among(deep, ["sad", "sad"], np.array([first], np.uint64)).all()
    assert distinct_keys([], []).shape == (0,)


def test_texts_are_no_numbers_and_lead_back() -> None:
    keys = keys_of([str(number) for number in range(200)], ["sad"] * 200)
    texts = as_texts(keys)
    assert all(text[0] == "k" and len(text) == 17 for text in texts.tolist())
    assert from_texts([*texts.tolist(), ""]).tolist() == keys.tolist()
    with pytest.raises(InvalidInputError, match="key is damaged"):
        from_texts(["nonsense"])
