"""Uploads on disk: private, counted, removed."""

import pytest

pytest.importorskip("fastapi")

from facevoice.errors import OutputError
from facevoice.serve.problems import RefusedError
from facevoice.serve.storage import Storage


def test_what_an_ended_server_left_is_removed_and_that_of_a_running_one_kept(tmp_path):
    running = Storage(tmp_path, 100)
    left = tmp_path / "server-1-abandoned"
    left.mkdir()
    (left / "film.mp4").write_bytes(b"a film")
    (left / "lock").touch()
    with Storage(tmp_path, 100) as second:
        assert second.swept == 1
        assert not left.exists()
        assert running.folder.exists()
    assert not second.folder.exists()
    running.close()


def test_files_are_private_and_counted(tmp_path):
    with Storage(tmp_path, 100) as storage:
        desk = storage.desk()
        with desk.open(".mp4") as file:
            desk.take(60)
            file.write(bytes(60))
        assert desk.path.stat().st_mode & 0o777 == 0o600
        assert desk.folder.stat().st_mode & 0o777 == 0o700
        with pytest.raises(RefusedError) as refused:
            storage.desk().take(41)
        assert refused.value.status == 507
        (desk.folder / "timeline.json").write_bytes(bytes(10))
        desk.drop_upload()
        assert (storage.used_bytes, desk.path.exists()) == (10, False)
        desk.remove()
        desk.remove()
        assert storage.used_bytes == 0


def test_a_folder_that_another_controls_is_refused(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(OutputError, match="not a folder of this user"):
        Storage(link, 100)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        Storage(tmp_path / "file", 100)
