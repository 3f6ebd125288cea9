"""Packets of containers whose streams change while they are read."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from av.error import InvalidDataError

from facevoice.media.container import READ_FAILURES, packets


@dataclass
class OneStream:
    index: int = 0


@dataclass
class Packet:
    size: int = 0
    pts: int | None = None
    stream: OneStream = field(default_factory=OneStream)


class Container:
    """Gives its runs of packets one after another; each but the last ends with an error."""

    def __init__(self, error: Exception, *runs: list[Packet]) -> None:
        self._error, self._runs = error, list(runs)

    def demux(self, _: Any) -> Any:
        yield from self._runs.pop(0) if self._runs else []
        if self._runs:
            raise self._error


@pytest.mark.parametrize("error", [IndexError("list index"), InvalidDataError(1, "damaged")])
def test_reading_goes_on_behind_a_failure_and_drains_once(error: Exception) -> None:
    """PyAV raises IndexError where damage makes a stream begin in mid-file."""
    first, second, drain = Packet(7, 1), Packet(9, 2), Packet()
    container: Any = Container(error, [first, drain], [second, Packet()])
    assert list(packets(container)) == [first, drain, second]


def test_a_file_that_only_fails_is_given_up() -> None:
    runs: list[list[Packet]] = [[] for _ in range(2 * READ_FAILURES)]
    assert list(packets(Container(InvalidDataError(1, "damaged"), *runs))) == []  # type: ignore[arg-type]
