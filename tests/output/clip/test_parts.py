"""The pieces of the page: strip of faces, outline of sound, colours, times, spans."""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facevoice.branches import Blend, Stack
from facevoice.branches.blend import Rule
from facevoice.messages import counted
from facevoice.output.clip.content import Stretch, merged
from facevoice.output.clip.nodes import by_modality, counted_modalities, node_of
from facevoice.output.clip.over_time import stack
from facevoice.output.clip.sound import COLUMNS, read_sound, spectrogram
from facevoice.output.clip.strip import MOST_FACES, FaceStrip
from facevoice.output.clip.words import role
from facevoice.output.html.colours import COLOURS, colours_of
from facevoice.output.html.page import html_page
from facevoice.output.html.thumbnails import THUMBNAIL_SIZE
from facevoice.output.html.time_axis import axis, lane
from facevoice.output.wording import clock, duration, listed, percent, speed
from facevoice.types import (
    EMOTIONS,
    Evidence,
    FaceTrack,
    Float32Array,
    Float64Array,
    Modality,
    Scores,
    UInt8Array,
    Waveform,
)
from facevoice.types.spans import joined
from support.media_files import tone, write_media


@dataclass
class Single:
    """A branch that sees in the k-th face of a window the emotion k."""

    name: str = "single"
    labels: tuple[str, ...] = EMOTIONS
    modality: Modality | None = "face"

    def score(self, evidence: Evidence) -> Scores | None:
        return None

    def chosen(self, count: int) -> NDArray[np.intp]:
        return np.arange(count)

    def look(self, images: UInt8Array) -> Float64Array:
        return np.eye(len(self.labels))[np.arange(len(images)) % len(self.labels)]

    def of_looks(self, looks: Float64Array, quality: Float32Array) -> Scores:
        return Scores(self.labels, looks.mean(axis=0))

    def frames_of_looks(self, looks: Float64Array) -> Float64Array | None:
        return looks


@dataclass
class Whole:
    """A branch that cannot tell single faces."""

    name: str = "whole"
    labels: tuple[str, ...] = EMOTIONS
    modality: Modality | None = "face"

    def score(self, evidence: Evidence) -> Scores | None:
        return None


def window(start: float, count: int) -> Evidence:
    """Faces whose brightness is their time in seconds; one pixel makes each another picture."""
    times = start + np.arange(count) / count
    images = np.zeros((count, 256, 256, 3), np.uint8) + times.astype(np.uint8)[:, None, None, None]
    images[:, 0, 0, 0] = np.arange(count)
    track = FaceTrack(
        images=images,
        times_seconds=times,
        boxes=np.tile(np.array([0, 0, 1, 1], np.float32), (count, 1)),
        quality=np.ones(count, np.float32),
    )
    return Evidence(track, None, start, start + 1.0, missing={"voice": "silent"})


@pytest.mark.parametrize("windows", [1, 2, 3, 7, 50, 150])
def test_the_strip_is_bounded_and_evenly_spread(windows: int) -> None:
    strip = FaceStrip(Single())
    for number in range(windows):
        strip.look(window(float(number), 5))
        assert len(strip._kept) < 2 * MOST_FACES
    chosen = strip.chosen()
    assert len(chosen) == min(5 * windows, MOST_FACES)
    times = np.array([face.time_seconds for face in chosen])
    assert np.all(np.diff(times) > 0)
    gaps = np.diff([0.0, *times, windows])
    assert gaps.max() < 3.5 * windows / len(chosen)
    for face in chosen:
        with Image.open(io.BytesIO(face.jpeg)) as picture:
            assert picture.size == (THUMBNAIL_SIZE, THUMBNAIL_SIZE)
            assert abs(int(np.asarray(picture).mean()) - int(face.time_seconds)) <= 2
        number = round((face.time_seconds % 1) * 5)
        assert (face.emotion, face.score) == (EMOTIONS[number], 1.0)


def test_a_picture_that_still_stands_is_shown_once() -> None:
    strip = FaceStrip(Single())
    evidence = window(0.0, 5)
    assert evidence.faces is not None
    images = evidence.faces.images[[0, 1, 1, 3, 3]]
    strip.look(replace(evidence, faces=replace(evidence.faces, images=images)))
    assert [face.time_seconds for face in strip.chosen()] == pytest.approx([0.0, 0.2, 0.6])


def test_faces_without_a_branch_that_tells_them_apart() -> None:
    strip = FaceStrip(Whole())
    strip.look(window(0.0, 3))
    strip.look(Evidence(None, None, 1.0, 2.0, missing={"face": "no_face", "voice": "silent"}))
    assert strip.branch_name is None
    assert [face.emotion for face in strip.chosen()] == [None] * 3
    assert FaceStrip(Whole()).chosen() == ()


def test_a_branch_that_needs_a_sequence_leaves_the_strip_to_the_next() -> None:
    class Sequence(Single):
        def frames_of_looks(self, looks: Float64Array) -> Float64Array | None:
            return None

    strip = FaceStrip(Blend("face", [Sequence("sequence"), Single()], [1, 1]))
    strip.look(window(0.0, 3))
    assert strip.branch_name == "single"
    assert [face.emotion for face in strip.chosen()] == list(EMOTIONS[:3])
    strip = FaceStrip(Sequence("sequence"))
    strip.look(window(0.0, 3))
    assert [face.emotion for face in strip.chosen()] == [None] * 3


def test_below_a_stack_members_count_and_have_no_share() -> None:
    stack = Stack("system", [Single(), Whole()], np.zeros((15, 7)))
    said = Scores(EMOTIONS, np.full(7, 1 / 7))
    node = node_of(stack, stack.combine({"single": said, "whole": None}))
    single, whole = node.members
    assert (single.counted, single.share) == (True, None)
    assert (whole.counted, whole.scores) == (False, None)


def test_a_fusion_is_named_by_the_way_it_combines_its_members() -> None:
    members = [Single(), Whole()]
    said = Scores(EMOTIONS, np.full(7, 1 / 7))
    for fusion, words in (
        (Blend("system", members, [1, 1]), "Weighted sum of"),
        (Blend("system", members, [1, 1], rule="product"), "Weighted product of"),
        (Stack("system", members, np.zeros((15, 7))), "Stack of"),
    ):
        node = node_of(fusion, fusion.combine({"single": said, "whole": said}))
        assert role(node, node, "the result").startswith(f"{words} single and whole. ")


@pytest.mark.parametrize(
    ("weights", "rule", "words"),
    [
        ([1, 1], "sum", "50% of the result."),
        ([1, 1], "product", "One of 2 equal factors of the result."),
        ([3, 1], "product", "A factor of the result, with 75% of the weight."),
    ],
)
def test_the_part_of_a_member_is_that_of_the_rule(
    weights: list[float], rule: Rule, words: str
) -> None:
    said = Scores(EMOTIONS, np.full(7, 1 / 7))
    blend = Blend("system", [Single(), Whole()], weights, rule=rule)
    node = node_of(blend, blend.combine({"single": said, "whole": said}))
    assert role(node.members[0], node, "the result") == words


def test_the_envelope_stands_where_the_sound_does(tmp_path: Path) -> None:
    sound = np.concatenate([np.zeros(16_000, np.float32), tone(1.0, 16_000)])
    path = write_media(tmp_path / "late.wav", sound=sound)
    outline = read_sound(path, 0.0, 4.0)
    assert outline.low.shape == outline.high.shape == (COLUMNS,)
    quarter = COLUMNS // 4
    assert not outline.high[: quarter - 1].any()
    assert np.allclose(outline.high[quarter + 1 : 2 * quarter - 1], 0.5, atol=0.02)
    assert np.allclose(outline.low[quarter + 1 : 2 * quarter - 1], -0.5, atol=0.02)
    assert not outline.high[2 * quarter + 1 :].any()
    assert outline.peak == pytest.approx(0.5, abs=0.02)
    assert outline.spectrogram is not None
    with Image.open(io.BytesIO(outline.spectrogram.png)) as picture:
        grey = np.asarray(picture)
    assert grey.shape[0] == 128
    assert grey[:, -20:].min(axis=0).max() < 60  # the tone, dark
    assert (outline.spectrogram.start_seconds, outline.spectrogram.stop_seconds) == (0.0, 2.0)


def test_a_long_sound_has_an_envelope_of_the_same_length_and_no_spectrogram(tmp_path: Path) -> None:
    path = write_media(tmp_path / "long.wav", sound=tone(45.0, 16_000))
    outline = read_sound(path, 0.0, 45.0)
    assert outline.low.shape == (COLUMNS,)
    assert outline.high.min() > 0.4
    assert outline.spectrogram is None


def test_a_very_short_sound_and_silence_do_not_break_the_outline(tmp_path: Path) -> None:
    path = write_media(tmp_path / "short.wav", sound=tone(0.002, 16_000))
    assert len(read_sound(path, 0.0, 0.002).low) == 16
    assert spectrogram(Waveform(np.zeros(0, np.float32), 16_000)) is None
    assert spectrogram(Waveform(np.zeros(800, np.float32), 16_000)) is None


@pytest.mark.parametrize("count", [1, 4, 7, 12, 30])
def test_every_label_has_a_colour_and_few_share_one(count: int) -> None:
    labels = [*EMOTIONS, *(f"label {number}" for number in range(30))][:count]
    colours = colours_of(labels)
    assert set(colours) == set(labels)
    assert len(set(colours.values())) == min(count, COLOURS)
    assert all(0 <= number < COLOURS for number in colours.values())


def test_an_emotion_keeps_its_colour_in_any_label_set() -> None:
    assert colours_of(EMOTIONS)["happy"] == colours_of(["joyless", "Happy"])["Happy"]
    assert len(set(colours_of(["happy", "joy", "happiness"]).values())) == 3


def test_neighbouring_windows_are_averaged() -> None:
    one, two = np.array([0.2, 0.8]), np.array([0.6, 0.4])
    stretches = [
        Stretch(0.0, 3.0, one, face=True, voice=False),
        Stretch(3.0, 6.0, two, face=False, voice=False),
        Stretch(6.0, 7.0, None, face=False, voice=False),
    ]
    assert merged(stretches, 3) == tuple(stretches)
    first, last = merged(stretches, 2)
    assert (first.start_seconds, first.stop_seconds, first.face) == (0.0, 6.0, True)
    assert first.values == pytest.approx([0.4, 0.6])
    assert last.values is None
    assert "M" in stack(stretches, ("a", "b"), {"a": 0, "b": 1}, (0.0, 7.0))


def test_spans_that_touch_are_joined_and_too_many_are_thinned() -> None:
    spans = [(0.0, 1.0), (1.02, 2.0), (3.0, 4.0)]
    assert joined(spans, 0.05) == [(0.0, 2.0), (3.0, 4.0)]
    assert joined(spans) == spans
    assert joined([]) == []
    starts = np.arange(0.0, 3600.0, 2.0)
    drawn = lane([(start, start + 1) for start in starts.tolist()], (0.0, 3600.0), "many")
    assert drawn.count("<span") <= 200


@pytest.mark.parametrize(
    "span",
    [(0.0, 0.3), (0.0, 7.0), (-1.5, 4.0), (95_443.7, 95_450.0), (0.0, 1800.0), (0.0, 90_000.0)],
)
def test_an_axis_has_some_ticks_inside_its_span(span: tuple[float, float]) -> None:
    assert 2 <= axis(span).count('class="tick') <= 11


def test_times_and_numbers_read_well() -> None:
    assert [duration(seconds, 1) for seconds in (0.0, 7.04, 59.96, 125.0, 3725.0)] == [
        "0.0 s",
        "7.0 s",
        "1 min 00 s",
        "2 min 05 s",
        "1 h 02 min",
    ]
    assert clock(3.256, 10.0) == "3.26 s"
    assert clock(125.9, 300.0) == "2:05"
    assert clock(3725.0, 4000.0) == "1:02:05"
    assert clock(-61.0, 300.0) == "-1:01"
    assert clock(5.0, 10.0, digits=0) == "5 s"
    assert [duration(seconds) for seconds in (9.6, 59.4, 59.6)] == ["10 s", "59 s", "1 min 00 s"]
    assert [speed(rate) for rate in (7.06, 0.2)] == ["7.1/s", "12.0/min"]
    assert [counted(number, "face") for number in (0, 1, 2)] == ["0 faces", "1 face", "2 faces"]
    assert counted(2, "stretch", "stretches") == "2 stretches"
    assert percent(0.626) == "63%"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed([]) == ""


def test_a_leaf_without_scores_is_a_tree_too() -> None:
    root = node_of(Whole(), None)
    assert root.modality == "face"
    assert not counted_modalities(root)
    assert by_modality(root) == [("face", (root,))]


def test_the_frame_forbids_all_loading_and_escapes_its_title() -> None:
    page = html_page("<b>", "a & b", "<p>c</p>", "<main></main>")
    assert """content="default-src 'none'; img-src data:; style-src 'unsafe-inline'\"""" in page
    assert page.index("Security-Policy") < page.index("<style>") < page.index("<header>")
    assert page.count("&lt;b&gt;") == 2
    assert "<b>" not in page
    assert "a &amp; b" in page
