import os

import pytest

from facevoice.errors import OutputError
from facevoice.writing import (
    check_file,
    check_folder,
    check_name,
    check_writable,
    replacing,
    temporary_prefix,
)


def test_a_file_appears_only_when_it_is_complete(tmp_path):
    path = tmp_path / "deep" / "out.txt"
    with replacing(path) as temporary:
        temporary.write_text("all")
        assert not path.exists()
    assert path.read_text() == "all"
    assert [item.name for item in path.parent.iterdir()] == ["out.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_keeps_the_existing_file(tmp_path, error):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(error), replacing(path) as temporary:  # noqa: PT012 - the write comes first
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["out.txt"]


def test_an_unwritable_path_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"), replacing(tmp_path / "file" / "x"):
        pass


def test_a_folder_without_permission_is_found_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda place, mode: not mode & os.X_OK)
    for check in (check_folder, check_writable):
        with pytest.raises(OutputError, match=f"{tmp_path} is not writable"):
            check(tmp_path / "new" / "x")
    with pytest.raises(OutputError, match=f"{tmp_path} is not writable"):
        check_file(tmp_path / "x", overwrite=False)


@pytest.mark.parametrize("length", [1, 200, 222, 223, 224, 255])
def test_names_may_have_any_length_that_the_file_system_allows(tmp_path, length):
    path = tmp_path / ("x" * length)
    check_name(path)
    with replacing(path) as temporary:
        temporary.write_text("all")
        assert temporary.name.startswith(temporary_prefix(path))
    assert path.read_text() == "all"


@pytest.mark.parametrize("name", ["x" * 256, "ü" * 128])
def test_longer_names_are_refused_before_the_work(tmp_path, name):
    for check in (check_name, check_writable):
        with pytest.raises(OutputError, match="its name has 256 bytes, 255 are allowed"):
            check(tmp_path / name)
