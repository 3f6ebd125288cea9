"""Run a generator in its own thread, a few items ahead of the reader."""

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

_POLL_SECONDS: Final = 0.1


class _End:
    """What the thread puts last: the error that ended it, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def prefetched(
    items: Generator[Item, None, None], depth: int, *, stop: Callable[[], None] | None = None
) -> Generator[Item, None, None]:
    """The same items; up to ``depth`` of them are made before they are asked for.

    An error of the generator is raised where the item would have come. Closing stops the thread.

    stop: called at closing, from another thread, so that an item that takes long ends early.
    """
    worker = _Worker(items, depth)
    try:
        yield from worker
    finally:
        worker.stop(stop)


class _Worker(Generic[Item]):
    def __init__(self, items: Generator[Item, None, None], depth: int) -> None:
        self._items = items
        self._queue: queue.Queue[Item | _End] = queue.Queue(depth)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="facevoice-decode", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        while True:
            item = self._queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def stop(self, early: Callable[[], None] | None) -> None:
        self._stopped.set()
        if early is not None:
            early()
        self._thread.join()

    def _run(self) -> None:
        end = _End(None)
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again in the reader's thread
            end = _End(error)
        finally:
            self._items.close()
        self._put(end)

    def _put(self, item: Item | _End) -> bool:
        """Whether the reader is still there."""
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False
