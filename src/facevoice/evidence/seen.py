"""The faces of one window, gathered instant by instant, and the evidence made of them."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from facevoice.faces.align import align
from facevoice.faces.track import FaceFollower, main_track
from facevoice.speech.voice import Speech
from facevoice.types import (
    Evidence,
    Face,
    FaceTrack,
    Frame,
    MissingCode,
    Modality,
    UInt8Array,
)

MOST_FACES: Final = 8
"""Faces of one instant that are kept as candidates for the main person: bounds the memory."""
PERSON_SECONDS: Final = 0.5
"""A face must be seen that long to count among the people."""


@dataclass(slots=True)
class Seen:
    """The faces of one window so far.

    times: of the sampled instants, in seconds.
    faces: by track, each instant at which it was seen: time, face, and the aligned picture or
        None where other faces were larger.
    present: the tracks seen at each instant.
    """

    times: list[float] = field(default_factory=list)
    faces: dict[int, list[tuple[float, Face, UInt8Array | None]]] = field(default_factory=dict)
    present: list[list[int]] = field(default_factory=list)

    def look(self, follower: FaceFollower, frame: Frame) -> None:
        """Find and follow the faces of the next sampled frame."""
        found = follower.step(frame)
        self.times.append(frame.time_seconds)
        self.present.append([track_id for track_id, _ in found])
        largest = sorted(found, key=lambda item: -item[1].area)[:MOST_FACES]
        keep = {track_id for track_id, _ in largest}
        for track_id, face in found:
            aligned = align(frame.image, face.landmarks) if track_id in keep else None
            self.faces.setdefault(track_id, []).append((frame.time_seconds, face, aligned))


def evidence_of(
    seen: Seen | None,
    speech: Speech,
    start: float,
    stop: float,
    rate: float,
    *,
    has_video: bool,
) -> Evidence:
    """The main person's faces and the speech of [start, stop).

    seen: None where there was no picture. rate: sampled instants a second, inf for a still.
    """
    track = None if seen is None else _main_person(seen, rate)
    missing: dict[Modality, MissingCode] = {}
    if track is None:
        missing["face"] = "no_face" if has_video else "no_video_stream"
    if speech.missing is not None:
        missing["voice"] = speech.missing
    return Evidence(
        faces=track,
        speech=speech.waveform,
        start_seconds=start,
        stop_seconds=stop,
        speech_spans=speech.spans,
        missing=missing,
        people=0 if seen is None else _people(seen, rate),
    )


def _main_person(seen: Seen, rate: float) -> FaceTrack | None:
    chosen = main_track(
        (track_id, face)
        for track_id, instants in seen.faces.items()
        for _, face, aligned in instants
        if aligned is not None
    )
    if chosen is None:
        return None
    kept = [(time, face, image) for time, face, image in seen.faces[chosen] if image is not None]
    return FaceTrack(
        images=np.stack([image for _, _, image in kept]),
        times_seconds=np.array([time for time, _, _ in kept]),
        boxes=np.stack([face.box for _, face, _ in kept]),
        quality=np.array([face.confidence for _, face, _ in kept], np.float32),
        landmarks=np.stack([face.landmarks for _, face, _ in kept]),
        track_id=chosen,
        seconds=len(kept) / rate,
    )


def _people(seen: Seen, rate: float) -> int:
    """The most faces seen at one instant, of those seen for half a second in all.

    What is shorter than a second need be seen for half of it only; a single picture counts all.
    """
    needed = min(PERSON_SECONDS, len(seen.times) / rate / 2)
    lasting = {key for key, instants in seen.faces.items() if len(instants) / rate >= needed}
    return max((sum(key in lasting for key in keys) for keys in seen.present), default=0)
