"""Whether a file is within the limits, by its header and its first packets.

A film is probed before its job is accepted, in a process that does nothing else: decoders may die
of a file, and the workers may be busy for hours.
"""

from collections.abc import Callable
from dataclasses import dataclass

from facevoice import media
from facevoice.media import MediaInfo
from facevoice.output.wording import duration
from facevoice.serve.problems import RefusedError
from facevoice.serve.settings import Limits
from facevoice.serve.tasks import Answer, Task, answering


@dataclass(frozen=True, slots=True)
class Probing:
    """What the process that probes films is opened with."""

    limits: Limits

    def open(self) -> Callable[[Task], Answer]:
        """What probes the upload of a task; the answer has no body, or the problem."""
        media.limit_pictures(self.limits.max_pixels)

        def probe(task: Task) -> str:
            checked(task, self.limits)
            return ""

        return answering(probe)


def checked(task: Task, limits: Limits) -> MediaInfo:
    """Probe a file and compare it with the limits.

    Raises:
        RefusedError: it is beyond one, or a still picture whose timeline is asked for.
        FacevoiceError: it cannot be read, or has no such track.
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
    if task.kind == "timeline" and info.kind == "image":
        raise RefusedError(422, "invalid_input", "a still picture has no timeline: predict it")
    if info.stop_seconds is not None:
        start = info.start_seconds if task.start is None else task.start
        stop = info.stop_seconds if task.stop is None else min(task.stop, info.stop_seconds)
        check_length(stop - start, task, limits)
    return info


def check_length(seconds: float, task: Task, limits: Limits) -> None:
    """Check how long a file lasts.

    Raises:
        RefusedError: longer than such a task may take.
    """
    clip = task.kind == "predict"
    most = limits.clip_seconds if clip else limits.max_seconds
    if seconds <= most:
        return
    advice = "choose a part with start and stop"
    if clip:
        advice += ", or make a timeline (POST /v1/jobs), which may be longer"
    raise RefusedError(
        422,
        "too_long",
        f"it lasts {duration(seconds)} or longer; the limit here is {duration(most)}: {advice}",
    )
