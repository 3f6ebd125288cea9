"""A file in, its windows or its whole timeline out."""

import os
from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal, cast

import numpy as np

from facevoice import media
from facevoice.bundle import Bundle
from facevoice.errors import InvalidInputError
from facevoice.evidence.follow import Followed
from facevoice.evidence.follow_process import PICTURES_AHEAD, apart, follow_file, is_worth_a_process
from facevoice.evidence.plan import WINDOW_SECONDS
from facevoice.evidence.prefetch import ahead
from facevoice.evidence.speaker import MouthVoice
from facevoice.faces.detect import prominence
from facevoice.faces.mtcnn import Mtcnn
from facevoice.session import Device
from facevoice.speech.voice import SPEECH_RATE_HZ, SileroVoice
from facevoice.timeline.rows import Sight
from facevoice.timeline.summary import Cores, Sighted, people_of, segments_of
from facevoice.timeline.table import FrameTable, Row, Timeline
from facevoice.timeline.windows import SAMPLING_HZ, Streams, Window, WindowMaker

People = Literal["all", "main"]

_SOUND_SECONDS: Final = 0.5  # of a piece of sound


def timeline(  # noqa: PLR0913 - one keyword an option
    path: str | os.PathLike[str],
    bundle: Bundle,
    *,
    window: float = WINDOW_SECONDS,
    hop: float = 1.0,
    people: People = "all",
    frames: bool = False,
    start: float | None = None,
    stop: float | None = None,
    device: Device = "cpu",
    threads: int | None = 1,
) -> Timeline:
    """Who shows what, when, in a whole file; memory grows with the rows alone.

    window, hop: seconds; 0 < hop <= window.
    people: "main" keeps the rows of the main person only: whoever has the greatest sum of size
        times confidence over all sampled instants. Speech that is another person's stays theirs.
    frames: keep every face that was looked at, too.
    start, stop: the part to look at, in presentation time.
    threads: of the face detector's networks, None for all cores. People are followed beside the
        scoring, in a film of 20 s or more by a process of its own, which one thread a network
        disturbs least; load the bundle with ``threads=1``, too.

    Raises:
        InvalidInputError: the windows or the part make no sense, or it is a still picture.
        WorkerError: the process that follows people was killed.
        FacevoiceError: the file cannot be read.
    """
    if people not in {"all", "main"}:
        raise InvalidInputError(f"people must be all or main, got {people!r}")
    streams = _streams_of(path, start)
    kept = _Kept(frames=frames)
    maker = window_maker(
        streams, bundle, window=window, hop=hop, frames=frames, device=device, threads=threads
    )
    for finished in _windows(Path(path), maker, streams, stop, device, threads):
        kept.add(finished)
    rows = kept.of_main() if people == "main" else kept.rows
    cuts = np.array(kept.cuts, np.float64)
    cores = Cores(rows, kept.sighted, cuts, SAMPLING_HZ)
    named = {row.person for row in rows}
    return Timeline(
        path=os.fspath(path),
        duration_seconds=streams.duration_seconds,
        start_seconds=streams.start_seconds,
        stop_seconds=maker.stop_seconds,
        window_seconds=window,
        hop_seconds=hop,
        labels=bundle.labels,
        bundle_name=bundle.name,
        bundle_sha256=bundle.sha256,
        cuts=cuts,
        people=people_of(rows, kept.sighted, cores, SAMPLING_HZ),
        rows=tuple(rows),
        segments=segments_of(rows, cores),
        frames=_frame_table(kept.sights, named, len(bundle.labels)) if frames else None,
    )


def iter_windows(
    path: str | os.PathLike[str],
    bundle: Bundle,
    *,
    window: float = WINDOW_SECONDS,
    hop: float = 1.0,
    start: float | None = None,
    stop: float | None = None,
    device: Device = "cpu",
    threads: int | None = 1,
) -> Generator[Window, None, None]:
    """The windows of a file as they are complete, each made of itself and the past alone.

    Arguments and errors as ``timeline``; rows are those of all people.
    """
    streams = _streams_of(path, start)
    maker = window_maker(streams, bundle, window=window, hop=hop, device=device, threads=threads)
    return _windows(Path(path), maker, streams, stop, device, threads)


def window_maker(
    streams: Streams,
    bundle: Bundle,
    *,
    window: float = WINDOW_SECONDS,
    hop: float = 1.0,
    frames: bool = False,
    device: Device = "cpu",
    threads: int | None = 1,
) -> WindowMaker:
    """What makes windows of pictures and sound that come from anywhere: see ``WindowMaker``.

    Raises:
        InvalidInputError: not 0 < hop <= window.
    """
    check_windows(window, hop)
    return WindowMaker(
        bundle,
        streams,
        window_seconds=window,
        hop_seconds=hop,
        detector=Mtcnn(device=device, threads=threads),
        voice=SileroVoice(),
        mouth_voice=MouthVoice.load(),
        frame_scores=frames,
    )


def check_windows(window: float, hop: float) -> None:
    """Make sure that windows of that length and distance in seconds are possible.

    Raises:
        InvalidInputError: not 0 < hop <= window.
    """
    if not (np.isfinite(window) and window >= hop > 0):
        raise InvalidInputError(f"windows need 0 < hop <= window seconds, got {hop} and {window}")


def _streams_of(path: str | os.PathLike[str], start: float | None) -> Streams:
    """What a file holds; its windows count from ``start``, failing that from its first instant."""
    info = media.probe(Path(path))
    if info.kind == "image":
        raise InvalidInputError(f"{path} is a still picture: it has no timeline, predict it")
    begin = info.start_seconds if start is None else max(start, info.start_seconds)
    duration = info.duration_seconds
    end = None if duration is None else info.start_seconds + duration
    return Streams(begin, info.has_video, info.has_audio, duration, end)


def _windows(
    path: Path,
    maker: WindowMaker,
    streams: Streams,
    stop: float | None,
    device: Device,
    threads: int | None,
) -> Generator[Window, None, None]:
    """Feed a maker with a file, whichever of picture and sound is behind first."""
    start = streams.start_seconds
    with ExitStack() as stack:
        patience = maker.patience_seconds
        follow = partial(
            follow_file,
            path,
            rate_hz=SAMPLING_HZ,
            start=start,
            stop=stop,
            patience=patience,
            with_light=streams.has_audio,
            device=device,
            threads=threads,
        )
        # what needs pictures alone runs beside the windows, which wait for the sound, too
        ends = [end for end in (stop, streams.stop_seconds) if end is not None]
        worth = device == "cpu" and is_worth_a_process(min(ends) - start if ends else None)
        pictures = stack.enter_context(
            closing(apart(follow) if worth else ahead(follow(), PICTURES_AHEAD))
        )
        sound = stack.enter_context(
            closing(
                media.iter_waveform(
                    path,
                    rate_hz=SPEECH_RATE_HZ,
                    window_seconds=_SOUND_SECONDS,
                    start_seconds=start,
                    stop_seconds=stop,
                    origin_seconds=start,
                )
            )
        )
        last = start
        look = next(pictures, None) if streams.has_video else None
        piece = next(sound, None) if streams.has_audio else None
        while look is not None or piece is not None:
            if look is not None and look.time_seconds - last > patience:
                maker.no_pictures_before(look.time_seconds)
                yield from maker.ready()
            if piece is None or (look is not None and look.time_seconds <= piece.start_seconds):
                seen, look = cast("Followed", look), next(pictures, None)
                if piece is not None:
                    maker.no_sound_before(piece.start_seconds)
                maker.followed(seen)
                last = seen.time_seconds
            else:
                maker.sound(piece)
                piece = next(sound, None)
            if look is None:
                maker.end_pictures()
            if piece is None:
                maker.end_sound()
            yield from maker.ready()
        maker.end_pictures()
        maker.end_sound()
        yield from maker.ready()


@dataclass(slots=True)
class _Kept:
    """What of the windows a timeline is made of; sights are kept only if they are asked for.

    prominence: of each person, summed over all sampled instants.
    """

    frames: bool
    rows: list[Row] = field(default_factory=list)
    cuts: list[float] = field(default_factory=list)
    sights: list[Sight] = field(default_factory=list)
    sighted: dict[int, Sighted] = field(default_factory=dict)
    prominence: dict[int, float] = field(default_factory=dict)

    def add(self, window: Window) -> None:
        """Take the next window."""
        self.rows += window.rows
        self.cuts += window.cuts
        if self.frames:
            self.sights += window.sights
        for sight in window.sights:
            person, time = cast("int", sight.person), sight.time_seconds
            sighted = self.sighted.setdefault(person, Sighted(time, time))
            sighted.last_seconds, sighted.sights = time, sighted.sights + 1
            total = self.prominence.get(person, 0.0)
            self.prominence[person] = total + prominence(sight.face)

    def of_main(self) -> list[Row]:
        """The rows of the main person, and those without a person; of equals the first seen."""
        main = min(self.prominence, key=lambda key: (-self.prominence[key], key), default=None)
        return [row for row in self.rows if row.person in {main, None}]


def _frame_table(sights: list[Sight], people: set[int | None], labels: int) -> FrameTable:
    chosen = [sight for sight in sights if sight.person in people]
    chosen.sort(key=lambda sight: (sight.time_seconds, sight.person))
    unscored = np.full(labels, np.nan)
    scores = [unscored if sight.scores is None else sight.scores for sight in chosen]
    return FrameTable(
        times_seconds=np.array([sight.time_seconds for sight in chosen], np.float64),
        person=np.array([sight.person for sight in chosen], np.int64),
        boxes=np.array([sight.face.box for sight in chosen], np.float32).reshape(-1, 4),
        landmarks=np.array([s.face.landmarks for s in chosen], np.float32).reshape(-1, 5, 2),
        quality=np.array([sight.face.confidence for sight in chosen], np.float32),
        scores=np.array(scores, np.float64).reshape(-1, labels),
    )
