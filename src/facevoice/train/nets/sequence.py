"""A BLSTM over the features of a clip's frames, its directions summed (the paper, eq. 1-3)."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from facevoice.errors import RecipeError

Pooling = Literal["mean", "last"]


class SummedBlstm(nn.Module):
    """Features of frames in order -> logits.

    In each layer a forward and a backward LSTM (eq. 1-2) read the sequence, and the layer's output
    at instant t is h_t = h_t^f + h_{T-t}^b (eq. 3): the backward LSTM's outputs, which count from
    the end, are put back at the instant they read last. The next layer reads these sums.

    feature_dim: D of the input. width: of each direction, hence of the sums.
    pooling: how the last layer's T outputs become one, on which the paper is silent:
        "mean" over the instants;
        "last": the sum of each direction's own last output, h_T^f + h_T^b, so that both have read
        the whole sequence. Eq. 3 at t = T would add a backward LSTM that has read one frame only.
        With T = 1 all three are the same.
    dropout: between layers and before the classifier.

    Raises:
        RecipeError: an unknown pooling, or a number that is too small.
    """

    def __init__(
        self,
        feature_dim: int,
        classes: int,
        width: int,
        dropout: float,
        pooling: Pooling,
        layers: int = 2,
    ) -> None:
        super().__init__()
        if pooling not in get_args(Pooling):
            raise RecipeError(f"BLSTM pooling must be one of {get_args(Pooling)}, got {pooling!r}")
        if min(feature_dim, classes, width, layers) < 1 or not 0 <= dropout < 1:
            raise RecipeError(
                "a BLSTM needs feature_dim, classes, width and layers of at least 1 and a dropout"
                f" in [0, 1), got {feature_dim}, {classes}, {width}, {layers} and {dropout}"
            )
        self.pooling = pooling
        self.layers = nn.ModuleList(
            nn.LSTM(width if layer else feature_dim, width, bidirectional=True, batch_first=True)
            for layer in range(layers)
        )
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(width, classes)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(N, T, D) -> logits (N, K).

        lengths: (N,) int64, each in 1..T: what follows in a row is padding and has no influence.
            None: all rows are T long.
        """
        pooled = self._whole(features) if lengths is None else self._padded(features, lengths)
        logits: Tensor = self.classify(self.dropout(pooled))
        return logits

    def _whole(self, features: Tensor) -> Tensor:
        hidden, last = features, features
        for layer, lstm in enumerate(self.layers):
            both, (states, _) = lstm(self.dropout(hidden) if layer else hidden)
            hidden, last = _summed(both), states.sum(dim=0)
        return last if self.pooling == "last" else hidden.mean(dim=1)

    def _padded(self, features: Tensor, lengths: Tensor) -> Tensor:
        hidden = pack_padded_sequence(
            features, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        last = features
        for layer, lstm in enumerate(self.layers):
            read = _with_data(hidden, self.dropout(hidden.data)) if layer else hidden
            both, (states, _) = lstm(read)
            hidden, last = _with_data(both, _summed(both.data)), states.sum(dim=0)
        if self.pooling == "last":
            return last
        padded, counts = pad_packed_sequence(hidden, batch_first=True)  # padding is zero
        return padded.sum(dim=1) / counts.to(padded)[:, None]


def _summed(both: Tensor) -> Tensor:
    """(..., 2 x width), forward then backward in the same order of time -> (..., width)."""
    forward, backward = torch.chunk(both, 2, dim=-1)
    return forward + backward


def _with_data(packed: PackedSequence, data: Tensor) -> PackedSequence:
    return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
