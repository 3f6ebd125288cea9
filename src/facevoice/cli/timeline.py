"""facevoice timeline: a whole video -> who shows what, when; tables, subtitles, annotations."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facevoice.cli.options import add_model_options, say
from facevoice.errors import InvalidInputError

if TYPE_CHECKING:
    from facevoice.timeline import Person, Timeline

_DEFAULT_FORMATS: Final = "csv,json"


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "timeline",
        help="say who shows what, when, in a whole video",
        description="Follow the people of one video through windows of time and write what they"
        " show and say.",
    )
    command.add_argument("input", type=Path, metavar="FILE", help="a video or a sound file")
    command.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="write there; without: only a summary"
    )
    command.add_argument(
        "--formats",
        default=None,
        metavar="NAMES",
        help=f"what to write, with commas between (default: {_DEFAULT_FORMATS})",
    )
    command.add_argument(
        "--window", type=float, default=3.0, metavar="S", help="seconds of a window (default: 3)"
    )
    command.add_argument(
        "--hop", type=float, default=1.0, metavar="S", help="seconds between windows (default: 1)"
    )
    command.add_argument(
        "--people", choices=("all", "main"), default="all", help="everyone, or the main person"
    )
    command.add_argument(
        "--frames", action="store_true", help="keep every face that was looked at, too"
    )
    command.add_argument("--start", type=float, metavar="S", help="look from this second on")
    command.add_argument("--stop", type=float, metavar="S", help="look up to this second")
    add_model_options(command, threads=1)  # its stages run beside each other
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make the timeline, write it, and print a summary."""
    from facevoice.bundle import load_bundle
    from facevoice.output.timeline import FORMATS, write
    from facevoice.timeline import timeline

    formats = _formats(options, FORMATS)
    bundle = load_bundle(options.bundle, device=options.device, threads=options.threads)
    result = timeline(
        options.input,
        bundle,
        window=options.window,
        hop=options.hop,
        people=options.people,
        frames=options.frames or "mp4" in formats,  # boxes are drawn where faces were
        start=options.start,
        stop=options.stop,
        device=options.device,
        threads=options.threads,
    )
    for line in summary(result):
        print(line)
    if options.output is not None:
        for path in write(result, options.output, formats, source=options.input):
            say(f"written: {path}")
    return 0


def summary(timeline: "Timeline") -> Iterator[str]:
    """One line for the film, one for each person."""
    length = timeline.stop_seconds - timeline.start_seconds
    yield (
        f"{timeline.path}: {length:.1f} s, {len(timeline.people)} people, {len(timeline.cuts)} cuts"
    )
    for person in timeline.people:
        yield _line(person)
    nobodys = sum(row.person is None and row.voice is not None for row in timeline.rows)
    if nobodys:
        yield f"  speech that is nobody's in {nobodys} windows"


def _line(person: "Person") -> str:
    shares = sorted(person.shares.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{label} {share:.0%}" for label, share in shares if share >= 0.005)
    return (
        f"  person {person.id}: seen {person.seconds_seen:.1f} s"
        f" from {person.first_seen_seconds:.1f} to {person.last_seen_seconds:.1f} s,"
        f" speaking {person.seconds_speaking:.1f} s; {shown or 'nothing to score'}"
    )


def _formats(options: argparse.Namespace, known: tuple[str, ...]) -> tuple[str, ...]:
    """The formats asked for, checked before the film is looked at."""
    if options.output is None:
        if options.formats is not None:
            raise InvalidInputError("--formats needs -o, the folder to write to")
        return ()
    names = tuple(name for name in (options.formats or _DEFAULT_FORMATS).split(",") if name)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise InvalidInputError(
            f"--formats {options.formats!r}: known are {', '.join(known)}, with commas between"
        )
    return names
