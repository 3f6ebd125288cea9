"""Run the server until it is told to end."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from facevoice.errors import OutputError
from facevoice.serve.app import make_app
from facevoice.serve.settings import Settings
from facevoice.serve.storage import Storage

_MOST_CONNECTIONS = 512
_CLOSING_SECONDS = 5


def run(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until interrupted.

    say: is told the address once clients may connect.

    Raises:
        OutputError: the address is taken, or the folder for uploads cannot be used.
        FacevoiceError: the bundle cannot be read.
    """
    _log_to(say)
    signal.signal(signal.SIGTERM, _end)  # uvicorn raises it again once it has closed
    with (
        _listening(settings) as listening,
        Storage(settings.folder, settings.limits.disk_bytes) as storage,
    ):
        config = uvicorn.Config(
            make_app(settings, storage),
            http=_protocol(settings.limits.idle_seconds),
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_CLOSING_SECONDS,
            timeout_keep_alive=15,
        )
        say(f"serving at {address(settings, listening.getsockname()[1])}")
        uvicorn.Server(config).run([listening])


def _end(number: int, _: object) -> None:
    """End as after Ctrl-C: what was uploaded and made is removed."""
    raise SystemExit(128 + number)


def address(settings: Settings, port: int) -> str:
    """The address of the page; the fragment that holds the token never leaves the browser."""
    host = settings.host if settings.host not in {"0.0.0.0", "::", ""} else "127.0.0.1"  # noqa: S104
    shown = f"[{host}]" if ":" in host else host
    secret = "" if settings.token is None else f"#token={settings.token}"
    return f"http://{shown}:{port}/{secret}"


def _listening(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=256)
    except OSError as error:
        raise OutputError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}; name another"
            " with --port"
        ) from error


def _log_to(say: Callable[[str], None]) -> None:
    """Send what the server logs to the user: sizes, times and kinds, no names and no content."""

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(record.getMessage().strip())  # without tracebacks, which may name files

    for name, level in (("facevoice.serve", logging.INFO), ("uvicorn.error", logging.WARNING)):
        log = logging.getLogger(name)
        log.handlers, log.propagate = [Lines()], False
        log.setLevel(level)


def _protocol(seconds: float) -> type[asyncio.Protocol]:
    """HTTP whose clients must have sent a request's headers within so many seconds."""

    class Prompt(H11Protocol):
        _waiting: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:
                self._stop()
            elif self._waiting is None and not self.transport.is_closing():
                self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _wait(self) -> None:
            self._waiting = self.loop.call_later(seconds, self.transport.close)

        def _stop(self) -> None:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None

    return Prompt
