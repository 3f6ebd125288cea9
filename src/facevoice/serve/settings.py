"""What a server is started with."""

import ipaddress
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from facevoice.errors import InvalidInputError
from facevoice.session import Device

_SHORTEST_TOKEN: Final = 16
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]+")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+")
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9._\[\]:-]+")
_LOOPBACK_NAMES: Final = frozenset({"localhost"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What is accepted, and how long it may take.

    max_bytes: of an uploaded file. disk_bytes: of all uploads and results together.
    max_seconds: of a film. clip_seconds: of a clip that is predicted while the client waits.
    max_pixels: of a picture. max_tracks: sound tracks of a file.
    waiting: requests that may wait while all workers are busy.
    deadline_seconds: for the work on a film. clip_deadline_seconds: for the work on a clip.
    worker_bytes: memory of a worker process, beyond which it is ended.
    keep_seconds: how long results are kept.
    max_jobs: films whose results are kept at one time.
    idle_seconds: how long a client may send nothing of a body or of its headers.
    slowest_bytes: per second, on average, that a body must arrive with once ``idle_seconds`` are
        over.
    """

    max_bytes: int = 500_000_000
    disk_bytes: int = 5_000_000_000
    max_seconds: float = 1800.0
    clip_seconds: float = 60.0
    max_pixels: int = 50_000_000
    max_tracks: int = 16
    waiting: int = 16
    deadline_seconds: float = 7200.0
    clip_deadline_seconds: float = 120.0
    worker_bytes: int = 4_000_000_000
    keep_seconds: float = 3600.0
    max_jobs: int = 200
    idle_seconds: float = 15.0
    slowest_bytes: float = 50_000.0

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if not value > (-1 if name == "waiting" else 0):
                raise InvalidInputError(f"{name} must be above 0, got {value!r}")
        if self.disk_bytes < self.max_bytes:
            raise InvalidInputError(
                f"disk_bytes {self.disk_bytes} must hold at least one file of max_bytes"
                f" {self.max_bytes}"
            )


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server is started with.

    host, port: the address it listens on; port 0: any free one.
    token: the secret that clients send; None: none is asked for.
    without_token: whether that is meant, on an address that other machines reach.
    hosts: further names by which clients may call it.
    origins: of other sites whose pages may use it, such as https://example.org.
    bundle: name or folder of the model. threads: per network; None: a worker's share of the cores.
    folder: holds uploads and results; None: one of this user's in the system's temporary folder.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = field(default=None, repr=False)
    without_token: bool = False
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    workers: int = 2
    bundle: str = "base"
    device: Device = "cpu"
    threads: int | None = None
    folder: Path | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise InvalidInputError(f"the port must be 0 to 65535, got {self.port}")
        if self.workers < 1:
            raise InvalidInputError(f"there must be a worker, got {self.workers}")
        if self.token is not None:
            _check_token(self.token)
            if self.without_token:
                raise InvalidInputError("a token and --no-token contradict each other")
        elif not (self.without_token or is_loopback(self.host)):
            raise InvalidInputError(
                f"other machines reach {self.host}: give a secret with --token-file, or"
                " --no-token if everyone who reaches it may use it"
            )
        for host in self.hosts:
            if not _HOST.fullmatch(host):
                raise InvalidInputError(f"{host!r} is not the name of a host")
        for origin in self.origins:
            if not _ORIGIN.fullmatch(origin):
                raise InvalidInputError(
                    f"{origin!r} is not an origin, which is written https://example.org"
                )

    @property
    def names(self) -> frozenset[str]:
        """Host names, in lower case, by which it may be called; numeric addresses always may."""
        own = () if is_loopback(self.host) else (self.host, socket.gethostname())
        return _LOOPBACK_NAMES | {name.lower() for name in (*own, *self.hosts)}


def _check_token(token: str) -> None:
    if not (len(token) >= _SHORTEST_TOKEN and _TOKEN.fullmatch(token)):
        raise InvalidInputError(
            f"a token has at least {_SHORTEST_TOKEN} characters, which are letters, digits or"
            ' ._~+/=-; make one with: python -c "import secrets; print(secrets.token_urlsafe())"'
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host.lower() in _LOOPBACK_NAMES:
        return True
    return is_numeric(host) and ipaddress.ip_address(host.strip("[]")).is_loopback


def is_numeric(host: str) -> bool:
    """Whether a host is given as an IP address."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
