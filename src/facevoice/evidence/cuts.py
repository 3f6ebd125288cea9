"""Find hard cuts in a film, from thumbnails of all its pictures.

A cut is a change that camera movement does not explain (the best of all small shifts is taken), is
far larger than the changes before it, and is over at once: the pictures after it are alike. A
blank picture (black, white) belongs to no shot: the next shot starts with the first picture that
shows something, if that differs from the last one before the blank.

Gradual dissolves do not count as cuts; faces that change in them are distinguished by appearance.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facevoice.types import Float64Array, UInt8Array

_LEAST_CHANGE: Final = 7.0
"""Grey levels. Cuts between six speakers in front of one studio wall: 9 and more; pictures of one
speaker, badly compressed ones included: 4.4 and less."""
_LIKENESS: Final = ((0.5, 1.5), (0.93, 2.5))
"""(likeness, factor): up to that likeness (see ``_likeness``), the change at a cut must exceed the
changes before and after it by that factor. A swinging camera leaves a likeness of 0.63 and more;
two speakers in front of one studio wall share 0.48 to 0.92."""
_LEAST_FACTOR: Final = min(factor for _, factor in _LIKENESS)
_SAME_AFTER_BLANK: Final = 0.6
_DOUBTFUL: Final = 2.5
"""A change larger than usual by this factor is a cut if the faces before and after it differ."""
_QUIET: Final = 1.5  # grey levels; noise alone changes a picture by that much
_PAST: Final = 12  # pictures
_BLANK: Final = 4.0  # standard deviation in grey levels; a picture with less shows nothing
_TINY: Final = 1e-9
_SHIFT: Final = 4  # thumbnail pixels; the most that a camera swings between two pictures

Kind = Literal["same", "cut", "doubt"]


class Settled(NamedTuple):
    """A picture: of the same shot, the first of a new one (cut), or possibly so (doubt)."""

    time_seconds: float
    kind: Kind


class _Change(NamedTuple):
    """One picture, and how much it differs from the one before it.

    plain: mean difference in grey levels; shifted: the least over small shifts.
    likeness: the greatest correlation over small shifts.
    usual: the mean of the larger half of the changes before it.
    kind: what the picture is, if that does not depend on the pictures after it.
    """

    time: float
    plain: float
    shifted: float
    likeness: float
    usual: float
    kind: Kind | None


@dataclass(slots=True)
class CutFinder:
    """Takes all thumbnails in order and finds the pictures that start a new shot.

    ``push`` and ``flush`` return the pictures that are settled, in order, two pictures later. The
    very first picture does not start a new shot.
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
        upper = sorted(self._past)[len(self._past) // 2 :]
        usual = sum(upper) / len(upper) if upper else 0.0
        shifted, likeness = plain, 1.0
        if self._shown is not None and (self._after_blank or plain >= _LEAST_CHANGE):
            # after a blank, compare with the last picture that showed something
            shifted = _difference(_inner(self._shown), _inner(thumbnail))
            # trying the shifts is slow, and they can only make the change smaller
            if self._after_blank or shifted >= _LEAST_FACTOR * max(usual, _QUIET):
                shifted = _least_difference(self._shown, thumbnail)
                likeness = _likeness(self._shown, thumbnail)
        kind: Kind | None = None
        if self._after_blank and not blank:
            # the first picture of all to show something starts no shot, but all of it is new;
            # in a fade the levels change in every picture, but not what it shows
            same = likeness > _SAME_AFTER_BLANK
            kind = "doubt" if self._shown is None else "same" if same else "cut"
        elif blank or shifted < _LEAST_CHANGE:
            kind = "same"
        self._waiting.append(_Change(time, plain, shifted, likeness, usual, kind))
        self._past.append(plain)
        self._last = thumbnail
        self._after_blank = blank
        if not blank:
            self._shown = thumbnail
        return [self._settle()] if len(self._waiting) > 2 else []

    def flush(self) -> list[Settled]:
        """Settle the last pictures: there are no more."""
        return [self._settle() for _ in range(len(self._waiting))]

    def _settle(self) -> Settled:
        change = self._waiting.popleft()
        if change.kind is not None:
            return Settled(change.time, change.kind)
        # films converted to a higher rate repeat pictures: one of the next two may be identical
        after = max((later.plain for later in self._waiting), default=0.0)
        times = change.shifted / max(change.usual, after, _QUIET)
        sudden = [times >= least and change.likeness <= like for like, least in _LIKENESS]
        if any(sudden):
            return Settled(change.time, "cut")
        return Settled(change.time, "doubt" if times >= _DOUBTFUL else "same")


def _difference(first: UInt8Array, second: UInt8Array) -> float:
    apart = np.maximum(first, second) - np.minimum(first, second)
    return int(apart.sum(dtype=np.int64)) / apart.size  # exact, unlike a mean of floats


def _least_difference(first: UInt8Array, second: UInt8Array) -> float:
    """The least mean difference over small shifts."""
    inner = _inner(second).astype(np.int16)
    return min(float(np.abs(inner - part).mean()) for part in _shifts_of(first))


def _likeness(first: UInt8Array, second: UInt8Array) -> float:
    """The greatest correlation of brightness over small shifts: 1 for the same structure."""
    inner = _centred(_inner(second.mean(axis=2)))
    return max(float((inner * _centred(part)).sum()) for part in _shifts_of(first.mean(axis=2)))


def _centred(light: Float64Array) -> Float64Array:
    centred = light - light.mean()
    return np.asarray(centred / max(float(np.sqrt((centred**2).sum())), _TINY))


def _inner(picture: NDArray[Any]) -> NDArray[Any]:
    height, width = picture.shape[:2]
    return picture[_SHIFT : height - _SHIFT, _SHIFT : width - _SHIFT]


def _shifts_of(picture: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Parts of the inner size, at all shifts of up to 4 pixels in each direction."""
    rows, columns = _inner(picture).shape[:2]
    for y in range(2 * _SHIFT + 1):
        for x in range(2 * _SHIFT + 1):
            yield picture[y : y + rows, x : x + columns]
