"""Stands before everything else: who may call, by which name, from which page; headers; the log."""

import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

from facevoice.serve.body import Body, discard
from facevoice.serve.measured import Measured
from facevoice.serve.problems import PROBLEM_TYPE, problem_bytes
from facevoice.serve.settings import Settings, is_numeric

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN: Final = frozenset({"/", "/livez", "/readyz"})
"""Paths that need no token, as do those of ``OPEN_FOLDER``: they hold nothing of anyone."""
OPEN_FOLDER: Final = "/page/"
NOTICE: Final = (
    "People in view or heard must be told that emotion recognition is used"
    " (EU AI Act, Article 50(3)). A model guesses expressions, not feelings."
)

_PROBES: Final = frozenset({"/livez", "/readyz"})
"""Asked every few seconds, and logged only if the answer is a problem."""
_LOG: Final = logging.getLogger("facevoice.serve")
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
    " media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    "Facevoice-Notice": NOTICE,
}


class Guard:
    """An ASGI application around another.

    keeps: what every answer says of how long things are kept.
    """

    def __init__(self, app: App, settings: Settings, measured: Measured, keeps: str) -> None:
        self._app, self._settings, self._measured = app, settings, measured
        self._headers = [
            (name.lower().encode(), value.encode("ascii"))
            for name, value in {**_HEADERS, "Facevoice-Retention": keeps}.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, unless it is refused."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 499
        headers = headers_of(scope)
        origin = self._shared_origin(headers)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = list(message.get("headers", []))
                named = {name.lower() for name, _ in own}
                own += [(name, value) for name, value in self._headers if name not in named]
                message = {**message, "headers": own + _sharing(origin)}
            await send(message)

        refused = self._refusal(scope, headers, origin)
        try:
            if refused is not None:
                if scope["method"] == "POST":
                    await discard(headers, Body(receive))
                await _refuse(answer, *refused)
            elif scope["method"] == "OPTIONS" and origin is not None:
                await _allow(answer)
            else:
                await self._app(scope, receive, answer)
        finally:
            took = time.monotonic() - began
            route = _route(scope)
            self._measured.request(route, scope["method"], status, took)
            size = scope.get("facevoice.size")
            shown = "" if size is None else f" {size / 1e6:.2f} MB"
            level = logging.DEBUG if route in _PROBES and status < 400 else logging.INFO
            _LOG.log(level, "%s %s %d%s %.3f s", _method(scope), route, status, shown, took)

    def _refusal(
        self, scope: Scope, headers: Mapping[str, str], origin: str | None
    ) -> tuple[int, str, str] | None:
        """Why a request is refused: status, kind and detail."""
        if not self._knows(headers.get("host", "")):
            return (
                421,
                "foreign_host",
                "the server is not known by this name: start it with --allow-host NAME",
            )
        if origin is None and _is_foreign(scope, headers):
            return (
                403,
                "foreign_origin",
                "pages of other sites may not use the server: start it with --origin ADDRESS",
            )
        if scope["method"] == "OPTIONS" and origin is not None:
            return None  # browsers send no token with it
        if self._settings.token is None or is_open(scope["path"]):
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        known = hmac.compare_digest(
            given.strip().encode(errors="replace"), self._settings.token.encode()
        )
        if scheme.lower() == "bearer" and known:
            return None
        return 401, "unauthorised", "send the header Authorization: Bearer TOKEN"

    def _knows(self, host: str) -> bool:
        """Whether the server goes by this name; a page that rebinds its own name does not."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return is_numeric(name) or name.lower() in self._settings.names

    def _shared_origin(self, headers: Mapping[str, str]) -> str | None:
        origin = headers.get("origin")
        return origin if origin in self._settings.origins else None


def headers_of(scope: Scope) -> dict[str, str]:
    """The headers of a request by name, in lower case."""
    found = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    return {name.lower(): value for name, value in found}


def is_open(path: str) -> bool:
    """Whether a path needs no token."""
    return path in OPEN or path.startswith(OPEN_FOLDER)


def _is_foreign(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Whether a page of another site sends a request; to follow a link to the page is allowed."""
    origin = headers.get("origin")
    if origin is not None:
        return origin.partition("://")[2].lower() != headers.get("host", "").lower()
    site = headers.get("sec-fetch-site", "none")
    link = (
        scope["method"] in {"GET", "HEAD"}
        and headers.get("sec-fetch-mode") == "navigate"
        and scope["path"] in OPEN
    )
    return site not in {"same-origin", "none"} and not link


async def _refuse(send: Send, status: int, code: str, detail: str) -> None:
    headers = [(b"content-type", PROBLEM_TYPE.encode()), (b"connection", b"close")]
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="facevoice"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": problem_bytes(status, code, detail)})


async def _allow(send: Send) -> None:
    headers = [
        (b"access-control-allow-methods", b"GET, POST, DELETE"),
        (b"access-control-allow-headers", b"authorization"),
        (b"access-control-max-age", b"600"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _sharing(origin: str | None) -> list[tuple[bytes, bytes]]:
    if origin is None:
        return []
    return [(b"access-control-allow-origin", origin.encode("ascii")), (b"vary", b"origin")]


def _route(scope: Scope) -> str:
    """The path of the route that served a request: neither ids nor what a client made up."""
    return getattr(scope.get("route"), "path", None) or "(none)"


def _method(scope: Scope) -> str:
    return str(scope["method"]) if scope["method"] in {"GET", "HEAD", "POST", "DELETE"} else "OTHER"
