import numpy as np
import pytest

from facevoice.errors import InvalidInputError
from facevoice.evidence import plan
from facevoice.evidence.extract import Extractor
from facevoice.media import MediaInfo
from facevoice.samples import SAMPLE
from support.media_files import steady, tone, write_media


@pytest.fixture(scope="module")
def extractor():
    return Extractor()


def info(duration: float | None, start: float = 0.0) -> MediaInfo:
    return MediaInfo(SAMPLE, "video", start, duration, True, True, 64, 48, 25.0, 16000)


def test_a_short_clip_is_one_window():
    made = plan.plan_of(info(10.0), None, None)
    assert made.bounds(0) == (0.0, 10.0)
    assert {made.number(time) for time in (0.0, 9.99, 10.2)} == {0}
    assert made.rate_hz == plan.SLOWEST_SAMPLING_HZ


def test_a_very_short_clip_is_sampled_so_often_that_sixteen_faces_could_be_had():
    assert plan.plan_of(info(2.0), None, None).rate_hz == pytest.approx(8.0)
    assert plan.plan_of(info(0.0), None, None).rate_hz == pytest.approx(160.0)


def test_a_long_clip_is_cut_and_its_rest_joins_the_window_before():
    made = plan.plan_of(info(13.0, start=0.5), None, None)
    assert [made.bounds(number) for number in range(4)] == [
        (0.5, 3.5), (3.5, 6.5), (6.5, 9.5), (9.5, 13.5),
    ]  # fmt: skip
    assert made.number(3.4999) == 1  # a sample early: sound starts on whole samples
    assert made.number(12.7) == 3
    assert made.number(13.9) == 3  # sound that outlasts the picture a little
    assert made.number(19.0) > 3  # what the container did not tell of


def test_a_clip_of_unknown_length_is_cut():
    made = plan.plan_of(info(None), None, None)
    assert made.last is None
    assert made.bounds(2) == (6.0, 9.0)


@pytest.mark.parametrize(("start", "stop"), [(5.0, 5.0), (5.0, 4.0), (20.0, None), (None, 0.0)])
def test_an_empty_part_is_refused(start, stop):
    with pytest.raises(InvalidInputError, match="nothing lies between"):
        plan.plan_of(info(10.0), start, stop)


def test_sound_that_starts_late_keeps_its_time(extractor, tmp_path):
    sound = np.concatenate([tone(0.5, 16000)])
    path = write_media(tmp_path / "late.mkv", times=steady(50), sound=sound, sound_start=1.0)
    (evidence,) = extractor.windows(path)
    assert evidence.missing == {"face": "no_face", "voice": "no_speech"}
    assert evidence.start_seconds == pytest.approx(0, abs=0.01)


def test_speech_spans_lie_on_the_clock_of_the_file(extractor):
    (evidence,) = extractor.windows(SAMPLE)
    assert evidence.speech_spans.shape[1] == 2
    assert evidence.speech_spans[0, 0] == pytest.approx(0.3, abs=0.25)
    assert evidence.speech_spans[-1, 1] == pytest.approx(3.5, abs=0.3)
    total = np.diff(evidence.speech_spans, axis=1).sum()
    assert evidence.speech_seconds == pytest.approx(total, abs=0.1)


def test_windows_cover_a_clip_whose_start_is_odd(extractor, data_folder):
    path = data_folder / "clips" / "stage_music_several_faces.mp4"  # starts at 0.0080045 s
    windows = list(extractor.windows(path))
    assert len(windows) == 3
    for evidence in windows:
        length = evidence.stop_seconds - evidence.start_seconds
        assert evidence.speech_seconds <= length
        if evidence.faces is not None:
            times = evidence.faces.times_seconds
            assert times[0] >= evidence.start_seconds - 0.01
            assert times[-1] < evidence.stop_seconds
