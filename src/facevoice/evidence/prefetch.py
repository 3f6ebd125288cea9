"""Run a generator in a thread of its own, a few items ahead of its reader."""

import queue
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Final, TypeVar

Item = TypeVar("Item")

_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class _End:
    """The last entry of the queue; error: what the generator raised, if anything."""

    error: BaseException | None


def prefetched(
    items: Generator[Item, None, None], depth: int, *, stop: Callable[[], None] | None = None
) -> Generator[Item, None, None]:
    """Yield the items of a generator, of which up to ``depth`` are made in advance.

    An error of the generator is raised after the items before it. Closing ends the thread.

    stop: called on closing, from the reader's thread, to cut short an item that takes long.
    """
    made: queue.Queue[Item | _End] = queue.Queue(depth)
    stopped = threading.Event()
    thread = threading.Thread(
        target=_run, args=(items, made, stopped), name="facevoice-decode", daemon=True
    )
    thread.start()
    try:
        while not isinstance(item := made.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        if stop is not None:
            stop()
        thread.join()


def _run(
    items: Generator[Item, None, None], made: "queue.Queue[Item | _End]", stopped: threading.Event
) -> None:
    error = None
    try:
        for item in items:
            if not _put(item, made, stopped):
                return
    except BaseException as raised:  # noqa: BLE001 - raised again in the reader's thread
        error = raised
    finally:
        items.close()
    _put(_End(error), made, stopped)


def _put(item: Item | _End, made: "queue.Queue[Item | _End]", stopped: threading.Event) -> bool:
    """Put an item into the queue; False if the reader has stopped."""
    while not stopped.is_set():
        try:
            made.put(item, timeout=_POLL_SECONDS)
        except queue.Full:
            continue
        return True
    return False
