"""Samples that taught a bundle are known again, whatever they are called around their name."""

import numpy as np
import pytest

from facevoice.bundle.trained_on import (
    PARTLY,
    TRAINED_ON,
    VALIDATED_ON,
    Lessons,
    known,
    read_lessons,
    write_lessons,
)
from facevoice.errors import BundleError
from facevoice.scores.table.keys import keys_of


def test_keys_of_all_parts_are_kept_once(tmp_path) -> None:
    first, second = keys_of(["a", "b"], ["sad", "sad"]), keys_of(["b", "c"], ["sad", "sad"])
    write_lessons(tmp_path, Lessons(first) + Lessons(second))
    read = read_lessons(tmp_path)
    assert read is not None
    assert sorted(read.every.tolist()) == sorted({*first.tolist(), *second.tolist()})
    assert not (tmp_path / VALIDATED_ON).exists()
    card = {"files": {TRAINED_ON: "its hash"}}
    found = known(tmp_path, card, ["x/c.mp4", "c.mp4", "d.mp4"], ["sad", "happy", "sad"])
    assert found.tolist() == ["yes", "no", "no"]
    partly = known(tmp_path, card | {PARTLY: True}, ["c.mp4", "d.mp4"], ["sad", "sad"])
    assert partly.tolist() == ["yes", ""]


def test_a_bundle_that_does_not_say_knows_none(tmp_path) -> None:
    assert read_lessons(tmp_path) is None
    assert known(tmp_path, {"files": {}}, ["a"], ["sad"]).tolist() == [""]


@pytest.mark.parametrize("content", [b"", b"no array", None])
def test_damaged_keys_are_an_error(tmp_path, content) -> None:
    path = tmp_path / TRAINED_ON
    if content is None:
        np.save(path, np.zeros((2, 2)))
    else:
        path.write_bytes(content)
    with pytest.raises(BundleError, match=r"trained_on\.npy"):
        read_lessons(tmp_path)


def test_what_only_validated_one_run_and_taught_another_has_taught(tmp_path) -> None:
    a, b, c, d = (keys_of([name], ["sad"]) for name in "abcd")
    first = Lessons(np.concatenate([a, b]), c)
    second = Lessons(c, d)
    both = first + second
    assert both.validated.tolist() == d.tolist()
    assert sorted(both.learnt.tolist()) == sorted(np.concatenate([a, b, c]).tolist())
    write_lessons(tmp_path, both)
    read = read_lessons(tmp_path)
    assert read is not None
    assert read.validated.tolist() == d.tolist()
    assert len(np.load(tmp_path / TRAINED_ON)) == 4  # older versions read all of them here
    card = {"files": {TRAINED_ON: "its hash", VALIDATED_ON: "its hash"}}
    found = known(tmp_path, card, ["a", "c", "d", "e"], ["sad"] * 4)
    assert found.tolist() == ["yes", "yes", "validation", "no"]
    write_lessons(tmp_path, first + Lessons(d))
    assert read_lessons(tmp_path).validated.tolist() == c.tolist()
    write_lessons(tmp_path, Lessons(a))
    assert not (tmp_path / VALIDATED_ON).exists()


def test_the_folder_of_prepared_samples_names_no_sample(tmp_path) -> None:
    write_lessons(tmp_path, Lessons(keys_of(["mine.mp4", "a.mp4"], ["sad", "sad"])))
    folder, file = tmp_path / "prepared" / "mine", tmp_path / "a.mp4"
    folder.mkdir(parents=True)
    file.touch()
    card = {"files": {TRAINED_ON: "its hash"}}
    found = known(tmp_path, card, ["b", "mine", "c"], ["sad"] * 3, [folder, folder, file])
    assert found.tolist() == ["no", "yes", "yes"]
