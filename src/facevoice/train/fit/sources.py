"""Prepared data -> batches for a network, made by the very functions that prediction uses."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facevoice.errors import RecipeError
from facevoice.faces.sample import crop_and_resize
from facevoice.speech.spectrogram import spectrogram_images
from facevoice.train.fit.augment import (
    change_faces,
    change_speech,
    flip_faces,
    mask_spectrograms,
    shift_spectrograms,
)
from facevoice.train.fit.samples import Indices
from facevoice.train.prepare.folder import Prepared
from facevoice.train.recipe import (
    FaceRecipe,
    FaceSequenceRecipe,
    FaceVoteRecipe,
    NetRecipe,
    SpectrogramRecipe,
)
from facevoice.types import Float64Array, UInt8Array, Waveform

Inputs = tuple[Tensor, ...]
"""What a network is called with; the first dimension of each is the batch."""


Pool = Callable[[Float64Array], Float64Array]


def pooled_mean(looks: Float64Array) -> Float64Array:
    """(T, K) -> (K,): the mean."""
    mean: Float64Array = looks.mean(axis=0)
    return mean


def pooled_votes(looks: Float64Array, *, mirror: bool) -> Float64Array:
    """(T, K) -> (K,): how often each label is the most likely one; see ``FaceVote``.

    mirror: the second half of the looks is at mirror images of the first.
    """
    if mirror:
        looks = looks.reshape(2, -1, looks.shape[1]).mean(axis=0)
    return np.bincount(looks.argmax(axis=1), minlength=looks.shape[1]) / len(looks)


class Source(Protocol):
    """Samples as a network wants them.

    usable: (N,) bool, which rows have what is read (a clip may lack its face or voice).
    pooled: distributions (T, K) of a row's inputs -> (K,), as the finished branch pools them.
    """

    usable: NDArray[np.bool_]

    @property
    def pooled(self) -> Pool: ...  # noqa: D102

    def training(
        self, rows: Indices, rng: np.random.Generator, generator: torch.Generator
    ) -> Inputs:
        """One changed input per row."""
        ...

    def evaluation(self, rows: Indices, size: int) -> Iterator[tuple[Indices, Inputs]]:
        """The row of each input (M,) and the inputs, about ``size`` at a time.

        A row may have several inputs; ``pooled`` makes one score of theirs.
        """
        ...


class FaceReader:
    """Faces of prepared rows, cut out as a prediction cuts them out of aligned faces.

    most: faces that one row gives at most.
    """

    def __init__(self, data: Prepared, recipe: FaceRecipe) -> None:
        self._data = data
        self.face_input = recipe.face_input
        self.most = recipe.frames
        self.usable = data.has("face")

    def framed(
        self,
        row: int,
        *,
        one: np.random.Generator | None = None,
        framing: np.random.Generator | None = None,
    ) -> UInt8Array:
        """The faces that a prediction looks at: (T, size, size, 3) uint8 RGB.

        one: give only one of them, at random. framing: place the crop anywhere in the stored
            picture (the paper: 224 of 256) instead of where the recipe says.
        """
        pictures, place = self._data.pictures(row, self.most, one)
        size, (height, width) = self.face_input.size, pictures.shape[1:3]
        across, down = place[2] - place[0], place[3] - place[1]
        crop = self.face_input.crop
        left, right = ((edge - place[0]) * width / across for edge in (crop[0], crop[2]))
        top, bottom = ((edge - place[1]) * height / down for edge in (crop[1], crop[3]))
        if framing is not None:
            aside = framing.uniform(min(0.0, -left), max(0.0, width - right))
            below = framing.uniform(min(0.0, -top), max(0.0, height - bottom))
            left, right, top, bottom = left + aside, right + aside, top + below, bottom + below
        if (left, top, right, bottom) == (0, 0, size, size) and height == width == size:
            return pictures
        return crop_and_resize(pictures, (left, top, right, bottom), size)

    def changed(self, faces: UInt8Array, recipe: FaceRecipe, generator: torch.Generator) -> Tensor:
        """(N, size, size, 3) uint8 -> (N, C, size, size) float32, augmented and normalised."""
        channels = len(self.face_input.mean)
        plain = replace(self.face_input, mean=(0.0,) * channels, std=(1.0,) * channels)
        pictures = torch.from_numpy(plain.normalised(faces))
        if recipe.augmentation == "wild":
            pictures = change_faces(pictures, recipe.augment, generator)
        elif recipe.augment > 0:
            pictures = flip_faces(pictures, generator)
        mean = torch.tensor(self.face_input.mean).view(1, -1, 1, 1)
        return (pictures - mean) / torch.tensor(self.face_input.std).view(1, -1, 1, 1)


class FaceSource:
    """Single faces for a network that looks at one at a time.

    mirror: look at the mirror image of each face as well. votes: pool as ``pooled_votes`` does.
    """

    def __init__(
        self, data: Prepared, recipe: FaceRecipe, *, mirror: bool = False, votes: bool = False
    ) -> None:
        self._faces = FaceReader(data, recipe)
        self._recipe = recipe
        self._mirror = mirror
        self.usable = self._faces.usable
        self.pooled = partial(pooled_votes, mirror=mirror) if votes else pooled_mean

    def training(
        self, rows: Indices, rng: np.random.Generator, generator: torch.Generator
    ) -> Inputs:
        """(N, C, H, W): a face of each row, changed."""
        framing = rng if self._recipe.augment > 0 else None
        faces = [self._faces.framed(int(row), one=rng, framing=framing) for row in rows]
        return (self._faces.changed(np.concatenate(faces), self._recipe, generator),)

    def evaluation(self, rows: Indices, size: int) -> Iterator[tuple[Indices, Inputs]]:
        """Every face of a row, and its mirror image if that is asked for."""
        step = max(1, size // self._faces.most)
        for start in range(0, len(rows), step):
            chosen = rows[start : start + step]
            found = [self._faces.framed(int(row)) for row in chosen]
            owners = np.repeat(chosen, [len(faces) for faces in found])
            pictures = self._faces.face_input.normalised(np.concatenate(found))
            yield owners, (torch.from_numpy(pictures),)
            if self._mirror:
                yield owners, (torch.from_numpy(np.ascontiguousarray(pictures[..., ::-1])),)


class SpectrogramSource:
    """Spectrogram images of speech."""

    pooled = staticmethod(pooled_mean)

    def __init__(self, data: Prepared, recipe: SpectrogramRecipe) -> None:
        self._data = data
        self.usable = data.has("voice")
        self._settings = recipe.settings
        self._recipe = recipe
        self._views: dict[tuple[int, int] | None, Tensor] = {}

    def _images(self, speech: Waveform) -> Tensor:
        images = torch.from_numpy(spectrogram_images(speech, self._settings)).unsqueeze(1)
        return images.repeat(1, self._recipe.channels, 1, 1)

    def training(
        self, rows: Indices, rng: np.random.Generator, generator: torch.Generator
    ) -> Inputs:
        """(N, C, H, W): one image of each row's speech, changed."""
        images = torch.stack([self._changed(int(row), rng) for row in rows])
        shifted = shift_spectrograms(images, self._recipe.augment, generator)
        return (mask_spectrograms(shifted, self._recipe.augment, generator),)

    def _changed(self, row: int, rng: np.random.Generator) -> Tensor:
        """One image of a row's speech, changed: anew, or one of its views."""
        speech, views = self._heard(row), self._recipe.speech_views
        view = (row, int(rng.integers(views))) if views else None
        if view in self._views:
            return self._views[view].float()
        if view is not None:  # of its own numbers: it is the same whenever it is first drawn
            rng = np.random.default_rng([self._recipe.seed, *view])
        samples = change_speech(speech.samples, self._recipe.augment, rng)
        choices = self._images(Waveform(samples, speech.rate_hz))
        image = choices[rng.integers(len(choices))]
        if view is not None:
            self._views[view] = image.half()
            return self._views[view].float()
        return image

    def evaluation(self, rows: Indices, size: int) -> Iterator[tuple[Indices, Inputs]]:
        """All images of each row."""
        for start in range(0, len(rows), size):
            chosen = rows[start : start + size]
            images = [self._images(self._heard(int(row))) for row in chosen]
            yield np.repeat(chosen, [len(each) for each in images]), (torch.cat(images),)

    def _heard(self, row: int) -> Waveform:
        speech = self._data.speech(row)
        if speech is None:
            raise RecipeError(f"sample {row} has no speech")
        return speech


def _vote_source(data: Prepared, recipe: FaceVoteRecipe) -> Source:
    return FaceSource(data, recipe, mirror=recipe.mirror, votes=recipe.pooling == "votes")


def _sequence_source(data: Prepared, recipe: FaceSequenceRecipe) -> Source:
    if data.counts("face").max() == 1:
        raise RecipeError("a face_sequence recipe reads clips: no sample shows more than one face")
    return FaceSource(data, recipe)


_SOURCES: Final[Mapping[str, Callable[[Prepared, Any], Source]]] = {
    "face_vote": _vote_source,
    "face_sequence": _sequence_source,
    "spectrogram_net": SpectrogramSource,
}


def source_of(data: Prepared, recipe: NetRecipe) -> Source:
    """The source of the recipe's network.

    Raises:
        RecipeError: a face_sequence recipe is given pictures.
    """
    return _SOURCES[recipe.branch](data, recipe)
