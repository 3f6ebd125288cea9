"""Labelled clips -> a score table with a column for every node of a bundle's tree.

The labels come in a CSV file with a header: a column ``file`` (path, relative to the CSV file), a
column of labels (``label`` or ``emotion``), and optionally ``group`` or ``speaker``.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from facevoice import metrics
from facevoice.branches import Blend, Branch
from facevoice.errors import DatasetError
from facevoice.predict import Prediction, Predictor
from facevoice.scoretable import ScoreTable
from facevoice.types import Modality, Scores

LABEL_COLUMNS: Final = ("label", "emotion")
GROUP_COLUMNS: Final = ("group", "speaker")

Watch = Callable[[int, Prediction], None]


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """A file and what it is said to show; group: speaker or film, the file itself if unknown."""

    path: Path
    label: str
    group: str


def read_labels(path: Path) -> list[LabelledClip]:
    """Read a CSV file of labels.

    Raises:
        DatasetError: no such file, a column is missing, a row is incomplete, or no row at all.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames or []
            rows = list(reader)
    except FileNotFoundError:
        raise DatasetError(f"no file of labels {path}") from None
    label = next((name for name in LABEL_COLUMNS if name in columns), None)
    group = next((name for name in GROUP_COLUMNS if name in columns), None)
    if label is None or "file" not in columns:
        raise DatasetError(
            f"{path} needs a column 'file' and a column {' or '.join(LABEL_COLUMNS)};"
            f" it has {', '.join(columns) or 'none'}"
        )
    clips = []
    for number, row in enumerate(rows, start=2):
        if not row["file"] or not row[label]:
            raise DatasetError(f"{path}, line {number}: file or {label} is empty")
        place = path.parent / row["file"]
        clips.append(LabelledClip(place, row[label], row[group] if group else row["file"]))
    if not clips:
        raise DatasetError(f"{path} has no row of labels")
    return clips


def score_clips(
    predictor: Predictor,
    clips: Sequence[LabelledClip],
    *,
    classes: Sequence[str] | None = None,
    watch: Watch | None = None,
) -> tuple[ScoreTable, dict[str, int]]:
    """Predict every clip; a branch "fused" stands for the top of the tree.

    classes: the labels to judge; None takes those of the bundle. Clips with another label are
        left out and counted.
    watch: called after each clip with its number and prediction.

    Returns the table, and the number of clips left out by reason. A clip that cannot be read has
    no scores and counts as wrong.
    """
    labels = predictor.bundle.labels
    judged = set(labels if classes is None else classes)
    left_out: dict[str, int] = {}
    kept = []
    for clip in clips:
        if clip.label in judged and clip.label in labels:
            kept.append(clip)
        else:
            reason = f"label {clip.label}"
            left_out[reason] = left_out.get(reason, 0) + 1
    if not kept:
        raise DatasetError(f"no clip has one of the labels {', '.join(sorted(judged))}")
    tree = predictor.bundle.tree
    names = ["fused", *(name for name, _ in nodes(tree))]
    rows, reasons = [], []
    paths = [clip.path for clip in kept]
    for number, prediction in enumerate(predictor.predict_many(paths), start=1):
        rows.append(_row(prediction.scores, tree))
        reasons.append(_reasons(prediction, tree))
        if watch is not None:
            watch(number, prediction)
    table = ScoreTable.of_arrays(
        np.array(rows),
        [clip.label for clip in kept],
        branches=names,
        labels=labels,
        ids=_unique([clip.path.name for clip in kept], paths),
        groups=[clip.group for clip in kept],
    )
    return replace(table, missing=np.array(reasons)), left_out


def _unique(names: list[str], paths: list[Path]) -> list[str]:
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def nodes(tree: Branch, prefix: str = "") -> Iterator[tuple[str, Branch]]:
    """All nodes below the top, by dotted name."""
    if isinstance(tree, Blend):
        for member in tree.members:
            yield f"{prefix}{member.name}", member
            yield from nodes(member, f"{prefix}{member.name}.")


def _row(scores: Scores | None, tree: Branch) -> list[np.ndarray]:
    silent = np.full(len(tree.labels), np.nan)
    row = [silent if scores is None else scores.values]
    if isinstance(tree, Blend):
        for member in tree.members:
            row += _row(None if scores is None else scores.parts.get(member.name), member)
    return row


def _reasons(prediction: Prediction, tree: Branch) -> list[str]:
    every = [tree, *(node for _, node in nodes(tree))]
    scored = _row(prediction.scores, tree)
    reasons = []
    for node, values in zip(every, scored, strict=True):
        modality = _modality(node)
        code = prediction.missing.get(modality, "") if modality is not None else ""
        reasons.append(code if np.isnan(values[0]) else "")
    return reasons


def _modality(node: Branch) -> Modality | None:
    """The one modality that a node reads, None if it reads several."""
    if not isinstance(node, Blend):
        return node.modality
    found = {_modality(member) for member in node.members}
    return found.pop() if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """How one node of the tree did."""

    name: str
    matrix: metrics.ConfusionMatrix
    war: metrics.Interval
    coverage: float


def figures_of(table: ScoreTable) -> list[NodeFigures]:
    """WAR with its Wilson interval, UAR and the rest for each node; silent clips count as wrong."""
    figures = []
    coverage = table.coverage()
    for name in table.branches:
        matrix = metrics.ConfusionMatrix.of_scores(table.column(name), table.truth, table.labels)
        interval = metrics.wilson(matrix.right, matrix.total)
        figures.append(NodeFigures(name, matrix, interval, coverage[name]))
    return figures
