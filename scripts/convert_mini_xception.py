"""Convert mini-Xception, a small expression network of 2017, to an ONNX file.

    python scripts/convert_mini_xception.py --to DIR

Reads the network of Arriaga et al. out of the npm package @vladmandic/human 3.3.6 (needs npm),
refuses files with another sha256, and compares the result with TensorFlow.js itself.
"""

from typing import Final

from sample_clip import example_pictures
from tfjs_package import convert_package

REQUIREMENT: Final = "@vladmandic/human@3.3.6"
SHA256: Final = {
    "models/emotion.json": "56f7e557eb0c863a8b9ab04ac7ccba756e93bf2c27dce135ef0e8712b80b7ad2",
    "models/emotion.bin": "927ac8224f356ab1e68c2bcfbfa07b0c8567047d1bcf817388ba6e38214c4987",
}
SIDE: Final = 64
OUTPUTS: Final = {"Identity": "scores"}
TOLERANCE: Final = 1e-5
FACTS: Final = {
    "converted_from": f"{REQUIREMENT}: models/emotion.json, models/emotion.bin",
    "converted_from_sha256": list(SHA256.values()),
    "licence": "MIT (the package; the network is from"
    " https://github.com/oarriaga/face_classification, MIT)",
    "learnt_from": "FER2013; chosen on its test part",
    "input": f"input_1 (batch, {SIDE}, {SIDE}, 1): grey face, -1 to 1",
    "outputs": "scores (batch, 7): angry, disgust, fear, happy, sad, surprise, neutral",
}


def main() -> None:
    """Convert, compare, write."""
    convert_package(
        "mini_xception",
        REQUIREMENT,
        SHA256,
        OUTPUTS,
        2 * example_pictures(SIDE, 1) - 1,
        tolerance=TOLERANCE,
        facts=FACTS,
        description=(__doc__ or "").splitlines()[0],
    )


if __name__ == "__main__":
    main()
