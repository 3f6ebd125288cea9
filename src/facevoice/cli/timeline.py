"""facevoice timeline: a whole video -> who shows which emotion when, in many formats."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facevoice.cli.console import say
from facevoice.cli.options import add_model_options, add_span_options, add_window_options
from facevoice.errors import InvalidInputError
from facevoice.output.damage import damage_sentence
from facevoice.output.wording import counted

if TYPE_CHECKING:
    from facevoice.timeline import Person, Timeline

_DEFAULT_FORMATS: Final = "csv,json"


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "timeline",
        help="find out who shows which emotion, and when, in a whole video",
        description="Follow the people in one video and recognise their emotions in windows of"
        " time.",
    )
    command.add_argument("input", type=Path, metavar="FILE", help="a video or a sound file")
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write the files to this folder (default: print only a summary)",
    )
    command.add_argument(
        "--formats",
        default=None,
        metavar="NAMES",
        help=f"comma-separated formats: csv, parquet, json, vtt, eaf, textgrid, html, mp4"
        f" (default: {_DEFAULT_FORMATS})",
    )
    add_window_options(command)
    command.add_argument(
        "--people",
        choices=("all", "main"),
        default="all",
        help="everyone, or only the main person (default: all)",
    )
    command.add_argument(
        "--frames", action="store_true", help="also write a row for every face that was analysed"
    )
    command.add_argument(
        "--blendshapes",
        action="store_true",
        help="also measure 52 blendshapes and the head's pose in each of these faces",
    )
    add_span_options(command)
    add_model_options(command, threads=1)  # its stages run in parallel
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make the timeline, write it, and print a summary."""
    from facevoice.bundle import load_bundle
    from facevoice.output.timeline import FORMATS, write
    from facevoice.timeline import timeline

    formats = _formats(options, FORMATS)
    if options.blendshapes and not options.frames:
        raise InvalidInputError("--blendshapes adds columns to the table of --frames: give both")
    bundle = load_bundle(options.bundle, device=options.device, threads=options.threads)
    result = timeline(
        options.input,
        bundle,
        window=options.window,
        hop=options.hop,
        people=options.people,
        frames=options.frames or "mp4" in formats,  # boxes are drawn where faces were
        blendshapes=options.blendshapes,
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
    """One line for the film, one for each person, and what else there is to know."""
    length = timeline.stop_seconds - timeline.start_seconds
    yield (
        f"{timeline.path}: {length:.1f} s, {counted(len(timeline.people), 'person', 'people')},"
        f" {counted(len(timeline.cuts), 'cut')}"
    )
    for person in timeline.people:
        yield _line(person)
    unattributed = sum(row.person is None and row.voice is not None for row in timeline.rows)
    if unattributed:
        yield f"  speech of no one in view in {counted(unattributed, 'window')}"
    if timeline.damage:
        yield f"  {damage_sentence(timeline.damage)}"


def _line(person: "Person") -> str:
    shares = sorted(person.shares.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{label} {share:.0%}" for label, share in shares if share >= 0.005)
    return (
        f"  person {person.id}: seen {person.seconds_seen:.1f} s"
        f" from {person.first_seen_seconds:.1f} to {person.last_seen_seconds:.1f} s,"
        f" speaking {person.seconds_speaking:.1f} s; {shown or 'nothing to score'}"
    )


def _formats(options: argparse.Namespace, known: tuple[str, ...]) -> tuple[str, ...]:
    """The formats asked for, checked before the film is analysed."""
    if options.output is None:
        if options.formats is not None:
            raise InvalidInputError("--formats needs -o, the folder to write to")
        return ()
    names = tuple(name for name in (options.formats or _DEFAULT_FORMATS).split(",") if name)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise InvalidInputError(
            f"--formats {options.formats!r}: choose from {', '.join(known)}, separated by commas"
        )
    return names
