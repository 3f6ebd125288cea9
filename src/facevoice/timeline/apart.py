"""Follow a file's people in a process of its own: the interpreter runs one thread at a time."""

import multiprocessing
from collections.abc import Callable, Generator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from facevoice import media
from facevoice.faces.mtcnn import Mtcnn
from facevoice.session import Device
from facevoice.timeline.ahead import ahead
from facevoice.timeline.follow import Followed, Follower, followed
from facevoice.workers import Worker, cores

PICTURES_AHEAD: Final = 12  # decoded pictures that wait: bounds the memory

_WORTH_SECONDS: Final = 20.0  # of film; a process takes most of a second to start
_AT_ONCE: Final = 12  # pictures that are handed over together
_ASKED: Final = 3  # times so many that are made before they are wanted


def is_worth_a_process(seconds: float | None) -> bool:
    """Whether so many seconds of film (None: unknown) are followed sooner in one, if one may be."""
    if multiprocessing.current_process().daemon:  # it may start none
        return False
    return cores() > 1 and seconds is not None and seconds >= _WORTH_SECONDS


def follow_file(
    path: Path,
    *,
    rate_hz: float,
    start: float,
    stop: float | None,
    patience: float,
    device: Device,
    threads: int | None,
) -> Generator[Followed, None, None]:
    """All pictures of a file, followed; decoding has a thread.

    rate_hz, start, stop: see ``media.iter_looks``. patience: see ``followed``.
    device, threads: of the face detector.
    """
    looks = media.iter_looks(path, rate_hz=rate_hz, start_seconds=start, stop_seconds=stop)
    follower = Follower(Mtcnn(device=device, threads=threads))
    return followed(ahead(looks, PICTURES_AHEAD), follower, start, patience)


def apart(make: Callable[[], Generator[Followed, None, None]]) -> Generator[Followed, None, None]:
    """What a generator gives, which is made and runs in another process; closing this ends it.

    make: goes there by pickle. What it raises there is raised here.

    Raises:
        WorkerError: the process was killed.
    """
    worker: Worker[int, list[Followed]] = Worker(partial(_handing_over, make), None)
    try:
        for _ in range(_ASKED):
            worker.send(_AT_ONCE)
        while True:
            outcome = worker.receive()
            if outcome is None:  # it is ready
                continue
            if outcome.error is not None:
                raise outcome.error
            if not outcome.value:
                return
            worker.send(_AT_ONCE)
            yield from outcome.value
    finally:
        worker.dismiss(finish=False)
        worker.join()


def _handing_over(
    make: Callable[[], Generator[Followed, None, None]],
) -> Callable[[int], list[Followed]]:
    pictures = make()
    return lambda count: list(islice(pictures, count))
