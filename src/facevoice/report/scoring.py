"""Labelled clips -> a score table with a column for every node of a bundle's tree.

Clips are files, or evidence that already exists (a prepared corpus). Their labels come from
``datasets.read_labels`` or from the prepared folder, and become those of the bundle in one way:
``Found.over``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.branches import Branch, leaves, nodes
from facevoice.branches.tree import members_of, short_names
from facevoice.bundle import Bundle
from facevoice.bundle.trained_on import TRAINED_ON, known
from facevoice.datasets import Found
from facevoice.datasets.leaks import content_digest
from facevoice.errors import DatasetError
from facevoice.predict import Predictor
from facevoice.predict.prediction import Prediction
from facevoice.scores.table import ScoredBy, ScoreTable
from facevoice.scores.table.keys import as_texts, distinct_keys
from facevoice.types import Evidence, Modality, Sample, Scores

TOP: Final = "fused"
"""The column of a score table that holds the scores of the whole tree."""

Watch = Callable[[int, Prediction], None]


LabelledEvidence = tuple[Sample, Evidence]
"""A clip whose evidence already exists."""


def score_clips(
    predictor: Predictor,
    found: Found,
    *,
    audio_track: int | None = None,
    watch: Watch | None = None,
) -> ScoreTable:
    """Predict every clip; the branch "fused" is the top of the tree.

    A clip that cannot be read has no scores and counts as wrong.

    found: labelled files; those whose label is none of the bundle's are left out.
    audio_track: number of the sound track of every clip, from 0; None: the main one.
    watch: called after each clip with its number and prediction.

    Raises:
        DatasetError: no clip has a label that the bundle knows, or two clips share a name.
    """
    kept = found.over(predictor.bundle.labels)
    predictions = predictor.predict_many(
        [sample.path for sample in kept.samples], audio_track=audio_track
    )
    scored = zip(kept.samples, predictions, strict=True)
    return _table(predictor.bundle, scored, watch)


def score_evidence(
    predictor: Predictor, items: Iterable[LabelledEvidence], *, watch: Watch | None = None
) -> ScoreTable:
    """The same for clips whose evidence already exists, one at a time.

    Their labels must be the bundle's; those without one (None) have an unknown truth.
    """
    scored = ((sample, predictor.of_evidence(evidence)) for sample, evidence in items)
    return _table(predictor.bundle, scored, watch)


def _table(
    bundle: Bundle, scored: Iterable[tuple[Sample, Prediction]], watch: Watch | None
) -> ScoreTable:
    rows, reasons, samples = [], [], []
    for number, (sample, prediction) in enumerate(scored, start=1):
        rows.append(row_of(prediction.scores, bundle.tree))
        reasons.append(_reasons(prediction, bundle.tree))
        samples.append(sample)
        if watch is not None:
            watch(number, prediction)
    if not samples:
        raise DatasetError("there is no clip to score")
    ids, labels = [sample.id for sample in samples], [sample.label or "" for sample in samples]
    table = ScoreTable.of_arrays(
        np.array(rows),
        labels,
        branches=[TOP, *(name for name, _ in nodes(bundle.tree))],
        labels=bundle.labels,
        ids=ids,
        groups=[sample.group for sample in samples],
        splits=[sample.split for sample in samples],
        missing=np.array(reasons),
    )
    scored_by = ScoredBy(bundle.name, bundle.sha256)
    return replace(
        table,
        keys=as_texts(distinct_keys(ids, labels)),
        taught=taught_by(bundle, samples),
        bundle=scored_by,
        tree=structure(bundle.card["tree"]),
    )


def taught_by(bundle: Bundle, samples: Sequence[Sample]) -> NDArray[np.str_]:
    """(N,) whether each sample taught the bundle, see ``ScoreTable``."""
    samples = with_digests(bundle, samples)
    labels = [sample.label or "" for sample in samples]
    ids, paths = [sample.id for sample in samples], [sample.path for sample in samples]
    digests = [sample.digest for sample in samples]
    return known(bundle.folder, bundle.card, ids, labels, paths, digests)


def with_digests(bundle: Bundle, samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """The samples with their ``digest``, where the bundle records by what it could know them.

    Files are read for it, so a caller that needs ``taught_by`` more than once does this first.
    """
    if TRAINED_ON not in bundle.card["files"]:
        return tuple(samples)
    return tuple(replace(sample, digest=content_digest(sample)) for sample in samples)


def structure(node: Mapping[str, Any]) -> dict[str, Any]:
    """A tree of bundle.json without what only its branches need: their files and preprocessing.

    Inner nodes keep all their settings; branches keep ``name``, ``kind`` and ``weight``.
    """
    if "members" in node:
        return {**node, "members": [structure(member) for member in node["members"]]}
    return {key: node[key] for key in ("name", "kind", "weight") if key in node}


def leaves_only(table: ScoreTable, tree: Branch) -> ScoreTable:
    """The branches that are not fusions, under the names that weights use: the input of a fit.

    table: with a column for every node, as ``score_clips`` gives it.
    """
    dotted = [name for name, node in nodes(tree) if not members_of(node)] or [TOP]
    names = short_names(dotted)
    chosen = table.select(dotted)
    return replace(chosen, branches=tuple(names[name] for name in dotted))


def row_of(scores: Scores | None, tree: Branch) -> list[np.ndarray]:
    """The scores of every node of a tree, top first, NaN where it has none: a row of a table."""
    silent = np.full(len(tree.labels), np.nan)
    row = [silent if scores is None else scores.values]
    for member in members_of(tree):
        row += row_of(None if scores is None else scores.parts.get(member.name), member)
    return row


def _reasons(prediction: Prediction, tree: Branch) -> list[str]:
    every = [tree, *(node for _, node in nodes(tree))]
    scored = row_of(prediction.scores, tree)
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
