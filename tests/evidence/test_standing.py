"""A film whose pictures stand for long gives what the same film at a constant rate gives."""

from pathlib import Path

import numpy as np
import pytest

from facevoice import media
from facevoice.evidence import EvidenceReader, EvidenceWindow, film_plan
from facevoice.evidence.follow import Follower
from facevoice.media import View
from facevoice.samples import SAMPLE
from facevoice.types import Evidence, Face, UInt8Array
from support.joined_clips import write_film

RATE = 25
FREEZE = (1.0, 4.6)  # seconds; a moving second before it, and one behind it


@pytest.fixture(scope="module")
def reader() -> EvidenceReader:
    return EvidenceReader(threads=1)


@pytest.fixture(scope="module")
def pictures() -> list[UInt8Array]:
    return [frame.image for frame in media.iter_frames(SAMPLE, stop_seconds=2.0)]


@pytest.fixture(scope="module")
def twins(pictures: list[UInt8Array], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The frozen pictures left out, and written."""
    folder = tmp_path_factory.mktemp("twins")
    begins, ends = (round(seconds * RATE) for seconds in FREEZE)
    shown = [*range(begins), *[begins - 1] * (ends - begins), *range(begins, 2 * RATE)]
    times = [number / RATE for number in range(len(shown))]
    new = [at for at in range(len(shown)) if at == 0 or shown[at] != shown[at - 1]]
    return [
        write_film(folder / f"{name}.mkv", [pictures[shown[at]] for at in kept], kept_times, None)
        for name, kept, kept_times in (
            ("variable", new, [times[at] for at in new]),
            ("constant", range(len(shown)), times),
        )
    ]


def windows(reader: EvidenceReader, path: Path, **part: float) -> list[EvidenceWindow]:
    plan = film_plan(media.probe(path), 3.0, 1.0, part.get("start"), part.get("stop"))
    return list(reader.film(path, plan))


def test_windows_see_the_same_people_for_as_long(reader: EvidenceReader, twins: list[Path]) -> None:
    variable, constant = (windows(reader, path) for path in twins)
    assert len(variable) == len(constant) == 4
    for one, other in zip(variable, constant, strict=True):
        assert list(one.faces) == list(other.faces) == [0]
        assert one.people == other.people == 1
        assert one.faces[0].seconds == pytest.approx(other.faces[0].seconds, abs=0.2)
        assert one.stop_seconds == pytest.approx(other.stop_seconds)
    seen = [sum(s.seconds for w in each for s in w.sights) for each in (variable, constant)]
    assert seen[0] == pytest.approx(seen[1], abs=0.05)
    assert not any(window.cuts for window in variable)


def test_a_part_that_starts_in_the_freeze_sees_the_picture(
    reader: EvidenceReader, twins: list[Path]
) -> None:
    found: list[Evidence] = []
    for path in twins:
        (evidence,) = reader.clip(path, start_seconds=2.0, stop_seconds=4.0)
        found.append(evidence)
    for evidence in found:
        assert evidence.missing == {"voice": "no_audio_stream"}
        assert evidence.face_seconds == pytest.approx(2.0)
        assert evidence.people == 1
    images = [evidence.faces.images[0].astype(int) for evidence in found if evidence.faces]
    assert np.abs(images[0] - images[1]).mean() < 4


@pytest.mark.parametrize("spacing", [1.0, 1.001, 2.5])
def test_one_person_in_pictures_that_are_far_apart(
    reader: EvidenceReader, pictures: list[UInt8Array], tmp_path: Path, spacing: float
) -> None:
    shown = pictures[::12][:4]
    times = [number * spacing for number in range(4)]
    path = write_film(tmp_path / "slow.mkv", shown, times, None)
    arrays = reader.of_arrays(shown, times, None, None)
    for evidence in (*reader.clip(path, stop_seconds=4 * spacing), arrays):
        assert evidence.faces is not None
        assert evidence.people == 1
        assert evidence.face_seconds > 0.8 * (evidence.stop_seconds - evidence.start_seconds)
    assert arrays.faces is not None
    assert arrays.faces.different == 4
    made = windows(reader, path)
    assert {person for window in made for person in window.faces} == {0}


def test_a_standing_picture_is_searched_once_and_starts_no_shot() -> None:
    searches = []

    def detector(image: UInt8Array) -> list[Face]:
        searches.append(image)
        box = np.array([40, 20, 100, 100], np.float32)
        spots = [(55, 45), (85, 45), (70, 60), (58, 80), (82, 80)]
        return [Face(box, np.array(spots, np.float32), 0.9)]

    follower = Follower(detector, with_mouths=False)
    generator = np.random.default_rng(0)
    followed = []
    for second in range(6):
        image = generator.integers(0, 255, (120, 160, 3)).astype(np.uint8)
        thumbnail = image[:96:2, :128:2].copy()
        for step in range(5):
            until = second + (step + 1) / 5 if step else None
            view = View(second + step / 5, thumbnail, None, image, until)
            followed += follower.push(view)
    followed += follower.flush()
    assert [picture.time_seconds for picture in followed] == [k / 5 for k in range(30)]
    assert [p.until is not None for p in followed] == [k % 5 > 0 for k in range(30)]
    assert all(picture.faces for picture in followed)
    assert len(searches) == 6
