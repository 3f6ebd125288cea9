import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facevoice.errors import FacevoiceError, InvalidInputError, LabelMismatchError
from facevoice.serve.problems import RefusedError
from facevoice.types import EMOTIONS, Evidence, Face, FaceTrack, Frame, Scores, Waveform
from support.evidence_factory import make_evidence


def uniform(labels: tuple[str, ...] = EMOTIONS) -> Scores:
    return Scores(labels, np.full(len(labels), 1 / len(labels)))


def test_emotions_are_in_the_order_of_the_papers_figure():
    assert EMOTIONS == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def test_scores_by_label_and_the_first_of_equal_scores():
    scores = Scores(("a", "b", "c"), np.array([0.2, 0.4, 0.4]))
    assert scores["c"] == pytest.approx(0.4)
    assert scores.emotion == "b"
    assert scores.confidence == pytest.approx(0.4)
    assert scores.to_dict() == pytest.approx({"a": 0.2, "b": 0.4, "c": 0.4})
    with pytest.raises(KeyError, match="no label 'd' among: a, b, c"):
        scores["d"]


@pytest.mark.parametrize("values", [[0.5, 0.6], [-0.1, 1.1], [np.nan, 1.0], [1.0], [0.2, 0.3, 0.5]])
def test_scores_must_be_a_distribution_over_their_labels(values):
    with pytest.raises(InvalidInputError):
        Scores(("a", "b"), np.array(values))


def test_scores_refuse_repeated_labels_and_parts_with_others():
    with pytest.raises(InvalidInputError, match="repeat"):
        Scores(("a", "a"), np.array([0.5, 0.5]))
    part = Scores(("a", "b"), np.array([0.5, 0.5]))
    with pytest.raises(LabelMismatchError, match="'face'"):
        Scores(("b", "a"), np.array([0.5, 0.5]), {"face": part})


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=12))
def test_any_normalised_vector_makes_scores_that_sum_to_one(values):
    array = np.array(values)
    scores = Scores(tuple(f"l{i}" for i in range(len(values))), array / array.sum())
    assert float(scores.values.sum()) == pytest.approx(1)
    assert scores[scores.emotion] == scores.confidence


def test_arrays_of_frozen_classes_are_read_only():
    scores = uniform()
    with pytest.raises(ValueError, match="read-only"):
        scores.values[0] = 1
    track = FaceTrack.of_images(np.zeros((1, 256, 256, 3), np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        track.images[0] = 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: Frame(np.zeros((4, 4), np.uint8), 0.0),
        lambda: Frame([[[0, 0, 0]]], 0.0),
        lambda: Frame(np.zeros((4, 4, 3), np.float32), 0.0),
        lambda: Waveform(np.zeros((2, 2), np.float32), 16000),
        lambda: Waveform(np.zeros(2), 16000),
        lambda: Waveform(np.zeros(2, np.float32), 0),
        lambda: Waveform(np.array([np.nan], np.float32), 16000),
        lambda: Face(np.array([5, 0, 1, 4], np.float32), np.zeros((5, 2), np.float32), 0.9),
        lambda: FaceTrack.of_images(np.zeros((0, 256, 256, 3), np.uint8)),
        lambda: FaceTrack.of_images(np.zeros((1, 224, 224, 3), np.uint8)),
        lambda: Evidence(None, None, 0.0, 1.0),
        lambda: Evidence(None, None, 2.0, 1.0, missing={"face": "no_face", "voice": "silent"}),
        lambda: Evidence(None, None, 0.0, 1.0, missing={"face": "gone", "voice": "silent"}),
    ],
)
def test_invalid_fields_are_refused(make):
    with pytest.raises(InvalidInputError):
        make()


def test_the_times_of_a_track_must_increase():
    track = FaceTrack.of_images(np.zeros((2, 256, 256, 3), np.uint8))
    with pytest.raises(InvalidInputError, match="increase"):
        FaceTrack(track.images, np.array([1.0, 1.0]), track.boxes, track.quality)


def test_a_track_has_one_set_of_landmarks_per_picture():
    track = FaceTrack.of_images(np.zeros((3, 256, 256, 3), np.uint8))
    assert track.landmarks.shape == (3, 5, 2)
    assert np.isnan(track.landmarks).all()
    marks = np.arange(30, dtype=np.float32).reshape(3, 5, 2)
    known = FaceTrack(track.images, track.times_seconds, track.boxes, track.quality, marks)
    np.testing.assert_array_equal(known.take(np.array([0, 2])).landmarks, marks[[0, 2]])
    with pytest.raises(InvalidInputError, match="landmarks"):
        FaceTrack(track.images, track.times_seconds, track.boxes, track.quality, marks[:2])


def test_reprs_show_sizes_instead_of_pixels():
    evidence = make_evidence(faces=2)
    assert "2 faces" in repr(evidence)
    assert len(repr(evidence)) < 300
    assert "happy 0.14" in repr(uniform())


def test_every_error_has_its_own_kind():
    def below(root: type[FacevoiceError]) -> set[type[FacevoiceError]]:
        return {root}.union(*(below(child) for child in root.__subclasses__()))

    assert issubclass(RefusedError, FacevoiceError)  # the one that is defined elsewhere
    kinds = [error.kind for error in below(FacevoiceError)]
    assert len(set(kinds)) == len(kinds)
