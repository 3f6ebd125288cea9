"""Live sources made on the spot: pipes that are fed at once or at the pace of the clock."""

import io
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av

FORMATS = {
    "mkv": {},
    "ts": {},
    "mp4": {"movflags": "frag_keyframe+empty_moov"},  # only so it can be piped
}


def remuxed(source: Path, target: Path) -> Path:
    """The same packets in the container that the target's suffix names."""
    options = FORMATS[target.suffix[1:]]
    with av.open(str(source)) as old, av.open(str(target), "w", options=options) as new:
        streams = {
            stream.index: new.add_stream_from_template(stream)
            for stream in old.streams
            if stream.type in {"video", "audio"}
        }
        for packet in old.demux(*[old.streams[index] for index in streams]):
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)
    return target


@contextmanager
def piped(content: bytes, seconds: float | None = None) -> Iterator[io.FileIO]:
    """The reading end of a pipe that gets these bytes, evenly over so many seconds or at once."""
    reading, writing = os.pipe()

    def write() -> None:
        with suppress(BrokenPipeError), os.fdopen(writing, "wb", buffering=0) as pipe:
            started = time.monotonic()
            for at in range(0, len(content), 4096):
                if seconds is not None:
                    due = started + seconds * at / len(content)
                    time.sleep(max(0.0, due - time.monotonic()))
                pipe.write(content[at : at + 4096])

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        yield pipe
    thread.join(10)
