"""Messages between processes, whose large arrays are sent as they lie in memory, without pickling.

``Connection.send`` copies them several times, which takes longer than the pipe does.
"""

import pickle
from multiprocessing.connection import Connection
from typing import Any, Final

_LARGE: Final = 2**15  # bytes; smaller arrays are not worth a message of their own


def send(pipe: "Connection[Any, Any]", message: object) -> None:
    """Send a message that the other side takes by ``receive``.

    Raises:
        OSError: the other side is gone.
    """
    arrays: list[memoryview] = []

    def stays(buffer: pickle.PickleBuffer) -> bool:
        content = buffer.raw()
        if content.nbytes >= _LARGE:
            arrays.append(content)
        return content.nbytes < _LARGE

    rest = pickle.dumps(message, pickle.HIGHEST_PROTOCOL, buffer_callback=stays)
    pipe.send((rest, len(arrays)))
    for array in arrays:
        pipe.send_bytes(array)


def receive(pipe: "Connection[Any, Any]") -> Any:
    """The next message; its large arrays are read-only.

    Raises:
        EOFError, OSError: the other side is gone.
    """
    rest, count = pipe.recv()
    arrays = [pipe.recv_bytes() for _ in range(count)]
    return pickle.loads(rest, buffers=arrays)  # noqa: S301 - of a process of our own
