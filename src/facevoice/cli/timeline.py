"""facevoice timeline: whole videos -> who shows which emotion when, in many formats."""

import argparse
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from facevoice.cli.console import ProgressLine, show, when_interrupted
from facevoice.cli.inputs import find_inputs
from facevoice.cli.options import (
    CROWD,
    add_model_options,
    add_personal_options,
    add_span_options,
    add_track_option,
    add_window_options,
    baseline_of,
    check_span,
    check_windows,
)
from facevoice.cli.people import say_if_nobody_can_be_read
from facevoice.errors import FacevoiceError, InvalidInputError
from facevoice.messages import counted, near
from facevoice.output.damage import damage_sentence
from facevoice.output.wording import duration
from facevoice.writing import check_file, check_folder

if TYPE_CHECKING:
    from facevoice.bundle import Bundle
    from facevoice.output.timeline.settings import Settings
    from facevoice.person import Baseline
    from facevoice.timeline import Person, Timeline

_DEFAULT_FORMATS: Final = "csv,json"
_NOT_SETTINGS: Final = frozenset(
    {
        "verb",
        "run",
        "inputs",
        "output",
        "formats",
        "overwrite",
        "bundle",
        "baseline",
        "device",
        "threads",
    }
)
"""What a timeline does not depend on; bundle and baseline are named by their hashes."""


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "timeline",
        help="find out who shows which emotion, and when, in whole videos",
        description="Follow the people in videos and recognise their emotions in windows of time."
        " Folders are searched for media files.",
    )
    command.add_argument("inputs", nargs="+", metavar="PATH", help="files or folders")
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write the files to this folder (default: print only a summary); what an earlier run"
        " completed with the same settings is skipped",
    )
    command.add_argument(
        "--formats",
        default=None,
        metavar="NAMES",
        help=f"comma-separated formats: csv, parquet, json, vtt, eaf, textgrid, html, mp4"
        f" (default: {_DEFAULT_FORMATS})",
    )
    command.add_argument(
        "--overwrite", action="store_true", help="replace files that are already there"
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
    add_personal_options(command, "his or her own whole film")
    add_span_options(command)
    add_track_option(command)
    add_model_options(command, threads=1)  # its stages run in parallel
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make the timelines, write them, and print a summary of each; 1 if an input failed."""
    from facevoice.bundle import load_bundle

    formats = _formats(options)
    if options.blendshapes and not options.frames:
        raise InvalidInputError("--blendshapes adds columns to the table of --frames: give both")
    check_span(options)
    check_windows(options)
    baseline = baseline_of(options)
    paths, failures = find_inputs(options.inputs)
    folders: Sequence[Path | None] = [None] * len(paths)
    if options.output is not None:
        folders = _folders(paths, options.output)
        check_folder(options.output)
    bundle = load_bundle(options.bundle, device=options.device, threads=options.threads)
    bundle.check_extras()
    if baseline is not None:
        baseline.check(bundle)
    if options.personal:
        say_if_nobody_can_be_read(bundle)
    settings = _settings(options, bundle, baseline)
    work = [
        (path, None if folder is None else _wanted(path, folder, options, formats, settings))
        for path, folder in zip(paths, folders, strict=True)
    ]
    failed, done = len(failures), 0
    with (
        ProgressLine("films") as line,
        when_interrupted(lambda: _finished(done, len(work), options.output)),
    ):
        for _, error in failures:
            line.say(str(error))
        for number, (path, kept) in enumerate(work, start=1):
            place = f" ({number} of {len(work)})" if len(work) > 1 else ""
            try:
                shown = _FilmLine(line, f"{path.name}{place}")
                _one(path, kept, options, formats, bundle, shown, baseline)
            except FacevoiceError as error:
                failed += 1
                line.say(str(error) if path.name in str(error) else f"{path}: {error}")
            done = number
    return 1 if failed else 0


def _finished(done: int, total: int, output: Path | None) -> str:
    """What an interrupted command leaves, and how to continue."""
    found = f"{done} of {counted(total, 'input')} done"
    if output is None:
        return found
    return f"{found} and kept in {output} (the same command goes on from there)"


def _one(
    path: Path,
    kept: "Settings | None",
    options: argparse.Namespace,
    formats: Sequence[str],
    bundle: "Bundle",
    line: "_FilmLine",
    baseline: "Baseline | None",
) -> None:
    """Make the timeline of one file, unless it is complete, and write it."""
    from facevoice.output.timeline import write
    from facevoice.timeline import timeline

    complete = kept.complete() if kept is not None and not options.overwrite else {}
    wanted = [name for name in formats if name not in complete]
    if kept is not None and not wanted:
        line.say(f"{path}: skipped, complete in {kept.folder} with the same settings")
        return
    result = timeline(
        path,
        bundle,
        window=options.window,
        hop=options.hop,
        people=options.people,
        frames=options.frames or "mp4" in wanted,  # boxes are drawn where faces were
        blendshapes=options.blendshapes,
        start=options.start,
        stop=options.stop,
        audio_track=options.audio_track,
        personal="whole" if options.personal else None,
        baseline=baseline,
        device=options.device,
        threads=options.threads,
        progress=line,
    )
    line.wipe()
    for text in summary(result):
        show(text)
    crowd = max((row.people for row in result.rows), default=0)
    if baseline is not None and crowd > 1 and options.people == "all":
        line.say(f"{CROWD.format(crowd)}; --people main leaves out the others")
    if kept is None:
        return
    state = dict.fromkeys(kept.begun()) | kept.complete() | dict.fromkeys(wanted)
    kept.write(state)
    for name in wanted:
        shown = result if options.frames or name == "mp4" else replace(result, frames=None)
        files = write(shown, kept.folder, [name], source=path)
        for written in files:
            line.say(f"written: {written}")
        state[name] = [written.name for written in files]
    kept.write(state)


class _FilmLine:
    """The progress within one film, on the command's line."""

    def __init__(self, line: ProgressLine, name: str) -> None:
        self._line, self._name, self._began = line, name, time.monotonic()
        self.say, self.wipe = line.say, line.wipe

    def __call__(self, done: float, total: float | None) -> None:
        """Show how many seconds of the film are done, of how many (None: unknown)."""
        took = time.monotonic() - self._began
        text = f"{self._name}: {duration(done)}"
        if total is not None and total > done > 0:
            text += f" of {duration(total)}, {duration(took * (total - done) / done)} left"
        self._line.note(text)


def summary(timeline: "Timeline") -> Iterator[str]:
    """One line for the film, one for each person, and what else there is to know."""
    from facevoice.output.timeline.spans import doubt

    length = timeline.stop_seconds - timeline.start_seconds
    sound_alone = any(row.sound_alone for row in timeline.rows)
    people = counted(len(timeline.people), "person", "people")
    found = f"{people}, {counted(len(timeline.cuts), 'cut')}"
    yield f"{timeline.path}: {length:.1f} s, {'sound without picture' if sound_alone else found}"
    for person in timeline.people:
        shares = _shown(person.shares) or "nothing to score"
        yield f"{_line(person)}; {shares}{doubt(timeline.segments, person.id)}"
        if timeline.personal is not None:
            yield f"    personal: {_personal(timeline, person.id, person.personal_shares)}"
    if sound_alone:
        yield from _voice(timeline)
    unattributed = sum(row.person is None and row.voice is not None for row in timeline.rows)
    if unattributed and not sound_alone:
        yield f"  speech of no one in view in {counted(unattributed, 'window')}"
    if not (timeline.people or unattributed or sound_alone):
        yield "  nobody is seen or heard"
    if timeline.audio_tracks is not None and timeline.audio_tracks.hint:
        yield f"  {timeline.audio_tracks.hint}"
    if timeline.damage:
        yield f"  {damage_sentence(timeline.damage)}"


def _line(person: "Person") -> str:
    return (
        f"  person {person.id}: seen {person.seconds_seen:.1f} s"
        f" from {person.first_seen_seconds:.1f} to {person.last_seen_seconds:.1f} s,"
        f" speaking {person.seconds_speaking:.1f} s"
    )


def _voice(timeline: "Timeline") -> Iterator[str]:
    """What is heard where there are no pictures."""
    from facevoice.output.timeline.spans import doubt, speaking
    from facevoice.timeline.summary import personal, voice_shares

    seconds = sum(stop - start for start, stop in speaking(timeline, None))
    shares = _shown(voice_shares(timeline)) or "nothing to score"
    yield f"  the voice: speaking {seconds:.1f} s; {shares}{doubt(timeline.segments, None)}"
    if timeline.personal is not None:
        yield f"    personal: {_personal(timeline, None, voice_shares(timeline, personal))}"


def _personal(timeline: "Timeline", person: int | None, shares: Mapping[str, float]) -> str:
    """What a person shows against his or her own baseline, or why that is not known."""
    from facevoice.output.person import FEW_SHOWN, unchanged, why_none
    from facevoice.output.timeline.spans import doubt

    rows = timeline.rows_of(person)
    if not shares:
        return f"none: {why_none(rows)}"
    (*_, last) = (row.personal for row in rows if row.personal is not None)
    length = duration(last.seconds)
    if unchanged((row.personal, row.scores) for row in rows):
        return f"the same: {FEW_SHOWN} in {length} of this person"
    unsure = doubt(timeline.personal_segments or (), person)
    return f"against {length} of this person: {_shown(shares)}{unsure}"


def _shown(shares: Mapping[str, float]) -> str:
    most = sorted(shares.items(), key=lambda item: -item[1])
    return ", ".join(f"{label} {share:.0%}" for label, share in most if share >= 0.005)


def _formats(options: argparse.Namespace) -> tuple[str, ...]:
    """The formats asked for, checked before the films are analysed."""
    from facevoice.output.timeline import FORMATS, check_formats

    if options.output is None:
        if options.formats is not None or options.overwrite:
            given = "--overwrite" if options.formats is None else "--formats"
            raise InvalidInputError(f"{given} needs -o, the folder to write to")
        return ()
    names = tuple(name for name in (options.formats or _DEFAULT_FORMATS).split(",") if name)
    if not names or not set(names) <= set(FORMATS):
        unknown = next((name for name in names if name not in FORMATS), "")
        raise InvalidInputError(
            f"--formats {options.formats!r}: choose from {', '.join(FORMATS)}, separated by"
            f" commas{near(unknown, FORMATS)}"
        )
    check_formats(names)
    return tuple(dict.fromkeys(names))


def _folders(paths: Sequence[Path], output: Path) -> list[Path]:
    """The folder for each input's files: the output folder.

    Inputs of one name get folders in it, named as those that they lie in, so that none replaces
    the files of another.

    Raises:
        InvalidInputError: inputs of one folder would write files of the same names.
    """
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(path.stem.casefold(), []).append(path)
    known: dict[str, Path] = {}
    folders = []
    for path in paths:
        parents = [each.parent.absolute() for each in groups[path.stem.casefold()]]
        folder = output / path.parent.absolute().relative_to(os.path.commonpath(parents))
        other = known.setdefault(str(folder / path.stem).casefold(), path)
        if other != path:
            raise InvalidInputError(
                f"{other} and {path} would write files of the same names: write them to two folders"
            )
        folders.append(folder)
    return folders


def _settings(
    options: argparse.Namespace, bundle: "Bundle", baseline: "Baseline | None"
) -> dict[str, Any]:
    """What a timeline depends on, as JSON values."""
    from facevoice import __version__

    settings = {name: value for name, value in vars(options).items() if name not in _NOT_SETTINGS}
    enrolled = None if baseline is None else baseline.sha256
    return settings | {"bundle": bundle.sha256, "baseline": enrolled, "facevoice": __version__}


def _wanted(
    path: Path,
    folder: Path,
    options: argparse.Namespace,
    formats: Sequence[str],
    settings: dict[str, Any],
) -> "Settings":
    """The settings of a file's output, checked: nothing of other settings may be replaced."""
    from facevoice.output.timeline import files_of
    from facevoice.output.timeline.settings import Settings

    kept = Settings(path, folder, settings)
    begun = kept.begun()
    own = [] if not begun else [kept.path, *files_of(path, folder, begun)]
    for file in (*files_of(path, folder, formats), kept.path):
        check_file(file, overwrite=options.overwrite or file in own, made=True)
    return kept
