"""Pictures that are decoded in parallel, as long as they are whole.

A decoder that works on several pictures at once conceals damage differently from run to run. Such
pictures are therefore held back until no picture that they may build on can turn out damaged; if
one does, the stream is decoded again by one thread.
"""

import math
from collections import deque
from typing import Final

from av.audio.frame import AudioFrame
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

MediaFrame = AudioFrame | VideoFrame

PARALLEL_PIXELS: Final = 1_000_000
"""Smaller pictures are decoded by one thread: it takes less than their analysis."""

_MOST_HELD: Final = 16  # pictures, the most that a codec reorders


class DamagedInParallelError(Exception):
    """The pictures from here on must be decoded by one thread."""


def worth_threads(stream: VideoStream) -> bool:
    """Whether one thread is slow at decoding the pictures of a stream."""
    return stream.codec_context.width * stream.codec_context.height > PARALLEL_PIXELS


class WholePictures:
    """Holds decoded pictures until all those that were decoded before them are known to be whole.

    A picture may build on one that is shown after it but was decoded before it.
    """

    def __init__(self) -> None:
        self._latest = -math.inf  # stamp among the packets so far
        self._needed: dict[int, float] = {}  # by stamp: the latest of the packets up to it
        self._held: deque[MediaFrame] = deque()

    def add(self, packet: "Packet[Stream]", pictures: list[MediaFrame] | None) -> list[MediaFrame]:
        """Add a packet and the pictures that came out at it; return those that are settled.

        Raises:
            DamagedInParallelError: the packet or a picture is corrupt, or pictures is None: lost.
        """
        corrupt = packet.is_corrupt or any(picture.is_corrupt for picture in pictures or ())
        if pictures is None or corrupt:
            raise DamagedInParallelError
        if packet.pts is not None:
            self._latest = max(self._latest, packet.pts)
            self._needed[packet.pts] = self._latest
        self._held.extend(pictures)
        reached = max((each.pts for each in self._held if each.pts is not None), default=-math.inf)
        ended = packet.size == 0 and packet.pts is None  # it drains the decoder
        settled = []
        while self._held and (ended or self._is_settled(self._held[0], reached)):
            settled.append(self._held.popleft())
            self._needed.pop(settled[-1].pts or 0, None)
        return settled

    def rest(self) -> list[MediaFrame]:
        """The pictures that are still held, if the stream breaks off."""
        rest, self._held = list(self._held), deque()
        return rest

    def _is_settled(self, picture: MediaFrame, reached: float) -> bool:
        if len(self._held) > _MOST_HELD:
            return True
        return picture.pts is not None and self._needed.get(picture.pts, math.inf) <= reached
