"""facevoice score: labelled clips -> a table of every branch's scores, for fuse and evaluate."""

import argparse
from typing import TYPE_CHECKING

from facevoice.cli.console import say
from facevoice.cli.labelled import add_input_options, score_labelled, training_clips
from facevoice.cli.options import add_overwrite_option, output_file
from facevoice.messages import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facevoice.bundle import Bundle
    from facevoice.scores.table import ScoreTable
    from facevoice.types import Sample


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "score", help="score labelled clips with every branch of a bundle, for fuse"
    )
    add_input_options(command)
    command.add_argument(
        "-o",
        "--output",
        type=output_file,
        required=True,
        metavar="TABLE",
        help="the table to write (.parquet .csv .npz)",
    )
    command.add_argument(
        "--deal",
        metavar="A,B",
        help="if all clips are in one split (or none), assign whole groups to these splits in"
        " equal parts; a name given twice gets two parts",
    )
    command.add_argument(
        "--nodes", action="store_true", help="also keep the scores of the fusion nodes"
    )
    add_overwrite_option(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Score every clip and write the table; 1 if a clip could not be read."""
    from facevoice.predict import load
    from facevoice.report.scoring import leaves_only
    from facevoice.scores.table import check_table_file, write_score_table

    check_table_file(options.output, overwrite=options.overwrite)
    predictor = load(options.bundle, device=options.device, threads=options.threads)
    scored = score_labelled(
        options.data or options.input,
        options.split,
        predictor,
        _warn,
        audio_track=options.audio_track,
    )
    kept = scored.table
    if not options.nodes:
        kept = leaves_only(scored.table, predictor.bundle.tree)
    if options.deal:
        kept = _dealt(kept, options.deal.split(","))
    write_score_table(kept, options.output)
    size = f"{counted(len(kept), 'clip')} x {counted(len(kept.branches), 'branch', 'branches')}"
    say(f"{size} in {options.output}")
    return 1 if scored.failed else 0


def _warn(bundle: "Bundle", samples: "Sequence[Sample]") -> None:
    from facevoice.scores.table import OVERRATED

    trained = training_clips(bundle, samples)
    if trained:
        say(f"{trained}: {OVERRATED}")


def _dealt(table: "ScoreTable", names: list[str]) -> "ScoreTable":
    from facevoice.scores.table import deal_splits

    found = sorted(set(table.splits.tolist()))
    if len(found) > 1:
        return table
    dealt = deal_splits(table, names)
    for name in dict.fromkeys(names):
        part = dealt.split(name)
        groups = counted(len(set(part.groups.tolist())), "group")
        say(f"split {name!r}: {counted(len(part), 'clip')} of {groups}, taken from {found[0]!r}")
    return dealt
