"""Live sources: views and sound as in the file, clocks, limits, and failures."""

import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from facevoice import media
from facevoice.errors import InvalidInputError, MediaNotFoundError
from facevoice.media import LiveInput, SoundGrid, View, Wanted, opening
from facevoice.media.clock import Clock, SharedClock
from facevoice.media.live_queue import BoundedQueue, Closed
from facevoice.media.stamps import SoundLine
from facevoice.types import Waveform
from support.live_sources import piped
from support.media_files import TICK, steady, tone, write_media

RATE = 16_000
SAMPLING = 16 / 3


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("live") / "film.mkv"
    sound = np.random.default_rng(0).normal(0, 0.1, 3 * 44_100)
    return write_media(path, times=steady(75), sound=sound, sound_rate=44_100)


def read(source, **wanted):
    """The streams of a source, its views, its sound on the grid, and everything that arrived."""
    arrivals = LiveInput(source, Wanted(SAMPLING, **wanted))
    opened = arrivals.opened()
    came = list(arrivals)
    arrivals.close()
    grid = SoundGrid(RATE, opened.start_seconds)
    pieces = []
    for arrival in came:
        if isinstance(arrival.content, Waveform):
            sound = arrival.content
            pieces += grid.push(sound.start_seconds, sound.samples, sound.rate_hz)
    pieces += grid.flush()
    views = [arrival.content for arrival in came if isinstance(arrival.content, View)]
    return opened, views, pieces, came


def test_looks_and_sound_are_those_of_the_file(film):
    with piped(film.read_bytes()) as pipe:
        opened, views, pieces, came = read(opening(pipe))
    assert (opened.has_video, opened.has_audio, opened.real_time) == (True, True, False)
    expected = list(media.iter_views(film, rate_hz=SAMPLING, start_seconds=opened.start_seconds))
    assert [view.time_seconds for view in views] == [view.time_seconds for view in expected]
    for view, other in zip(views, expected, strict=True):
        assert np.array_equal(view.light, other.light)
        assert np.array_equal(view.thumbnail, other.thumbnail)
        assert (view.image is None) == (other.image is None)
    whole = media.read_waveform(film, rate_hz=RATE)
    assert np.array_equal(np.concatenate([piece.samples for piece in pieces]), whole.samples)
    stamps = [arrival.arrived_seconds for arrival in came]
    assert 0 <= max(stamps) - min(stamps) < 60


def test_time_spent_waiting_for_a_pipe_is_measured(film):
    waited = []
    for seconds in (None, 2.0):
        with piped(film.read_bytes(), seconds=seconds) as pipe:
            _, _, _, came = read(opening(pipe))
        waited.append(came[-1].waited_seconds)
    assert 0 <= waited[0] < waited[1] / 2
    assert 0.5 < waited[1] < 30


def test_a_slow_consumer_loses_pictures_only_in_real_time(film):
    content = film.read_bytes() + b""
    for real_time in (True, False):
        with piped(content) as pipe:
            arrivals = LiveInput(opening(pipe), Wanted(SAMPLING, real_time=real_time))
            arrivals.opened()
            time.sleep(0.6)
            came = list(arrivals)
            arrivals.close()
        dropped = sum(arrival.dropped for arrival in came)
        views = sum(isinstance(arrival.content, View) for arrival in came)
        heard = sum(
            arrival.content.duration_seconds
            for arrival in came
            if isinstance(arrival.content, Waveform)
        )
        assert views + dropped == 75
        assert (dropped > 20) == real_time
        assert heard == pytest.approx(3, abs=1e-3)


def test_closing_ends_a_reader_that_waits(film):
    arrivals = LiveInput(opening(str(film)), Wanted(SAMPLING))
    arrivals.opened()
    arrivals.close()
    assert "facevoice-live" not in {thread.name for thread in threading.enumerate()}


def test_kinds_of_sources(tmp_path, film):
    assert opening(str(film)).place == f"file:{film}"
    assert not opening(film).remote
    assert opening("rtsp://camera/one").remote
    assert opening("testsrc", "lavfi").remote
    with pytest.raises(MediaNotFoundError, match="no camera"):
        opening("/dev/video_that_is_not_there")
    with pytest.raises(MediaNotFoundError, match="does not exist"):
        opening(tmp_path / "none.mkv")
    with pytest.raises(InvalidInputError, match="nonsense"):
        opening(str(film), "nonsense")


def test_camera_names_depend_on_the_system(monkeypatch):
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(InvalidInputError, match="dshow"):
        opening(0)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(MediaNotFoundError, match="/dev/video63"):
        opening(63)


def test_a_piped_playlist_is_refused(film, tmp_path):
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{film}\n#EXT-X-ENDLIST\n"
    with piped(playlist.encode()) as pipe, pytest.raises(media_error(), match="cannot read"):
        read(opening(pipe))


def media_error():
    from facevoice.errors import MediaUnreadableError

    return MediaUnreadableError


def frame_at(seconds):
    frame = av.AudioFrame(format="flt", layout="mono", samples=1600)
    frame.pts, frame.time_base = round(seconds / TICK), TICK
    return frame


def clocks(shared):
    return [Clock(Fraction(TICK), SoundLine(), shared=shared) for _ in range(2)]


def times(clock, *stamps):
    """The times of frames, all of them decided."""
    found = [clock.push(frame_at(stamp), 0.1) for stamp in stamps]
    return [time for known in [*found, clock.flush()] for time, _ in known]


def test_shared_clocks_stay_in_step_after_a_restart():
    shared = SharedClock()
    one, other = clocks(shared)
    assert times(one, 100.0, 100.1) == pytest.approx([100.0, 100.1])
    assert times(other, 100.05, 100.15) == pytest.approx([100.05, 100.15])
    # the camera is plugged in again, and its clock starts at 7
    first = times(one, 7.0, 7.1)
    second = times(other, 7.05, 7.15)
    assert 100.1 < first[0] < 100.5
    assert np.subtract(second, first) == pytest.approx([0.05, 0.05])


def test_neither_shared_clock_jumps_ahead_of_the_other():
    shared = SharedClock()
    one, other = clocks(shared)
    times(one, 0.0, 0.1)
    times(other, 0.0, 0.1)
    assert times(one, 500.0, 500.1)[-1] < 1.0
    assert times(other, 0.2, 0.3) == pytest.approx([0.2, 0.3])
    assert times(one, 500.2)[-1] < 1.0


def test_one_stream_may_pause_while_the_other_continues():
    shared = SharedClock()
    one, other = clocks(shared)
    times(one, 0.0)
    times(other, *(number / 10 for number in range(301)))
    assert times(one, 29.9, 30.0) == pytest.approx([29.9, 30.0])


def test_a_queue_is_bounded_by_kind():
    queue = BoundedQueue({"picture": 1.0, "sound": 2.0})
    for number in range(4):
        assert not queue.full("picture", 0.25)
        queue.put(number, "picture", 0.25)
    assert queue.full("picture", 0.25)
    assert not queue.full("sound", 1.0)
    queue.put("heard", "sound", 1.0)
    assert [queue.take() for _ in range(5)] == [0, 1, 2, 3, "heard"]
    queue.put("large", "picture", 9.0)
    queue.end(KeyError("late"))
    assert queue.take() == "large"
    with pytest.raises(KeyError):
        queue.take()
    queue.close()
    with pytest.raises(Closed):
        queue.put("more", "sound", 1.0)
    with pytest.raises(Closed):
        queue.full("sound", 1.0)


def test_a_duration_limits_an_endless_source():
    def endless():
        number = 0
        while True:
            yield Waveform(tone(0.1, RATE), RATE, number / 10)
            number += 1

    _, _, pieces, _ = read(endless(), seconds=2.0, pictures=False)
    heard = sum(len(piece.samples) for piece in pieces) / RATE
    assert heard == pytest.approx(2.0, abs=0.11)
