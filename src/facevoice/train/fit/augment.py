"""Random changes that a label survives, on whole batches."""

import math
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from facevoice.types import Float32Array

_SPEECH_RATE_HZ: Final = 16000
_ECHO_SAMPLES: Final = 9600


def change_faces(faces: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Flip, turn, scale, shift, relight, blur or coarsen, and cover part of each face.

    faces: (N, C, H, W) float32 in [0, 1]. strength: 0 none, 1 the usual.
    """
    if strength <= 0:
        return faces
    faces = _moved(faces, strength, generator)
    faces = _relit(faces, strength, generator)
    faces = _coarsened(faces, strength, generator)
    return _covered(faces, strength, generator)


def flip_faces(faces: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the faces (N, C, H, W): with random crops all that the paper does."""
    flip = torch.rand(len(faces), generator=generator) < 0.5
    return torch.where(flip.view(-1, 1, 1, 1), faces.flip(3), faces)


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator) * (high - low) + low


def _moved(faces: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    count = len(faces)
    angle = _uniform(count, -1, 1, generator) * math.radians(15) * strength
    scale = torch.exp(_uniform(count, -1, 1, generator) * 0.16 * strength)
    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    shear = _uniform(count, -1, 1, generator) * 0.08 * strength
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    shift = (torch.rand(count, 2, generator=generator) * 2 - 1) * 0.14 * strength
    rows = [
        torch.stack([cos * flip, -sin + shear, shift[:, 0]], 1),
        torch.stack([sin * flip, cos, shift[:, 1]], 1),
    ]
    grid = functional.affine_grid(torch.stack(rows, 1), list(faces.shape), align_corners=False)
    return functional.grid_sample(faces, grid, padding_mode="reflection", align_corners=False)


def _relit(faces: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    count = len(faces)
    shape = (count, 1, 1, 1)
    contrast = torch.exp(_uniform(count, -1, 1, generator) * 0.35 * strength).view(shape)
    brightness = (_uniform(count, -1, 1, generator) * 0.2 * strength).view(shape)
    gamma = torch.exp(_uniform(count, -1, 1, generator) * 0.3 * strength).view(shape)
    mean = faces.mean(dim=(1, 2, 3), keepdim=True)
    relit = ((faces - mean) * contrast + mean + brightness).clamp(0, 1)
    # a light from one side
    slope = (_uniform(count, -1, 1, generator) * 0.25 * strength).view(shape)
    ramp = torch.linspace(-1, 1, faces.shape[3]).view(1, 1, 1, -1)
    return (relit.clamp_min(1e-4) ** gamma + slope * ramp).clamp(0, 1)


def _coarsened(faces: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Make a quarter of the faces small and large again, and add grain to a quarter."""
    size = faces.shape[-1]
    chosen = torch.rand(len(faces), generator=generator) < 0.25 * min(strength, 1)
    if bool(chosen.any()):
        small = int(size * float(_uniform(1, 0.4, 0.9, generator)))
        shrunk = functional.interpolate(faces[chosen], small, mode="bilinear", antialias=True)
        faces = faces.clone()
        faces[chosen] = functional.interpolate(shrunk, size, mode="bilinear")
    grainy = (torch.rand(len(faces), generator=generator) < 0.25 * min(strength, 1)).float()
    noise = torch.randn(faces.shape, generator=generator) * 0.05
    return (faces + noise * grainy.view(-1, 1, 1, 1)).clamp(0, 1)


def _covered(faces: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Cover a rectangle of 2-20 % of half the faces with its mean (Zhong et al. 2020)."""
    count, _, height, width = faces.shape
    share = _uniform(count, 0.02, 0.2, generator)
    ratio = torch.exp(_uniform(count, -0.7, 0.7, generator))
    half_height = (share * ratio).sqrt() * height / 2
    half_width = (share / ratio).sqrt() * width / 2
    centre_y = _uniform(count, 0, height, generator)
    centre_x = _uniform(count, 0, width, generator)
    use = torch.rand(count, generator=generator) < 0.5 * min(strength, 1)
    ys, xs = torch.arange(height).view(1, -1, 1), torch.arange(width).view(1, 1, -1)
    inside = ((ys - centre_y.view(-1, 1, 1)).abs() < half_height.view(-1, 1, 1)) & (
        (xs - centre_x.view(-1, 1, 1)).abs() < half_width.view(-1, 1, 1)
    )
    inside &= use.view(-1, 1, 1)
    return torch.where(inside.unsqueeze(1), faces.mean(dim=(1, 2, 3), keepdim=True), faces)


def change_speech(samples: Float32Array, strength: float, rng: np.random.Generator) -> Float32Array:
    """Another speaker, microphone and room: what differs between recordings of one expression.

    Plays the speech slower or faster (pitch and formants move along, as if somebody larger or
    smaller spoke), cuts its ends, colours it, cuts its highs as a telephone does, adds an echo that
    dies away and noise.

    samples: (S,) float32 at 16 kHz. strength: 0 none, 1 the usual.
    """
    if strength <= 0 or len(samples) < 1600:
        return samples
    speed = math.exp(rng.uniform(-0.16, 0.16) * strength)
    count = max(int(len(samples) / speed), 1)
    positions = np.linspace(0, len(samples) - 1, count)
    changed = np.interp(positions, np.arange(len(samples)), samples)
    cut = rng.uniform(0, 0.12 * strength, 2) * len(changed)
    changed = changed[int(cut[0]) : len(changed) - int(cut[1])]
    changed = _transmitted(changed, strength, rng)
    if rng.random() < 0.5 * strength:
        level = np.sqrt(np.mean(changed**2)) * 10 ** (-rng.uniform(8, 35) / 20)
        noise = rng.standard_normal(len(changed))
        if rng.random() < 0.5:  # brown-like rumble, leaky so that it does not drift
            noise = np.convolve(noise, 0.9 ** np.arange(32), mode="same")
            noise /= np.sqrt(np.mean(noise**2)) + 1e-12
        changed = changed + level * noise
    return changed.astype(np.float32)


def _transmitted(
    samples: np.ndarray[Any, Any], strength: float, rng: np.random.Generator
) -> np.ndarray[Any, Any]:
    """Through a microphone, a line and a room: one filter, applied in the frequency domain."""
    length = 1 << (len(samples) + _ECHO_SAMPLES).bit_length()
    hz = np.fft.rfftfreq(length, 1 / _SPEECH_RATE_HZ)
    gain = np.ones(len(hz), np.complex128)
    if rng.random() < 0.6 * strength:  # a tilt by octave, and two broad resonances
        decibels = rng.uniform(-4, 4) * np.log2((hz + 100) / 1000)
        for _ in range(2):
            octaves = np.log2((hz + 50) / rng.uniform(100, 6000))
            decibels += rng.uniform(-5, 5) * np.exp(-0.5 * (octaves / rng.uniform(0.3, 1)) ** 2)
        gain *= 10 ** (decibels / 20)
    if rng.random() < 0.25 * strength:
        gain /= 1 + (hz / rng.uniform(3000, 7000)) ** 12
    if rng.random() < 0.3 * strength:
        count = int(rng.uniform(0.1, 0.6) * _SPEECH_RATE_HZ)  # falls by 60 dB in that time
        echo = rng.standard_normal(count) * np.exp(-6.9 * np.arange(count) / count)
        echo *= 10 ** (-rng.uniform(3, 15) / 20) / np.sqrt((echo**2).sum())
        gain *= 1 + np.fft.rfft(echo, length)
    changed: np.ndarray[Any, Any] = np.fft.irfft(np.fft.rfft(samples, length) * gain, length)
    return changed[: len(samples)]


def mask_spectrograms(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Blank a band of frequencies and a stretch of time of each image (Park et al. 2019).

    images: (N, 1, H, W) float32 in [0, 1].
    """
    if strength <= 0:
        return images
    count, _, height, width = images.shape
    masked = images
    for size, axis in ((height, 2), (width, 3)):
        length = _uniform(count, 0, 0.15 * strength, generator) * size
        start = torch.rand(count, generator=generator) * (size - length)
        shape = [1, 1, 1, 1]
        shape[axis] = size
        place = torch.arange(size).view(shape)
        inside = (place >= start.view(-1, 1, 1, 1)) & (place < (start + length).view(-1, 1, 1, 1))
        masked = masked.masked_fill(inside, 0.0)
    return masked


def shift_spectrograms(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Move each image by up to a tenth of its width in time and 3 % of its height in frequency.

    images: (N, C, H, W) float32 in [0, 1]. What moves in is 0.
    """
    if strength <= 0:
        return images
    count, _, height, width = images.shape
    shifted = images
    for size, axis, reach in ((height, 2, 0.03), (width, 3, 0.1)):
        most = reach * strength * size
        shift = _uniform(count, -most, most, generator).round().long()
        places = torch.arange(size) - shift.view(-1, 1)  # (N, size)
        inside = (places >= 0) & (places < size)
        shape = [count, 1, 1, 1]
        shape[axis] = size
        index = places.clamp(0, size - 1).view(shape).expand_as(shifted)
        shifted = shifted.gather(axis, index) * inside.view(shape)
    return shifted
