"""The most recent sound, on one grid of samples."""

from collections import deque

import numpy as np

from facevoice.types import Float32Array, Waveform


class Soundtrack:
    """Takes pieces of sound in order and returns any span that has not been forgotten.

    rate_hz: of all pieces; sample n stands at n / rate_hz seconds.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate = rate_hz
        self._pieces: deque[tuple[int, Float32Array]] = deque()

    def add(self, piece: Waveform) -> None:
        """Add the next piece; it starts no earlier than the last one ended."""
        self._pieces.append((round(piece.start_seconds * self._rate), piece.samples))

    def between(self, start: float, stop: float) -> Waveform:
        """The sound of [start, stop), in seconds.

        Gaps are zeros. It ends where the sound does, and is empty if there is none.
        """
        first, last = round(start * self._rate), round(stop * self._rate)
        heard = [
            (max(index, first), part)
            for index, samples in self._pieces
            if len(part := samples[max(0, first - index) : max(0, last - index)])
        ]
        beyond = any(index + len(samples) > last for index, samples in self._pieces)
        end = max((index + len(samples) for index, samples in heard), default=first)
        joined = np.zeros((last if beyond and heard else end) - first, np.float32)
        for index, samples in heard:
            joined[index - first : index - first + len(samples)] = samples
        return Waveform(joined, self._rate, start)

    def forget(self, before: float) -> None:
        """Forget the pieces that end at or before an instant, in seconds."""
        while self._pieces:
            index, samples = self._pieces[0]
            if (index + len(samples)) / self._rate > before:
                return
            self._pieces.popleft()
