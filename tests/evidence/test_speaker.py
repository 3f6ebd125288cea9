"""Attributing speech: synthetic mouths that follow a sound or not, real speakers side by side."""

import numpy as np
import pytest

from facevoice import media
from facevoice.bundle import load_bundle
from facevoice.errors import BundleError
from facevoice.evidence import EvidenceReader, film_plan
from facevoice.evidence.mouths import MOTIONS, Mouths, Pace, RecentMotions
from facevoice.evidence.speaker import MouthVoice, Verdict, features
from facevoice.samples import SAMPLE
from facevoice.timeline import timeline
from facevoice.types import Face
from support.joined_clips import read_clip, side_by_side, speakers, write_film

RATE = 16_000


def syllables(seed, seconds=3.0):
    """Loudness (T,) at 100 Hz: bursts of random length and pause."""
    generator = np.random.default_rng(seed)
    level = np.zeros(round(seconds * 100))
    at = 0
    while at < len(level):
        at += generator.integers(8, 25)
        length = generator.integers(10, 25)
        level[at : at + length] = generator.uniform(0.5, 1.0)
        at += length
    return np.convolve(level, np.ones(5) / 5, "same")


def sound_of(level):
    noise = np.random.default_rng(9).normal(0, 0.1, len(level) * RATE // 100)
    return (noise * np.repeat(level, RATE // 100)).astype(np.float32)


def mouth_of(level, seed=0):
    """Motions whose changes follow the loudness, with noise."""
    times = np.arange(0, len(level) / 100, 1 / 15)
    moved = np.interp(times, np.arange(len(level)) / 100, level)
    noise = np.random.default_rng(seed).normal(0, 0.1, (len(times), MOTIONS))
    return times, np.exp(np.log(0.05 + moved)[:, None] + noise) * 15


def test_the_mouth_that_moves_with_the_sound_fits_best():
    model, levels = MouthVoice.load(), [syllables(seed) for seed in range(6)]
    for number, level in enumerate(levels):
        sound = sound_of(level)
        fits = {
            person: float(model.fit(features(mouth_of(other, person), sound, 0.0)))
            for person, other in enumerate(levels)
        }
        assert max(fits, key=fits.get) == number


def test_too_little_of_a_mouth_gives_no_verdict():
    level = syllables(1)
    times, motions = mouth_of(level)
    assert features((times[:10], motions[:10]), sound_of(level), 0.0) is None
    gap = (times < 1) | (times > 2)
    assert features((times[gap], motions[gap]), sound_of(level), 0.0) is None
    assert features((np.zeros(0), np.zeros((0, MOTIONS))), sound_of(level), 0.0) is None


def test_the_fit_does_not_depend_on_the_time_of_the_window():
    level = syllables(2)
    times, motions = mouth_of(level)
    here = features((times, motions), sound_of(level), 0.0)
    later = features((times + 3600, motions), sound_of(level), 3600.0)
    assert np.allclose(here, later, atol=1e-6)


def test_verdicts_name_one_person_or_none():
    model, two, three = MouthVoice.load(), [{3, 5}] * 9, [{3, 5, 7}] * 9
    sure = model.verdict({3: 6.0, 5: -6.0}, two)
    assert sure.person == 3
    assert sure.confidence > 0.95
    neither = model.verdict({3: -6.0, 5: -6.0}, two)
    assert neither.person is None
    assert neither.confidence > 0.95
    undecided = model.verdict({3: 0.0, 5: 0.0, 7: 0.0}, three)
    assert undecided.person is None
    assert undecided.confidence < 0.5  # it may well be one of them
    assert model.verdict({}, []) == Verdict(None, 1.0)


def test_a_face_alone_in_view_speaks_unless_its_mouth_says_otherwise():
    model, lone = MouthVoice.load(), [{3}] * 16
    assert model.verdict({3: -2.0}, lone).person == 3
    assert model.verdict({}, lone).person == 3  # its mouth is too small to be watched
    assert model.verdict({3: -9.0}, lone).person is None
    assert model.verdict({3: -2.0}, [{3, 4}] * 16).person is None
    briefly = model.verdict({}, [{3}] * 3 + [set()] * 13)
    assert briefly.person is None
    assert 0.5 < briefly.confidence < 1
    crowd = model.verdict({}, [{3, 5}] * 16)
    assert crowd.person is None


def test_the_longer_in_view_of_two_that_follow_one_another_speaks():
    model = MouthVoice.load()
    assert model.verdict({}, [{0}] * 4 + [{1}] * 12).person == 1
    assert model.verdict({0: 3.0, 1: -3.0}, [{0}] * 7 + [{1}] * 9).person == 0


@pytest.mark.parametrize("rate", [20, 24, 25, 50, 60])
def test_what_a_mouth_says_does_not_depend_on_the_frame_rate(rate):
    """The same mouth, filmed at 30 pictures per second and at another rate, and begun later."""
    level = syllables(4)
    sound = sound_of(level)

    def filmed(rate, start):
        pace = Pace()
        times = start + np.arange(round(3 * rate)) / rate
        times = times[[pace.take(float(time)) for time in times]]
        grown = np.interp(times, np.arange(len(level)) / 100, np.cumsum(level) / 100)
        change = np.diff(grown, prepend=grown[0]) / np.diff(times, prepend=times[0] - 1)
        return times, np.repeat(change[:, None], MOTIONS, axis=1)

    usual, other = (features(filmed(*how), sound, 0.0) for how in ((30, 0.0), (rate, 0.011)))
    assert np.abs(usual - other)[:, :126].max() < 0.2
    assert np.abs(usual - other)[:, 126:128].max() < 0.05


def test_a_damaged_model_is_a_bundle_error(tmp_path):
    (tmp_path / "model.json").write_text('{"weights": []}', encoding="utf-8")
    with pytest.raises(BundleError, match="install facevoice again"):
        MouthVoice.load(tmp_path / "model.json")


def test_mouths_are_watched_between_measured_instants_and_forgotten():
    def face(x):
        box = np.array([x, 50, x + 80, 150], np.float32)
        spots = [(x + 25, 85), (x + 55, 85), (x + 40, 105), (x + 28, 125), (x + 52, 125)]
        return Face(box, np.array(spots, np.float32), 1.0)

    generator, mouths, pace = np.random.default_rng(0), Mouths(), Pace()
    recent = RecentMotions(2.0)
    light = generator.integers(0, 255, (200, 200)).astype(np.uint8)
    for number in range(200):
        time = number / 25
        if pace.take(time):
            mouths.add_light(time, light if number % 2 else np.roll(light, 1, axis=0))
        if number % 5 == 0:
            faces = {0: face(20), 1: face(100)} if time < 4 else {0: face(20)}
            recent.add(time, mouths.measure(time, faces))
    times, motions = recent.between(0, 0, 100)
    assert 5.6 <= times[0] < times[-1] <= 7.9
    assert motions.shape == (len(times), MOTIONS)
    assert 23 <= len(times) / (times[-1] - times[0]) <= 26
    assert len(recent.between(1, 0, 100)[0]) == 0


@pytest.mark.slow
def test_speech_goes_to_the_face_that_speaks_it(data_folder, tmp_path):
    """A few films of benchmarks/attribute_speech.py, of speakers outside the training data."""
    bundle = load_bundle("base", threads=1)
    held_out = speakers(data_folder)
    right = unknown = total = 0
    for number in range(6):
        spoken, silent = (held_out[who][4 * number + 1] for who in ("JV03", "JV08"))
        sides = [read_clip(spoken), read_clip(silent)]
        seconds = min(side.seconds for side in sides)
        flipped = number % 2 == 1
        order = sides[::-1] if flipped else sides
        film = side_by_side(tmp_path / f"{number}.mkv", *order, sides[0].sound, seconds)
        middle = sides[0].pictures.shape[2]
        for row in timeline(film, bundle, threads=1).rows:
            if row.speaker == "this" and row.box is not None:
                total += 1
                right += ((row.box[0] + row.box[2]) / 2 > middle) == flipped
            elif row.speaker == "unknown" and row.person is None:
                total += 1
                unknown += 1
    assert total >= 6
    assert right >= 0.8 * total  # 0.95 of 56 windows in the benchmark
    assert unknown <= 0.1 * total


def test_a_lone_face_in_a_film_of_few_pictures_speaks(tmp_path):
    """One picture per second shows no mouth move; that is no sign against the face."""
    clip = read_clip(SAMPLE)
    pictures, times = clip.pictures[::25], np.arange(0, len(clip.pictures), 25) / clip.rate
    film = write_film(tmp_path / "slow.mkv", pictures, times, clip.sound)
    plan = film_plan(media.probe(film), 3.0, 1.0, None, None)
    windows = list(EvidenceReader(threads=1).film(film, plan, attribute=True))
    assert [window.speaker.person for window in windows if window.speaker is not None] == [0, 0]
