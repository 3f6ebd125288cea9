"""What one thread has read and another has not taken yet: bounded, whoever is the faster."""

import threading
from collections import deque
from collections.abc import Mapping
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

_LOOK_SECONDS: Final = 0.5  # in which a waiting thread looks whether it was interrupted
_ROUNDING: Final = 1e-9


class Closed(Exception):  # noqa: N818 - no error: the reader may go home
    """Nobody takes any more."""


class Backlog(Generic[Item]):
    """A queue of items of several kinds, which have sizes.

    rooms: how much of each kind may wait; one item may always.
    """

    def __init__(self, rooms: Mapping[str, float]) -> None:
        self._rooms = rooms
        self._items: deque[tuple[Item, str, float]] = deque()
        self._sizes = dict.fromkeys(rooms, 0.0)
        self._changed = threading.Condition()
        self._ended = self._closed = False
        self._error: BaseException | None = None

    def full(self, kind: str, size: float) -> bool:
        """Whether an item of that kind and size would have to wait.

        Raises:
            Closed: the other side has closed.
        """
        with self._changed:
            if self._closed:
                raise Closed
            return self._full(kind, size)

    def put(self, item: Item, kind: str, size: float) -> None:
        """Add an item; waits until there is room for it.

        Raises:
            Closed: the other side has closed.
        """
        with self._changed:
            while self._full(kind, size) and not self._closed:
                self._changed.wait()
            if self._closed:
                raise Closed
            self._items.append((item, kind, size))
            self._sizes[kind] += size
            self._changed.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        """There is no more; ``error`` is raised after the last item."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def take(self) -> Item | None:
        """The next item, as soon as there is one; None at the end."""
        with self._changed:
            while not self._items and not self._ended:
                self._changed.wait(_LOOK_SECONDS)  # on Windows only a wait that ends is interrupted
            if not self._items:
                if self._error is not None:
                    raise self._error
                return None
            item, kind, size = self._items.popleft()
            self._sizes[kind] -= size
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Take no more; a thread that waits to put is woken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _full(self, kind: str, size: float) -> bool:
        waiting = self._sizes[kind]
        return waiting > _ROUNDING and waiting + size > self._rooms[kind]
