"""What every picture network has: features, a classifier over them, and a part to freeze."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from facevoice.errors import RecipeError


@dataclass(frozen=True, slots=True)
class NetSize:
    """The numbers that shape a network.

    channels: of the input, 1 grey or 3 RGB.
    classes: K, labels told apart.
    width: channels of the first stage.
    dropout: in [0, 1), before the classifier (VGG: after each fully connected layer).
    feature_dim: of an added fully connected layer before the classifier; 0 adds none.
    """

    channels: int
    classes: int
    width: int
    dropout: float
    feature_dim: int = 0

    def __post_init__(self) -> None:
        for name in ("channels", "classes", "width"):
            if getattr(self, name) < 1:
                raise RecipeError(f"a net's {name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise RecipeError(f"a net's dropout must lie in [0, 1), got {self.dropout}")
        if self.feature_dim < 0:
            raise RecipeError(f"a net's feature_dim must not be negative, got {self.feature_dim}")


class DropoutLinear(nn.Linear):
    """Dropout, then a linear layer; its state is the linear layer's alone."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__(inputs, outputs)
        self.dropout = dropout

    def forward(self, values: Tensor) -> Tensor:
        """(N, D) -> (N, K)."""
        return super().forward(functional.dropout(values, self.dropout, self.training))


class FeatureNet(nn.Module, ABC):
    """A network for pictures whose features can be had without its classifier.

    A subclass builds its layers and ends its ``__init__`` with ``_add_head``.

    feature_dim: D, what ``features`` gives.
    project: the added layer with its ReLU, or nothing.
    classify: features (N, D) -> logits (N, K).
    frozen: whether the convolutions are held as they are; see ``freeze_convolutions``.
    """

    feature_dim: int
    project: nn.Module
    classify: DropoutLinear

    def __init__(self, size: NetSize) -> None:
        super().__init__()
        self.size = size
        self.frozen = False

    def _add_head(self, natural: int) -> None:
        """Put the added layer, if any, and the classifier on ``natural`` values."""
        self.feature_dim = self.size.feature_dim or natural
        self.project = nn.Identity()
        if self.size.feature_dim:
            self.project = nn.Sequential(nn.Linear(natural, self.feature_dim), nn.ReLU())
        self.classify = DropoutLinear(self.feature_dim, self.size.classes, self.size.dropout)

    @abstractmethod
    def features(self, pictures: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, D)."""

    @abstractmethod
    def convolutions(self) -> Iterable[nn.Module]:
        """The convolutional part with its norms, which ``freeze_convolutions`` freezes."""

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, K)."""
        logits: Tensor = self.classify(self.features(pictures))
        return logits

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002  torch's signature
        """Switch to training or evaluation; frozen convolutions stay in evaluation."""
        super().train(mode)
        if self.frozen:
            for module in self.convolutions():
                module.eval()
        return self


def freeze_convolutions(net: FeatureNet) -> None:
    """Train the fully connected layers alone, for good (the paper's VGG-Face).

    Frozen layers get no gradient, and their norms neither use nor update a batch's statistics.
    """
    net.frozen = True
    for module in net.convolutions():
        module.requires_grad_(requires_grad=False)
    net.train(net.training)


def parameter_count(net: nn.Module) -> int:
    """How many numbers the net holds in its layers, frozen ones too."""
    return sum(parameter.numel() for parameter in net.parameters())


def multiply_adds(net: nn.Module, shape: tuple[int, ...]) -> int:
    """Multiply-adds of convolutions, linear layers and LSTMs for one input.

    shape: (C, H, W) of a picture or (T, D) of a sequence.
    """
    total = 0

    def count(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            per_value = module.in_channels // module.groups * module.kernel_size[0]
            total += output.numel() * per_value * module.kernel_size[1]
        elif isinstance(module, nn.Linear):
            total += output.numel() * module.in_features
        elif isinstance(module, nn.LSTM):  # four gates read the input and the last state
            states = output[0].numel()
            total += states * 4 * (module.input_size + module.hidden_size)

    handles = [module.register_forward_hook(count) for module in net.modules()]
    was_training = net.training
    device = next(net.parameters()).device
    with torch.no_grad():
        net.eval()(torch.zeros(1, *shape, device=device))
    net.train(was_training)
    for handle in handles:
        handle.remove()
    return total
