import numpy as np
import pytest

from facevoice.faces.detect import overlap, prominence, stack_boxes, suppress
from facevoice.types import Face


def face(*box: float, confidence: float = 1.0) -> Face:
    return Face(np.array(box, np.float32), np.zeros((5, 2), np.float32), confidence)


def test_overlap_of_known_boxes() -> None:
    first = np.array([(0, 0, 10, 10), (20, 20, 30, 30)], np.float32)
    second = np.array([(0, 0, 10, 10), (5, 0, 15, 10), (100, 0, 110, 10)], np.float32)
    expected = np.array([[1, 1 / 3, 0], [0, 0, 0]])
    assert np.allclose(overlap(first, second), expected)
    assert overlap(first[:0], second).shape == (0, 3)


def test_prominence_grows_with_size_and_confidence() -> None:
    assert prominence(face(0, 0, 30, 40)) == pytest.approx(1200**0.5)
    assert prominence(face(0, 0, 30, 40, confidence=0.5)) == pytest.approx(1200**0.5 / 2)


def test_stack_of_no_boxes() -> None:
    assert stack_boxes([]).shape == (0, 4)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_suppress_equals_torchvision(threshold: float) -> None:
    torch = pytest.importorskip("torch")
    ops = pytest.importorskip("torchvision.ops")
    generator = np.random.default_rng(1)
    corner = generator.uniform(0, 50, (300, 2))
    boxes = np.hstack([corner, corner + generator.uniform(5, 40, (300, 2))]).astype(np.float32)
    scores = generator.permutation(300).astype(np.float32)
    wanted = ops.nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold).numpy()
    assert suppress(boxes, scores, threshold).tolist() == wanted.tolist()


def test_suppress_by_the_smaller_box_removes_a_box_inside() -> None:
    boxes = np.array([(0, 0, 100, 100), (10, 10, 40, 40)], np.float32)
    scores = np.array([0.8, 0.9], np.float32)
    assert suppress(boxes, scores, 0.7).tolist() == [1, 0]
    assert suppress(boxes, scores, 0.7, measure="smaller").tolist() == [1]
    assert suppress(boxes[:0], scores[:0], 0.7).tolist() == []
