"""Timelines made by hand for the writers' tests, and a comparison that knows NaN and arrays."""

import math
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np

from facevoice.person import Personal
from facevoice.timeline import FrameTable, Person, Row, Segment, Timeline
from facevoice.types import EMOTIONS, Scores
from support.media_files import steady, tone, write_media

CUT = 4.0
PICTURE = (320, 180)  # width and height


def scores(labels, best, parts=None):
    values = np.full(len(labels), 0.4 / (len(labels) - 1) if len(labels) > 1 else 0.0)
    values[best] = 1 - values.sum() + values[best]
    return Scores(tuple(labels), values / values.sum(), parts or {})


def same(first, second):
    """Equal in every field: NaN equals NaN, arrays by value and dtype."""
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and np.array_equal(first, second, equal_nan=True)
    if isinstance(first, float) and isinstance(second, float):
        return first == second or (math.isnan(first) and math.isnan(second))
    if is_dataclass(first):
        return type(first) is type(second) and all(
            same(getattr(first, each.name), getattr(second, each.name)) for each in fields(first)
        )
    if isinstance(first, (tuple, list)):
        return len(first) == len(second) and all(map(same, first, second))
    if hasattr(first, "items"):
        return dict(first).keys() == dict(second).keys() and all(
            same(first[name], second[name]) for name in first
        )
    return first == second


def row(start, person, labels, best, *, origin=0.0, voice=False, stop=None):
    """Person 0 speaks where ``voice``; nobody's voice is a row without a person."""
    face = None if person is None else scores(labels, best, {"expression": scores(labels, best)})
    heard = scores(labels, best) if voice else None
    parts = {name: each for name, each in (("face", face), ("voice", heard)) if each}
    missing = {}
    if face is None:
        missing["face"] = "no_face"
    if heard is None:
        missing["voice"] = "no_speech"
    return Row(
        start_seconds=origin + start,
        stop_seconds=origin + (start + 3 if stop is None else stop),
        person=person,
        seen_seconds=0.0 if person is None else 1.0 / 3.0,
        speech_seconds=2.0 if voice else 0.0,
        speaking_seconds=2.0 if voice else 0.0,
        speaker="nobody" if not voice else "unknown" if person is None else "this",
        speaker_confidence=0.7 if voice else math.nan,
        scores=scores(labels, best, parts) if parts else None,
        face=face,
        voice=heard,
        missing=missing,
        people=0 if person is None else 1,
        box=None if person is None else (10.0, 20.5, 30.0, 40.25),
        picture_size=None if person is None else PICTURE,
        quality=math.nan if person is None else 0.9,
    )


def frames(times, people, labels):
    """Each person's box lies still: person n at (8 + 60 n, 8) to (28 + 60 n, 32)."""
    pairs = sorted((time, person) for person, seen in people.items() for time in times[seen])
    count = len(pairs)
    values = np.tile(scores(labels, 0).values, (count, 1))
    values[::2] = np.nan
    left = np.array([8 + 60 * person for _, person in pairs], np.float32)
    boxes = np.stack([left, left * 0 + 8, left + 20, left * 0 + 32], axis=1)
    return FrameTable(
        times_seconds=np.array([time for time, _ in pairs], np.float64),
        person=np.array([person for _, person in pairs], np.int64),
        boxes=boxes.astype(np.float32),
        landmarks=np.full((count, 5, 2), 12.3, np.float32),
        quality=np.full(count, 0.95, np.float32),
        scores=values,
        picture_sizes=np.tile(np.array(PICTURE), (count, 1)),
    )


def with_blendshapes(timeline):
    """The first face is not measured."""
    count = len(timeline.frames)
    random = np.random.default_rng(0)
    shapes = random.random((count, 52), np.float32)
    poses = random.normal(0, 20, (count, 3)).astype(np.float32)
    shapes[:1], poses[:1] = np.nan, np.nan
    return replace(timeline, frames=replace(timeline.frames, blendshapes=shapes, head_poses=poses))


def with_personal(timeline):
    """Person 0 has personal answers from the third window on, nobody else has."""
    rows = []
    for each in timeline.rows:
        if each.person == 0 and each.start_seconds >= timeline.start_seconds + 2:
            face = scores(timeline.labels, 2 % len(timeline.labels))
            own = scores(timeline.labels, 3 % len(timeline.labels), {"face": face})
            rows.append(replace(each, personal=Personal(own, 4, 12.5)))
        else:
            reason = "no_baseline" if each.person is None else "too_little"
            rows.append(replace(each, personal_reason=reason))
    name, start = timeline.labels[3 % len(timeline.labels)], timeline.start_seconds
    first, *others = timeline.people
    return replace(
        timeline,
        rows=tuple(rows),
        people=(replace(first, personal_shares={name: 1.0}), *others),
        segments=tuple(
            replace(each, personal_emotion=name) if each.person == 0 else each
            for each in timeline.segments
        ),
        personal="whole",
        personal_segments=(Segment(0, start + 3.0, start + 9.1234567, name, 0.5),),
    )


def without_faces(timeline):
    """A table of frames without rows."""
    table = timeline.frames
    given = [each.name for each in fields(table) if getattr(table, each.name) is not None]
    none = replace(table, **{name: getattr(table, name)[:0] for name in given})
    return replace(timeline, frames=none)


def make_timeline(*, origin=0.0, labels=EMOTIONS, with_frames=True, path="talk.mp4"):
    """Ten seconds: person 0 is seen but for 5-6 s and speaks at first, 1 from the cut on."""
    times = origin + np.arange(40) / 4
    rows = []
    for start in range(8):
        first = row(start, 0, labels, start // 4 % len(labels), origin=origin, voice=start < 3)
        rows.append(first)
        if start >= CUT - 1:
            rows.append(row(start, 1, labels, 1 % len(labels), origin=origin))
        if start == 6:
            rows.append(row(start, None, labels, 0, origin=origin, voice=True))
    last = labels[1 % len(labels)]
    return Timeline(
        path=path,
        duration_seconds=10.0,
        start_seconds=origin,
        stop_seconds=origin + 10.0,
        window_seconds=3.0,
        hop_seconds=1.0,
        labels=tuple(labels),
        bundle_name="toy",
        bundle_sha256="0" * 64,
        cuts=np.array([origin + CUT]),
        people=(
            Person(0, origin, origin + 9.75, 9.0, 5.0 / 3.0, {labels[0]: 1.0}),
            Person(1, origin + 4.0, origin + 9.75, 6.0, 0.0, {}),
        ),
        rows=tuple(rows),
        segments=(
            Segment(0, origin, origin + 5.0, labels[0], 0.6),
            Segment(0, origin + 5.0, origin + 9.1234567, last, 0.25, labels[0]),
            Segment(1, origin + 4.0, origin + 10.0, last, math.nan),
            Segment(None, origin + 7.0, origin + 8.0, labels[0], 0.5),
        ),
        frames=frames(
            times, {0: np.abs(times - origin - 5.4) > 0.5, 1: times >= origin + CUT}, labels
        )
        if with_frames
        else None,
    )


def make_talk(folder: Path, name="talk.mp4", **options) -> Path:
    """Ten seconds of numbered pictures with a tone."""
    times = options.pop("times", steady(250))
    sound = options.pop("sound", tone(10.0, 16_000))
    return write_media(folder / name, times=times, sound=sound, sound_codec="aac", **options)
