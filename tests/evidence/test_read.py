"""Reading files into evidence."""

import numpy as np
import pytest

from facevoice.evidence import EvidenceReader
from facevoice.samples import SAMPLE
from support.media_files import steady, tone, write_media


@pytest.fixture(scope="module")
def reader():
    return EvidenceReader()


def test_sound_that_starts_late_keeps_its_time(reader, tmp_path):
    sound = np.concatenate([tone(0.5, 16000)])
    path = write_media(tmp_path / "late.mkv", times=steady(50), sound=sound, sound_start=1.0)
    (evidence,) = reader.clip(path)
    assert evidence.missing == {"face": "no_face", "voice": "no_speech"}
    assert evidence.start_seconds == pytest.approx(0, abs=0.01)


def test_speech_spans_lie_on_the_clock_of_the_file(reader):
    (evidence,) = reader.clip(SAMPLE)
    assert evidence.speech_spans.shape[1] == 2
    assert evidence.speech_spans[0, 0] == pytest.approx(0.3, abs=0.25)
    assert evidence.speech_spans[-1, 1] == pytest.approx(3.5, abs=0.3)
    total = np.diff(evidence.speech_spans, axis=1).sum()
    assert evidence.speech_seconds == pytest.approx(total, abs=0.1)


def test_windows_cover_a_clip_whose_start_is_odd(reader, data_folder):
    path = data_folder / "clips" / "stage_music_several_faces.mp4"  # starts at 0.0080045 s
    windows = list(reader.clip(path))
    assert len(windows) == 3
    for evidence in windows:
        length = evidence.stop_seconds - evidence.start_seconds
        assert evidence.speech_seconds <= length
        if evidence.faces is not None:
            times = evidence.faces.times_seconds
            assert times[0] >= evidence.start_seconds - 0.01
            assert times[-1] < evidence.stop_seconds
