"""What a file's header says is compared with the limits before anything is decoded in full."""

import numpy as np
import pytest
from PIL import Image

from support.media_files import tone, write_media, write_tracks

pytest.importorskip("fastapi")

from facevoice.serve.probing import checked
from facevoice.serve.problems import RefusedError
from facevoice.serve.settings import Limits
from facevoice.serve.tasks import Task, answering

LIMITS = Limits(max_seconds=3, clip_seconds=1, max_pixels=10_000, max_tracks=2)


def code_of(kind, path, **options):
    try:
        checked(Task(kind, path, path.name, **options), LIMITS)
    except RefusedError as refused:
        return refused.code
    return None


def test_seconds(tmp_path):
    path = write_media(tmp_path / "a.wav", sound=tone(2, 8000), sound_rate=8000)
    assert code_of("predict", path) == "too_long"
    assert code_of("predict", path, start=0.5, stop=1.5) is None
    assert code_of("predict", path, start=1.2) is None
    assert code_of("timeline", path) is None


def test_pixels_and_pictures(tmp_path):
    path = tmp_path / "a.png"
    for side, code in ((100, None), (101, "too_many_pixels")):
        Image.fromarray(np.zeros((side, side), np.uint8)).save(path)
        assert code_of("predict", path) == code
        assert code_of("timeline", path) == (code or "invalid_input")


def test_tracks(tmp_path):
    for count, code in ((2, None), (3, "too_many_tracks")):
        path = write_tracks(tmp_path / f"{count}.mka", *[tone(0.5, 16_000)] * count)
        assert code_of("predict", path) == code


def test_errors_name_the_upload_and_not_its_place(tmp_path):
    path = tmp_path / "film"
    path.write_bytes(b"no film")
    work = answering(lambda task: str(checked(task, LIMITS)))
    status, kind, detail = work(Task("predict", path, "a.mp4")).problem
    assert (status, kind) == (422, "unreadable")
    assert "a.mp4" in detail
    assert str(tmp_path) not in detail
