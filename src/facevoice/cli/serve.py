"""facevoice serve: an API and a page on one's own machine."""

import argparse
import os
import secrets
from pathlib import Path
from typing import Final

from facevoice.cli.console import say
from facevoice.cli.options import add_model_options, length, natural, positive
from facevoice.errors import InvalidInputError, MissingDependencyError

_PACKAGES: Final = {
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "prometheus_client": "prometheus-client",
    "python_multipart": "python-multipart",
}


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "serve",
        help="serve an API and a page on this machine",
        description="Serve an API and a page; by default, only this machine reaches it. Uploads"
        " are removed once they are analysed. See docs/serve.md.",
    )
    command.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="listen here (default: 127.0.0.1)"
    )
    command.add_argument(
        "--port", type=natural, default=8765, metavar="N", help="port (default: 8765; 0: any)"
    )
    _add_access(command)
    _add_limits(command)
    command.add_argument(
        "--workers", type=positive, default=2, metavar="N", help="worker processes (default: 2)"
    )
    command.add_argument(
        "--folder",
        type=Path,
        metavar="FOLDER",
        help="hold uploads and results in this folder (default: a private one among temporary"
        " files)",
    )
    add_model_options(command, otherwise="each worker's share of the cores")
    command.set_defaults(run=run)


def _add_access(command: argparse.ArgumentParser) -> None:
    access = command.add_argument_group("who may use it")
    secret = access.add_mutually_exclusive_group()
    secret.add_argument(
        "--token-file", type=Path, metavar="FILE", help="clients must send the secret in this file"
    )
    secret.add_argument(
        "--make-token", action="store_true", help="make a secret and print the address that has it"
    )
    secret.add_argument(
        "--no-token", action="store_true", help="let everyone who reaches the address use it"
    )
    access.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which clients may call it, such as that of a proxy; may be repeated",
    )
    access.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="a site whose pages may use it, as https://example.org; may be repeated",
    )


def _add_limits(command: argparse.ArgumentParser) -> None:
    limits = command.add_argument_group("limits")
    limits.add_argument(
        "--max-mb", type=positive, default=500, metavar="N", help="MB of a file (default: 500)"
    )
    limits.add_argument(
        "--max-seconds",
        type=length,
        default=1800.0,
        metavar="S",
        help="length of a film (default: 1800)",
    )
    limits.add_argument(
        "--clip-seconds",
        type=length,
        default=60.0,
        metavar="S",
        help="length of a clip that is predicted at once (default: 60)",
    )
    limits.add_argument(
        "--max-megapixels",
        type=positive,
        default=50,
        metavar="N",
        help="million pixels of a picture (default: 50)",
    )
    limits.add_argument(
        "--waiting",
        type=natural,
        default=16,
        metavar="N",
        help="requests that may wait for a worker (default: 16)",
    )
    limits.add_argument(
        "--deadline",
        type=length,
        default=7200.0,
        metavar="S",
        help="longest work on a film (default: 7200)",
    )
    limits.add_argument(
        "--keep",
        type=length,
        default=3600.0,
        metavar="S",
        help="how long results are kept (default: 3600)",
    )
    limits.add_argument(
        "--disk-mb",
        type=positive,
        default=5000,
        metavar="N",
        help="MB of all uploads and results together (default: 5000)",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until interrupted."""
    _check_packages()
    from facevoice.serve.run import run as serve
    from facevoice.serve.settings import Limits, Settings

    if options.disk_mb < options.max_mb:
        raise InvalidInputError(
            f"--disk-mb {options.disk_mb} cannot hold a file of --max-mb {options.max_mb}: give"
            " less to --max-mb, or more to --disk-mb"
        )
    limits = Limits(
        max_bytes=options.max_mb * 1_000_000,
        disk_bytes=options.disk_mb * 1_000_000,
        max_seconds=options.max_seconds,
        clip_seconds=options.clip_seconds,
        max_pixels=options.max_megapixels * 1_000_000,
        waiting=options.waiting,
        deadline_seconds=options.deadline,
        keep_seconds=options.keep,
    )
    settings = Settings(
        host=options.host,
        port=options.port,
        token=_token(options),
        without_token=options.no_token,
        hosts=tuple(options.allow_host),
        origins=tuple(options.origin),
        workers=options.workers,
        bundle=os.fspath(options.bundle),
        device=options.device,
        threads=options.threads,
        folder=options.folder,
        limits=limits,
    )
    serve(settings, say)
    return 0


def _token(options: argparse.Namespace) -> str | None:
    if options.make_token:
        return secrets.token_urlsafe(32)
    if options.token_file is None:
        return None
    try:
        return str(options.token_file.read_text(encoding="ascii").strip())
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII text"
        raise InvalidInputError(f"--token-file {options.token_file}: {reason}") from error


def _check_packages() -> None:
    """Check that the extra is installed.

    Raises:
        MissingDependencyError: it is not.
    """
    import importlib.util

    for module, package in _PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise MissingDependencyError.of(package, "serve", "the server")
