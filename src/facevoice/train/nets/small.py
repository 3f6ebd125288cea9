"""Residual networks that two processor cores can train."""

from collections.abc import Iterable

from torch import Tensor, nn
from torch.nn import functional

from facevoice.train.nets.base import FeatureNet, NetSize


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm and a shortcut (He et al. 2016)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True) if stride != 1 else nn.Identity(),
                nn.Conv2d(channels_in, channels_out, 1, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H / stride, W / stride)."""
        hidden = functional.relu(self.norm1(self.conv1(pictures)))
        hidden = self.norm2(self.conv2(hidden))
        return functional.relu(hidden + self.shortcut(pictures))


class SmallResNet(FeatureNet):
    """A residual net for small pictures: a stem, then stages that halve the picture.

    The width is that of the stem; it doubles at each stage, up to eight times.

    depths: blocks in each stage; every stage starts with a stride of 2.
    stem_stride: 1 for 48x48 faces, 2 for 224x224 spectrograms.
    """

    def __init__(self, size: NetSize, depths: tuple[int, ...], stem_stride: int) -> None:
        super().__init__(size)
        self.stem = nn.Sequential(
            nn.Conv2d(size.channels, size.width, 3, stem_stride, 1, bias=False),
            nn.BatchNorm2d(size.width),
            nn.ReLU(inplace=True),
        )
        blocks: list[ResidualBlock] = []
        last = size.width
        for stage, depth in enumerate(depths):
            current = size.width * 2 ** min(stage + 1, 3)
            for block in range(depth):
                blocks.append(ResidualBlock(last, current, stride=2 if block == 0 else 1))
                last = current
        self.blocks = nn.Sequential(*blocks)
        self._add_head(last)
        for block_module in blocks:  # start as the identity (Goyal et al. 2017)
            nn.init.zeros_(block_module.norm2.weight)

    def features(self, pictures: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, D): the mean over the picture, then the added layer if any."""
        features: Tensor = self.project(self.blocks(self.stem(pictures)).mean(dim=(2, 3)))
        return features

    def convolutions(self) -> Iterable[nn.Module]:
        """Stem and blocks."""
        return self.stem, self.blocks


def small_resnet(size: NetSize) -> FeatureNet:
    """Three stages of two blocks, for faces."""
    return SmallResNet(size, (2, 2, 2), stem_stride=1)


def spectrogram_resnet(size: NetSize) -> FeatureNet:
    """Four stages of one block, for spectrograms."""
    return SmallResNet(size, (1, 1, 1, 1), stem_stride=2)
