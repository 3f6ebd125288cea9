"""facevoice evaluate: how well a bundle or a fusion does on labelled clips."""

import argparse
import json
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from facevoice.cli.console import say, show
from facevoice.cli.labelled import add_input_options, is_prepared, score_labelled, training_clips
from facevoice.cli.options import add_overwrite_option, output_file
from facevoice.errors import InvalidInputError
from facevoice.messages import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facevoice.bundle import Bundle
    from facevoice.predict import Prediction
    from facevoice.scores.metrics import Figures
    from facevoice.scores.table import ScoreTable
    from facevoice.scores.weights_file import FittedFusion
    from facevoice.types import Sample

_TABLES: Final = (".npz", ".csv", ".parquet")


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "evaluate",
        help="measure a bundle or a fusion on labelled clips: WAR, UAR, intervals, report card",
        description="Measure a bundle on labelled clips (LABELS.CSV or FOLDER), or the weights of"
        " facevoice fuse on a score TABLE. If the bundle's card has figures for the same clips,"
        " they must agree.",
    )
    add_input_options(command, also="TABLE")
    command.add_argument(
        "--weights", type=Path, metavar="FILE", help="weights.json from facevoice fuse"
    )
    command.add_argument(
        "-o",
        "--output",
        type=_folder_or_table,
        metavar="FOLDER|TABLE",
        help="write the report card to this folder (HTML, Markdown, JSON, LaTeX); for labelled"
        " clips, a name that ends in .npz .csv .parquet writes the score table instead",
    )
    command.add_argument("--title", default="Report card", help="heading of the report card")
    command.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    command.add_argument(
        "--record", metavar="NAME", help="write the figures into the bundle's card under this name"
    )
    command.add_argument(
        "--allow-trained",
        action="store_true",
        help="also measure clips that taught the bundle, or that the weights were fitted on",
    )
    add_overwrite_option(command)
    command.add_argument(
        "--personal",
        choices=("whole", "causal"),
        help="also read each clip against its person's own baseline, by the column speaker or"
        " group: against all clips of the person (causal figures are printed beside), or against"
        " the earlier ones",
    )
    command.set_defaults(run=run)


def _folder_or_table(text: str) -> Path:
    return output_file(text) if Path(text).suffix.lower() in _TABLES else Path(text)


def run(options: argparse.Namespace) -> int:
    """Print the figures or write the report card.

    Returns 1 if a clip could not be read, or if the bundle's card has different figures.
    """
    options.input = options.data or options.input
    _check_output(options)
    if _is_table(options.input):
        return _run_table(options)
    return _run_labels(options)


def _check_output(options: argparse.Namespace) -> None:
    """Find out before clips are scored that the output cannot be written."""
    from facevoice.report import check_report
    from facevoice.scores.table import check_table_file

    table = _is_table(options.input)
    if options.record is not None and (table or options.weights is not None):
        raise InvalidInputError(
            "--record writes figures of the bundle itself: give labelled clips, and no --weights"
        )
    if options.personal is not None and (table or _wants_card(options) or options.weights):
        raise InvalidInputError(
            "--personal needs labelled clips, and prints figures of the bundle itself: give no"
            " report's folder and no --weights"
        )
    if _wants_card(options):
        check_report(options.output, overwrite=options.overwrite)
    elif options.output is not None:
        check_table_file(options.output, overwrite=options.overwrite)


def _wants_card(options: argparse.Namespace) -> bool:
    """Whether -o names the folder of a report card, and not a score table."""
    if options.output is None:
        return False
    return _is_table(options.input) or options.output.suffix.lower() not in _TABLES


def _is_table(path: Path) -> bool:
    """Whether a file is a score table; a CSV file is one if it has the columns id and branch."""
    from facevoice.scores.table import is_score_csv

    if is_prepared(path):
        return False
    if path.suffix.lower() != ".csv":
        return path.suffix.lower() in _TABLES
    return is_score_csv(path)


def _run_table(options: argparse.Namespace) -> int:
    from facevoice.report.fit import figure_text
    from facevoice.report.leaks import NOT_LOOKED_FOR
    from facevoice.report.measure import one_split
    from facevoice.scores.metrics import evaluate
    from facevoice.scores.table import USELESS, looked_for, read_score_table, refuse, taught_in
    from facevoice.scores.weights_file import read_weights

    if options.audio_track is not None:
        raise InvalidInputError(f"{options.input} holds scores: give --audio-track to score")
    table = read_score_table(options.input)
    if options.weights is not None:
        return _card(options, table, read_weights(options.weights))
    if options.output is not None:
        raise InvalidInputError("a report card of a score table needs --weights")
    judged = one_split(table, options.split)
    refuse(taught_in(judged.rows(judged.labelled)), USELESS, allowed=options.allow_trained)
    if not looked_for(judged):
        say(NOT_LOOKED_FOR)
    figures = [evaluate(judged, name) for name in judged.branches]
    if options.json:
        from facevoice.report.record import figures_record

        print(json.dumps({"branches": [figures_record(each) for each in figures]}))
    else:
        show("\n".join(figure_text(figures)))
    return 0


def _card(
    options: argparse.Namespace,
    table: "ScoreTable",
    fitted: "FittedFusion",
    figures: "Sequence[Figures]" = (),
) -> int:
    """Make the report card; print it, and write it in all its formats.

    figures: to print; none: those of the branches and of the fusion.
    """
    from facevoice.report import report_card, write_report
    from facevoice.report.fit import figure_text
    from facevoice.report.record import report_record
    from facevoice.report.words import LEAK_HEADINGS, leak_findings, verdict

    card = report_card(
        table,
        fitted,
        split=options.split,
        name=str(options.input),
        title=options.title,
        command=_command(options),
        allow_trained=options.allow_trained,
    )
    if options.json:
        print(json.dumps(report_record(card), allow_nan=False))
    else:
        show("\n".join(figure_text(figures or (*card.branches, card.system))))
        show(verdict(card))
        show("\n".join((f"{LEAK_HEADINGS[card.leak.verdict]}.", *leak_findings(card.leak))))
    if options.output is not None:
        for path in write_report(card, options.output):
            say(f"written: {path}")
    return 0


def _command(options: argparse.Namespace) -> str:
    words = ["facevoice", "evaluate", str(options.input)]
    if options.weights is None:
        words += ["--bundle", str(options.bundle)]
    for name in ("weights", "split", "output"):
        value = getattr(options, name)
        words += [] if value is None else [f"--{name}", str(value)]
    words += ["--allow-trained"] if options.allow_trained else []
    return shlex.join(words)


class _Personal(NamedTuple):
    """Figures against the people's own baselines: for JSON and as text; empty if not asked for."""

    record: dict[str, Any]
    lines: "Sequence[str]"


def _personal(
    options: argparse.Namespace,
    bundle: "Bundle",
    table: "ScoreTable",
    predictions: "Sequence[Prediction] | None",
) -> _Personal:
    from facevoice.report.personal import personal_figures, personal_lines, personal_record

    if predictions is None:
        return _Personal({}, ())
    modes: tuple[Literal["whole", "causal"], ...] = ("causal",)
    modes = ("whole", *modes) if options.personal == "whole" else modes
    figures = [personal_figures(bundle, table, predictions, mode) for mode in modes]
    return _Personal({"personal": personal_record(figures)}, personal_lines(figures))


def _run_labels(options: argparse.Namespace) -> int:
    from facevoice.predict import load
    from facevoice.report.fit import figure_text
    from facevoice.report.scoring import leaves_only
    from facevoice.scores.metrics import evaluate
    from facevoice.scores.table import write_score_table

    predictor = load(options.bundle, device=options.device, threads=options.threads)
    reported = options.weights is not None or _wants_card(options)
    fitted = _fitted(options, predictor.bundle) if reported else None
    predictions: list[Prediction] | None = None if options.personal is None else []
    scored = score_labelled(
        options.input,
        options.split,
        predictor,
        partial(_check_clips, options),
        audio_track=options.audio_track,
        kept=predictions,
    )
    table = scored.table
    personal = _personal(options, predictor.bundle, table, predictions)
    if options.output is not None and not _wants_card(options):
        write_score_table(table, options.output)
    figures = [evaluate(table, name) for name in table.branches]
    if fitted is not None:
        leaves = leaves_only(table, predictor.bundle.tree)
        _card(options, leaves, fitted, figures if options.weights is None else ())
    elif options.json:
        record = _record(figures, scored.left_out, scored.failed, predictor.bundle.sha256)
        print(json.dumps(record | personal.record))
    else:
        show("\n".join((*figure_text(figures), *personal.lines)))
    if scored.failed:
        say(f"counted as wrong: {counted(scored.failed, 'clip')} that could not be read")
    status = 1 if scored.failed else 0
    if options.weights is not None:
        return status
    return _compare(options, table, predictor.bundle, personal.record) or status


def _check_clips(
    options: argparse.Namespace, bundle: "Bundle", samples: "Sequence[Sample]"
) -> None:
    """Refuse, before any is scored, clips that cannot give the figures asked for."""
    from facevoice.report.personal import check_people
    from facevoice.scores.table import USELESS, refuse

    splits = sorted({sample.split for sample in samples})
    if len(splits) > 1 and _wants_card(options):
        listed = ", ".join(map(repr, splits))
        raise InvalidInputError(f"{options.input} has the splits {listed}: choose one (--split)")
    if options.personal is not None:
        check_people(bundle, [sample.group for sample in samples])
    refuse(training_clips(bundle, samples), USELESS, allowed=options.allow_trained)


def _compare(
    options: argparse.Namespace, table: "ScoreTable", bundle: "Bundle", personal: dict[str, Any]
) -> int:
    """Write the figures into the card, or compare them with it; 1 if they differ."""
    from facevoice.bundle.measured import differences, record, row_for, row_of

    if options.record is not None:
        record(bundle.folder, {**row_of(table, options.record), **personal})
        say(f"recorded as {options.record!r} in {bundle.folder / 'bundle.json'}")
        return 0
    row = row_for(bundle.card, table)
    if row is None:
        return 0
    found = differences(row, table)
    if not found:
        say(f"the figures agree with the card of {bundle.name} on {row['name']!r}")
    for line in found:
        say(f"{row['name']}: {line}")
    return 1 if found else 0


def _fitted(options: argparse.Namespace, bundle: "Bundle") -> "FittedFusion":
    """The weights of --weights, or those of the bundle."""
    from facevoice.bundle.reweigh import bundle_fusion
    from facevoice.scores.weights_file import FittedFusion, read_weights

    if options.weights is not None:
        return read_weights(options.weights)
    search = {"search": f"weights of the bundle {bundle.name} {bundle.version}"}
    weights = bundle_fusion(bundle.card)
    return FittedFusion(weights, search=search, abstain_below=bundle.abstain_below)


def _record(
    figures: "list[Figures]", left_out: dict[str, int], failed: int, sha256: str
) -> dict[str, Any]:
    return {
        "bundle_sha256": sha256,
        "clips": figures[0].matrix.total,
        "failed": failed,
        "left_out": left_out,
        "nodes": {
            item.name: {
                "war": item.matrix.war,
                "war_low": item.war.low,
                "war_high": item.war.high,
                "uar": item.matrix.uar,
                "macro_f1": item.matrix.macro_f1,
                "coverage": item.coverage,
                "confusion": item.matrix.counts.tolist(),
            }
            for item in figures
        },
    }
