"""facevoice score: labelled clips -> a table of every branch's scores, for fuse and evaluate."""

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from facevoice.cli.options import Counter, add_model_options, say

if TYPE_CHECKING:
    from facevoice.prediction import Prediction


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "score", help="score labelled clips by every branch of a bundle: a table for fuse"
    )
    command.add_argument(
        "labels",
        type=Path,
        metavar="LABELS.CSV",
        help="columns file, label (or emotion), and optionally group (or speaker) and split",
    )
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="TABLE",
        help="the table (.parquet .csv .npz)",
    )
    command.add_argument("--split", help="only the clips of this split")
    command.add_argument(
        "--nodes", action="store_true", help="keep the scores of the blends as well"
    )
    add_model_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Score every clip and write the table; 1 if a clip could not be read."""
    from facevoice.errors import DatasetError
    from facevoice.evaluation import leaves_only, read_labels, score_clips
    from facevoice.predict import load
    from facevoice.scoretable import write_score_table

    clips = read_labels(options.labels)
    if options.split is not None:
        splits = sorted({clip.split for clip in clips})
        clips = [clip for clip in clips if clip.split == options.split]
        if not clips:
            raise DatasetError(f"no clip in split {options.split!r}; splits: {', '.join(splits)}")
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
    kept = table if options.nodes else leaves_only(table, predictor.bundle.tree)
    write_score_table(kept, options.output)
    say(f"{len(kept)} clips x {len(kept.branches)} branches in {options.output}")
    for reason, count in left_out.items():
        say(f"left out: {count} with {reason}")
    return 1 if failed else 0
