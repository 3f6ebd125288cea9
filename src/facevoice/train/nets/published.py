"""The paper's networks, layer for layer those of torchvision, at any width.

``PublishedNet.body`` holds torchvision's layers under torchvision's names without its last linear
layer, so a published state dict fits it at width 64 (see ``facevoice.train.fit.initial_weights``).
Normalising the input is not part of them: it is the recipe's ``normalise``.
"""

from collections.abc import Iterable
from typing import Final

import torch
from torch import Tensor, nn
from torchvision.models.densenet import DenseNet
from torchvision.models.resnet import BasicBlock
from torchvision.models.vgg import make_layers

from facevoice.errors import RecipeError
from facevoice.train.nets.base import FeatureNet, NetSize

_VGG_DEPTHS: Final = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_VGG_CHANNELS: Final = (1, 2, 4, 8, 8)
_VGG_POOLED: Final = 7
_VGG_HIDDEN: Final = 64
_DENSENET_BLOCKS: Final = (6, 12, 24, 16)


class PublishedNet(FeatureNet):
    """A published network with a classifier of our own.

    body: (N, C, H, W) -> (N, D).
    """

    def __init__(self, body: nn.Module, natural: int, size: NetSize) -> None:
        super().__init__(size)
        self.body = body
        self._add_head(natural)

    def features(self, pictures: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, D); VGG: its second hidden layer, the paper's 4096 values."""
        features: Tensor = self.project(self.body(pictures))
        return features

    def convolutions(self) -> Iterable[nn.Module]:
        """The whole body, but of VGG without its fully connected layers."""
        yield self.body.features if isinstance(self.body, VggBody) else self.body


class VggBody(nn.Module):
    """VGG up to its second hidden layer (Simonyan and Zisserman 2015).

    norms: with batch norm after each convolution, without which a narrow VGG hardly starts from
        random weights (the paper's start from published ones and have none).
    """

    features: nn.Sequential

    def __init__(self, layers: int, size: NetSize, *, norms: bool) -> None:
        super().__init__()
        plan: list[str | int] = []
        for depth, scale in zip(_VGG_DEPTHS[layers], _VGG_CHANNELS, strict=True):
            plan += [size.width * scale] * depth + ["M"]
        self.features = make_layers(plan, batch_norm=norms)
        if size.channels != 3:
            self.features[0] = nn.Conv2d(size.channels, size.width, 3, padding=1)
        self.avgpool = nn.AdaptiveAvgPool2d(_VGG_POOLED)
        self.hidden = size.width * _VGG_HIDDEN
        self.classifier = nn.Sequential(
            nn.Linear(size.width * _VGG_CHANNELS[-1] * _VGG_POOLED**2, self.hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(size.dropout),
            nn.Linear(self.hidden, self.hidden),
            nn.ReLU(inplace=True),
        )
        _start_convolutions(self)
        for module in self.classifier:
            # torchvision draws these from N(0, 0.01), with which signals die out in narrow nets
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 64 x width)."""
        hidden = torch.flatten(self.avgpool(self.features(pictures)), 1)
        features: Tensor = self.classifier(hidden)
        return features


class ResNetBody(nn.Module):
    """ResNet-18 up to its average over the picture (He et al. 2016)."""

    def __init__(self, size: NetSize) -> None:
        super().__init__()
        width = size.width
        self.conv1 = nn.Conv2d(size.channels, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _resnet_stage(width, width, stride=1)
        self.layer2 = _resnet_stage(width, width * 2, stride=2)
        self.layer3 = _resnet_stage(width * 2, width * 4, stride=2)
        self.layer4 = _resnet_stage(width * 4, width * 8, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        _start_convolutions(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 8 x width)."""
        hidden = self.maxpool(self.relu(self.bn1(self.conv1(pictures))))
        hidden = self.layer4(self.layer3(self.layer2(self.layer1(hidden))))
        return torch.flatten(self.avgpool(hidden), 1)


def _start_convolutions(net: nn.Module) -> None:
    """Draw them as torchvision does (He et al. 2015)."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _resnet_stage(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    shortcut = None
    if stride != 1:
        shortcut = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
            nn.BatchNorm2d(channels_out),
        )
    return nn.Sequential(
        BasicBlock(channels_in, channels_out, stride, shortcut),
        BasicBlock(channels_out, channels_out),
    )


def vgg16(size: NetSize) -> FeatureNet:
    """VGG-16; 4096 features at width 64."""
    return _vgg(16, size, norms=False)


def vgg16_bn(size: NetSize) -> FeatureNet:
    """VGG-16 with batch norm."""
    return _vgg(16, size, norms=True)


def vgg19(size: NetSize) -> FeatureNet:
    """VGG-19; 4096 features at width 64."""
    return _vgg(19, size, norms=False)


def vgg19_bn(size: NetSize) -> FeatureNet:
    """VGG-19 with batch norm."""
    return _vgg(19, size, norms=True)


def _vgg(layers: int, size: NetSize, *, norms: bool) -> FeatureNet:
    body = VggBody(layers, size, norms=norms)
    return PublishedNet(body, body.hidden, size)


def resnet18(size: NetSize) -> FeatureNet:
    """ResNet-18; 512 features at width 64."""
    return PublishedNet(ResNetBody(size), size.width * 8, size)


def densenet121(size: NetSize) -> FeatureNet:
    """DenseNet-121 (Huang et al. 2017), growing by half the width; 1024 features at width 64."""
    if size.width < 2:
        raise RecipeError(f"densenet121 grows by width / 2: width must be 2 or more, got {size}")
    body = DenseNet(
        num_init_features=size.width, growth_rate=size.width // 2, block_config=_DENSENET_BLOCKS
    )
    natural = body.classifier.in_features
    body.classifier = nn.Identity()
    if size.channels != 3:
        first = nn.Conv2d(size.channels, size.width, 7, 2, 3, bias=False)
        nn.init.kaiming_normal_(first.weight)
        body.features.conv0 = first
    return PublishedNet(body, natural, size)
