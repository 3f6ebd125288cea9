"""Whole timelines: windows, rows, agreement with predictions, real clips judged by eye."""

import threading
from itertools import pairwise

import numpy as np
import pytest

import facevoice
from facevoice.bundle import load_bundle
from facevoice.cli import main
from facevoice.errors import InvalidInputError
from facevoice.faces.blendshapes import BLENDSHAPES
from facevoice.output.timeline.reading import read
from facevoice.samples import SAMPLE
from facevoice.timeline import Timeline, iter_windows, timeline
from support.joined_clips import joined, read_clip, speakers, write_film
from support.media_files import steady, tone, write_media


@pytest.fixture(scope="session")
def toy(toy_bundle):
    return load_bundle(toy_bundle, threads=1)


@pytest.fixture(scope="session")
def sample(toy) -> Timeline:
    return timeline(SAMPLE, toy, frames=True, threads=1)


def test_windows_tile_the_film(sample):
    starts = sorted({row.start_seconds for row in sample.rows})
    assert np.allclose(np.diff(starts), sample.hop_seconds)
    assert starts[0] == sample.start_seconds
    assert sample.rows[-1].stop_seconds == sample.stop_seconds  # the last one absorbs the remainder
    assert all(row.stop_seconds - row.start_seconds <= 3.1 for row in sample.rows)


def test_a_window_equals_the_prediction_of_the_same_evidence(toy, sample):
    predictor = facevoice.Predictor(toy, threads=1)
    row = sample.rows[0]
    evidence, scores = next(
        iter(
            predictor.trace(SAMPLE, start_seconds=row.start_seconds, stop_seconds=row.stop_seconds)
        )
    )
    assert evidence.faces is not None
    inside = sample.frames.times_seconds < row.stop_seconds
    assert np.allclose(sample.frames.times_seconds[inside], evidence.faces.times_seconds)
    assert np.allclose(row.face.values, scores.parts["face"].values, atol=1e-5)
    if row.speaker == "this":
        assert np.allclose(row.scores.values, scores.values, atol=1e-3)


def test_generator_and_timeline_agree(toy, sample):
    rows = [row for window in iter_windows(SAMPLE, toy, threads=1) for row in window.rows]
    assert len(rows) == len(sample.rows)
    for one, other in zip(rows, sample.rows, strict=True):
        assert one.person == other.person
        assert one.scores is None or np.allclose(one.scores.values, other.scores.values)


def test_a_window_does_not_depend_on_what_comes_later(toy, sample):
    """If the film is cut off after a window, the rows of that window stay the same."""
    row = sample.rows[0]
    short = timeline(SAMPLE, toy, stop=row.stop_seconds + 0.3, threads=1)
    assert np.allclose(short.rows[0].face.values, row.face.values, atol=1e-6)
    assert short.rows[0].speaker == row.speaker


def test_frames_hold_every_sight_once(sample):
    frames = sample.frames
    assert len(frames) > 10
    assert np.isfinite(frames.scores).all()
    assert len(set(zip(frames.times_seconds, frames.person, strict=True))) == len(frames)
    length = sample.stop_seconds - frames.times_seconds[0]
    assert sample.people[0].seconds_seen == pytest.approx(length)


def test_blendshapes_and_poses_are_measured_if_asked_for(toy, sample):
    measured = timeline(SAMPLE, toy, frames=True, blendshapes=True, threads=1)
    frames = measured.frames
    assert sample.frames.blendshapes is None
    np.testing.assert_array_equal(frames.scores, sample.frames.scores)
    assert frames.blendshapes.shape == (len(frames), 52)
    assert np.isfinite(frames.blendshapes).all()
    smile = frames.blendshapes[:, BLENDSHAPES.index("mouthSmileLeft")]
    assert np.median(smile) > 0.4  # Eileen Collins smiles at the camera
    yaw, pitch, roll = np.median(frames.head_poses, axis=0)
    assert (abs(yaw), abs(pitch + 9), abs(roll - 3)) < (4, 5, 3)


def test_blendshapes_need_frames(toy, tmp_path, capsys):
    with pytest.raises(InvalidInputError, match="ask for frames"):
        timeline(SAMPLE, toy, blendshapes=True)
    assert main(["timeline", str(SAMPLE), "-o", str(tmp_path), "--blendshapes"]) == 1
    assert "--frames" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_command_writes_blendshapes(toy_bundle, tmp_path):
    words = ["timeline", str(SAMPLE), "--bundle", str(toy_bundle), "--stop", "1.5"]
    assert main([*words, "-o", str(tmp_path), "--frames", "--blendshapes"]) == 0
    for name in ("sample.json", "sample.frames.csv"):
        frames = read(tmp_path / name).frames
        assert frames.blendshapes.shape == (len(frames), 52)
        assert len(frames) > 5


def test_summary_and_segments_fit_the_rows(sample):
    person = sample.people[0]
    assert sum(person.shares.values()) == pytest.approx(1)
    stops = [segment.stop_seconds for segment in sample.segments if segment.person == person.id]
    starts = [segment.start_seconds for segment in sample.segments if segment.person == person.id]
    assert all(stop <= start + 1e-9 for stop, start in zip(stops, starts[1:], strict=False))


def test_no_one_is_seen_for_longer_than_the_film_lasts(sample):
    length = sample.stop_seconds - sample.start_seconds
    person = sample.people[0]
    assert length - 0.3 < person.seconds_seen <= length + 1e-6
    assert person.seconds_speaking <= length


def test_sound_alone_has_rows_without_a_person(toy, tmp_path):
    film = write_media(tmp_path / "tone.wav", sound=tone(5, 16_000), sound_codec="pcm_s16le")
    result = timeline(film, toy, threads=1)
    assert result.people == ()
    assert {row.person for row in result.rows} == {None}
    assert {row.missing["face"] for row in result.rows} == {"no_video_stream"}
    assert {row.missing["voice"] for row in result.rows} == {"no_speech"}
    assert result.rows[-1].stop_seconds == pytest.approx(5, abs=0.01)


def test_sound_and_pictures_may_start_late(toy, tmp_path):
    film = write_media(
        tmp_path / "late.mkv", times=steady(100, start=2.0), sound=tone(4, 16_000), sound_start=2.5
    )
    result = timeline(film, toy, window=2.0, hop=2.0, threads=1)
    assert result.start_seconds == pytest.approx(2.0, abs=0.01)
    assert [row.missing["face"] for row in result.rows] == ["no_face"] * len(result.rows)
    assert result.stop_seconds == pytest.approx(6.5, abs=0.05)


def test_invalid_windows_and_stills_are_rejected(toy, tmp_path, data_folder):
    for window, hop in ((1.0, 2.0), (0.0, 0.0), (float("nan"), 1.0)):
        with pytest.raises(InvalidInputError, match="hop"):
            timeline(SAMPLE, toy, window=window, hop=hop)
    with pytest.raises(InvalidInputError, match="still picture"):
        timeline(data_folder / "clips" / "group_photo.jpg", toy)


def test_closing_early_ends_the_decoder(toy):
    windows = iter_windows(SAMPLE, toy, threads=1)
    next(windows)
    windows.close()
    assert "facevoice-decode" not in {thread.name for thread in threading.enumerate()}


def test_the_command_prints_a_summary_and_writes(toy_bundle, tmp_path, capsys):
    arguments = ["timeline", str(SAMPLE), "--bundle", str(toy_bundle), "--threads", "1"]
    assert main([*arguments, "-o", str(tmp_path), "--formats", "csv"]) == 0
    assert "person 0: seen" in capsys.readouterr().out
    assert list(tmp_path.glob("*.csv"))
    assert main([*arguments, "--formats", "csv"]) == 1
    assert main([*arguments, "-o", str(tmp_path), "--formats", "doc"]) == 1
    assert "choose from csv" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "steady_rate", "offset"), [(0.0, True, 0.0), (0.0, False, 0.0), (5.0, True, 0.5)]
)
def test_no_track_crosses_a_cut(data_folder, toy, tmp_path, start, steady_rate, offset):
    chosen = [paths[7] for paths in speakers(data_folder).values()]
    clips = [read_clip(path, seconds=2.0) for path in chosen]
    pictures, times, cuts = joined(clips, start, steady=steady_rate)
    sound = np.concatenate([clip.sound for clip in clips])
    film = write_film(tmp_path / "film.mkv", pictures, times, sound, start + offset)
    result = timeline(film, toy, frames=True, threads=1)
    assert result.cuts == pytest.approx(cuts, abs=2e-3)
    assert len(result.people) == len(clips)
    bounds = [start, *cuts, np.inf]
    for person, (first, last) in zip(result.people, pairwise(bounds), strict=True):
        assert first - 0.01 <= person.first_seen_seconds <= person.last_seen_seconds <= last + 2e-3
    for segment in result.segments:
        if segment.person is not None:
            assert not any(
                segment.start_seconds < cut - 0.01 and cut + 0.01 < segment.stop_seconds
                for cut in cuts
            )


# By eye: cuts in seconds, exact to one picture; the intervals of the people who are in view for
# long, each of which keeps one number; the least and the greatest number of people.
BY_EYE = {
    "debate_two_people.mp4": ([3.72], [(3.76, 4.9)], (1, 1)),
    "crowd_street_1080p.mp4": ([], [(0.0, 4.1), (0.0, 3.7), (0.0, 3.7)], (5, 9)),
    "several_faces_5_frames_no_audio.mp4": ([], [(0.0, 0.0)] * 3, (3, 4)),
    "stage_music_several_faces.mp4": (
        [1.519, 3.588, 7.892],
        [(3.6, 7.7), (7.9, 9.9), (7.9, 9.9), (7.9, 9.9)],
        (6, 10),
    ),
    "face_then_none_hevc.mov": ([2.43], [(0.0, 2.2)], (1, 1)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_EYE)
def test_people_and_cuts_of_real_clips_are_those_seen_by_eye(data_folder, toy, name):
    cuts, stays, (fewest, most) = BY_EYE[name]
    result = timeline(data_folder / "clips" / name, toy, frames=True, threads=1)
    assert result.cuts == pytest.approx(cuts, abs=0.02)
    assert fewest <= len(result.people) <= most
    free = list(result.people)
    for first, last in stays:
        match = [
            person
            for person in free
            if person.first_seen_seconds <= first + 0.25 and person.last_seen_seconds >= last - 0.4
        ]
        assert match, f"no one is followed from {first} to {last}"
        free.remove(match[0])
