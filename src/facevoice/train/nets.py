"""Networks for training; each maps a picture batch (N, C, H, W) to logits (N, K)."""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional


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


class SmallResNet(nn.Module):
    """A residual net for small pictures: a stem, then stages that halve the picture.

    channels: of the input (1 grey, 3 RGB).
    width: of the first stage; it doubles at each further one.
    depths: blocks in each stage; every stage starts with a stride of 2.
    stem_stride: 1 for 48x48 faces, 2 for 224x224 spectrograms.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        width: int,
        depths: tuple[int, ...],
        stem_stride: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, stem_stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        blocks: list[nn.Module] = []
        last = width
        for stage, depth in enumerate(depths):
            current = width * 2 ** min(stage + 1, 3)
            for block in range(depth):
                blocks.append(ResidualBlock(last, current, stride=2 if block == 0 else 1))
                last = current
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(last, classes)
        for block_module in self.blocks:
            if isinstance(block_module, ResidualBlock):
                nn.init.zeros_(
                    block_module.norm2.weight
                )  # start as the identity (Goyal et al. 2017)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, K)."""
        hidden = self.blocks(self.stem(pictures)).mean(dim=(2, 3))
        logits: Tensor = self.classify(self.dropout(hidden))
        return logits


NetMaker = Callable[[int, int, int, float], nn.Module]
"""(input channels, classes, width, dropout) -> network."""

NETS: Final[dict[str, NetMaker]] = {
    "small_resnet": lambda channels, classes, width, dropout: SmallResNet(
        channels, classes, width, (2, 2, 2), stem_stride=1, dropout=dropout
    ),
    "spectrogram_resnet": lambda channels, classes, width, dropout: SmallResNet(
        channels, classes, width, (1, 1, 1, 1), stem_stride=2, dropout=dropout
    ),
}


def parameter_count(net: nn.Module) -> int:
    """How many numbers the net learns."""
    return sum(parameter.numel() for parameter in net.parameters())


def multiply_adds(net: nn.Module, shape: tuple[int, ...]) -> int:
    """Multiply-adds of the convolutions and linear layers for one input of shape (C, H, W)."""
    total = 0

    def count(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            per_value = module.in_channels // module.groups * module.kernel_size[0]
            total += output.numel() * per_value * module.kernel_size[1]
        elif isinstance(module, nn.Linear):
            total += output.numel() * module.in_features

    handles = [module.register_forward_hook(count) for module in net.modules()]
    was_training = net.training
    with torch.no_grad():
        net.eval()(torch.zeros(1, *shape))
    net.train(was_training)
    for handle in handles:
        handle.remove()
    return total
