"""What a recipe is worth on groups it has not seen: trained once per fold, judged on the rest.

Every group (speaker, film) of every corpus is held out in one fold. A fold's temperature comes from
its own validation rows, so that no number of it was set by what it is judged on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facevoice.branches import Adjustment
from facevoice.errors import RecipeError
from facevoice.scores.calibration import fit_temperature
from facevoice.scores.table import ScoreTable
from facevoice.train.export.onnx_files import Run
from facevoice.train.fit.stage import Report
from facevoice.train.prepare.folder import Prepared
from facevoice.train.recipe import AnyRecipe
from facevoice.train.run import train

Announce = Callable[[int, tuple[str, ...]], None]
"""Called with the number of a fold and the groups that it holds out."""


def deal_groups(data: Prepared, folds: int) -> list[tuple[str, ...]]:
    """The groups that each fold holds out: of every corpus neighbours in the order of their names.

    Neighbours, since corpora tend to alternate the sexes.

    Raises:
        RecipeError: a corpus has fewer groups than there are folds, or there is one fold.
    """
    if folds < 2:
        raise RecipeError(f"folds must be 2 or more, got {folds}")
    corpora, groups = np.array(data.corpora), np.array(data.groups)
    dealt: list[list[str]] = [[] for _ in range(folds)]
    for corpus in np.unique(corpora):
        own = np.unique(groups[corpora == corpus])
        if len(own) < folds:
            raise RecipeError(f"{corpus} has {len(own)} groups: too few for {folds} folds")
        for fold, share in zip(dealt, np.array_split(own, folds), strict=True):
            fold.extend(share.tolist())
    return [tuple(fold) for fold in dealt]


def held_out(
    recipe: AnyRecipe,
    data: Prepared,
    folds: int,
    output: Path,
    *,
    announce: Announce | None = None,
    report: Report | None = None,
) -> ScoreTable:
    """Train and score every fold; finished folds are not trained again.

    output: folder; each fold's run goes into ``fold-1`` and so on.
    Returns calibrated scores of every usable sample by a network that has not met its group.

    Raises:
        RecipeError: see ``deal_groups``; a folder holds another run.
    """
    tables = []
    for number, groups in enumerate(deal_groups(data, folds), start=1):
        if announce is not None:
            announce(number, groups)
        own = replace(recipe, test_groups=groups, val_groups=())
        folder = train(own, data, output / f"fold-{number}", report)
        tables.append(_calibrated(Run.open(folder), recipe.name, f"fold-{number}"))
    whole = tables[0]
    for table in tables[1:]:
        whole = whole.append(table)
    return whole


def _calibrated(run: Run, name: str, fold: str) -> ScoreTable:
    val, test = run.scores("val"), run.scores("test")
    if val is None or test is None:
        raise RecipeError(f"{run.folder} has no held-out scores")
    adjustment = Adjustment(fit_temperature(val["scores"], val["y"]))
    return ScoreTable.of_arrays(
        adjustment.apply(test["scores"]),
        test["y"],
        branches=[name],
        labels=run.labels,
        ids=test["ids"].tolist(),
        groups=test["groups"].tolist(),
        splits=fold,
    )


BLENDED: Final = "blend"
"""The column of the weighted mean of all recipes."""


def blend_weights(weights: Sequence[float] | None, count: int) -> Sequence[float]:
    """The weights of so many recipes in their mean; None: equal ones.

    Raises:
        RecipeError: there are more or fewer, or one is not above 0.
    """
    if weights is None:
        return [1.0] * count
    if len(weights) != count or not all(0 < weight < np.inf for weight in weights):
        raise RecipeError(f"{count} recipes need as many weights above 0, got {weights}")
    return weights


def blended(
    tables: Sequence[ScoreTable], weights: Sequence[float] | None = None
) -> tuple[ScoreTable, float]:
    """The held-out scores of several recipes side by side, with their mean as a further column.

    The mean of what several say is less sure than it might be: each fold's is sharpened by a
    temperature that the other folds ask for.

    tables: of one branch each, from ``held_out`` with the same data and folds. A clip that one of
        them could not use has NaN there and the mean of the others.
    weights: of the tables in the mean, any scale; None: equal ones.

    Returns the table and the temperature that all folds ask for.

    Raises:
        RecipeError: the tables are not of the same folds, or the weights do not fit.
    """
    weights = blend_weights(weights, len(tables))
    whole = max(tables, key=len)
    places = {name: row for row, name in enumerate(whole.ids.tolist())}
    for table in tables:
        rows = [places.get(name, -1) for name in table.ids.tolist()]
        if -1 in rows or (whole.splits[rows] != table.splits).any():
            raise RecipeError("the recipes were not judged on the same folds")
        if table is not whole:
            scores = np.full((len(whole), len(whole.labels)), np.nan)
            scores[rows] = table.scores[:, 0]
            whole = whole.with_branch(table.branches[0], scores)
    whole = whole.select([table.branches[0] for table in tables])
    shares = np.array(weights)[:, None] * ~np.isnan(whole.scores)
    mean = np.nansum(whole.scores * shares, axis=1) / shares.sum(axis=1)
    calibrated = mean.copy()
    for fold in np.unique(whole.splits):
        held = whole.splits == fold
        temperature = fit_temperature(mean[~held], whole.truth[~held])
        calibrated[held] = Adjustment(temperature).apply(mean[held])
    return whole.with_branch(BLENDED, calibrated), fit_temperature(mean, whole.truth)


def by_corpus(
    table: ScoreTable, data: Prepared, among: Mapping[str, Sequence[str]]
) -> dict[str, ScoreTable]:
    """The table's clips of each corpus, judged among all labels or among those named for it.

    among: corpus -> labels; clips of others are left out, and scores are shared out among these.

    Raises:
        RecipeError: an unknown corpus or label.
    """
    corpora = dict(zip(data.ids, data.corpora, strict=True))
    own = np.array([corpora[name] for name in table.ids.tolist()])
    unknown = sorted(set(among) - set(own.tolist()))
    if unknown:
        raise RecipeError(f"no corpus {', '.join(unknown)}; there are {', '.join(set(own))}")
    return {
        corpus: _among(table, own == corpus, tuple(among.get(corpus, table.labels)))
        for corpus in dict.fromkeys(own.tolist())
    }


def _among(table: ScoreTable, rows: NDArray[np.bool_], labels: tuple[str, ...]) -> ScoreTable:
    unknown = sorted(set(labels) - set(table.labels))
    if unknown:
        raise RecipeError(f"no label {', '.join(unknown)}; there are {', '.join(table.labels)}")
    places = [table.labels.index(label) for label in labels]
    chosen = np.flatnonzero(rows & np.isin(table.truth, places))
    scores = table.scores[chosen][:, :, places]
    return ScoreTable.of_arrays(
        scores / scores.sum(axis=-1, keepdims=True),
        [places.index(label) for label in table.truth[chosen].tolist()],
        branches=table.branches,
        labels=labels,
        ids=table.ids[chosen].tolist(),
        groups=table.groups[chosen].tolist(),
        splits=table.splits[chosen].tolist(),
    )
