"""facevoice live: a camera, a stream or a pipe -> JSON Lines, one per window as it completes."""

import argparse
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from facevoice.cli.console import say
from facevoice.cli.options import (
    CROWD,
    INTERRUPTED,
    add_model_options,
    add_personal_options,
    add_track_option,
    add_window_options,
    baseline_of,
    check_windows,
    key_value,
    length,
)
from facevoice.cli.people import say_if_nobody_can_be_read
from facevoice.messages import counted
from facevoice.output.wording import json_line

if TYPE_CHECKING:
    from facevoice.timeline.live import LiveWindow

VERSION: Final = "1.1"


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "live",
        help="follow a camera, a stream or a pipe and write each window as it completes",
        description="Follow the people in front of a camera, in a stream or in a pipe, and write"
        " JSON Lines to standard output: one line per window, as soon as it is complete.",
    )
    command.add_argument(
        "source",
        metavar="SOURCE",
        help="a camera's number (0), a URL, - for standard input, or a file or device",
    )
    add_window_options(command)
    add_track_option(command)
    add_personal_options(command, "what was seen and heard of that person so far")
    command.add_argument(
        "--duration", type=length, metavar="S", help="stop after this many seconds of the source"
    )
    command.add_argument(
        "--format",
        metavar="NAME",
        help="ffmpeg's input format: v4l2, avfoundation, dshow, mpegts, ...",
    )
    command.add_argument(
        "--option",
        type=key_value,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option for that format, such as framerate=30; may be repeated",
    )
    command.add_argument(
        "--real-time",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="drop frames rather than fall behind (default: yes for devices and streams, no for -)",
    )
    add_model_options(command, threads=1)  # its stages have threads of their own
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write windows until the source ends or the user interrupts."""
    from facevoice.bundle import load_bundle
    from facevoice.timeline.live import live

    check_windows(options)
    baseline = baseline_of(options)
    bundle = load_bundle(options.bundle, device=options.device, threads=options.threads)
    bundle.check_extras()
    windows = live(
        options.source,
        bundle,
        window=options.window,
        hop=options.hop,
        duration=options.duration,
        input_format=options.format,
        options=dict(options.option),
        real_time=options.real_time,
        audio_track=options.audio_track,
        personal=options.personal,
        baseline=baseline,
        device=options.device,
        threads=options.threads,
    )
    if options.personal:
        say_if_nobody_can_be_read(bundle)
    dropped, heard, crowded = 0, options.audio_track is not None, False
    try:
        with closing(windows):
            for window in windows:
                sys.stdout.write(json_line(record_of(window)) + "\n")
                sys.stdout.flush()
                if window.dropped_pictures and not dropped:
                    say("frames arrive faster than they can be analysed: some are dropped")
                dropped += window.dropped_pictures
                if not heard and window.audio_tracks > 1 and not _speech(window):
                    say(
                        f"no speech so far in the sound track that is read, one of"
                        f" {window.audio_tracks}: choose with --audio-track"
                    )
                heard = True
                crowd = max(row.people for row in window.rows)
                if options.baseline is not None and crowd > 1 and not crowded:
                    say(CROWD.format(crowd))
                    crowded = True
    except KeyboardInterrupt:  # the usual way to end it
        return INTERRUPTED
    finally:
        if dropped:
            say(f"{counted(dropped, 'frame')} dropped")
    return 0


def _speech(window: "LiveWindow") -> bool:
    return any(row.speech_seconds > 0 for row in window.rows)


def record_of(window: "LiveWindow") -> dict[str, Any]:
    """A window as JSON values, described by docs/live.schema.json."""
    from facevoice.output.timeline.columns import row_record

    return {
        "schema_version": VERSION,
        "start_seconds": window.start_seconds,
        "stop_seconds": window.stop_seconds,
        "elapsed_seconds": window.elapsed_seconds,
        "delay_seconds": round(window.delay_seconds, 3),
        "dropped_pictures": window.dropped_pictures,
        "cuts_seconds": list(window.cuts),
        "damage": window.damage.to_dict(),
        "rows": [row_record(row) for row in window.rows],
    }
