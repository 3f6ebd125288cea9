"""facevoice score: labelled clips -> a table of every branch's scores, for fuse and evaluate."""

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facevoice.cli.options import Counter, add_model_options, say
from facevoice.errors import DatasetError

if TYPE_CHECKING:
    from facevoice.evaluation import Framed, LabelledEvidence, Watch
    from facevoice.faces.sample import Box
    from facevoice.predict import Predictor
    from facevoice.prediction import Prediction
    from facevoice.scoretable import ScoreTable
    from facevoice.train.prepared import Prepared
    from facevoice.types import Evidence


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "score", help="score labelled clips by every branch of a bundle: a table for fuse"
    )
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "labels",
        nargs="?",
        type=Path,
        metavar="LABELS.CSV",
        help="columns file, label (or emotion), and optionally group (or speaker) and split",
    )
    source.add_argument(
        "--data", type=Path, metavar="FOLDER", help="a folder that facevoice prepare made"
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
        "--deal",
        metavar="A,B",
        help="where all clips are of one split (or of none), deal whole groups to these splits in"
        " equal parts; a name that stands twice gets two",
    )
    command.add_argument(
        "--nodes", action="store_true", help="keep the scores of the blends as well"
    )
    add_model_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Score every clip and write the table; 1 if a clip could not be read."""
    from facevoice.evaluation import leaves_only
    from facevoice.predict import load
    from facevoice.scoretable import write_score_table

    failed: list[Prediction] = []
    score = _labels if options.data is None else _prepared
    predictor = load(options.bundle, device=options.device, threads=options.threads)
    table, left_out = score(options, predictor, failed)
    kept = table if options.nodes else leaves_only(table, predictor.bundle.tree)
    if options.deal:
        kept = _dealt(kept, options.deal.split(","))
    write_score_table(kept, options.output)
    say(f"{len(kept)} clips x {len(kept.branches)} branches in {options.output}")
    for reason, count in left_out.items():
        say(f"left out: {count} with {reason}")
    return 1 if failed else 0


def _dealt(table: "ScoreTable", names: list[str]) -> "ScoreTable":
    from facevoice.scoretable import deal_splits

    found = sorted(set(table.splits.tolist()))
    if len(found) > 1:
        return table
    dealt = deal_splits(table, names)
    for name in dict.fromkeys(names):
        part = dealt.split(name)
        groups = len(set(part.groups.tolist()))
        say(f"split {name!r}: {len(part)} clips of {groups} groups, dealt from {found[0]!r}")
    return dealt


def _labels(
    options: argparse.Namespace, predictor: "Predictor", failed: "list[Prediction]"
) -> "tuple[ScoreTable, dict[str, int]]":
    from facevoice.evaluation import read_labels, score_clips

    clips = read_labels(options.labels)
    _check_split(options.split, {clip.split for clip in clips})
    chosen = [clip for clip in clips if options.split in (None, clip.split)]
    counter = Counter(len(chosen), "clips")
    with contextlib.closing(counter):
        return score_clips(predictor, chosen, watch=_watch(counter, failed))


def _prepared(
    options: argparse.Namespace, predictor: "Predictor", failed: "list[Prediction]"
) -> "tuple[ScoreTable, dict[str, int]]":
    from facevoice.evaluation import crops_of, score_evidence
    from facevoice.train.prepared import open_prepared

    prepared = open_prepared(options.data)
    _check_split(options.split, set(prepared.splits))
    rows = [row for row, split in enumerate(prepared.splits) if options.split in (None, split)]
    counter = Counter(len(rows), "clips")
    with contextlib.closing(counter):
        watch = _watch(counter, failed)
        items = _items(prepared, rows, crops_of(predictor.bundle.tree))
        return score_evidence(predictor, items, watch=watch)


def _items(
    prepared: "Prepared", rows: list[int], crops: "tuple[Box, ...]"
) -> "Iterator[LabelledEvidence]":
    for row, evidence in _evidences(prepared, rows, crops):
        label = prepared.labels[int(prepared.y[row])]
        yield prepared.ids[row], evidence, label, prepared.groups[row], prepared.splits[row]


def _evidences(
    prepared: "Prepared", rows: list[int], crops: "tuple[Box, ...]"
) -> "Iterator[tuple[int, Evidence | Framed]]":
    """Face pictures are framed as a network eats them: each branch gets them in its own box."""
    if prepared.content != "face_images" or not crops:
        yield from prepared.evidences(rows)
        return
    for placed in zip(*(prepared.evidences(rows, box=box) for box in crops), strict=True):
        yield placed[0][0], dict(zip(crops, (each for _, each in placed), strict=True))


def _check_split(split: str | None, known: set[Any]) -> None:
    if split is not None and split not in known:
        raise DatasetError(f"no clip in split {split!r}; splits: {', '.join(sorted(known))}")


def _watch(counter: Counter, failed: "list[Prediction]") -> "Watch":
    def watch(number: int, prediction: "Prediction") -> None:
        counter.show(number, prediction.path or "")
        if prediction.error is not None:
            failed.append(prediction)
            say(prediction.error[1])

    return watch
