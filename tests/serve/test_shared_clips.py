"""What the server says of real clips is what the command says of them."""

import json

import pytest

from facevoice.media import find_media
from facevoice.output.wording import json_line
from facevoice.predict import load
from support.running_server import running

pytest.importorskip("fastapi")
pytestmark = pytest.mark.slow


def test_the_record_of_every_clip_is_that_of_the_command(data_folder, tmp_path):
    clips = find_media([data_folder / "clips"])
    assert len(clips) > 20
    predictor = load("base", threads=1)
    different = []
    with running("base", tmp_path / "uploads", "--workers", 1) as server:
        for clip in clips:
            status, _, body = server.send("/v1/predict", clip.read_bytes(), clip.name)
            (expected,) = predictor.predict_many([clip])
            if expected.error is not None:
                assert (status, json.loads(body)["kind"]) == (422, expected.error[0])
                continue
            record = json_line(expected.to_dict() | {"path": clip.name}) + "\n"
            if (status, body.decode()) != (200, record):
                different.append((clip.name, status, body[:300]))
        assert server.left() == []
    assert different == []
