"""Read a file into its timeline, or window by window."""

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from facevoice import media
from facevoice.bundle import Bundle
from facevoice.errors import InvalidInputError
from facevoice.evidence import (
    WINDOW_SECONDS,
    EvidenceReader,
    EvidenceWindow,
    Plan,
    Sight,
    film_plan,
)
from facevoice.evidence.other_tracks import audio_tracks
from facevoice.faces.blendshapes import BLENDSHAPES, ExpressionReader
from facevoice.faces.detect import prominence
from facevoice.person import Baseline
from facevoice.session import Device
from facevoice.timeline.personal import own_baselines
from facevoice.timeline.portraits import frontality, portrait
from facevoice.timeline.scoring import FaceSight, Window, WindowScorer
from facevoice.timeline.summary import Cores, Sighted, people_of, segments_of, speech_of
from facevoice.timeline.summary import personal as of_personal
from facevoice.timeline.table import FrameTable, PersonalMode, Row, Timeline
from facevoice.types import UNDAMAGED, Damage, Float32Array
from facevoice.types.spans import Span

People = Literal["all", "main"]


def timeline(  # noqa: PLR0913 - one keyword per option
    path: str | os.PathLike[str],
    bundle: Bundle,
    *,
    window: float = WINDOW_SECONDS,
    hop: float = 1.0,
    people: People = "all",
    frames: bool = False,
    blendshapes: bool = False,
    start: float | None = None,
    stop: float | None = None,
    audio_track: int | None = None,
    personal: PersonalMode | None = None,
    baseline: Baseline | None = None,
    device: Device = "cpu",
    threads: int | None = 1,
    progress: Callable[[float, float | None], None] | None = None,
) -> Timeline:
    """Find who shows which emotion when in a whole file; memory grows with the rows alone.

    window, hop: seconds; 0 < hop <= window.
    people: "main" keeps the rows of the main person only: the one with the greatest sum of face
        size times confidence over all sampled instants. The speech of others remains theirs.
    frames: also keep every sampled face.
    blendshapes: also measure the 52 blendshapes and the head's pose of each of these faces; it
        takes about 20 ms a face more.
    start, stop: the part to read, in presentation time.
    audio_track: number of the sound track, from 0; None: the main one.
    personal: also read each window against its person's own baseline, which is made of the windows
        themselves: "whole", of all that show this person, this one included; "causal", of the
        earlier ones only, as ``live`` does. See docs/person.md.
    baseline: of the one person whom the film shows, enrolled before: everyone's starts with it.
    threads: of the face detector's networks; None: all cores. People are followed in parallel to
        the scoring, by another process in a film of 20 s or more, which one thread per network
        disturbs least; load the bundle with ``threads=1``, too.
    progress: is told after each window how many seconds are done, and of how many as far as the
        file says (None: unknown).

    Raises:
        InvalidInputError: the windows are invalid, the part is empty, it is a still picture,
            blendshapes are asked for without frames, or a baseline without ``personal`` or from
            another bundle.
        WorkerError: the process that follows people was killed.
        FacevoiceError: the file cannot be read.
    """
    if people not in {"all", "main"}:
        raise InvalidInputError(f"people must be all or main, got {people!r}")
    if blendshapes and not frames:
        raise InvalidInputError("blendshapes are columns of the frames: ask for frames, too")
    info, plan = _planned(path, window, hop, (start, stop), audio_track)
    reader = ExpressionReader.shipped(device=device, threads=threads) if blendshapes else None
    own = own_baselines(bundle, personal, hop / window, baseline)
    scorer = WindowScorer(bundle, frame_scores=frames, expressions=reader, own=own)
    windows = EvidenceReader(device=device, threads=threads).film(
        Path(path), plan, main_only=people == "main", attribute=True
    )
    kept = _Kept(frames=frames, stop_seconds=plan.start)
    with closing(windows):
        for evidence in windows:
            kept.add(scorer.window(evidence))
            kept.look(evidence.sights)
            if progress is not None:
                progress(kept.stop_seconds - plan.start, plan.seconds)
    rows = kept.of_main() if people == "main" else kept.rows
    if own is not None and personal == "whole":
        rows = own.whole(rows)
    cuts = np.array(kept.cuts, np.float64)
    speech = speech_of(kept.spoken)
    cores = Cores(rows, kept.sighted)
    return Timeline(
        path=os.fspath(path),
        duration_seconds=info.duration_seconds,
        start_seconds=plan.start,
        stop_seconds=kept.stop_seconds,
        window_seconds=window,
        hop_seconds=hop,
        labels=bundle.labels,
        bundle_name=bundle.name,
        bundle_sha256=bundle.sha256,
        cuts=cuts,
        people=people_of(rows, kept.sighted, cores, speech),
        rows=tuple(rows),
        segments=segments_of(rows, cores),
        frames=_frame_table(kept.sights, rows, len(bundle.labels), blendshapes=blendshapes)
        if frames
        else None,
        audio_tracks=audio_tracks(
            Path(path),
            info,
            spoken=any(row.speech_seconds for row in kept.rows),
            start_seconds=plan.start,
            stop_seconds=kept.stop_seconds,
        ),
        damage=kept.damage,
        speech_spans=np.array(speech, np.float64).reshape(-1, 2),
        personal=personal,
        personal_segments=None if own is None else segments_of(rows, cores, of_personal),
    )


def iter_windows(  # noqa: PLR0913 - one keyword per option
    path: str | os.PathLike[str],
    bundle: Bundle,
    *,
    window: float = WINDOW_SECONDS,
    hop: float = 1.0,
    start: float | None = None,
    stop: float | None = None,
    audio_track: int | None = None,
    personal: bool = False,
    baseline: Baseline | None = None,
    device: Device = "cpu",
    threads: int | None = 1,
) -> Generator[Window, None, None]:
    """Yield the windows of a file as they are complete; each depends on itself and the past alone.

    Arguments and errors as in ``timeline``; the rows are those of all people.

    personal: read each window against the earlier ones of its person, too.
    """
    own = own_baselines(bundle, "causal" if personal else None, hop / window, baseline)
    _, plan = _planned(path, window, hop, (start, stop), audio_track)
    reader = EvidenceReader(device=device, threads=threads)
    return _scored(reader.film(Path(path), plan, attribute=True), WindowScorer(bundle, own=own))


def _planned(
    path: str | os.PathLike[str],
    window: float,
    hop: float,
    part: tuple[float | None, float | None],
    audio_track: int | None,
) -> tuple[media.MediaInfo, Plan]:
    info = media.probe(Path(path), audio_track)
    if info.kind == "image":
        raise InvalidInputError(f"{path} is a still picture: it has no timeline, predict it")
    return info, film_plan(info, window, hop, *part)


def _scored(
    windows: Generator[EvidenceWindow, None, None], scorer: WindowScorer
) -> Generator[Window, None, None]:
    with closing(windows):
        yield from map(scorer.window, windows)


@dataclass(slots=True)
class _Kept:
    """The parts of the windows that make a timeline; ``sights`` only if ``frames``."""

    frames: bool
    stop_seconds: float
    rows: list[Row] = field(default_factory=list)
    cuts: list[float] = field(default_factory=list)
    damage: Damage = UNDAMAGED
    spoken: dict[Span, tuple[Span, ...]] = field(default_factory=dict)
    sights: list[FaceSight] = field(default_factory=list)
    sighted: dict[int, Sighted] = field(default_factory=dict)

    def add(self, window: Window) -> None:
        """Add the next window."""
        self.rows += window.rows
        self.cuts += window.cuts
        self.damage += window.damage
        self.stop_seconds = window.stop_seconds
        self.spoken[window.start_seconds, window.stop_seconds] = window.speech_spans
        if self.frames:
            self.sights += window.sights
        for sight in window.sights:
            time = sight.time_seconds
            sighted = self.sighted.setdefault(sight.person, Sighted(time, time))
            sighted.last_seconds = time + sight.seconds
            sighted.seconds += sight.seconds
            sighted.prominence += prominence(sight.face)

    def look(self, sights: Sequence[Sight]) -> None:
        """Keep the best face of each person among the sights of the last window."""
        for sight in sights:
            if sight.person is None or sight.aligned is None:
                continue
            sighted = self.sighted[sight.person]
            clear = prominence(sight.face) * frontality(sight.face)
            if clear > sighted.clearest:
                sighted.clearest, sighted.portrait = clear, portrait(sight.aligned)

    def of_main(self) -> list[Row]:
        """The rows of the main person (the first seen among equals), and those without a person."""
        main = min(
            self.sighted,
            key=lambda person: (-self.sighted[person].prominence, person),
            default=None,
        )
        return [row for row in self.rows if row.person in {main, None}]


def _frame_table(
    sights: list[FaceSight], rows: list[Row], labels: int, *, blendshapes: bool
) -> FrameTable:
    """The sights of the people in the rows, by time."""
    people = {row.person for row in rows}
    chosen = sorted(
        (sight for sight in sights if sight.person in people),
        key=lambda sight: (sight.time_seconds, sight.person),
    )
    unscored = np.full(labels, np.nan)
    scores = [unscored if sight.scores is None else sight.scores for sight in chosen]
    sizes = [sight.face.picture or (0, 0) for sight in chosen]
    return FrameTable(
        times_seconds=np.array([sight.time_seconds for sight in chosen], np.float64),
        person=np.array([sight.person for sight in chosen], np.int64),
        boxes=np.array([sight.face.box for sight in chosen], np.float32).reshape(-1, 4),
        landmarks=np.array([s.face.landmarks for s in chosen], np.float32).reshape(-1, 5, 2),
        quality=np.array([sight.face.confidence for sight in chosen], np.float32),
        scores=np.array(scores, np.float64).reshape(-1, labels),
        picture_sizes=np.array(sizes, np.int64).reshape(-1, 2),
        **_expressions(chosen) if blendshapes else {},
    )


def _expressions(sights: list[FaceSight]) -> dict[str, Float32Array]:
    """Blendshapes and poses of faces, NaN where they were not measured."""
    shapes = np.full((len(sights), len(BLENDSHAPES)), np.nan, np.float32)
    poses = np.full((len(sights), 3), np.nan, np.float32)
    for number, sight in enumerate(sights):
        if sight.expression is not None:
            shapes[number] = sight.expression.blendshapes
            poses[number] = astuple(sight.expression.pose)
    return {"blendshapes": shapes, "head_poses": poses}
