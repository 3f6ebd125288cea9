"""What is done to an upload, in a worker process: limits are checked before and while decoding."""

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from facevoice import media
from facevoice.bundle import Bundle
from facevoice.errors import FacevoiceError
from facevoice.media import MediaInfo
from facevoice.output.timeline import write
from facevoice.output.wording import duration, json_line
from facevoice.predict import Predictor, load
from facevoice.serve.problems import RefusedError
from facevoice.serve.settings import Limits
from facevoice.session import Device
from facevoice.timeline import timeline
from facevoice.types import Evidence, Scores
from facevoice.writing import replacing

PROGRESS: Final = "progress.json"
"""A file beside an upload, with the seconds that are done and the seconds in all, or null."""
RESULT: Final = "timeline"
"""How the names of results begin."""

_PROGRESS_SECONDS: Final = 0.3  # between writes
_STATUS: Final = {"missing_dependency": 501, "worker": 500, "output": 507}  # others: 422


@dataclass(frozen=True, slots=True)
class Task:
    """One upload to work on.

    path: where it lies. name: what the client calls it.
    start, stop, audio_track, window, hop, people, frames, personal: as in ``predict`` and
        ``timeline``.
    formats: of the timeline, as in ``output.timeline``.
    """

    kind: Literal["predict", "timeline"]
    path: Path
    name: str
    start: float | None = None
    stop: float | None = None
    audio_track: int | None = None
    window: float = 3.0
    hop: float = 1.0
    people: Literal["all", "main"] = "all"
    frames: bool = False
    personal: bool = False
    formats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a task: either ``body`` or a problem.

    body: the record of a prediction as a line of JSON; "" of a timeline, which is written to files.
    problem: status, kind and detail.
    """

    body: str = ""
    problem: tuple[int, str, str] | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What workers are opened with."""

    bundle: str
    device: Device
    threads: int | None
    limits: Limits

    def open(self) -> Callable[[Task], Answer]:
        """Load the bundle; returns what works on a task.

        Raises:
            FacevoiceError: the bundle cannot be loaded.
        """
        os.umask(0o077)  # what is made of uploads is for this user alone
        media.limit_pictures(self.limits.max_pixels)
        predictor = load(self.bundle, device=self.device, threads=self.threads)

        def work(task: Task) -> Answer:
            do = _predict if task.kind == "predict" else self._timeline
            try:
                return Answer(do(predictor, task, self.limits))
            except RefusedError as refusal:
                return Answer(problem=(refusal.status, refusal.code, str(refusal)))
            except FacevoiceError as error:
                return Answer(problem=_problem(error, task))

        return work

    def _timeline(self, predictor: Predictor, task: Task, limits: Limits) -> str:
        return _timeline(predictor.bundle, task, limits, self.device, self.threads)


def _predict(predictor: Predictor, task: Task, limits: Limits) -> str:
    info = _checked(task, limits, limits.clip_seconds)
    trace = predictor.trace(task.path, start_seconds=task.start, stop_seconds=task.stop, info=info)
    prediction = predictor.of_file(_within(trace, limits.clip_seconds), info, path=task.name)
    return json_line(prediction.to_dict()) + "\n"


def _within(
    trace: Iterator[tuple[Evidence, Scores | None]], most: float
) -> Iterator[tuple[Evidence, Scores | None]]:
    """The same windows; headers may be wrong, so what decodes is measured again."""
    start = None
    for evidence, scores in trace:
        start = evidence.start_seconds if start is None else start
        _check_length(evidence.stop_seconds - start, most)
        yield evidence, scores


def _timeline(
    bundle: Bundle, task: Task, limits: Limits, device: Device, threads: int | None
) -> str:
    info = _checked(task, limits, limits.max_seconds)
    if info.kind == "image":
        raise RefusedError(422, "invalid_input", "a still picture has no timeline: predict it")
    result = timeline(
        task.path,
        bundle,
        window=task.window,
        hop=task.hop,
        people=task.people,
        frames=task.frames or "mp4" in task.formats,
        start=task.start,
        stop=task.stop,
        audio_track=task.audio_track,
        personal="whole" if task.personal else None,
        device=device,
        threads=threads or 1,
        progress=_Progress(task.path.parent / PROGRESS, limits.max_seconds),
    )
    named, folder = replace(result, path=task.name), task.path.parent
    source = task.path.with_name(f"{RESULT}{task.path.suffix}")
    task.path.rename(source)  # files are named after it
    try:
        for name in task.formats:
            keeps_frames = task.frames or name == "mp4"
            shown = named if keeps_frames else replace(named, frames=None)
            write(shown, folder, [name], source, task.name)
    finally:
        source.unlink()
    return ""


@dataclass(slots=True)
class _Progress:
    """Writes how far the work is, and ends it where the film lasts longer than its header says."""

    path: Path
    most_seconds: float
    _written: float = -math.inf

    def __call__(self, done: float, total: float | None) -> None:
        _check_length(done, self.most_seconds)
        now = time.monotonic()
        if now - self._written < _PROGRESS_SECONDS:
            return
        self._written = now
        with replacing(self.path) as temporary:
            temporary.write_text(json.dumps([done, total]), encoding="ascii")


def _checked(task: Task, limits: Limits, most_seconds: float) -> MediaInfo:
    """Probe a file and compare it with the limits.

    Raises:
        RefusedError: it is beyond one.
        FacevoiceError: it cannot be read.
    """
    info = media.probe(task.path, task.audio_track)
    if info.width * info.height > limits.max_pixels:
        raise RefusedError(
            422,
            "too_many_pixels",
            f"its pictures are {info.width}x{info.height}; the limit here is"
            f" {limits.max_pixels / 1e6:g} million pixels",
        )
    if info.audio_tracks > limits.max_tracks:
        raise RefusedError(
            422,
            "too_many_tracks",
            f"it has {info.audio_tracks} sound tracks; the limit here is {limits.max_tracks}",
        )
    if info.stop_seconds is not None:
        start = info.start_seconds if task.start is None else task.start
        stop = info.stop_seconds if task.stop is None else min(task.stop, info.stop_seconds)
        _check_length(stop - start, most_seconds)
    return info


def _check_length(seconds: float, most: float) -> None:
    if seconds > most:
        raise RefusedError(
            422,
            "too_long",
            f"it lasts {duration(seconds)} or longer; the limit here is {duration(most)}: choose a"
            " part with start and stop, or make a timeline (POST /v1/jobs), which may be longer",
        )


def _problem(error: FacevoiceError, task: Task) -> tuple[int, str, str]:
    """A problem without the server's paths."""
    detail = str(error).replace(str(task.path), task.name).replace(task.path.name, task.name)
    return _STATUS.get(error.kind, 422), error.kind, detail


def result_names(folder: Path) -> dict[str, Path]:
    """The results in a folder by what follows their first name, such as "json" and "rows.csv"."""
    found = sorted(folder.glob(f"{RESULT}.*"))
    return {path.name.removeprefix(f"{RESULT}."): path for path in found}


def read_progress(folder: Path) -> tuple[float, float | None] | None:
    """The seconds that are done, and those in all if that is known; None before any are."""
    try:
        values: Any = json.loads((folder / PROGRESS).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return values[0], values[1]
