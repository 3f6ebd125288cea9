"""Teach the linear layer from the points of a face mesh to 52 blendshapes.

    python scripts/teach_blendshapes.py --data DATA --teacher TASK --work DIR --to DIR

The teacher is MediaPipe's face landmarker; it runs under ``uv run`` with mediapipe, see
``blendshape_targets.py``. DATA holds FER2013 (``fer2013/train``, ``fer2013/test``) and clips of
talking faces (``ravdess_av``). Every fourth clip and FER2013's test part are held out: on them the
script prints, for each blendshape, R2 and the correlation with the teacher, and the pose's
differences. Steps whose results are in the work folder are not done again.
``blendshapes.onnx`` and its entry in ``manifest.json`` are written to the other folder.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from packages import verified, write_part
from PIL import Image

from facevoice.faces import Mtcnn, align
from facevoice.faces.blendshapes import BLENDSHAPES
from facevoice.faces.head_pose import angles, facing_camera
from facevoice.faces.mesh import FaceMesh
from facevoice.faces.sample import place_crops
from facevoice.media import iter_frames
from facevoice.types import Float64Array

TRAINING_PICTURES: Final = 6_000
TEST_PICTURES: Final = 1_000
FRAMING: Final = (22.0, 42.0, 232.0, 252.0)  # of FER2013's pictures in the aligned one
HELD_OUT_CLIPS: Final = 4  # every fourth
HD_RATE_HZ: Final = 6.0
STRENGTHS: Final = tuple(10.0**power for power in range(-6, 1))
TEACHER_SHA256: Final = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
FACTS: Final = {
    "learnt_from": "the answers of MediaPipe's face landmarker (Apache-2.0) on FER2013 (no formal"
    " licence) and RAVDESS (CC BY-NC-SA 4.0); made by scripts/teach_blendshapes.py",
    "licence": "CC BY-NC-SA 4.0",
    "input": "points (N, 1434): 478 x (x, y, z) in cm, facing the camera",
    "outputs": "blendshapes (N, 52), 0 to 1, in MediaPipe's order",
}
Greys = NDArray[np.uint8]


def pictures_of(data: Path) -> tuple[Greys, NDArray[np.str_]]:
    """Aligned faces (N, 256, 256), grey, and the part of each: "train", "test" or "clips"."""
    random = np.random.default_rng(0)
    greys, parts = [], []
    for part, count in (("train", TRAINING_PICTURES), ("test", TEST_PICTURES)):
        files = sorted((data / "fer2013" / part).glob("*/*"))
        for index in np.sort(random.permutation(len(files))[:count]):
            crop = np.asarray(Image.open(files[index]).convert("L"))
            greys.append(place_crops(crop[None], FRAMING)[0, :, :, 0])
            parts.append(part)
    find = Mtcnn(threads=1)
    for number, file in enumerate(sorted((data / "ravdess_av").glob("*.mp4"))):
        part = "clips" if number % HELD_OUT_CLIPS == 0 else "train"
        for frame in iter_frames(file, rate_hz=HD_RATE_HZ):
            for face in find(frame.image)[:1]:
                aligned = Image.fromarray(align(frame.image, face.landmarks)).convert("L")
                greys.append(np.asarray(aligned))
                parts.append(part)
    return np.stack(greys), np.array(parts)


def points_of(greys: Greys) -> tuple[Float64Array, Float64Array]:
    """Points that face the camera (N, 1434), and poses (N, 3): yaw, pitch, roll."""
    mesh = FaceMesh.shipped(threads=1)
    points, poses = np.empty((len(greys), 1434)), np.empty((len(greys), 3))
    for number, grey in enumerate(greys):
        facing, pose = facing_camera(mesh(np.repeat(grey[..., None], 3, axis=2)))
        points[number] = facing.ravel()
        poses[number] = astuple(pose)
        if number % 1000 == 0:
            print(f"{number} of {len(greys)} faces", file=sys.stderr)
    return points, poses


def ask_teacher(pictures: Path, task: Path, result: Path) -> None:
    """Run ``blendshape_targets.py`` in an environment of its own."""
    uv = shutil.which("uv")
    if uv is None:
        sys.exit("uv was not found: it runs the teacher in an environment of its own")
    script = Path(__file__).with_name("blendshape_targets.py")
    own = [uv, "run", "--no-project", "--python", "3.11", "--with", "mediapipe==0.10.14"]
    subprocess.run([*own, str(script), str(pictures), str(task), str(result)], check=True)


def ridge(x: Float64Array, y: Float64Array, strength: float) -> Float64Array:
    """Weights (D, 52) for centred values; the strength is for the mean over rows."""
    gram = x.T @ x / len(x) + strength * np.eye(x.shape[1])
    return np.asarray(np.linalg.solve(gram, x.T @ y / len(x)), np.float64)


def chosen_strength(x: Float64Array, y: Float64Array) -> float:
    """The strength of least squared error on a fifth that is held out."""
    held = np.arange(len(x)) % 5 == 0
    errors = [
        float(((x[held] @ ridge(x[~held], y[~held], each) - y[held]) ** 2).mean())
        for each in STRENGTHS
    ]
    for each, error in zip(STRENGTHS, errors, strict=True):
        print(f"strength {each:g}: mean squared error {error:.6f}")
    return STRENGTHS[int(np.argmin(errors))]


def report(found: Float64Array, wanted: Float64Array) -> None:
    """Print R2, correlation and the spread of the targets for each blendshape."""
    print(f"{'':20}      R2  correlation  deviation")
    lines = []
    for index, name in enumerate(BLENDSHAPES):
        target, value = wanted[:, index], found[:, index]
        spread = float(target.std())
        r2 = 1 - float(((value - target) ** 2).mean()) / max(spread**2, 1e-12)
        together = float(np.corrcoef(value, target)[0, 1]) if spread > 0 else np.nan
        lines.append((r2, together, spread))
        print(f"{name:20} {r2:7.2f} {together:12.2f} {spread:10.3f}")
    moving = np.array([line for line in lines if line[2] > 0.02])
    medians = np.median(moving, axis=0)
    print(f"median of the {len(moving)} that move: R2 {medians[0]:.2f}, r {medians[1]:.2f}")


def pose_errors(poses: Float64Array, matrices: Float64Array) -> None:
    """Print how far yaw, pitch and roll are from the teacher's (y up, z towards the camera)."""
    flip = np.diag([1.0, -1.0, -1.0])
    rotations = matrices[:, :3, :3] / np.cbrt(np.linalg.det(matrices[:, :3, :3]))[:, None, None]
    wanted = np.array([astuple(angles(flip @ each @ flip)) for each in rotations])
    errors = poses - wanted
    for index, name in enumerate(("yaw", "pitch", "roll")):
        median = np.median(errors[:, index])
        spread = np.median(np.abs(errors[:, index] - median))
        r = np.corrcoef(poses[:, index], wanted[:, index])[0, 1]
        print(f"{name}: median difference {median:.1f} degrees, around it {spread:.1f}, r {r:.2f}")


def layer(mean: Float64Array, weights: Float64Array, bias: Float64Array) -> onnx.ModelProto:
    """(N, 1434) float32 -> (N, 52), 0 to 1; weights are kept as float16."""
    constants = {
        "mean": mean.astype(np.float32),
        "weights16": weights.astype(np.float16),
        "bias": bias.astype(np.float32),
        "low": np.float32(0),
        "high": np.float32(1),
    }
    nodes = [
        helper.make_node("Sub", ["points", "mean"], ["centred"]),
        helper.make_node("Cast", ["weights16"], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("Gemm", ["centred", "weights", "bias"], ["linear"]),
        helper.make_node("Clip", ["linear", "low", "high"], ["blendshapes"]),
    ]
    graph = helper.make_graph(
        nodes,
        "blendshapes",
        [helper.make_tensor_value_info("points", TensorProto.FLOAT, ["faces", len(mean)])],
        [helper.make_tensor_value_info("blendshapes", TensorProto.FLOAT, ["faces", len(bias)])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def main() -> None:
    """Gather faces, ask the teacher, fit, report, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("data", "teacher", "work", "to"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    verified(lambda name: Path(name).read_bytes(), str(options.teacher), TEACHER_SHA256)
    pictures, parts_file = work / "pictures.npy", work / "parts.npy"
    if not parts_file.exists():
        greys, parts = pictures_of(options.data)
        np.save(pictures, greys)
        np.save(parts_file, parts)
    targets_file, points_file = work / "targets.npz", work / "points.npz"
    if not targets_file.exists():
        ask_teacher(pictures, options.teacher, targets_file)
    if not points_file.exists():
        points, poses = points_of(np.load(pictures, mmap_mode="r"))
        np.savez(points_file, points=points, poses=poses)
    fit(options.to, np.load(parts_file), np.load(targets_file), np.load(points_file))


def fit(
    target: Path,
    parts: NDArray[np.str_],
    targets: Mapping[str, NDArray[Any]],
    found: Mapping[str, NDArray[Any]],
) -> None:
    """Fit on the part "train", report on the others, write the layer."""
    if tuple(targets["names"]) != BLENDSHAPES:
        sys.exit("the teacher names other blendshapes")
    wanted, points = targets["blendshapes"].astype(np.float64), found["points"]
    seen = np.isfinite(wanted[:, 0])
    print(f"the teacher finds a face in {seen.sum()} of {len(seen)}")
    rows = seen & (parts == "train")
    mean, bias = points[rows].mean(axis=0), wanted[rows].mean(axis=0)
    x, y = points[rows] - mean, wanted[rows] - bias
    weights = ridge(x, y, chosen_strength(x, y))
    for part in ("test", "clips"):
        held = seen & (parts == part)
        print(f"\n{part}: {held.sum()} faces that nothing was fitted on")
        report(np.clip((points[held] - mean) @ weights + bias, 0, 1), wanted[held])
        pose_errors(found["poses"][held], targets["matrices"][held].astype(np.float64))
    model = layer(np.asarray(mean), weights, np.asarray(bias))
    write_part(target, "blendshapes.onnx", model.SerializeToString(), FACTS)


if __name__ == "__main__":
    main()
