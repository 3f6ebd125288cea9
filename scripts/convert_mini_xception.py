"""Convert mini-Xception, a small expression network of 2017, to an ONNX file.

    python scripts/convert_mini_xception.py --to DIR

Reads the network of Arriaga et al. out of the npm package @vladmandic/human 3.3.6 (needs npm),
refuses files with another sha256, and compares the result with TensorFlow.js itself. The file then
takes and gives what a bundle's ``face_vote`` does: channels first, logits in the order of our
labels.
"""

from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sample_clip import example_pictures
from tfjs_package import convert_package

from facevoice.types import EMOTIONS

REQUIREMENT: Final = "@vladmandic/human@3.3.6"
SHA256: Final = {
    "models/emotion.json": "56f7e557eb0c863a8b9ab04ac7ccba756e93bf2c27dce135ef0e8712b80b7ad2",
    "models/emotion.bin": "927ac8224f356ab1e68c2bcfbfa07b0c8567047d1bcf817388ba6e38214c4987",
}
SIDE: Final = 64
ORDER: Final = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
OUTPUTS: Final = {
    "StatefulPartitionedCall/model_1/global_average_pooling2d_1/Mean": "logits_in_order_of_fer2013"
}
TOLERANCE: Final = 1e-5
FACTS: Final = {
    "converted_from": f"{REQUIREMENT}: models/emotion.json, models/emotion.bin",
    "converted_from_sha256": list(SHA256.values()),
    "licence": "MIT (the package; the network is from"
    " https://github.com/oarriaga/face_classification, MIT)",
    "learnt_from": "FER2013; chosen on its test part",
    "input": f"pictures (batch, 1, {SIDE}, {SIDE}): grey face, -1 to 1",
    "outputs": f"logits (batch, 7): {', '.join(EMOTIONS)}",
}


def as_face_vote(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with channels first and its logits in the order of ``EMOTIONS``."""
    graph = model.graph
    (pictures,), (logits,) = graph.input, graph.output
    rows = numpy_helper.from_array(np.array([-1, SIDE, SIDE, 1]), "channels_last")
    order = numpy_helper.from_array(np.array([ORDER.index(name) for name in EMOTIONS]), "order")
    first = helper.make_node("Reshape", ["pictures", rows.name], [pictures.name])
    last = helper.make_node("Gather", [logits.name, order.name], ["logits"], axis=1)
    whole = helper.make_graph(
        [first, *graph.node, last],
        graph.name,
        [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(EMOTIONS)])],
        [rows, order, *graph.initializer],
    )
    made = helper.make_model(whole, opset_imports=model.opset_import, ir_version=model.ir_version)
    onnx.checker.check_model(made, full_check=True)
    return made


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
        finish=as_face_vote,
    )


if __name__ == "__main__":
    main()
