"""facevoice live: a camera, a stream or a pipe -> JSON Lines, a window each, as they complete."""

import argparse
import json
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from facevoice.cli.options import add_model_options, say

if TYPE_CHECKING:
    from facevoice.timeline.live import LiveWindow

VERSION: Final = "1.0"
INTERRUPTED: Final = 130


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "live",
        help="follow a camera, a stream or a pipe, and write windows as they complete",
        description="Follow the people before a camera, in a stream or in a pipe, and write JSON"
        " Lines to standard output: a window each, as soon as it is complete.",
    )
    command.add_argument(
        "source",
        metavar="SOURCE",
        help="a camera's number (0), a URL, - for standard input, or a file or device",
    )
    command.add_argument(
        "--window", type=float, default=3.0, metavar="S", help="seconds of a window (default: 3)"
    )
    command.add_argument(
        "--hop", type=float, default=1.0, metavar="S", help="seconds between windows (default: 1)"
    )
    command.add_argument(
        "--duration", type=float, metavar="S", help="stop after so many seconds of the source"
    )
    command.add_argument(
        "--format",
        metavar="NAME",
        help="ffmpeg's input format: v4l2, avfoundation, dshow, mpegts, ...",
    )
    command.add_argument(
        "--option",
        type=_option,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of that format, such as framerate=30; may be repeated",
    )
    command.add_argument(
        "--real-time",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="drop pictures rather than fall behind (default: for devices and streams, not for -)",
    )
    add_model_options(command, threads=1)  # its stages have threads of their own
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write windows until the source ends or the user has had enough."""
    from facevoice.timeline.live import live

    windows = live(
        options.source,
        options.bundle,
        window=options.window,
        hop=options.hop,
        duration=options.duration,
        input_format=options.format,
        options=dict(options.option),
        real_time=options.real_time,
        device=options.device,
        threads=options.threads,
    )
    dropped = 0
    try:
        with closing(windows):
            for window in windows:
                text = json.dumps(record_of(window), ensure_ascii=False, allow_nan=False)
                sys.stdout.write(text + "\n")
                sys.stdout.flush()
                if window.dropped_pictures and not dropped:
                    say("pictures come faster than they can be looked at: some are dropped")
                dropped += window.dropped_pictures
    except KeyboardInterrupt:  # the usual way to end it
        return INTERRUPTED
    finally:
        if dropped:
            say(f"{dropped} pictures were dropped")
    return 0


def record_of(window: "LiveWindow") -> dict[str, Any]:
    """A window as JSON values, described by docs/live.schema.json."""
    from facevoice.output.timeline.record import row_record

    return {
        "schema_version": VERSION,
        "start_seconds": window.start_seconds,
        "stop_seconds": window.stop_seconds,
        "elapsed_seconds": window.elapsed_seconds,
        "delay_seconds": round(window.delay_seconds, 3),
        "dropped_pictures": window.dropped_pictures,
        "cuts_seconds": list(window.cuts),
        "rows": [row_record(row) for row in window.rows],
    }


def _option(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value
