"""facevoice evaluate: how well a bundle does on labelled clips, node by node."""

import argparse
import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facevoice.cli.options import Counter, add_model_options, say

if TYPE_CHECKING:
    from facevoice.evaluation import NodeFigures
    from facevoice.predict import Prediction


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "evaluate", help="measure a bundle on labelled clips: WAR, UAR and intervals for each node"
    )
    command.add_argument(
        "labels",
        type=Path,
        metavar="LABELS.CSV",
        help="columns file, label (or emotion) and optionally group (or speaker)",
    )
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="keep the score table (.npz .csv .parquet)",
    )
    command.add_argument("--json", action="store_true", help="figures as one JSON object")
    add_model_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Score every clip and print the figures; 1 if a clip could not be read."""
    from facevoice.evaluation import figures_of, read_labels, score_clips
    from facevoice.predict import load
    from facevoice.scoretable import write_score_table

    clips = read_labels(options.labels)
    predictor = load(options.bundle, device=options.device, threads=options.threads)
    counter = Counter(len(clips), "clips")
    failed: list[Prediction] = []

    def watch(number: int, prediction: "Prediction") -> None:
        counter.show(number, prediction.path or "")
        if prediction.error is not None:
            failed.append(prediction)
            say(prediction.error[1])

    with contextlib.closing(counter):
        table, left_out = score_clips(predictor, clips, watch=watch)
    if options.output is not None:
        write_score_table(table, options.output)
    figures = figures_of(table)
    if options.json:
        print(json.dumps(_record(figures, left_out, len(failed), predictor.bundle.sha256)))
    else:
        print(_text(figures, left_out, len(failed)))
    return 1 if failed else 0


def _record(
    figures: "list[NodeFigures]", left_out: dict[str, int], failed: int, sha256: str
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


def _text(figures: "list[NodeFigures]", left_out: dict[str, int], failed: int) -> str:
    first = figures[0].matrix
    occurring = int((first.support > 0).sum())
    width = max(len(item.name) for item in figures)
    lines = [
        f"{first.total} clips, {occurring} classes occur; chance is about {1 / occurring:.3f}",
        f"{'':{width}}    WAR  95 % Wilson     UAR  macro-F1  coverage",
    ]
    lines += [
        f"{item.name:{width}}  {item.matrix.war:.3f}  {item.war.low:.3f}-{item.war.high:.3f}"
        f"  {item.matrix.uar:6.3f}  {item.matrix.macro_f1:8.3f}  {item.coverage:8.3f}"
        for item in figures
    ]
    lines += [f"left out: {count} with {reason}" for reason, count in left_out.items()]
    if failed:
        lines.append(f"{failed} clips could not be read and count as wrong")
    return "\n".join(lines)
