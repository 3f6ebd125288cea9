"""Labelled clips of any kind -> the scores of every node: what score and evaluate share."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facevoice.cli.console import ProgressLine
from facevoice.errors import DatasetError

if TYPE_CHECKING:
    from facevoice.faces.sample import Box
    from facevoice.predict import Predictor
    from facevoice.predict.prediction import Prediction
    from facevoice.report.scoring import Framed, LabelledEvidence
    from facevoice.scores.table import ScoreTable
    from facevoice.train.prepare.folder import Prepared
    from facevoice.types import Evidence

Check = Callable[[list[str], list[str]], None]
"""Told the ids and labels of clips before they are scored; raises what speaks against it."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Scores of labelled clips.

    table: with a column for every node of the bundle's tree.
    left_out: how many clips were not scored, by reason. failed: clips that could not be read.
    """

    table: "ScoreTable"
    left_out: dict[str, int]
    failed: int


def is_prepared(path: Path) -> bool:
    """Whether a path is a folder that facevoice prepare made."""
    return (path / "prepared.json").is_file()


def score_labelled(
    path: Path, split: str | None, predictor: "Predictor", check: Check | None = None
) -> Labelled:
    """Score the clips of a CSV file of labels or of a prepared folder, or one split of them.

    Raises:
        DatasetError: it cannot be read, or has no clip of that split.
    """
    failures = _Failures()
    scored = _prepared if is_prepared(path) else _labels
    table, left_out = scored(path, split, predictor, failures, check)
    return Labelled(table, left_out, failures.count)


class _Failures:
    """Says what cannot be read, counts it, and shows how far it is."""

    def __init__(self) -> None:
        self.count = 0
        self.line, self.total = ProgressLine("clips"), 0

    @contextlib.contextmanager
    def counting(self, total: int) -> Iterator["_Failures"]:
        self.total = total
        with self.line:
            yield self

    def __call__(self, number: int, prediction: "Prediction") -> None:
        self.line(number, self.total, Path(prediction.path or "").name)
        if prediction.error is not None:
            self.count += 1
            self.line.say(prediction.error[1])


def _labels(
    path: Path,
    split: str | None,
    predictor: "Predictor",
    failures: _Failures,
    check: Check | None,
) -> "tuple[ScoreTable, dict[str, int]]":
    from facevoice.report.scoring import read_labels, score_clips

    clips = read_labels(path)
    _check_split(split, {clip.split for clip in clips})
    chosen = [clip for clip in clips if split in (None, clip.split)]
    if check is not None:
        check([clip.id for clip in chosen], [clip.label for clip in chosen])
    with failures.counting(len(chosen)) as watch:
        return score_clips(predictor, chosen, watch=watch)


def _prepared(
    path: Path,
    split: str | None,
    predictor: "Predictor",
    failures: _Failures,
    check: Check | None,
) -> "tuple[ScoreTable, dict[str, int]]":
    from facevoice.report.scoring import crops_of, score_evidence
    from facevoice.train.prepare.folder import open_prepared

    prepared = open_prepared(path)
    _check_split(split, set(prepared.splits))
    rows = [row for row, own in enumerate(prepared.splits) if split in (None, own)]
    if check is not None:
        labels = [prepared.labels[int(prepared.y[row])] for row in rows]
        check([prepared.ids[row] for row in rows], labels)
    with failures.counting(len(rows)) as watch:
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


def _check_split(split: str | None, known: set[str]) -> None:
    if split is not None and split not in known:
        raise DatasetError(f"no clip in split {split!r}; splits: {', '.join(sorted(known))}")
