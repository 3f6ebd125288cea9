"""The body of an upload: parsed and counted as it arrives, and written to disk at once."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from facevoice.serve.problems import RefusedError
from facevoice.serve.settings import Limits
from facevoice.serve.storage import Desk
from facevoice.types.suffixes import MEDIA_SUFFIXES

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

FIELD: Final = "file"
"""The name of the form's field that holds the file."""

_FORM_BYTES: Final = 16_384  # of a form around its file
_DISCARDED_BYTES: Final = 16_000_000
_DISCARDED_SECONDS: Final = 3.0
_LONGEST_NAME: Final = 200
_ODD: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_HOW: Final = f"send the file as a form, as curl -F {FIELD}=@clip.mp4 does"


class Body:
    """The body of a request, in the pieces that ASGI gives; ended: no more of it comes."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False

    async def next(self) -> MutableMapping[str, Any]:
        """The next piece."""
        message = await self._receive()
        self.ended = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message


class ClientGoneError(Exception):
    """The client closed the connection before it had sent everything."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that has arrived; name: what the client calls it, for people to read."""

    name: str
    size: int


def clean_name(name: str) -> str:
    """A client's name for a file, without folders and characters that are not seen."""
    last = PurePosixPath(name.replace("\\", "/")).name
    shown = _ODD.sub("", last.encode(errors="replace").decode()).strip()
    stem, suffix = PurePosixPath(shown).stem, PurePosixPath(shown).suffix
    if len(shown) > _LONGEST_NAME:
        shown = f"{stem[:_LONGEST_NAME]}{suffix[:10]}"
    return shown if shown not in {"", ".", ".."} else "upload"


def suffix_of(name: str) -> str:
    """The suffix of a name, if it is one of media files: some decoders go by it."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix in MEDIA_SUFFIXES else ""


async def receive_upload(
    headers: Mapping[str, str], body: Body, desk: Desk, limits: Limits
) -> Upload:
    """Write the file of a form to a desk.

    headers: of the request.

    Raises:
        RefusedError: the body is not such a form, too large or too slow, or the disk is full.
        ClientGoneError: the client has gone.
    """
    boundary = _boundary(headers)
    _check_length(headers, limits)
    form = _Form(desk, limits.max_bytes)
    parser = MultipartParser(boundary, form.callbacks(), max_header_count=8)
    began, size = time.monotonic(), 0
    try:
        while True:
            message = await _next(body, limits)
            piece = message.get("body", b"")
            size += len(piece)
            if size > limits.max_bytes + _FORM_BYTES:
                raise _too_large(limits.max_bytes)
            parser.write(piece)
            if body.ended:
                break
            took = time.monotonic() - began
            if took > limits.idle_seconds and size < limits.slowest_bytes * took:
                raise RefusedError(
                    408, "too_slow", f"less than {limits.slowest_bytes:.0f} bytes a second arrive"
                )
        parser.finalize()
        return form.upload()
    except FormParserError as error:
        raise _bad(f"the form is damaged; {_HOW}") from error
    finally:
        form.close()


async def discard(headers: Mapping[str, str], body: Body) -> None:
    """Let a client finish a body that is refused, within limits, so that it reads the answer.

    A client that announced to wait for leave to send is not asked to send.
    """
    if headers.get("expect", "").lower() == "100-continue":
        return
    size = 0
    try:
        async with asyncio.timeout(_DISCARDED_SECONDS):
            while size < _DISCARDED_BYTES and not body.ended:
                size += len((await body.next()).get("body", b""))
    except TimeoutError:
        return


async def _next(body: Body, limits: Limits) -> MutableMapping[str, Any]:
    try:
        async with asyncio.timeout(limits.idle_seconds):
            message = await body.next()
    except TimeoutError:
        raise RefusedError(
            408, "too_slow", f"nothing arrived for {limits.idle_seconds:g} s"
        ) from None
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return message


def _boundary(headers: Mapping[str, str]) -> bytes:
    kind, options = parse_options_header(headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        raise RefusedError(415, "bad_body", f"the content type is not multipart/form-data; {_HOW}")
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:
        raise _bad(f"the form has no boundary; {_HOW}")
    return boundary


def _check_length(headers: Mapping[str, str], limits: Limits) -> None:
    """Refuse what is announced as too large before any of it is read."""
    stated = headers.get("content-length", "0")
    if not (stated.isascii() and stated.isdecimal()):
        raise _bad("the content length is not a number")
    if len(stated) > 18 or int(stated) > limits.max_bytes + _FORM_BYTES:
        raise _too_large(limits.max_bytes)


def _too_large(most_bytes: int) -> RefusedError:
    return RefusedError(
        413, "too_large", f"the file has more than {most_bytes / 1e6:g} MB, the limit here"
    )


def _bad(detail: str) -> RefusedError:
    return RefusedError(400, "bad_body", detail)


@dataclass(slots=True)
class _Form:
    """A form with one file; everything else in it is refused."""

    desk: Desk
    most_bytes: int
    _field: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _disposition: bytes = b""
    _file: BinaryIO | None = None
    _name: str | None = None
    _size: int = 0
    _ended: bool = False

    def callbacks(self) -> Any:
        """What the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_headers_finished": self._open,
            "on_part_data": self._write,
            "on_end": self._end,
        }

    def upload(self) -> Upload:
        """What has arrived."""
        if not self._ended or self._name is None:
            raise _bad(f"the form is cut short; {_HOW}")
        if not self._size:
            raise RefusedError(422, "unreadable", "the file is empty")
        return Upload(self._name, self._size)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _begin(self) -> None:
        if self._name is not None:
            raise _bad(f"the form holds more than one part; {_HOW}")
        self._disposition = b""

    def _header(self) -> None:
        if bytes(self._field).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _open(self) -> None:
        _, options = parse_options_header(self._disposition)
        given = options.get(b"filename")
        if options.get(b"name") != FIELD.encode() or given is None:
            raise _bad(f"the form's only part must be a file named {FIELD}; {_HOW}")
        self._name = clean_name(given.decode(errors="replace"))
        self._file = self.desk.open(suffix_of(self._name))

    def _write(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._size > self.most_bytes:
            raise _too_large(self.most_bytes)
        self.desk.take(end - start)
        if self._file is not None:
            self._file.write(memoryview(data)[start:end])

    def _end(self) -> None:
        self._ended = True
