"""Prepared data -> batches of pictures: split, drawing order, and what each branch kind feeds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from facevoice.errors import InvalidInputError, RecipeError
from facevoice.speech.spectrogram import SpectrogramSettings, spectrogram_images
from facevoice.speech.voice import SPEECH_RATE_HZ
from facevoice.train.augment import change_faces, change_speech, mask_spectrograms
from facevoice.train.joined import TrainingData
from facevoice.train.recipe import Recipe
from facevoice.types import UInt8Array, Waveform

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Split:
    """Row indices of a prepared folder: three disjoint sets, no group on two sides."""

    train: Indices
    val: Indices
    test: Indices


def split_of(prepared: TrainingData, recipe: Recipe) -> Split:
    """The recipe's groups if it names them, else the corpus's splits and a share of the groups.

    Raises:
        RecipeError: a group that the recipe names is not in the data, or a part stays empty.
    """
    groups = np.array(prepared.groups)
    splits = np.array(prepared.splits)
    unknown = sorted(set(recipe.val_groups + recipe.test_groups) - set(prepared.groups))
    if unknown:
        raise RecipeError(f"groups {unknown} are not in the data")
    test = (splits == "test") | np.isin(groups, recipe.test_groups)
    val = ((splits == "val") | np.isin(groups, recipe.val_groups)) & ~test
    if not val.any():
        remaining = np.unique(groups[~test])
        rng = np.random.default_rng(recipe.seed)
        count = max(1, round(recipe.val_fraction * len(remaining)))
        val = np.isin(groups, rng.choice(remaining, count, replace=False)) & ~test
    train = ~test & ~val
    if not train.any():
        raise RecipeError("no training sample is left after the split")
    return Split(np.flatnonzero(train), np.flatnonzero(val), np.flatnonzero(test))


def drawing_order(y: NDArray[np.int64], recipe: Recipe, rng: np.random.Generator) -> Indices:
    """Positions of one epoch: a permutation, or draws that favour rare classes."""
    if recipe.balance == "none":
        return rng.permutation(len(y))
    frequency = np.bincount(y) / len(y)
    weight = frequency[y] ** -recipe.balance_power
    return rng.choice(len(y), len(y), p=weight / weight.sum())


class Source(Protocol):
    """Pictures of samples for one branch kind."""

    channels: int

    def training_batch(
        self, rows: Indices, rng: np.random.Generator, generator: torch.Generator
    ) -> Tensor:
        """(N, C, H, W) float32, augmented."""
        ...

    def evaluation_batches(self, rows: Indices, size: int) -> Iterator[tuple[Indices, Tensor]]:
        """Row of each picture (M,) and the pictures (M, C, H, W); a row may have several."""
        ...


class FaceSource:
    """Face pictures of a "face_images" folder, framed as the branch's crop will be."""

    def __init__(self, prepared: TrainingData, recipe: Recipe) -> None:
        self.channels = 1 if recipe.grey else 3
        self._images = prepared.images()
        self._recipe = recipe

    def _pictures(self, rows: Indices) -> Tensor:
        images = resize_pictures(np.asarray(self._images[rows]), self._recipe.input_size)
        if images.ndim == 3:
            images = np.repeat(images[..., None], self.channels, axis=3)
        elif self.channels == 1:
            images = np.stack([np.asarray(Image.fromarray(item).convert("L")) for item in images])
            images = images[..., None]
        return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255

    def training_batch(
        self, rows: Indices, rng: np.random.Generator, generator: torch.Generator
    ) -> Tensor:
        """(N, C, H, W) float32 in [0, 1], augmented."""
        del rng
        return change_faces(self._pictures(rows), self._recipe.augment, generator)

    def evaluation_batches(self, rows: Indices, size: int) -> Iterator[tuple[Indices, Tensor]]:
        """One picture a row, and its mirror image if the recipe says so."""
        for start in range(0, len(rows), size):
            chosen = rows[start : start + size]
            pictures = self._pictures(chosen)
            yield chosen, pictures
            if self._recipe.mirror:
                yield chosen, pictures.flip(3)


def resize_pictures(images: UInt8Array, size: int) -> UInt8Array:
    """(N, H, W[, 3]) -> (N, size, size[, 3]), antialiased; the input itself if it fits."""
    if images.shape[1:3] == (size, size):
        return images
    box = Image.Resampling.BILINEAR
    return np.stack(
        [np.asarray(Image.fromarray(item).resize((size, size), box)) for item in images]
    )


def spectrogram_settings(recipe: Recipe) -> SpectrogramSettings:
    """The recipe's spectrogram: the defaults (the paper's 224x224) but for what it states.

    Raises:
        RecipeError: an unknown key or a wrong value.
    """
    try:
        return SpectrogramSettings.from_dict(
            SpectrogramSettings().to_dict() | dict(recipe.spectrogram)
        )
    except InvalidInputError as error:
        raise RecipeError(f"recipe key spectrogram: {error}") from error


class SpectrogramSource:
    """Spectrogram images of a "speech" folder."""

    channels = 1

    def __init__(self, prepared: TrainingData, recipe: Recipe) -> None:
        self._speech = prepared.speech()
        self._settings = spectrogram_settings(recipe)
        self._recipe = recipe

    def training_batch(
        self, rows: Indices, rng: np.random.Generator, generator: torch.Generator
    ) -> Tensor:
        """One augmented image a row: (N, 1, H, W) float32 in [0, 1]."""
        images = []
        for row in rows:
            samples = change_speech(self._speech[row], self._recipe.augment, rng)
            choices = spectrogram_images(Waveform(samples, SPEECH_RATE_HZ), self._settings)
            images.append(choices[rng.integers(len(choices))])
        batch = torch.from_numpy(np.stack(images)).unsqueeze(1)
        return mask_spectrograms(batch, self._recipe.augment, generator)

    def evaluation_batches(self, rows: Indices, size: int) -> Iterator[tuple[Indices, Tensor]]:
        """All images of each row."""
        for start in range(0, len(rows), size):
            owners, images = [], []
            for row in rows[start : start + size]:
                found = spectrogram_images(
                    Waveform(self._speech[row], SPEECH_RATE_HZ), self._settings
                )
                owners += [row] * len(found)
                images.append(found)
            yield np.array(owners), torch.from_numpy(np.concatenate(images)).unsqueeze(1)


def source_of(prepared: TrainingData, recipe: Recipe) -> Source:
    """The source that the recipe's branch kind reads.

    Raises:
        RecipeError: the prepared folder holds another kind of data.
    """
    wanted = "face_images" if recipe.branch == "face_vote" else "speech"
    if prepared.content != wanted:
        raise RecipeError(
            f"a {recipe.branch} recipe reads {wanted}; the data holds {prepared.content}"
        )
    return (
        FaceSource(prepared, recipe)
        if wanted == "face_images"
        else SpectrogramSource(prepared, recipe)
    )


def mixed(
    pictures: Tensor, targets: Tensor, alpha: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Mixup (Zhang et al. 2018): pictures (N, C, H, W) and target distributions (N, K), paired."""
    if alpha <= 0:
        return pictures, targets
    share = float(rng.beta(alpha, alpha))
    partner = torch.from_numpy(rng.permutation(len(pictures)))
    return (
        share * pictures + (1 - share) * pictures[partner],
        share * targets + (1 - share) * targets[partner],
    )


def soft_targets(y: NDArray[np.int64], classes: int, smoothing: float) -> Tensor:
    """(N,) labels -> (N, K) target distributions."""
    hard = functional.one_hot(torch.from_numpy(y), classes).float()
    return hard * (1 - smoothing) + smoothing / classes
