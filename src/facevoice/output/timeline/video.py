"""The annotated video: boxes, ids and emotion bars burnt into the pictures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from facevoice import media
from facevoice.errors import InvalidInputError
from facevoice.media.encode import paint_video
from facevoice.output.timeline.overlay import (
    Area,
    Labels,
    draw_frame,
    lay,
    place_label,
    squeeze_label,
)
from facevoice.output.timeline.spans import Run, cells, followed
from facevoice.timeline.table import FrameTable, Row, Timeline
from facevoice.types import PictureSize, UInt8Array


def annotation(timeline: Timeline) -> Callable[[Path, Path], None]:
    """A function that writes the part of a film in the timeline as an annotated MP4 file.

    It takes the media file and the path to write to. Presentation times are the source's; a part
    that begins later than the file begins at 0.

    Raises:
        InvalidInputError: the timeline has no frames; when it is called, the file has no pictures.
        FacevoiceError: when it is called, the media file cannot be read or the video not written.
    """
    if timeline.frames is None:
        raise InvalidInputError(
            "the annotated video needs the faces of single frames: make the timeline with --frames"
        )
    painter = Painter(timeline, timeline.frames)

    def paint(source: Path, path: Path) -> None:
        tracks = timeline.audio_tracks
        track = None if tracks is None else tracks.read
        info = media.probe(source, track)
        part = timeline.start_seconds > info.start_seconds + timeline.hop_seconds / 2
        paint_video(
            source,
            path,
            painter,
            start_seconds=timeline.start_seconds if part else None,
            stop_seconds=timeline.stop_seconds if _ends_early(timeline, info) else None,
            shift_seconds=timeline.start_seconds if part else 0.0,
            audio_track=track,
        )

    return paint


def _ends_early(timeline: Timeline, info: media.MediaInfo) -> bool:
    """Whether the timeline stops before the file does; containers state their end imprecisely."""
    if info.duration_seconds is None:
        return True
    end = info.start_seconds + info.duration_seconds
    return timeline.stop_seconds < end - timeline.hop_seconds / 2


class Painter:
    """Draws on pictures what the timeline says about them."""

    def __init__(self, timeline: Timeline, frames: FrameTable) -> None:
        self._runs = list(followed(timeline, frames, np.unique(frames.person).tolist()))
        self._spans = np.array([run.span for run in self._runs]).reshape(-1, 2)
        places = cells(timeline)
        self._starts = list(places)
        self._edges = np.array([start for start, _ in places.values()])
        self._rows = {(row.start_seconds, row.person): row for row in timeline.rows}
        self._labels = Labels(timeline.labels)

    def __call__(self, image: UInt8Array, time: float) -> None:
        """Draw on image (H, W, 3) uint8 RGB in place; time: its presentation time in seconds."""
        self._labels.fit(image.shape[0])
        picture = (image.shape[1], image.shape[0])
        at = self._at(time)
        shown = [(run, _box_at(run, time, picture), self._row(run.person, time)) for run in at]
        taken = [box for _, box, _ in shown]
        for run, box, row in shown:
            self._label(image, run.person, row, box, taken)
        for _, box, row in shown:
            draw_frame(image, box, self._labels.colour(row))
        nobody = self._row(None, time)
        if nobody is not None and nobody.scores is not None:
            label = self._labels.of(None, nobody, bars=False)
            lay(image, label, 0, max(0, image.shape[0] - label.shape[0]))

    def _label(
        self, image: UInt8Array, person: int, row: Row | None, box: Area, taken: list[Area]
    ) -> None:
        """Lay a label beside a box and note its place in ``taken``; bars only where there is room.

        A name that does not fit either covers the lower edge of its own face, or as little of the
        rest as it can: every face has a name.
        """
        picture = (image.shape[1], image.shape[0])
        for bars in (True, False):
            label = self._labels.of(person, row, bars=bars)
            area = place_label((label.shape[1], label.shape[0]), box, picture, taken)
            if area is not None:
                break
        else:
            area = squeeze_label((label.shape[1], label.shape[0]), box, picture, taken)
        taken.append(area)
        lay(image, label, area[0], area[1])

    def _at(self, time: float) -> list[Run]:
        """The runs whose span holds an instant, by person."""
        there = (self._spans[:, 0] <= time) & (time < self._spans[:, 1])
        return [self._runs[number] for number in np.flatnonzero(there)]

    def _row(self, person: int | None, time: float) -> Row | None:
        """The row of the window whose cell holds an instant."""
        number = int(np.searchsorted(self._edges, time, side="right")) - 1
        return self._rows.get((self._starts[number], person)) if number >= 0 else None


def _box_at(run: Run, time: float, picture: PictureSize) -> Area:
    """The box between the two instants around ``time``; at the ends it stays.

    picture: width and height of the picture that it is drawn on.
    """
    boxes = run.boxes
    if run.sizes is not None:
        boxes = boxes * np.tile(np.array(picture) / np.maximum(run.sizes, 1), 2)
    left, top, right, bottom = (round(float(np.interp(time, run.times, side))) for side in boxes.T)
    return left, top, right, bottom
