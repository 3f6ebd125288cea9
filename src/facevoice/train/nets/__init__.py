"""Networks for training: pictures -> features -> logits, and sequences of features -> logits."""

from collections.abc import Callable
from typing import Final

from facevoice.train.nets.base import (
    FeatureNet,
    NetSize,
    freeze_convolutions,
    multiply_adds,
    parameter_count,
)
from facevoice.train.nets.published import (
    densenet121,
    resnet18,
    vgg16,
    vgg16_bn,
    vgg19,
    vgg19_bn,
)
from facevoice.train.nets.sequence import SummedBlstm
from facevoice.train.nets.small import small_resnet, spectrogram_resnet

NETS: Final[dict[str, Callable[[NetSize], FeatureNet]]] = {
    "small_resnet": small_resnet,
    "spectrogram_resnet": spectrogram_resnet,
    "vgg16": vgg16,
    "vgg16_bn": vgg16_bn,
    "vgg19": vgg19,
    "vgg19_bn": vgg19_bn,
    "resnet18": resnet18,
    "densenet121": densenet121,
}

__all__ = [
    "NETS",
    "FeatureNet",
    "NetSize",
    "SummedBlstm",
    "freeze_convolutions",
    "multiply_adds",
    "parameter_count",
]
