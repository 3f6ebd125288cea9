"""Boxes and labels on a picture, in numpy; text is drawn by Pillow, once per label."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facevoice.output.html.colours import colours_of
from facevoice.output.html.elements import one_line
from facevoice.output.timeline.spans import name_of
from facevoice.timeline.table import Row
from facevoice.types import Scores, UInt8Array

Colour = tuple[int, int, int]
Area = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels."""

PALETTE: Final = (
    "d2502a", "75f07a", "8468d8", "e5c02e", "e0e2e5", "95b6fc",
    "1b7a98", "e47b97", "d99b6b", "5d6c97", "f6c3f8", "bcf193",
)  # fmt: skip
"""The colours of the report page when it is dark, in the order of its style sheet."""

_PLAIN: Final = (235, 235, 235)
_FAINT: Final = (70, 74, 80)
_SMALLEST_TEXT: Final = 10
_PICTURE_TO_TEXT: Final = 36  # pixels of height for one of text
_MOST_KEPT: Final = 64
_LONGEST_NAME: Final = 12
_MARGIN: Final = 3


class Labels:
    """The labels beside the boxes: drawn when they change, kept while they do not."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._colours = {name: _rgb(PALETTE[n]) for name, n in colours_of(labels).items()}
        self._kept: dict[tuple[object, ...], UInt8Array] = {}
        self._size = 0
        self._font: ImageFont.ImageFont | ImageFont.FreeTypeFont = ImageFont.load_default()

    def fit(self, height: int) -> None:
        """Choose the size of the text for pictures of a height in pixels."""
        size = max(_SMALLEST_TEXT, height // _PICTURE_TO_TEXT)
        if size != self._size:
            self._size, self._font = size, ImageFont.load_default(size)
            self._kept.clear()

    def colour(self, row: Row | None) -> Colour:
        """The colour of a row's emotion; grey without one."""
        emotion = None if row is None else row.emotion
        return _PLAIN if emotion is None else self._colours[emotion]

    def of(self, person: int | None, row: Row | None, *, bars: bool) -> UInt8Array:
        """Name, emotion and bars on black, (H, W, 3) uint8 RGB."""
        key = (person, None if row is None else row.start_seconds, bars)
        if key not in self._kept:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = self._drawn(person, row, bars=bars)
        return self._kept[key]

    def _drawn(self, person: int | None, row: Row | None, *, bars: bool) -> UInt8Array:
        lines = [(name_of(person), _PLAIN)]
        if row is not None and person is not None and row.speaker == "this":
            lines = [(f"{name_of(person)} speaks", _PLAIN)]
        scores = None if row is None else row.scores
        if scores is not None:
            said = f"{one_line(scores.emotion)[:_LONGEST_NAME]} {100 * scores.confidence:.0f}%"
            lines.append((said, self._colours[scores.emotion]))
        pitch = math.ceil(1.3 * self._size)
        shown = scores if bars else None
        count = len(lines) + (0 if shown is None else len(shown.labels))
        width = max([self._font.getlength(text) for text, _ in lines] + [8.0 * self._size * bars])
        image = Image.new("RGB", (math.ceil(width) + self._size, count * pitch + self._size // 2))
        draw = ImageDraw.Draw(image)
        for number, (text, colour) in enumerate(lines):
            draw.text((self._size // 2, number * pitch + 1), text, fill=colour, font=self._font)
        if shown is not None:
            self._bars(draw, shown, len(lines) * pitch, image.width)
        return np.asarray(image, np.uint8)

    def _bars(self, draw: ImageDraw.ImageDraw, scores: Scores, top: int, width: int) -> None:
        """One line per label: its name, and in the right half a bar as long as its score."""
        pitch, edge = math.ceil(1.3 * self._size), self._size // 2
        middle = width // 2
        small = ImageFont.load_default(max(8, round(0.8 * self._size)))
        for number, (label, value) in enumerate(scores.to_dict().items()):
            y = top + number * pitch
            draw.text((edge, y + 1), one_line(label)[:_LONGEST_NAME], fill=_PLAIN, font=small)
            bar = (middle, y + pitch // 4, width - edge, y + 3 * pitch // 4)
            draw.rectangle(bar, fill=_FAINT)
            right = middle + round(value * (width - edge - middle))
            if right > middle:
                draw.rectangle((middle, bar[1], right, bar[3]), fill=self._colours[label])


def _rgb(digits: str) -> Colour:
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def place_label(
    label: tuple[int, int], box: Area, picture: tuple[int, int], taken: Sequence[Area]
) -> Area | None:
    """Room for a label at a face's box; None where it would cover something.

    Right or left of the box, else above or below it.

    label: its width and height. picture: that of the picture. All in pixels.
    """
    free = (area for area in _around(label, box, picture) if _covered(area, taken) == 0)
    return next(free, None)


def squeeze_label(
    label: tuple[int, int], box: Area, picture: tuple[int, int], taken: Sequence[Area]
) -> Area:
    """The place at a face's box, or on its lower edge, where a label covers least of the rest."""
    left, _, _, bottom = box
    on_it = _within((left, bottom - label[1]), label, picture)
    others = [area for area in taken if area != box]
    return min([on_it, *_around(label, box, picture)], key=lambda area: _covered(area, others))


def _around(label: tuple[int, int], box: Area, picture: tuple[int, int]) -> Iterator[Area]:
    """The places at a box that lie inside the picture, the best first."""
    (width, height), (left, top, right, bottom) = label, box
    beside = (right + _MARGIN, left - _MARGIN - width)
    above = (top - _MARGIN - height, bottom + _MARGIN)
    corners = [(x, y) for y in (top, bottom - height) for x in beside]
    corners += [(x, y) for y in above for x in (left, right - width)]
    for x, y in corners:
        area = _within((x, y), label, picture)
        if area[0] == x or (x not in beside and y == area[1]):
            yield area


def _within(corner: tuple[int, int], label: tuple[int, int], picture: tuple[int, int]) -> Area:
    """A label moved into the picture."""
    left, top = (
        max(0, min(at, side - size)) for at, side, size in zip(corner, picture, label, strict=True)
    )
    return left, top, left + label[0], top + label[1]


def _covered(area: Area, others: Iterable[Area]) -> int:
    """How many pixels of other areas an area covers."""
    return sum(
        max(0, min(area[2], other[2]) - max(area[0], other[0]))
        * max(0, min(area[3], other[3]) - max(area[1], other[1]))
        for other in others
    )


def draw_frame(image: UInt8Array, box: Area, colour: Colour) -> None:
    """Draw a frame around a face, in place.

    image: (H, W, 3) uint8 RGB. box: may reach beyond the picture.
    """
    line = max(2, image.shape[0] // 240)
    left, top, right, bottom = box
    for inner in (
        (top, top + line, left, right),
        (bottom - line, bottom, left, right),
        (top, bottom, left, left + line),
        (top, bottom, right - line, right),
    ):
        above, below, begin, end = (max(0, edge) for edge in inner)
        image[above:below, begin:end] = colour


def lay(image: UInt8Array, label: UInt8Array, left: int, top: int) -> None:
    """Draw a label over a picture, which shows through darkened; what does not fit is cut off."""
    below = image[top : top + label.shape[0], left : left + label.shape[1]]
    part = label[: below.shape[0], : below.shape[1]]
    np.maximum(below // 4, part, out=below)
