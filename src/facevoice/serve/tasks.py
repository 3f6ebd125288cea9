"""What is asked of worker processes, and what they answer."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Final, Literal

from facevoice.errors import FacevoiceError
from facevoice.serve.problems import RefusedError

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

    body: the record of a prediction as a line of JSON; "" of anything else.
    problem: status, kind and detail.
    """

    body: str = ""
    problem: tuple[int, str, str] | None = None


def answering(work: Callable[[Task], str]) -> Callable[[Task], Answer]:
    """The same work, whose refusals and errors are answers."""

    @wraps(work)
    def answer(task: Task) -> Answer:
        try:
            return Answer(work(task))
        except RefusedError as refusal:
            return Answer(problem=(refusal.status, refusal.code, str(refusal)))
        except FacevoiceError as error:
            return Answer(problem=_problem(error, task))

    return answer


def _problem(error: FacevoiceError, task: Task) -> tuple[int, str, str]:
    """A problem without the server's paths."""
    detail = str(error).replace(str(task.path), task.name).replace(task.path.name, task.name)
    return _STATUS.get(error.kind, 422), error.kind, detail
