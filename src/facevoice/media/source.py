"""Sources that are read once, as their data arrives (cameras, streams, pipes, files): opening."""

import io
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final, Protocol

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.format import ContainerFormat

from facevoice.errors import (
    InvalidInputError,
    MediaNotFoundError,
    MediaPermissionError,
    MediaUnreadableError,
)
from facevoice.media.checks import check_file
from facevoice.media.container import NOT_MEDIA, Link, picture_stream, sound_stream
from facevoice.media.ogg import Part
from facevoice.media.stills import HEAD_BYTES, still_formats, still_size

OPEN_SECONDS: Final = 20.0
"""How long a device or a URL may take to open (the user may have to allow the camera)."""
SILENT_SECONDS: Final = 10.0
"""How long a device or a URL may send nothing before it counts as lost."""

_ANALYSED: Final = "1000000"  # microseconds that are analysed to find the streams
_BOXES: Final = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_TIFF: Final = (b"II*\0", b"MM\0*")  # FFmpeg takes a stream of it for damaged
_HELP: Final = "docs/live.md says how to name or pipe one"


class Readable(Protocol):
    """A stream of bytes; ``read1`` is preferred if it exists, since it does not wait for more."""

    def read(self, size: int, /) -> bytes | None:
        """Up to that many bytes; empty at the end."""


Source = int | str | PathLike[str] | Readable
"""A camera's number, "-" (standard input), a URL, the path of a file or device, or a pipe."""


class Pipe:
    """Reads bytes as they arrive, and measures how long it waited for them.

    head: the first bytes. seek, tell: as of a file, if the stream is one, else None: an MP4 file
        whose index comes last can be read only by going back.
    """

    def __init__(self, stream: Readable) -> None:
        self._stream: Any = stream
        self._read: Any = getattr(stream, "read1", None) or stream.read
        self.waited_seconds = 0.0
        self.failure: str | None = None
        self.head = b""
        self._first = _position(stream)
        self.seek = None if self._first is None else self._seek
        self.tell = None if self._first is None else self._tell

    @property
    def cannot_go_back(self) -> bool:
        """Whether what was piped may have to be read backwards, and cannot."""
        return self.seek is None and self.head[4:8] in _BOXES

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; empty at the end, and once the pipe is broken."""
        started = time.monotonic()
        try:
            data: Any = self._read(size)
        except (OSError, ValueError) as error:  # ValueError: the file was closed
            self.failure = str(error)
            data = b""
        if isinstance(data, str):
            self.failure, data = "it gives text: open it in binary mode", b""
        self.waited_seconds += time.monotonic() - started
        if len(self.head) < HEAD_BYTES and data:
            self.head += data[: HEAD_BYTES - len(self.head)]
        return bytes(data or b"")

    def _seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        first = self._first or 0
        place: int = self._stream.seek(offset + (first if whence == io.SEEK_SET else 0), whence)
        return place - first

    def _tell(self) -> int:
        place: int = self._stream.tell()
        return place - (self._first or 0)


def _position(stream: Any) -> int | None:
    """Where a stream that can go back begins; None for one that cannot."""
    try:
        return int(stream.tell()) if stream.seekable() else None
    except (AttributeError, OSError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Opening:
    """How to open a source.

    name: used in messages. place: what PyAV opens; None: read from ``stream``.
    input_format, options: passed to ffmpeg. remote: a device or a URL, which may fall silent.
    file: the path of a regular file.
    """

    name: str
    place: str | None
    stream: Readable | None = None
    input_format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    remote: bool = False
    file: Path | None = None


def opening(
    source: Source, input_format: str | None = None, options: Mapping[str, str] | None = None
) -> Opening:
    """Determine how to open a source.

    input_format, options: ffmpeg's name of the container or device format, and its options.

    Raises:
        InvalidInputError: unknown on this system, an unknown format, or nothing is piped in.
        MediaNotFoundError, MediaPermissionError, MediaUnreadableError: the camera or file does
            not exist or cannot be read.
    """
    chosen = dict(options or {})
    form = None if input_format is None else _known_format(input_format)
    text = str(source) if isinstance(source, int) else source
    if not isinstance(text, (str, PathLike)):
        return Opening("the pipe", None, text, input_format, chosen)
    text = fspath(text)
    if text == "-":
        return Opening("standard input", None, _standard_input(), input_format, chosen)
    if form is None and (text.isdecimal() or text.startswith("/dev/video")):
        return _camera(text, chosen)
    if "://" in text or (form is not None and form.no_file):  # a connection, or a device
        return Opening(text, text, None, input_format, chosen, remote=True)
    path = Path(text)
    if path.is_fifo():
        return Opening(text, None, _named_pipe(path), input_format, chosen)
    check_file(path)
    if form is None and still_size(path) is not None:
        raise still_picture(text)
    return Opening(text, f"file:{path}", None, input_format, chosen, file=path)


def index_last(name: str) -> MediaUnreadableError:
    """The error for a piped MP4 file of which nothing can be decoded."""
    return MediaUnreadableError(
        f"{name} is an MP4 or QuickTime file whose index comes last, or is cut off, and a pipe"
        " cannot go back: give the file's name, or facevoice live - < FILE; or move its index to"
        " the front: ffmpeg -i FILE -c copy -movflags +faststart NEW.mp4"
    )


def still_picture(name: str) -> InvalidInputError:
    """The error for a source that is a single picture."""
    return InvalidInputError(f"{name} is a still picture, not a film: facevoice predict scores it")


@contextmanager
def opened_live(
    what: Opening, pipe: Pipe | None, link: Link | None = None
) -> Iterator[InputContainer]:
    """Open a source that is read once, without seeking; closes it at the end.

    pipe: read if the opening has no place. link: of a file, the part to read; see ``links``.

    Raises:
        MediaNotFoundError, MediaPermissionError: the device does not exist, or is not accessible.
        MediaUnreadableError: it cannot be opened, or holds neither pictures nor sound.
    """
    options = {"analyzeduration": _ANALYSED, **what.options}
    if not what.remote:
        # a playlist must not lead elsewhere
        options = {"protocol_whitelist": "pipe" if pipe else "file", **options}
    part = None if link is None or what.file is None else Part(what.file, *link)
    try:
        container = av.open(
            part or pipe or what.place,
            mode="r",
            format=what.input_format,
            options=options,
            metadata_errors="ignore",
            timeout=(OPEN_SECONDS, SILENT_SECONDS) if what.remote else None,
        )
    except (FFmpegError, UnicodeError, OSError) as error:
        raise _not_opened(what, error, pipe) from error
    with container, part or nullcontext():
        none = picture_stream(container) is None and sound_stream(container) is None
        if none or (not what.remote and container.format.name in NOT_MEDIA):
            raise MediaUnreadableError(
                f"cannot read {what.name}: it holds no picture and no sound that can be decoded"
            )
        if pipe is not None and (still_formats(pipe.head) or pipe.head.startswith(_TIFF)):
            raise still_picture(what.name)
        yield container


def _not_opened(what: Opening, error: Exception, pipe: Pipe | None) -> Exception:
    reason = getattr(error, "strerror", None) or str(error)
    if pipe is not None and pipe.failure is not None:
        reason = pipe.failure
    elif pipe is not None and pipe.cannot_go_back:
        return index_last(what.name)
    if isinstance(error, FileNotFoundError):
        return MediaNotFoundError(f"{what.name} was not found ({reason}): {_HELP}")
    if isinstance(error, PermissionError):
        return MediaPermissionError(
            f"{what.name} may not be opened by this user: allow it (on Linux, cameras belong to the"
            " group video)"
        )
    if what.remote:
        return MediaUnreadableError(f"cannot open {what.name}: {reason}; {_HELP}")
    return MediaUnreadableError(
        f"cannot read {what.name}: no video or sound was found in it ({reason}): check that it"
        " is media; Matroska and MPEG-TS can always be piped"
    )


def _known_format(name: str) -> ContainerFormat:
    try:
        return ContainerFormat(name, "r")
    except ValueError as error:
        raise InvalidInputError(
            f"PyAV has no input format {name!r} here: check the spelling, or read the source with"
            f" ffmpeg and pipe it in; {_HELP}"
        ) from error


def _camera(text: str, options: dict[str, str]) -> Opening:
    """The camera with this number or path."""
    if sys.platform == "darwin":
        _known_format("avfoundation")
        options = {"framerate": "30", **options}
        return Opening(f"camera {text}", f"{text}:0", None, "avfoundation", options, remote=True)
    if sys.platform.startswith("win"):
        raise InvalidInputError(
            f"cameras have names here, not numbers like {text}: facevoice live 'video=NAME' "
            "--format dshow; ffmpeg -list_devices true -f dshow -i dummy lists them"
        )
    place = text if text.startswith("/") else f"/dev/video{text}"
    if not Path(place).exists():
        raise MediaNotFoundError(f"there is no camera {place}: plug one in; {_HELP}")
    _known_format("v4l2")
    return Opening(place, place, None, "v4l2", options, remote=True)


def _standard_input() -> Readable:
    """Unbuffered standard input: a waiting thread would hold the lock of a buffer."""
    if sys.stdin is None or sys.stdin.isatty():
        raise InvalidInputError(
            "nothing is piped in: ffmpeg -i SOURCE -f matroska - | facevoice live -"
        )
    try:
        return io.FileIO(sys.stdin.fileno(), closefd=False)
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"standard input cannot be read: {error}") from error


def _named_pipe(path: Path) -> Readable:
    try:
        return path.open("rb", buffering=0)
    except PermissionError as error:
        raise MediaPermissionError(f"{path} may not be read by this user") from error
