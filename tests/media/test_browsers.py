"""What browsers play is told by container and codecs, not by the name."""

import pytest

from facevoice.media import browser_type
from support.media_files import steady, tone, write_media

PICTURES = {"times": steady(10), "sound": tone(0.4, 16_000)}


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.mp4", {**PICTURES, "sound_codec": "aac"}, "video/mp4"),
        ("a.mov", {"times": steady(10)}, "video/mp4"),
        ("a.wav", {"sound": tone(0.4, 16_000)}, "audio/wav"),
        ("old.mp4", {"times": steady(10), "codec": "mpeg4"}, None),
        ("a.mkv", PICTURES, None),
        ("a.avi", {**PICTURES, "codec": "mpeg4"}, None),
    ],
)
def test_by_what_is_in_it(tmp_path, name, content, expected):
    assert browser_type(write_media(tmp_path / name, **content)) == expected


def test_a_name_that_is_wrong_does_not_matter(tmp_path):
    wave = write_media(tmp_path / "a.wav", sound=tone(0.4, 16_000))
    assert browser_type(wave.rename(tmp_path / "a.mov")) == "audio/wav"
    (tmp_path / "text.mp4").write_text("no film")
    assert browser_type(tmp_path / "text.mp4") is None
