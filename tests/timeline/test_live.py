"""Live input: the windows of the timeline, on time, however the source behaves."""

import itertools
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import facevoice
from facevoice import media
from facevoice.bundle import load_bundle
from facevoice.errors import InvalidInputError, MediaUnreadableError
from facevoice.samples import SAMPLE
from facevoice.timeline import timeline
from facevoice.timeline.live import live
from facevoice.types import Frame, Waveform
from support.joined_clips import SOUND_RATE, joined, read_clip, speakers, write_film
from support.live_sources import piped, remuxed
from support.media_files import steady, tone, write_media

RATE = 16_000


@pytest.fixture(scope="session")
def toy(toy_bundle):
    return load_bundle(toy_bundle, threads=1)


@pytest.fixture(scope="session")
def sample_mkv(tmp_path_factory) -> Path:
    return remuxed(SAMPLE, tmp_path_factory.mktemp("live") / "sample.mkv")


def windows_of(source, toy, **options):
    return list(live(source, toy, threads=1, **options))


def through_a_pipe(path, toy, **options):
    with piped(path.read_bytes()) as pipe:
        return windows_of(pipe, toy, **options)


def same(windows, rows):
    """Whether live windows hold the rows of a timeline."""
    found = [row for window in windows for row in window.rows]
    assert len(found) == len(rows)
    for row, other in zip(found, rows, strict=True):
        assert (row.start_seconds, row.stop_seconds) == (other.start_seconds, other.stop_seconds)
        assert (row.person, row.speaker) == (other.person, other.speaker)
        assert dict(row.missing) == dict(other.missing)
        assert row.seen_seconds == pytest.approx(other.seen_seconds)
        for one, two in zip(
            (row.scores, row.face, row.voice), (other.scores, other.face, other.voice), strict=True
        ):
            assert (one is None) == (two is None)
            assert one is None or np.abs(one.values - two.values).max() <= 1e-3
    return True


@pytest.mark.parametrize("pipe", [True, False])
def test_a_picture_that_stands_for_seconds_is_seen_as_in_a_timeline(toy, tmp_path, pipe):
    """For longer than mouths are remembered, and than a camera is waited for."""
    pictures = [frame.image for frame in media.iter_frames(SAMPLE, stop_seconds=2.0)]
    times = [*steady(25), *steady(len(pictures) - 25, start=7.0)]
    voice = media.read_waveform(SAMPLE, rate_hz=SOUND_RATE).samples
    path = write_film(tmp_path / "freeze.mkv", pictures, times, np.tile(voice, 2))
    found = through_a_pipe(path, toy) if pipe else windows_of(str(path), toy)
    expected = timeline(path, toy, threads=1)
    same(found, expected.rows)
    rows = [row for window in found for row in window.rows]
    assert {row.person for row in rows if row.person is not None} == {0}
    of = [(row.speaker, row.speaker_confidence, row.seen_seconds) for row in rows]
    assert of == [(r.speaker, r.speaker_confidence, r.seen_seconds) for r in expected.rows]


@pytest.mark.parametrize("form", ["mkv", "ts", "mp4"])
def test_a_file_through_a_pipe_gives_its_timeline(toy, tmp_path, form):
    film = remuxed(SAMPLE, tmp_path / f"sample.{form}")
    windows = through_a_pipe(film, toy)
    assert same(windows, timeline(film, toy, threads=1).rows)
    assert any(row.person == 0 for window in windows for row in window.rows)
    assert sum(window.dropped_pictures for window in windows) == 0


def test_a_piped_film_has_the_people_and_cuts_of_its_timeline(data_folder, toy, tmp_path):
    chosen = [paths[7] for paths in speakers(data_folder).values()][:2]
    clips = [read_clip(path, seconds=2.2) for path in chosen]
    pictures, times, _ = joined(clips, 5.0, steady=True)
    sound = np.concatenate([clip.sound for clip in clips])
    film = write_film(tmp_path / "film.mkv", pictures, times, sound, 5.0)
    whole = timeline(film, toy, threads=1)
    windows = through_a_pipe(film, toy)
    assert same(windows, whole.rows)
    assert {row.person for row in whole.rows} >= {0, 1}
    assert [cut for window in windows for cut in window.cuts] == whole.cuts.tolist()
    assert windows[0].start_seconds == pytest.approx(5.0, abs=1e-3)
    assert windows[0].elapsed_seconds == pytest.approx(3.0)


def test_windows_of_a_real_time_pipe_are_on_time(toy, tmp_path):
    clip = read_clip(SAMPLE)
    pictures, count = [*clip.pictures, *clip.pictures[:75]], len(clip.pictures) + 75
    sound = np.concatenate([clip.sound, clip.sound])[: round(count / clip.rate * 44_100)]
    times = [number / clip.rate for number in range(count)]
    film = write_film(tmp_path / "film.mkv", pictures, times, sound)
    length, window, hop = count / clip.rate, 2.0, 1.0
    with piped(film.read_bytes(), seconds=length) as pipe:
        started = time.monotonic()
        came = [
            (given, time.monotonic() - started)
            for given in live(pipe, toy, window=window, hop=hop, threads=1)
        ]
    assert len(came) >= 6
    assert came[0][1] < length
    for given, at in came:
        assert at - given.elapsed_seconds <= window + hop + 1
        assert 0 <= given.delay_seconds <= window + hop + 1


def test_a_part_is_the_timeline_of_that_part(toy, sample_mkv):
    windows = through_a_pipe(sample_mkv, toy, duration=2.5, window=2.0)
    assert same(windows, timeline(sample_mkv, toy, stop=2.5, window=2.0, threads=1).rows)


@pytest.mark.parametrize("kind", ["sound ends", "sound late", "pictures end", "pictures pause"])
def test_a_film_with_gaps_gives_its_timeline(toy, tmp_path, kind):
    times, sound, start = steady(200), tone(8, RATE), 0.0
    if kind == "sound ends":
        sound = tone(2.3, RATE)
    elif kind == "sound late":
        sound, start = tone(3, RATE), 5.0
    elif kind == "pictures end":
        times = steady(50)
    else:
        times = [*steady(50), *steady(50, start=6.0)]
    film = write_media(tmp_path / "gaps.mkv", times=times, sound=sound, sound_start=start)
    windows = through_a_pipe(film, toy)
    assert same(windows, timeline(film, toy, threads=1).rows)
    assert windows[-1].stop_seconds == pytest.approx(8, abs=0.05)


def test_pictures_alone_and_sound_alone(toy, tmp_path):
    silent = write_media(tmp_path / "silent.mkv", times=steady(100))
    windows = through_a_pipe(silent, toy)
    assert same(windows, timeline(silent, toy, threads=1).rows)
    assert {row.missing["voice"] for w in windows for row in w.rows} == {"no_audio_stream"}
    heard = write_media(tmp_path / "tone.wav", sound=tone(4, RATE))
    windows = through_a_pipe(heard, toy)
    assert same(windows, timeline(heard, toy, threads=1).rows)
    assert {row.missing["face"] for w in windows for row in w.rows} == {"no_video_stream"}


def test_one_modality_can_be_left_out(toy, sample_mkv):
    windows = through_a_pipe(sample_mkv, toy, sound=False)
    assert {row.missing.get("voice") for w in windows for row in w.rows} == {"no_audio_stream"}
    assert all(row.face is not None for w in windows for row in w.rows)
    windows = through_a_pipe(sample_mkv, toy, pictures=False)
    assert {row.missing.get("face") for w in windows for row in w.rows} == {"no_video_stream"}


def test_windows_count_from_a_huge_first_instant(toy, tmp_path):
    start = 1_700_000_000.0
    film = write_media(
        tmp_path / "late.mkv",
        times=steady(100, start=start),
        sound=tone(4, RATE),
        sound_start=start,
    )
    windows = through_a_pipe(film, toy)
    assert [w.start_seconds - start for w in windows] == pytest.approx([0, 1], abs=0.01)
    assert [w.elapsed_seconds for w in windows] == pytest.approx([3, 4], abs=0.05)


def test_a_clock_that_jumps_ahead_leaves_a_gap_in_a_recording(toy, tmp_path):
    times = [*steady(50), *steady(50, start=300.0)]
    windows = through_a_pipe(write_media(tmp_path / "jump.mkv", times=times), toy)
    assert windows[-1].stop_seconds == pytest.approx(302, abs=0.1)
    assert len(windows) == 4


@pytest.mark.parametrize("second", [0.0, 5_000.0])
def test_a_restarted_live_source_continues(toy, tmp_path, second):
    parts = [
        write_media(
            tmp_path / f"{number}.ts",
            times=steady(75, start=start),
            sound=tone(3, 48_000),
            sound_codec="aac",
            sound_rate=48_000,
            sound_start=start,
        ).read_bytes()
        for number, start in enumerate((100.0, second))
    ]
    with piped(b"".join(parts), seconds=2.0) as pipe:
        windows = windows_of(pipe, toy, real_time=True)
    starts = [window.start_seconds for window in windows]
    assert np.allclose(np.diff(starts), 1.0)
    assert 4 <= windows[-1].elapsed_seconds <= 7


def test_a_truncated_stream_yields_what_it_held(toy, sample_mkv):
    content = sample_mkv.read_bytes()
    with piped(content[: round(len(content) * 0.85)]) as pipe:
        windows = windows_of(pipe, toy)
    whole = timeline(sample_mkv, toy, threads=1)
    assert windows[0].rows[0].scores.values == pytest.approx(whole.rows[0].scores.values, abs=1e-3)
    assert windows[-1].stop_seconds < whole.stop_seconds


class Torn:
    """A stream that breaks."""

    def __init__(self, content):
        self.content = content

    def read(self, size):
        if not self.content:
            raise OSError("the line went dead")
        piece, self.content = self.content[:size], self.content[size:]
        return piece


def test_a_broken_stream_yields_what_it_held_and_then_an_error(toy, sample_mkv):
    windows = live(Torn(sample_mkv.read_bytes()[:-50_000]), toy, threads=1)
    assert next(windows).rows
    with pytest.raises(MediaUnreadableError, match="the line went dead"):
        list(windows)
    with pytest.raises(MediaUnreadableError, match="no video or sound"):
        windows_of(Torn(b"nothing of the kind" * 100), toy)


def from_memory(seconds, start=0.0, size=(360, 640), sound=True):
    """Noise: frames at 25 Hz and sound at 44.1 kHz."""
    generator = np.random.default_rng(0)
    image = generator.integers(0, 255, (*size, 3)).astype(np.uint8)
    heard = generator.normal(0, 0.1, 1764).astype(np.float32)
    for number in range(round(seconds * 25)):
        yield Frame(image, start + number / 25)
        if sound:
            yield Waveform(heard, 44_100, start + number / 25)


def test_frames_and_sound_from_memory(toy):
    windows = windows_of(from_memory(4.0, start=7.0), toy)
    assert [w.start_seconds for w in windows] == pytest.approx([7, 8])
    assert [w.stop_seconds for w in windows] == pytest.approx([10, 11], abs=1e-3)
    assert {row.missing["face"] for w in windows for row in w.rows} == {"no_face"}


def test_frames_of_a_film_give_its_people(toy, sample_mkv):
    whole = timeline(sample_mkv, toy, threads=1)
    frames = media.iter_frames(sample_mkv)
    pieces = media.iter_waveform(sample_mkv, rate_hz=RATE, window_seconds=0.2)
    items = sorted(
        [*frames, *pieces],
        key=lambda item: getattr(item, "time_seconds", getattr(item, "start_seconds", None)),
    )
    windows = windows_of(items, toy)
    rows = [row for window in windows for row in window.rows]
    assert [row.person for row in rows] == [row.person for row in whole.rows]
    assert [row.speaker for row in rows] == [row.speaker for row in whole.rows]
    for row, other in zip(rows, whole.rows, strict=True):
        assert (row.face is None) == (other.face is None)
        assert row.face is None or np.abs(row.face.values - other.face.values).max() < 1e-3


def test_late_pictures_are_dropped_and_counted_but_sound_is_kept(toy):
    ended = threading.Event()

    def source():
        yield from from_memory(12.0, size=(720, 1280))
        ended.set()

    slow = []
    for window in live(source(), toy, threads=1, real_time=True):
        assert ended.wait(120)  # the reader pauses while the rest arrives
        slow.append(window)
    assert sum(window.dropped_pictures for window in slow) > 20
    assert slow[-1].stop_seconds == pytest.approx(12, abs=0.01)
    whole = windows_of(from_memory(12.0, size=(72, 128)), toy)
    assert [w.rows[-1].speech_seconds for w in slow] == [w.rows[-1].speech_seconds for w in whole]


def test_a_source_that_can_wait_drops_nothing(toy):
    for window in live(from_memory(5.0), toy, threads=1):
        time.sleep(0.2)
        assert window.dropped_pictures == 0


def test_closing_early_ends_the_reader(toy, sample_mkv):
    windows = live(sample_mkv, toy, threads=1)
    next(windows)
    windows.close()
    assert "facevoice-live" not in {thread.name for thread in threading.enumerate()}
    endless = live(itertools.cycle(from_memory(0.04)), toy, threads=1, real_time=True, duration=60)
    endless.close()


def test_invalid_arguments_are_rejected(toy):
    for options in (
        {"window": 1.0, "hop": 2.0},
        {"duration": 0.0},
        {"pictures": False, "sound": False},
        {"input_format": "nonsense"},
    ):
        with pytest.raises(InvalidInputError):
            live(SAMPLE, toy, **options)
    with pytest.raises(InvalidInputError, match="not a source"):
        live(3.5, toy)
    with pytest.raises(InvalidInputError, match="Frame and Waveform"):
        windows_of(["a picture"], toy)
    with pytest.raises(MediaUnreadableError, match="has ended"):
        windows_of([], toy)


def test_an_error_of_the_users_own_generator_reaches_the_user(toy):
    def failing():
        yield from from_memory(0.5)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        windows_of(failing(), toy)


def test_it_is_exported(toy_bundle, sample_mkv):
    windows = list(facevoice.live(sample_mkv, toy_bundle, threads=1))
    assert isinstance(windows[0], facevoice.LiveWindow)
