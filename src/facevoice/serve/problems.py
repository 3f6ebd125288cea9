"""Errors as problem documents (RFC 9457) with the kinds that prediction records use."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final

from facevoice.errors import FacevoiceError

PROBLEM_TYPE: Final = "application/problem+json"

_TITLES: Final[Mapping[str, str]] = {
    "invalid_input": "A parameter is wrong",
    "unreadable": "The file cannot be decoded",
    "not_found": "There is no such thing here",
    "wrong_method": "This address takes another method",
    "missing_dependency": "The server lacks an optional package",
    "worker": "The work on this file was ended",
    "too_large": "The file is too large",
    "too_long": "The file lasts too long",
    "too_many_pixels": "The pictures are too large",
    "too_many_tracks": "The file has too many sound tracks",
    "too_slow": "The file arrives too slowly",
    "too_much_memory": "The work takes too much memory",
    "deadline": "The work takes too long",
    "busy": "The server is busy",
    "full": "The server's disk space is used up",
    "bad_body": "The body of the request is wrong",
    "unauthorised": "The token is missing or wrong",
    "foreign_host": "The server is not known by this name",
    "foreign_origin": "Another site's page may not use the server",
    "not_ready": "The server is not ready",
    "gone": "The client has gone",
    "error": "Something unexpected went wrong",
}
"""What each kind of problem is called."""


class RefusedError(FacevoiceError):
    """A request that is not served.

    status: of HTTP. code: the kind of problem. headers: further ones of the answer.
    """

    kind: ClassVar[str] = "refused"

    def __init__(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.headers = status, code, dict(headers or {})

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.status, self.code, str(self), self.headers)


def problem(status: int, code: str, detail: str) -> dict[str, Any]:
    """A problem document; code: the kind, which clients may rely on."""
    title = _TITLES.get(code, HTTPStatus(status).phrase)
    return {
        "type": f"urn:facevoice:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "kind": code,
    }


def problem_bytes(status: int, code: str, detail: str) -> bytes:
    """The same as JSON."""
    return json.dumps(problem(status, code, detail), ensure_ascii=False).encode()
