"""What MediaPipe's face landmarker finds in aligned faces: blendshapes and poses.

    python scripts/blendshape_targets.py PICTURES.npy FACE_LANDMARKER.task RESULT.npz

Runs in an environment of its own with mediapipe 0.10.14, which needs numpy below 2, and imports
nothing of facevoice; ``teach_blendshapes.py`` starts it. PICTURES: (N, H, W) uint8, grey. RESULT:
names (52,), blendshapes (N, 52), matrices (N, 4, 4); NaN where no face is found.
"""

import sys

import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision


def main() -> None:
    """Run the landmarker on every picture."""
    pictures = np.load(sys.argv[1], mmap_mode="r")
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=sys.argv[2]),
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
        min_face_detection_confidence=0.3,
    )
    blendshapes = np.full((len(pictures), 52), np.nan, np.float32)
    matrices = np.full((len(pictures), 4, 4), np.nan, np.float32)
    names: list[str] = []
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for number, grey in enumerate(pictures):
            picture = np.ascontiguousarray(np.repeat(grey[..., None], 3, axis=2))
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture)
            found = landmarker.detect(image)
            if not found.face_blendshapes:
                continue
            names = [each.category_name for each in found.face_blendshapes[0]]
            blendshapes[number] = [each.score for each in found.face_blendshapes[0]]
            matrices[number] = found.facial_transformation_matrixes[0]
    np.savez(sys.argv[3], names=np.array(names), blendshapes=blendshapes, matrices=matrices)


if __name__ == "__main__":
    main()
