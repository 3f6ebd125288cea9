"""The second stage of a face branch: features of the finished network, cached, as sequences."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facevoice.train.fit.samples import Indices, Split
from facevoice.train.fit.sources import FaceReader, Inputs, pooled_mean
from facevoice.train.nets import FeatureNet
from facevoice.train.nets.sequence import SummedBlstm
from facevoice.train.prepare.folder import Prepared
from facevoice.train.recipe import FaceSequenceRecipe
from facevoice.types import Float32Array
from facevoice.writing import replacing

_FACES_AT_ONCE: Final = 64


class SequenceNet(nn.Module):
    """A network for each face, then the BLSTM: what a face_sequence run has learnt."""

    def __init__(self, net: FeatureNet, blstm: SummedBlstm) -> None:
        super().__init__()
        self.net = net
        self.blstm = blstm

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """As torch's, but norms keep their statistics: a few clips are too small a batch."""
        super().train(mode)
        for module in self.net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, pictures: Tensor, lengths: Tensor) -> Tensor:
        """(N, T, C, H, W) and (N,) faces that count -> logits (N, K)."""
        count, most = pictures.shape[:2]
        real = torch.arange(most, device=pictures.device) < lengths.to(pictures.device)[:, None]
        found = self.net.features(pictures[real])
        features = found.new_zeros(count, most, found.shape[1])
        features[real] = found
        logits: Tensor = self.blstm(features, lengths)
        return logits


class SequenceSource:
    """All selected faces of a clip together, for fine-tuning network and BLSTM at once."""

    pooled = staticmethod(pooled_mean)

    def __init__(self, data: Prepared, recipe: FaceSequenceRecipe) -> None:
        self._faces = FaceReader(data, recipe)
        self._recipe = recipe
        self.usable = self._faces.usable

    def training(
        self, rows: Indices, rng: np.random.Generator, generator: torch.Generator
    ) -> Inputs:
        """(N, T, C, H, W) and (N,) lengths; the faces of a clip are all changed alike."""
        return _padded(
            [self._changed(int(row), rng, generator) for row in rows], self._recipe.frames
        )

    def _changed(self, row: int, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
        seed = int(torch.randint(2**62, (1,), generator=generator))
        faces = self._faces.framed(row, framing=rng if self._recipe.augment > 0 else None)
        same = torch.Generator()
        alike = [
            self._faces.changed(face[None], self._recipe, same.manual_seed(seed)) for face in faces
        ]
        return torch.cat(alike)

    def plain(self, row: int) -> Tensor:
        """(T, C, H, W) as a prediction sees them."""
        return torch.from_numpy(self._faces.face_input.normalised(self._faces.framed(row)))

    def evaluation(self, rows: Indices, size: int) -> Iterator[tuple[Indices, Inputs]]:
        """Clips as a prediction sees them."""
        step = max(1, size // self._recipe.frames)
        for start in range(0, len(rows), step):
            chosen = rows[start : start + step]
            yield chosen, _padded([self.plain(int(row)) for row in chosen], self._recipe.frames)

    def view(self, row: int, number: int) -> Tensor:
        """(T, C, H, W): view 0 as a prediction sees them, the others changed."""
        if number == 0:
            return self.plain(row)
        rng = np.random.default_rng([self._recipe.seed, row, number])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return self._changed(row, rng, generator)


def _padded(sequences: list[Tensor], length: int) -> Inputs:
    """Sequences (T_i, ...) -> (N, length, ...) with zeros behind, and (N,) their lengths."""
    batch = sequences[0].new_zeros(len(sequences), length, *sequences[0].shape[1:])
    for place, sequence in enumerate(sequences):
        batch[place, : len(sequence)] = sequence
    return batch, torch.tensor([len(sequence) for sequence in sequences])


class FeatureSource:
    """Cached features of every clip, several views of the training clips."""

    pooled = staticmethod(pooled_mean)

    def __init__(
        self, features: Sequence[Mapping[int, Float32Array]], usable: NDArray[np.bool_], frames: int
    ) -> None:
        self._features = features
        self._frames = frames
        self.usable = usable

    def training(
        self, rows: Indices, rng: np.random.Generator, generator: torch.Generator
    ) -> Inputs:
        """(N, T, D) and (N,) lengths: one view of each row's features."""
        del generator
        views = rng.integers(len(self._features), size=len(rows))
        found = [self._view(int(view), int(row)) for view, row in zip(views, rows, strict=True)]
        return _padded(found, self._frames)

    def evaluation(self, rows: Indices, size: int) -> Iterator[tuple[Indices, Inputs]]:
        """The features of unchanged faces."""
        for start in range(0, len(rows), size):
            chosen = rows[start : start + size]
            yield chosen, _padded([self._view(0, int(row)) for row in chosen], self._frames)

    def _view(self, view: int, row: int) -> Tensor:
        """(T, D): one view of a row's features, copied, since cached arrays may be read-only."""
        return torch.tensor(self._features[view][row])


def cached_features(
    net: FeatureNet, data: Prepared, recipe: FaceSequenceRecipe, split: Split, run: Path
) -> FeatureSource:
    """Features (T, D) of every clip by the net as it is; each view is kept in a file of the run.

    View 0 is what a prediction sees, of all clips; the others are changed training clips. The files
    are memory-mapped.
    """
    source = SequenceSource(data, recipe)
    net.eval()
    views = []
    for number in range(recipe.views if recipe.augment > 0 else 1):
        path = run / f"features-{number}.npy"
        rows = np.concatenate([split.train, split.val, split.test]) if not number else split.train
        counts = np.minimum(data.counts("face")[rows], recipe.frames)
        starts = np.concatenate([[0], np.cumsum(counts)])
        if not path.exists():
            made = (_features(net, source.view(int(row), number)) for row in rows)
            _write_rows(path, made, (int(starts[-1]), net.feature_dim))
        stored = np.asarray(np.load(path, mmap_mode="r"))
        views.append({int(row): stored[starts[at] : starts[at + 1]] for at, row in enumerate(rows)})
    return FeatureSource(views, source.usable, recipe.frames)


@torch.no_grad()
def _features(net: FeatureNet, faces: Tensor) -> Float32Array:
    faces = faces.to(next(net.parameters()).device)
    parts = [net.features(part).float().cpu() for part in torch.split(faces, _FACES_AT_ONCE)]
    found: Float32Array = torch.cat(parts).numpy()
    return found


def _write_rows(path: Path, pieces: Iterable[Float32Array], shape: tuple[int, int]) -> None:
    """Write arrays (T_i, D) end to end as one .npy file, one of them in memory at a time."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for piece in pieces:
            stream.write(piece.astype("<f4").tobytes())
