"""Samples that taught a bundle are known again, whatever they are called around their name."""

import numpy as np
import pytest

from facevoice.bundle.trained_on import PARTLY, TRAINED_ON, known, read_keys, write_keys
from facevoice.errors import BundleError
from facevoice.scores.table.keys import keys_of


def test_keys_of_all_parts_are_kept_once(tmp_path) -> None:
    first, second = keys_of(["a", "b"], ["sad", "sad"]), keys_of(["b", "c"], ["sad", "sad"])
    write_keys(tmp_path, [first, second])
    read = read_keys(tmp_path)
    assert read is not None
    assert sorted(read.tolist()) == sorted({*first.tolist(), *second.tolist()})
    card = {"files": {TRAINED_ON: "its hash"}}
    found = known(tmp_path, card, ["x/c.mp4", "c.mp4", "d.mp4"], ["sad", "happy", "sad"])
    assert found.tolist() == ["yes", "no", "no"]
    partly = known(tmp_path, card | {PARTLY: True}, ["c.mp4", "d.mp4"], ["sad", "sad"])
    assert partly.tolist() == ["yes", ""]


def test_a_bundle_that_does_not_say_knows_none(tmp_path) -> None:
    assert read_keys(tmp_path) is None
    assert known(tmp_path, {"files": {}}, ["a"], ["sad"]).tolist() == [""]


@pytest.mark.parametrize("content", [b"", b"no array", None])
def test_damaged_keys_are_an_error(tmp_path, content) -> None:
    path = tmp_path / TRAINED_ON
    if content is None:
        np.save(path, np.zeros((2, 2)))
    else:
        path.write_bytes(content)
    with pytest.raises(BundleError, match=r"trained_on\.npy"):
        read_keys(tmp_path)
