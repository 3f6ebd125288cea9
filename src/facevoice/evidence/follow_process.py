"""Follow the people of a file in another process: the interpreter runs one thread at a time."""

from collections.abc import Callable, Generator
from functools import partial
from typing import Final

from facevoice.evidence.follow import Followed
from facevoice.evidence.prefetch import prefetched
from facevoice.types import Damage
from facevoice.workers import Worker, cores, may_start

PICTURES_AHEAD: Final = 12  # followed pictures that may be queued: bounds the memory

Item = Followed | Damage
Making = Callable[[], Generator[Item, None, None]]

_LEAST_FILM_SECONDS: Final = 20.0  # a process takes most of a second to start
_BATCH_PICTURES: Final = 12  # sent together, at most
_REQUESTS_AHEAD: Final = 2  # batches: one is made while another is on its way


def is_worth_a_process(seconds: float | None) -> bool:
    """Whether a film of that length (None: unknown) is followed sooner in a process of its own."""
    return may_start() and cores() > 1 and seconds is not None and seconds >= _LEAST_FILM_SECONDS


def in_another_process(make: Making) -> Generator[Item, None, None]:
    """Yield the items of a generator that runs in another process; closing ends that at once.

    If no process can be started, the generator runs in a thread of this one.

    make: is pickled, and makes the generator in the process. Its errors are raised here.

    Raises:
        WorkerError: the process was killed.
    """
    try:
        worker = Worker(partial(_batch_maker, make), None)
    except OSError:  # out of memory, or of processes for this user
        yield from prefetched(make(), PICTURES_AHEAD)
    else:
        early = partial(worker.dismiss, finish=False)
        yield from prefetched(_received(worker), PICTURES_AHEAD, stop=early)


def _received(worker: Worker[str, list[Item]]) -> Generator[Item, None, None]:
    try:
        for _ in range(_REQUESTS_AHEAD):
            worker.send("next")
        while True:
            outcome = worker.receive()
            if outcome is None:  # the process is ready
                continue
            if outcome.error is not None:
                raise outcome.error
            if not outcome.value:
                return
            worker.send("next")
            yield from outcome.value
    finally:
        worker.dismiss(finish=False)
        worker.join()


def _batch_maker(make: Making) -> Callable[[str], list[Item]]:
    """In the other process: returns the next batch at each call, an empty one at the end."""
    batches = _batches(make())
    return lambda _: next(batches, [])


def _batches(pictures: Generator[Item, None, None]) -> Generator[list[Item], None, None]:
    """Group pictures; an error is raised after the batch of the pictures before it."""
    batch: list[Item] = []
    error = None
    try:
        for picture in pictures:
            batch.append(picture)
            if len(batch) >= _BATCH_PICTURES:
                yield batch
                batch = []
    except Exception as raised:  # noqa: BLE001 - raised again below
        error = raised
    if batch:
        yield batch
    if error is not None:
        raise error
