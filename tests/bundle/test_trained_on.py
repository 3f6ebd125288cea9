"""Samples that taught a bundle are known again, whatever they are called around their name."""

import numpy as np
import pytest

from facevoice.bundle.trained_on import TRAINED_ON, keys_of, known, read_keys, write_keys
from facevoice.errors import BundleError


def test_a_key_is_the_name_without_folder_and_suffix_and_the_label() -> None:
    same = ["03-01", "a/03-01.wav", "b\\c\\03-01.flac", "corpus/03-01.mp4"]
    assert len(set(keys_of(same, ["sad"] * 4).tolist())) == 1
    others = keys_of(["03-01", "03-01", "03-02"], ["sad", "happy", "sad"])
    assert len(set(others.tolist())) == 3


def test_keys_of_all_parts_are_kept_once(tmp_path) -> None:
    first, second = keys_of(["a", "b"], ["sad", "sad"]), keys_of(["b", "c"], ["sad", "sad"])
    write_keys(tmp_path, [first, second])
    read = read_keys(tmp_path)
    assert read is not None
    assert sorted(read.tolist()) == sorted({*first.tolist(), *second.tolist()})
    card = {"files": {TRAINED_ON: "its hash"}}
    found = known(tmp_path, card, ["x/c.mp4", "c.mp4", "d.mp4"], ["sad", "happy", "sad"])
    assert found.tolist() == [True, False, False]


def test_a_bundle_that_does_not_say_knows_none(tmp_path) -> None:
    assert read_keys(tmp_path) is None
    assert not known(tmp_path, {"files": {}}, ["a"], ["sad"]).any()


@pytest.mark.parametrize("content", [b"", b"no array", None])
def test_damaged_keys_are_an_error(tmp_path, content) -> None:
    path = tmp_path / TRAINED_ON
    if content is None:
        np.save(path, np.zeros((2, 2)))
    else:
        path.write_bytes(content)
    with pytest.raises(BundleError, match=r"trained_on\.npy"):
        read_keys(tmp_path)
