"""A film whose picture changes its size midway: the same people, voices and boxes as without."""

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

import facevoice
from facevoice import media
from facevoice.bundle import load_bundle
from facevoice.evidence.tracks import Tracks
from facevoice.faces.detect import prominence
from facevoice.faces.find import FaceFinder
from facevoice.samples import SAMPLE
from facevoice.timeline import timeline
from facevoice.types import Face

SMALL, LARGE, WIDE = (640, 360), (1024, 576), (720, 288)
CHANGE = 50  # pictures of the sample, of 100
RATE = 25
SOUND_RATE = 48_000


def part(path, pictures, size, first, sound):
    """MPEG-TS of one size whose clock starts with picture number ``first``."""
    with av.open(str(path), "w", format="mpegts") as container:
        picture = container.add_stream("libx264", rate=RATE)
        picture.width, picture.height, picture.pix_fmt = *size, "yuv420p"
        picture.options = {"preset": "ultrafast", "crf": "16", "bf": "0"}
        heard = container.add_stream("mp2", rate=SOUND_RATE, layout="mono")
        for number, image in enumerate(pictures, first):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(*size, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        block = 1152
        for at in range(0, len(sound) - block + 1, block):
            samples = (np.clip(sound[at : at + block], -1, 1) * 32767).astype("i2")
            piece = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
            piece.sample_rate, piece.time_base = SOUND_RATE, Fraction(1, SOUND_RATE)
            piece.pts = at + first * SOUND_RATE // RATE
            container.mux(heard.encode(piece))
        container.mux(heard.encode(None))
    return path.read_bytes()


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """The sample in one size; growing midway, with a person in view; and changing its shape."""
    folder = tmp_path_factory.mktemp("sizes")
    pictures = [frame.image for frame in media.iter_frames(SAMPLE)]
    sound = media.read_waveform(SAMPLE, rate_hz=SOUND_RATE).samples
    middle = CHANGE * SOUND_RATE // RATE
    made = {}
    for name, sizes in {
        "twin": (SMALL, SMALL),
        "grows": (SMALL, LARGE),
        "shrinks": (LARGE, SMALL),
        "widens": (SMALL, WIDE),
    }.items():
        halves = (pictures[:CHANGE], 0, sound[:middle]), (pictures[CHANGE:], CHANGE, sound[middle:])
        content = [
            part(folder / "part.ts", shown, size, first, heard)
            for size, (shown, first, heard) in zip(sizes, halves, strict=True)
        ]
        made[name] = folder / f"{name}.ts"
        made[name].write_bytes(b"".join(content))
    return made


@pytest.fixture(scope="module")
def bundle(toy_bundle):
    return load_bundle(toy_bundle, threads=1)


@pytest.fixture(scope="module")
def twin(films, bundle):
    return timeline(films["twin"], bundle, frames=True)


def relative(box, size):
    return np.array(box) / np.tile(size, 2)


@pytest.mark.parametrize("name", ["grows", "shrinks", "widens"])
def test_people_and_voices_are_those_of_one_size(name, films, twin, bundle):
    found = timeline(films[name], bundle, frames=True)
    assert [person.id for person in found.people] == [person.id for person in twin.people]
    assert not len(found.cuts)
    rows = [row for row in found.rows if row.person is not None]
    for row, wanted in zip(rows, twin.rows, strict=True):
        if name != "widens":  # a mouth that is stretched moves in another way
            assert (row.person, row.speaker) == (wanted.person, wanted.speaker)
        assert row.seen_seconds == pytest.approx(wanted.seen_seconds, abs=0.3)
        if row.box is not None:
            box = relative(row.box, row.picture_size)
            assert box == pytest.approx(relative(wanted.box, wanted.picture_size), abs=0.03)


def test_each_box_names_the_picture_that_it_was_found_in(films, twin, bundle):
    found = timeline(films["grows"], bundle, frames=True)
    sizes = found.frames.picture_sizes
    changed = sizes[:, 0] == LARGE[0]
    assert {tuple(size) for size in sizes.tolist()} == {SMALL, LARGE}
    assert (np.diff(changed.astype(int)) >= 0).all()
    boxes = found.frames.boxes / np.tile(sizes, 2)
    wanted = twin.frames.boxes / np.tile(twin.frames.picture_sizes, 2)
    assert boxes == pytest.approx(wanted, abs=0.04)
    assert found.rows[0].picture_size == LARGE  # of the last picture in the window


def test_predict_and_live_see_the_same(films, twin, bundle):
    predictor = facevoice.Predictor(bundle, threads=1)
    evidence, wanted = (predictor(films[name]).evidence for name in ("grows", "twin"))
    assert evidence.people == wanted.people == 1
    assert (evidence.picture_size, wanted.picture_size) == (LARGE, SMALL)
    box = relative(evidence.box, evidence.picture_size)
    assert box == pytest.approx(relative(wanted.box, wanted.picture_size), abs=0.03)
    rows = [row for window in facevoice.live(films["grows"], bundle) for row in window.rows]
    assert [(row.person, row.speaker) for row in rows] == [
        (row.person, row.speaker) for row in twin.rows
    ]


# --- the parts ---

BOX = np.array([100, 50, 150, 110], np.float32)
MARKS = np.array([[110, 70], [140, 70], [125, 85], [112, 95], [138, 95]], np.float32)


def test_a_face_lies_where_it_was_in_a_picture_of_another_size():
    face = Face(BOX, MARKS, 0.9, (200, 200))
    larger = face.on((400, 600))
    assert larger.box.tolist() == [200, 150, 300, 330]
    assert larger.landmarks[0].tolist() == [220, 210]
    assert larger.picture == (400, 600)
    assert larger.on((200, 200)) == face
    assert replace(face, picture=None).on((400, 600)).box is not None
    assert face.on(None) is face
    assert prominence(larger) == pytest.approx(prominence(face))


def test_a_followed_face_is_looked_for_where_it_is_now():
    asked = []

    class Eye:
        def __call__(self, image):
            return [Face(BOX, MARKS, 0.9)]

        def refine(self, image, boxes):
            asked.append(boxes)
            return [Face(box, MARKS, 0.9) for box in boxes]

    finder = FaceFinder(Eye())
    finder.find(np.zeros((200, 200, 3), np.uint8), 0.0, afresh=False)
    (face,) = finder.find(np.zeros((300, 400, 3), np.uint8), 0.25, afresh=False)
    assert asked[0].tolist() == [[200, 75, 300, 165]]
    assert face.picture == (400, 300)


def test_a_track_goes_on_in_a_picture_of_another_size():
    tracks, look = Tracks(), np.full((256, 256, 3), 90, np.uint8)
    look[64:192, 64:192] = 200
    face = Face(BOX, MARKS, 0.9, (200, 200))
    numbers = [
        tracks.update(0.25 * n, [face.on((200 + 50 * n, 200 + 80 * n))], [look]) for n in range(4)
    ]
    assert numbers == [[0]] * 4
