"""What the verbs print to standard error: messages and one progress line."""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from facevoice.output.wording import duration, speed, visible

if TYPE_CHECKING:
    from facevoice.workers.progress import Progress

_LINE_SECONDS: Final = 0.2  # between updates of a line on a terminal
_LOG_SECONDS: Final = 30.0  # between lines in a log
_WIPE: Final = "\r\x1b[K"


def say(message: str) -> None:
    """Print a message for the user on standard error."""
    print(f"facevoice: {visible(message)}", file=sys.stderr)


def show(text: str = "") -> None:
    """Print a result for people, of one or more lines, on standard output."""
    print(visible(text, keep="\n"), flush=True)


def beside_messages() -> bool:
    """Whether results for people appear on the terminal that shows messages, too."""
    return sys.stdout.isatty() and sys.stderr.isatty()


@contextmanager
def when_interrupted(kept: Callable[[], str]) -> Iterator[None]:
    """Let Ctrl-C say what is kept and how to continue; kept: gives these words."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(kept()) from None


class ProgressLine:
    """A command's progress: a line updated in place on a terminal, elsewhere occasional messages.

    noun: what is counted, in the plural.
    logged: whether to print messages where standard error is not a terminal.
    last: whether that includes the last count, however soon it comes.
    """

    def __init__(self, noun: str, *, logged: bool = True, last: bool = False) -> None:
        self._noun, self._logged, self._last = noun, logged, last
        self._terminal = sys.stderr.isatty()
        self._shown = -math.inf if self._terminal else time.monotonic()
        self._drawn = False
        self._progress: Progress | None = None

    @property
    def done(self) -> int:
        """How many units are done."""
        return 0 if self._progress is None else self._progress.done

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self.wipe()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Show how many units are done.

        A first call with several units says that an earlier run did them; fewer units than before
        begin a new count.
        """
        if self._progress is None or done < self._progress.done or total != self._progress.total:
            from facevoice.workers.progress import Progress

            self._progress = Progress(total, clock=time.monotonic)
            self._progress.count(done, kept=done > 1)
        self._progress.count(done - self._progress.done)
        self.show(self._progress, note)

    def show(self, progress: "Progress", note: str = "") -> None:
        """Show counts, rate, time left and errors, unless they were shown a moment ago."""
        finished = progress.done >= progress.total
        if finished and (self._terminal or not self._last):
            self.wipe()
            return
        if progress.total < 2:
            return
        text = ", ".join([f"{progress.done}/{progress.total} {self._noun}", *facts(progress)])
        self.note(f"{text} {note}" if note else text, at_once=finished)

    def note(self, text: str, *, at_once: bool = False) -> None:
        """Show a text as the line, unless one was shown a moment ago."""
        now = time.monotonic()
        pause = _LINE_SECONDS if self._terminal else _LOG_SECONDS
        if not at_once and now - self._shown < pause:
            return
        self._shown = now
        if self._terminal:
            print(f"{_WIPE}{visible(text)}", end="", file=sys.stderr, flush=True)
            self._drawn = True
        elif self._logged:
            say(text)

    def wipe(self) -> None:
        """Make room for a message."""
        if self._drawn:
            print(_WIPE, end="", file=sys.stderr, flush=True)
            self._drawn = False

    def say(self, message: str) -> None:
        """Print a message in place of the line."""
        self.wipe()
        say(message)


def facts(progress: "Progress", *, left: bool = True) -> list[str]:
    """Units reused, rate, time left if asked for, and errors; each only if there are any."""
    found = [f"{progress.kept} known already"] if progress.kept else []
    if progress.rate is not None and progress.seconds_left is not None:
        found.append(speed(progress.rate))
        found += [f"{duration(progress.seconds_left)} left"] if left else []
    return [*found, f"{progress.failed} failed"] if progress.failed else found
