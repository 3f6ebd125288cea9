"""Find hard cuts in a film, from thumbnails of all its pictures.

A cut is a change that no movement of the camera explains (the best of all small shifts is taken),
far larger than what the pictures before it did, and over at once: the pictures after it are alike.
A blank picture (black, white) belongs to no shot: the shot after it starts with the first picture
that shows something, if that differs from the last one before the blank.

Gradual dissolves are no cuts here; faces that change in them are told apart by their looks.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facevoice.types import Float64Array, UInt8Array

_LEAST_CHANGE: Final = 7.0
"""Grey levels. Cuts between six speakers before one studio wall: 9 and more; one speaker's pictures
(also compressed badly): 4.4 and less."""
_LIKENESS: Final = ((0.5, 1.5), (0.93, 2.5))
"""Up to that likeness (see ``_likeness``) a cut must change the picture so many times more than the
pictures before and after it change. A swinging camera leaves 0.63 and more; two speakers before one
studio wall share 0.48 to 0.92."""
_SAME_AFTER_BLANK: Final = 0.6
_DOUBTFUL: Final = 2.5
"""A change so many times the usual is a cut if the faces before and after it differ."""
_QUIET: Final = 1.5  # grey levels by which noise alone changes a picture
_PAST: Final = 12  # pictures
_BLANK: Final = 4.0  # grey levels of standard deviation; less shows nothing
_TINY: Final = 1e-9
_SHIFT: Final = 4  # pixels of the thumbnail that a camera may swing from one picture to the next


class Settled(NamedTuple):
    """A picture and what it is: of the same shot, the first of a new one, or perhaps that."""

    time_seconds: float
    kind: Literal["same", "cut", "doubt"]


@dataclass(slots=True)
class _Change:
    """One picture, and how much it differs from the one before it.

    plain: mean difference in grey levels; shifted: the least over small shifts, or plain if small.
    likeness: the greatest correlation over small shifts, or 1 where plain is small.
    usual: what changes before it amounted to.
    after_blank: whether what came before it showed nothing; the change is then against what did.
    opening: whether it is the first of all to show something, after pictures that do not.
    """

    time: float
    blank: bool
    after_blank: bool
    plain: float
    shifted: float
    likeness: float
    usual: float
    opening: bool


@dataclass(slots=True)
class CutFinder:
    """Feed it all thumbnails in order; it says which pictures start a new shot, two pictures late.

    ``push`` and ``flush`` return the pictures whose fate is settled, in order; the first picture
    of all starts no new shot.
    """

    _waiting: deque[_Change] = field(default_factory=deque)
    _past: deque[float] = field(default_factory=lambda: deque(maxlen=_PAST))
    _last: UInt8Array | None = None
    _shown: UInt8Array | None = None
    _after_blank: bool = False

    def push(self, time: float, thumbnail: UInt8Array) -> list[Settled]:
        """Take the next picture; thumbnail: (48, 64, 3) uint8."""
        range_ = int(thumbnail.max()) - int(thumbnail.min())
        blank = range_ < 12 * _BLANK and float(thumbnail.std(axis=(0, 1)).max()) < _BLANK
        plain = 0.0 if self._last is None else _difference(self._last, thumbnail)
        shifted, likeness = plain, 1.0
        if self._shown is not None and (self._after_blank or plain >= _LEAST_CHANGE):
            # after a blank the last picture that showed something is what to compare with
            shifted = _least_difference(self._shown, thumbnail)
            likeness = _likeness(self._shown, thumbnail)
        upper = sorted(self._past)[len(self._past) // 2 :]
        usual = float(np.mean(upper)) if upper else 0.0
        self._waiting.append(
            _Change(
                time,
                blank,
                self._after_blank,
                plain,
                shifted,
                likeness,
                usual,
                opening=self._shown is None and self._after_blank and not blank,
            )
        )
        self._past.append(plain)
        self._last = thumbnail
        self._after_blank = blank
        if not blank:
            self._shown = thumbnail
        return [self._settle()] if len(self._waiting) > 2 else []

    def flush(self) -> list[Settled]:
        """No more pictures: settle the last ones."""
        return [self._settle() for _ in range(len(self._waiting))]

    def _settle(self) -> Settled:
        change = self._waiting.popleft()
        if change.opening:  # no new shot, but everything in it is new
            return Settled(change.time, "doubt")
        if change.after_blank and not change.blank:
            # in a fade the levels change in every picture, what it shows does not
            same = change.likeness > _SAME_AFTER_BLANK
            return Settled(change.time, "same" if same else "cut")
        if change.blank or change.shifted < _LEAST_CHANGE:
            return Settled(change.time, "same")
        # films of a raised rate repeat pictures: one of the next two may not differ at all
        after = max((later.plain for later in self._waiting), default=0.0)
        times = change.shifted / max(change.usual, after, _QUIET)
        sudden = [times >= least and change.likeness <= like for like, least in _LIKENESS]
        if any(sudden):
            return Settled(change.time, "cut")
        return Settled(change.time, "doubt" if times >= _DOUBTFUL else "same")


def _difference(first: UInt8Array, second: UInt8Array) -> float:
    return float(np.abs(first.astype(np.int16) - second).mean())


def _least_difference(first: UInt8Array, second: UInt8Array) -> float:
    """The least mean difference over small shifts."""
    inner = _inner(second).astype(np.int16)
    return min(float(np.abs(inner - part).mean()) for part in _moved(first))


def _likeness(first: UInt8Array, second: UInt8Array) -> float:
    """The greatest correlation of brightness over small shifts: 1 for the same structure."""
    inner = _centred(_inner(second.mean(axis=2)))
    return max(float((inner * _centred(part)).sum()) for part in _moved(first.mean(axis=2)))


def _centred(light: Float64Array) -> Float64Array:
    centred = light - light.mean()
    scaled: Float64Array = centred / max(float(np.sqrt((centred**2).sum())), _TINY)
    return scaled


def _inner(picture: NDArray[Any]) -> NDArray[Any]:
    height, width = picture.shape[:2]
    return picture[_SHIFT : height - _SHIFT, _SHIFT : width - _SHIFT]


def _moved(picture: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Parts of the inner size at all shifts of up to 4 pixels each way."""
    rows, columns = _inner(picture).shape[:2]
    for y in range(2 * _SHIFT + 1):
        for x in range(2 * _SHIFT + 1):
            yield picture[y : y + rows, x : x + columns]
