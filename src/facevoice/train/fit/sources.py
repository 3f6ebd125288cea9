"""Prepared data -> batches for a network, made by the very functions that prediction uses."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facevoice.branches.face_input import FaceInput
from facevoice.errors import RecipeError
from facevoice.faces.sample import Box, crop_and_resize
from facevoice.speech.spectrogram import spectrogram_images
from facevoice.train.fit.augment import (
    change_faces,
    change_speech,
    flip_faces,
    mask_spectrograms,
    shift_spectrograms,
)
from facevoice.train.fit.joined import TrainingData
from facevoice.train.fit.samples import Indices
from facevoice.train.recipe import Recipe, face_input_of, spectrogram_settings
from facevoice.types import ALIGNED_SIZE, UInt8Array, Waveform

Inputs = tuple[Tensor, ...]
"""What a network is called with; the first dimension of each is the batch."""


class Source(Protocol):
    """Samples as a network wants them.

    usable: (N,) bool, which rows have what is read (a clip may lack its face or voice).
    """

    usable: NDArray[np.bool_]

    def training(
        self, rows: Indices, rng: np.random.Generator, generator: torch.Generator
    ) -> Inputs:
        """One changed input a row."""
        ...

    def evaluation(self, rows: Indices, size: int) -> Iterator[tuple[Indices, Inputs]]:
        """The row of each input (M,) and the inputs, about ``size`` at a time.

        A row may have several inputs; their scores are averaged.
        """
        ...


class FaceReader:
    """Faces of prepared rows, 256x256 aligned or framed as the corpus frames them.

    Clips give several faces, pictures one. Pictures that come aligned are cropped as those of
    clips; pictures that a corpus has cut itself (FER2013) are taken whole.

    most: faces that one row gives at most.
    """

    def __init__(self, data: TrainingData, recipe: Recipe) -> None:
        self._data = data
        self._images = data.images() if data.content == "face_images" else None
        self.face_input = face_input_of(recipe)
        self.most = 1 if self._images is not None else recipe.frames
        self.usable = data.has_face()
        whole = self._images is not None and data.meta.get("read_as") != "pictures"
        self._box: Box | None = None if whole else self.face_input.crop

    def selected(self, row: int) -> UInt8Array:
        """The faces that a prediction would look at: (T, H, W, 3) uint8 RGB."""
        if self._images is None:
            return self._data.faces(row, self.face_input.frames)
        return _colour(np.asarray(self._images[row]))[None]

    def one(self, row: int, rng: np.random.Generator) -> UInt8Array:
        """One of them at random: (1, H, W, 3)."""
        if self._images is None:
            return self._data.faces(row, self.face_input.frames, rng)
        return self.selected(row)

    def framed(self, faces: UInt8Array, rng: np.random.Generator | None = None) -> UInt8Array:
        """(T, H, W, 3) -> (T, size, size, 3), cut at the recipe's crop or, with rng, around it.

        A random crop lies anywhere in the aligned face (the paper: 224 of 256).
        """
        size = self.face_input.size
        height, width = faces.shape[1:3]
        box = self._box
        if box is None:
            if height == width == size:
                return faces
            return crop_and_resize(faces, (0.0, 0.0, float(width), float(height)), size)
        scale = width / ALIGNED_SIZE
        left, top, right, bottom = (edge * scale for edge in box)
        if rng is not None:
            across = rng.uniform(min(0.0, -left), max(0.0, width - right))
            down = rng.uniform(min(0.0, -top), max(0.0, height - bottom))
            left, right, top, bottom = left + across, right + across, top + down, bottom + down
        return crop_and_resize(faces, (left, top, right, bottom), size)


class FaceSource:
    """Single faces for a network that looks at one at a time."""

    def __init__(self, data: TrainingData, recipe: Recipe) -> None:
        self._faces = FaceReader(data, recipe)
        self._recipe = recipe
        self.usable = self._faces.usable

    def training(
        self, rows: Indices, rng: np.random.Generator, generator: torch.Generator
    ) -> Inputs:
        """(N, C, H, W): a face of each row, changed."""
        framing = rng if self._recipe.augment > 0 else None
        faces = [self._faces.framed(self._faces.one(int(row), rng), framing) for row in rows]
        changed = changed_faces(
            np.concatenate(faces), self._faces.face_input, self._recipe, generator
        )
        return (changed,)

    def evaluation(self, rows: Indices, size: int) -> Iterator[tuple[Indices, Inputs]]:
        """Every face of a row, and its mirror image if the recipe says so."""
        step = max(1, size // self._faces.most)
        for start in range(0, len(rows), step):
            chosen = rows[start : start + step]
            found = [self._faces.framed(self._faces.selected(int(row))) for row in chosen]
            owners = np.repeat(chosen, [len(faces) for faces in found])
            pictures = self._faces.face_input.normalised(np.concatenate(found))
            yield owners, (torch.from_numpy(pictures),)
            if self._recipe.mirror:
                yield owners, (torch.from_numpy(np.ascontiguousarray(pictures[..., ::-1])),)


def changed_faces(
    faces: UInt8Array, face_input: FaceInput, recipe: Recipe, generator: torch.Generator
) -> Tensor:
    """(N, size, size, 3) uint8 -> (N, C, size, size) float32, augmented and normalised."""
    channels = len(face_input.mean)
    plain = replace(face_input, mean=(0.0,) * channels, std=(1.0,) * channels)
    pictures = torch.from_numpy(plain.normalised(faces))
    if recipe.augmentation == "wild":
        pictures = change_faces(pictures, recipe.augment, generator)
    elif recipe.augment > 0:
        pictures = flip_faces(pictures, generator)
    mean = torch.tensor(face_input.mean).view(1, -1, 1, 1)
    return (pictures - mean) / torch.tensor(face_input.std).view(1, -1, 1, 1)


def _colour(picture: UInt8Array) -> UInt8Array:
    return np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture


class SpectrogramSource:
    """Spectrogram images of speech."""

    def __init__(self, data: TrainingData, recipe: Recipe) -> None:
        self._speech = data.speeches()
        self.usable = np.array([speech is not None for speech in self._speech])
        self._settings = spectrogram_settings(recipe)
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
        speech = self._speech[row]
        if speech is None:
            raise RecipeError(f"sample {row} has no speech")
        return speech


_FACE_CONTENTS: Final = ("clips", "face_images")
_READS: Final = {
    "face_vote": _FACE_CONTENTS,
    "face_sequence": ("clips",),
    "spectrogram_net": ("clips", "speech"),
    "functionals_svm": ("clips", "speech"),
}


def check_content(data: TrainingData, recipe: Recipe) -> None:
    """Raise RecipeError where the data holds nothing that the recipe's branch reads."""
    wanted = _READS[recipe.branch]
    if data.content not in wanted:
        raise RecipeError(
            f"a {recipe.branch} recipe reads {' or '.join(wanted)}; the data holds {data.content}"
        )


def source_of(data: TrainingData, recipe: Recipe) -> Source:
    """The source of the recipe's network.

    Raises:
        RecipeError: the prepared folder holds another kind of data.
    """
    check_content(data, recipe)
    if recipe.branch in {"face_vote", "face_sequence"}:
        return FaceSource(data, recipe)
    return SpectrogramSource(data, recipe)
