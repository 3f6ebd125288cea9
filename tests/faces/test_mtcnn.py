import os
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from facevoice.errors import BundleError, HashMismatchError, InvalidInputError
from facevoice.faces import mtcnn
from facevoice.faces.detect import overlap, stack_boxes
from facevoice.faces.mtcnn import Mtcnn, smallest_face
from facevoice.types import Face, UInt8Array
from support.detector_contract import RefiningDetectorContract, astronaut


@pytest.fixture(scope="module")
def shared() -> Mtcnn:
    return Mtcnn(threads=1)


class TestMtcnn(RefiningDetectorContract):
    @pytest.fixture
    def detector(self, shared: Mtcnn) -> Mtcnn:
        return shared


class Reference:
    """facenet-pytorch's own detector."""

    def __init__(self, smallest: int) -> None:
        facenet = pytest.importorskip("facenet_pytorch")
        self.torch = pytest.importorskip("torch")
        self.detector = facenet.MTCNN(min_face_size=smallest, keep_all=True)

    def __call__(self, image: UInt8Array) -> list[Face]:
        threads = self.torch.get_num_threads()
        self.torch.set_num_threads(1)  # many times faster if other processes are running
        with self.torch.no_grad():
            boxes, scores, points = self.detector.detect(image, landmarks=True)
        self.torch.set_num_threads(threads)
        if boxes is None:
            return []
        return [
            Face(np.array(box, np.float32), np.array(five, np.float32), float(score))
            for box, score, five in zip(boxes, scores, points, strict=True)
        ]


def compare(
    frames: Iterator[UInt8Array], smallest: int, *, repair: bool = False
) -> tuple[int, int, list[float]]:
    """Number of the reference's faces, how many are matched, and landmark distances in pixels."""
    ours, theirs = Mtcnn(min_face_pixels=smallest, repair_border=repair), Reference(smallest)
    total, matched, distances = 0, 0, []
    for frame in frames:
        wanted, found = theirs(frame), ours(frame)
        total += len(wanted)
        if not wanted or not found:
            continue
        shared = overlap(stack_boxes(wanted), stack_boxes(found))
        for face, row in zip(wanted, shared, strict=True):
            if row.max() >= 0.9:
                matched += 1
                near = found[int(row.argmax())].landmarks
                distances.append(float(np.linalg.norm(near - face.landmarks, axis=1).mean()))
    return total, matched, distances


def real_frames(*, every: int, per_clip: int) -> Iterator[UInt8Array]:
    """Frames of the clips in $FACEVOICE_DATA."""
    root = Path(os.environ.get("FACEVOICE_DATA", ""))
    if "FACEVOICE_DATA" not in os.environ or not (root / "clips").is_dir():
        pytest.skip("FACEVOICE_DATA names no folder with real clips")
    for path in [*sorted(root.glob("clips/*")), *sorted(root.glob("*_av/*.mp4"))[::9]]:
        if path.suffix in {".csv", ".jpg"}:
            continue
        with av.open(path) as container:
            if container.streams.video:
                pictures = container.decode(video=0)
                for picture in islice(pictures, 2, 2 + every * per_clip, every):
                    yield np.asarray(picture.to_ndarray(format="rgb24"), np.uint8)


@pytest.mark.parametrize("smallest", [20, 47])
def test_equals_facenet_on_photographs(smallest: int) -> None:
    picture = astronaut()
    small = np.asarray(Image.fromarray(picture).resize((301, 187)))
    tall = np.concatenate([picture[:, 100:400], picture[::-1, 100:400]])
    total, matched, distances = compare(iter([picture, small, tall, picture[60:, :300]]), smallest)
    assert matched == total >= 4
    assert max(distances) < 0.01


def test_equals_facenet_on_a_few_real_frames() -> None:
    frames = islice(real_frames(every=1, per_clip=1), 8, 32, 2)
    total, matched, distances = compare(frames, 60)
    assert total >= 8
    assert matched == total
    assert max(distances) < 0.5


@pytest.mark.slow
def test_equals_facenet_on_real_clips() -> None:
    frames = list(real_frames(every=40, per_clip=6))
    assert len(frames) >= 150
    total, matched, distances = compare(iter(frames), 40)
    assert matched >= 0.99 * total
    assert np.median(distances) < 0.01


def test_repairs_landmarks_at_the_border() -> None:
    whole = Mtcnn(threads=1)(astronaut())[0]
    left, top = int(whole.box[0]) + 4, int(whole.box[1]) + 10
    cut = astronaut()[top:, left:]
    errors = []
    for repair in (False, True):
        face = Mtcnn(threads=1, repair_border=repair)(cut)[0]
        wanted = whole.landmarks - (left, top)
        errors.append(np.abs(face.landmarks - wanted).mean())
    assert errors[1] < errors[0]
    assert errors[1] < 0.05 * (whole.box[3] - whole.box[1])


@pytest.mark.parametrize("size", [(1080, 1920), (3000, 4000)])
def test_large_pictures_are_reduced(shared: Mtcnn, size: tuple[int, int]) -> None:
    height, width = size
    scale = height / 512
    face = np.asarray(Image.fromarray(astronaut()).resize((height, height)))
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, :height] = face
    near, far = shared(astronaut())[0], shared(picture)[0]
    assert np.abs(far.landmarks / scale - near.landmarks).max() < 6


def test_smallest_face_follows_the_picture() -> None:
    assert smallest_face(240, 320) == 20
    assert smallest_face(1080, 1920) == 90
    with pytest.raises(InvalidInputError, match="12 or more"):
        Mtcnn(min_face_pixels=5)


def test_min_face_pixels_excludes_small_faces() -> None:
    assert Mtcnn(min_face_pixels=300, threads=1)(astronaut()) == []


def test_changed_or_missing_weights_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    shutil.copytree(mtcnn.MODELS, folder)
    monkeypatch.setattr(mtcnn, "MODELS", folder)
    Mtcnn(threads=1)
    changed = folder / "rnet.onnx"
    changed.write_bytes(changed.read_bytes() + b" ")
    with pytest.raises(HashMismatchError, match=r"rnet\.onnx"):
        Mtcnn(threads=1)
    changed.unlink()
    with pytest.raises(BundleError, match="missing"):
        Mtcnn(threads=1)
