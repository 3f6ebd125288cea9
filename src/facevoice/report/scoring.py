"""Labelled clips -> a score table with a column for every node of a bundle's tree.

The labels come in a CSV file with a header: a column ``file`` (path, relative to the CSV file), a
column of labels (``label`` or ``emotion``), and optionally ``group`` or ``speaker``, and ``split``.
Evidence that is made already (a prepared corpus) is scored in the same way.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from facevoice.branches import Branch, FaceSequence, FaceVote, leaves, nodes, score_tree
from facevoice.branches.tree import members_of, short_names
from facevoice.errors import DatasetError
from facevoice.faces.sample import Box
from facevoice.predict import Predictor
from facevoice.predict.prediction import Prediction
from facevoice.scores import metrics
from facevoice.scores.table import ScoreTable
from facevoice.types import Evidence, Modality, Scores

LABEL_COLUMNS: Final = ("label", "emotion")
GROUP_COLUMNS: Final = ("group", "speaker")
TOP: Final = "fused"
"""The column of a score table that holds the scores of the whole tree."""

_CROPPING: Final = (FaceVote, FaceSequence)  # kinds that cut one box out of every picture

Watch = Callable[[int, Prediction], None]


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """A file and what it is said to show.

    id: the file as the labels name it. group: speaker or film, the id if unknown.
    split: e.g. "val"; "" if nobody cut the clips.
    """

    path: Path
    label: str
    group: str
    id: str
    split: str = ""


Framed = Mapping[Box, Evidence]
"""A face picture that is cut out already, as evidence for branches that cut out each box."""

LabelledEvidence = tuple[str, Evidence | Framed, str | None, str, str]
"""(id, evidence, label or None, group, split) of a clip whose evidence is made already."""


@dataclass(frozen=True, slots=True)
class _Scored:
    """A clip's row before it is in a table."""

    id: str
    label: str
    group: str
    split: str
    prediction: Prediction


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
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is no CSV file of labels: {error}") from error
    label = next((name for name in LABEL_COLUMNS if name in columns), None)
    group = next((name for name in GROUP_COLUMNS if name in columns), None)
    if label is None or "file" not in columns:
        raise DatasetError(
            f"{path} needs a column 'file' and a column {' or '.join(LABEL_COLUMNS)};"
            f" it has {', '.join(columns) or 'none'}"
        )
    clips = []
    for number, row in enumerate(rows, start=2):
        name = row["file"]
        if not name or not row[label]:
            raise DatasetError(f"{path}, line {number}: file or {label} is empty")
        belongs = (row[group] if group else "") or name
        clips.append(
            LabelledClip(path.parent / name, row[label], belongs, name, row.get("split") or "")
        )
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
    kept, left_out = _judged(predictor, clips, classes)
    predictions = predictor.predict_many([clip.path for clip in kept])
    scored = (
        _Scored(clip.id, clip.label, clip.group, clip.split, prediction)
        for clip, prediction in zip(kept, predictions, strict=True)
    )
    return _table(predictor, scored, watch), left_out


def score_evidence(
    predictor: Predictor, items: Iterable[LabelledEvidence], *, watch: Watch | None = None
) -> tuple[ScoreTable, dict[str, int]]:
    """The same for clips whose evidence is made already, one at a time.

    Clips whose label the bundle does not know are left out and counted; those without a label
    stay, with unknown truth.
    """
    known = {*predictor.bundle.labels, ""}
    left_out: dict[str, int] = {}

    def scored() -> Iterator[_Scored]:
        for name, evidence, label, group, split in items:
            if (label or "") in known:
                prediction = _predicted(predictor, evidence)
                yield _Scored(name, label or "", group or name, split, prediction)
            else:
                left_out[f"label {label}"] = left_out.get(f"label {label}", 0) + 1

    return _table(predictor, scored(), watch), left_out


def crops_of(tree: Branch) -> tuple[Box, ...]:
    """The boxes that the branches of a tree cut out of aligned pictures, each once, in order."""
    found = [leaf.face_input.crop for leaf in leaves(tree) if isinstance(leaf, _CROPPING)]
    return tuple(dict.fromkeys(found))


def _predicted(predictor: Predictor, evidence: Evidence | Framed) -> Prediction:
    if isinstance(evidence, Evidence):
        return predictor.of_evidence(evidence)
    any_box = next(iter(evidence.values()))
    scores = _framed_scores(predictor.bundle.tree, evidence, any_box)
    return predictor.of_trace([(any_box, scores)], path=None, duration_seconds=0.0)


def _framed_scores(node: Branch, framed: Framed, other: Evidence) -> Scores | None:
    """Scores of a tree whose branches each get the picture where they cut it out.

    other: for branches that cut nothing out.
    """
    return score_tree(
        node,
        lambda leaf: leaf.score(
            framed[leaf.face_input.crop] if isinstance(leaf, _CROPPING) else other
        ),
    )


def _judged(
    predictor: Predictor, clips: Sequence[LabelledClip], classes: Sequence[str] | None
) -> tuple[list[LabelledClip], dict[str, int]]:
    labels = predictor.bundle.labels
    judged = set(labels if classes is None else classes) & set(labels)
    left_out: dict[str, int] = {}
    kept = []
    for clip in clips:
        if clip.label in judged:
            kept.append(clip)
        else:
            reason = f"label {clip.label}"
            left_out[reason] = left_out.get(reason, 0) + 1
    if not kept:
        raise DatasetError(f"no clip has one of the labels {', '.join(sorted(judged))}")
    return kept, left_out


def _table(predictor: Predictor, scored: Iterable[_Scored], watch: Watch | None) -> ScoreTable:
    tree = predictor.bundle.tree
    rows, reasons, clips = [], [], []
    for number, clip in enumerate(scored, start=1):
        rows.append(_row(clip.prediction.scores, tree))
        reasons.append(_reasons(clip.prediction, tree))
        clips.append((clip.id, clip.label, clip.group, clip.split))
        if watch is not None:
            watch(number, clip.prediction)
    if not clips:
        raise DatasetError("there is no clip to score")
    ids, labels, groups, splits = zip(*clips, strict=True)
    table = ScoreTable.of_arrays(
        np.array(rows),
        list(labels),
        branches=[TOP, *(name for name, _ in nodes(tree))],
        labels=predictor.bundle.labels,
        ids=ids,
        groups=groups,
        splits=splits,
    )
    return replace(table, missing=np.array(reasons))


def leaves_only(table: ScoreTable, tree: Branch) -> ScoreTable:
    """The branches that are no blends, under the names that weights use: what fusion is fitted on.

    table: with a column for every node, as ``score_clips`` gives it.
    """
    dotted = [name for name, node in nodes(tree) if not members_of(node)] or [TOP]
    names = short_names(dotted)
    chosen = table.select(dotted)
    return replace(chosen, branches=tuple(names[name] for name in dotted))


def _row(scores: Scores | None, tree: Branch) -> list[np.ndarray]:
    silent = np.full(len(tree.labels), np.nan)
    row = [silent if scores is None else scores.values]
    for member in members_of(tree):
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
    found = {leaf.modality for leaf in leaves(node)}
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
