"""What is done to an upload, in a worker process: limits are checked before and while decoding."""

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from facevoice import media
from facevoice.bundle import Bundle
from facevoice.output.timeline import write
from facevoice.output.wording import json_line
from facevoice.predict import Predictor, load
from facevoice.serve.probing import check_length, checked
from facevoice.serve.settings import Limits
from facevoice.serve.tasks import Answer, Task, answering
from facevoice.session import Device
from facevoice.timeline import timeline
from facevoice.types import Evidence, Scores
from facevoice.writing import replacing

PROGRESS: Final = "progress.json"
"""A file beside an upload, with the seconds that are done and the seconds in all, or null."""
RESULT: Final = "timeline"
"""How the names of results begin."""

_PROGRESS_SECONDS: Final = 0.3  # between writes


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

        def work(task: Task) -> str:
            if task.kind == "predict":
                return _predict(predictor, task, self.limits)
            return self._timeline(predictor.bundle, task)

        return answering(work)

    def _timeline(self, bundle: Bundle, task: Task) -> str:
        checked(task, self.limits)
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
            device=self.device,
            threads=self.threads or 1,
            progress=_Progress(task, self.limits),
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


def _predict(predictor: Predictor, task: Task, limits: Limits) -> str:
    info = checked(task, limits)
    trace = predictor.trace(task.path, start_seconds=task.start, stop_seconds=task.stop, info=info)
    prediction = predictor.of_file(_within(trace, task, limits), info, path=task.name)
    return json_line(prediction.to_dict()) + "\n"


def _within(
    trace: Iterator[tuple[Evidence, Scores | None]], task: Task, limits: Limits
) -> Iterator[tuple[Evidence, Scores | None]]:
    """The same windows; headers may be wrong, so what decodes is measured again."""
    start = None
    for evidence, scores in trace:
        start = evidence.start_seconds if start is None else start
        check_length(evidence.stop_seconds - start, task, limits)
        yield evidence, scores


@dataclass(slots=True)
class _Progress:
    """Writes how far the work is, and ends it where the film lasts longer than its header says."""

    task: Task
    limits: Limits
    _written: float = -math.inf

    def __call__(self, done: float, total: float | None) -> None:
        check_length(done, self.task, self.limits)
        now = time.monotonic()
        if now - self._written < _PROGRESS_SECONDS:
            return
        self._written = now
        with replacing(self.task.path.parent / PROGRESS) as temporary:
            temporary.write_text(json.dumps([done, total]), encoding="ascii")


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
