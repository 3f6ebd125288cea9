"""What a recipe is worth on strangers: trained once per fold, judged on what the fold holds out.

A fold holds out some groups (speakers, films) of every corpus, or one corpus as a whole: another
language, other microphones, other people. A fold's temperature comes from its own validation rows,
so that no number of it was set by what it is judged on.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facevoice.branches import Adjustment
from facevoice.bundle.trained_on import TRAINED_ON, VALIDATED_ON, known
from facevoice.errors import RecipeError
from facevoice.messages import counted
from facevoice.scores.calibration import fit_temperature
from facevoice.scores.table import ScoreTable, taught_either
from facevoice.scores.table.keys import as_texts, distinct_keys
from facevoice.train.export.onnx_files import Run
from facevoice.train.fit.stage import Report
from facevoice.train.prepare.folder import Prepared
from facevoice.train.recipe import AnyRecipe, CentredRecipe
from facevoice.train.run import train
from facevoice.types import Float64Array


@dataclass(frozen=True, slots=True)
class Fold:
    """What one fold holds out: groups of all corpora, or one whole corpus.

    name: of its folder, and of its split in the table of scores.
    """

    name: str
    groups: tuple[str, ...] = ()
    corpus: str = ""

    def recipe(self, recipe: AnyRecipe) -> AnyRecipe:
        """The recipe that tests on what is held out, beside the corpora it never learns from."""
        corpora = (*recipe.test_corpora, *([self.corpus] if self.corpus else []))
        own = tuple(dict.fromkeys(corpora))
        return replace(recipe, test_groups=self.groups, test_corpora=own, val_groups=())

    def holds(self, groups: NDArray[np.str_], corpora: NDArray[np.str_]) -> NDArray[np.bool_]:
        """(N,) which samples it holds out."""
        if self.corpus:
            return np.asarray(corpora == self.corpus, np.bool_)
        return np.isin(groups, self.groups)


Announce = Callable[[int, Fold], None]
"""Called with the number of a fold, from 1, and the fold."""


def folds_of_groups(data: Prepared, folds: int) -> list[Fold]:
    """Folds of groups: of every corpus neighbours in the order of their names.

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
            raise RecipeError(
                f"{corpus} has {counted(len(own), 'group')}: too few for {folds} folds"
            )
        for fold, share in zip(dealt, np.array_split(own, folds), strict=True):
            fold.extend(share.tolist())
    return [Fold(f"fold-{number}", tuple(fold)) for number, fold in enumerate(dealt, start=1)]


def folds_of_corpora(data: Prepared, names: Sequence[str] = ()) -> list[Fold]:
    """One fold per corpus, or per corpus named.

    Raises:
        RecipeError: an unknown corpus, or there is only one.
    """
    known = tuple(dict.fromkeys(data.corpora))
    _check_corpora(names, known)
    if len(known) < 2:
        raise RecipeError(f"without {known[0]} there is nothing to learn from: join further data")
    return [Fold(name, corpus=name) for name in names or known]


def held_out(
    recipe: AnyRecipe,
    data: Prepared,
    folds: Sequence[Fold],
    output: Path,
    *,
    announce: Announce | None = None,
    report: Report | None = None,
) -> ScoreTable:
    """Train and score every fold; finished folds are not trained again.

    output: folder; each fold's run goes into a folder of its name.
    Returns calibrated scores of every usable sample that a fold holds out, by a network that has
    not met its group, or its corpus.

    Raises:
        RecipeError: nothing is left to train on; a folder holds another run.
    """
    corpora = dict(zip(data.ids, data.corpora, strict=True))
    digests = dict(zip(data.ids, data.digests, strict=True))
    tables = []
    for number, fold in enumerate(folds, start=1):
        if announce is not None:
            announce(number, fold)
        folder = train(fold.recipe(recipe), data, output / fold.name, report)
        table = _calibrated(Run.open(folder), recipe.name, fold.name, digests)
        own = np.array([corpora[name] for name in table.ids.tolist()])
        tables.append(table.rows(fold.holds(table.groups, own)))
    whole = tables[0]
    for table in tables[1:]:
        whole = whole.append(table)
    return whole


def _calibrated(run: Run, name: str, fold: str, digests: Mapping[str, str]) -> ScoreTable:
    val, test = run.scores("val"), run.scores("test")
    if val is None or test is None:
        raise RecipeError(f"{run.folder} has no held-out scores")
    centred = isinstance(run.recipe, CentredRecipe)  # has its temperature from centred scores
    adjustment = Adjustment(1.0 if centred else fit_temperature(val["scores"], val["y"]))
    ids, labels = test["ids"].tolist(), [run.labels[index] for index in test["y"]]
    table = ScoreTable.of_arrays(
        adjustment.apply(test["scores"]),
        labels,
        branches=[name],
        labels=run.labels,
        ids=ids,
        groups=test["groups"].tolist(),
        splits=fold,
    )
    card, contents = {"files": [TRAINED_ON, VALIDATED_ON]}, [digests[each] for each in ids]
    taught = known(run.folder, card, ids, labels, digests=contents)
    return replace(table, keys=as_texts(distinct_keys(ids, labels)), taught=taught)


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
        wanting = counted(count, "recipe needs", "recipes need")
        raise RecipeError(f"{wanting} as many weights above 0, got {weights}")
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
            taught = whole.taught.astype("<U10")
            taught[rows] = taught_either(whole.rows(np.array(rows)), table)
            whole = replace(whole, taught=taught)
    whole = whole.select([table.branches[0] for table in tables])
    shares = np.array(weights)[:, None] * ~np.isnan(whole.scores)
    mean = np.nansum(whole.scores * shares, axis=1) / shares.sum(axis=1)
    calibrated = _calibrated_by_others(mean, whole)
    return whole.with_branch(BLENDED, calibrated), fit_temperature(mean, whole.truth)


def calibrated_by_other_folds(table: ScoreTable) -> ScoreTable:
    """The scores of each fold at the temperature that the other folds ask for.

    With one fold they stay as they are.
    """
    if len(np.unique(table.splits)) < 2:
        return table
    columns = [_calibrated_by_others(table.column(name), table) for name in table.branches]
    return replace(table, scores=np.stack(columns, axis=1))


def _calibrated_by_others(scores: Float64Array, table: ScoreTable) -> Float64Array:
    calibrated, answered = scores.copy(), ~np.isnan(scores).any(axis=1)
    for fold in np.unique(table.splits):
        held = table.splits == fold
        others = answered & ~held
        temperature = fit_temperature(scores[others], table.truth[others])
        calibrated[held & answered] = Adjustment(temperature).apply(scores[held & answered])
    return calibrated


def by_corpus(
    table: ScoreTable, data: Prepared, among: Mapping[str, Sequence[str]]
) -> dict[str, ScoreTable]:
    """The table's clips of each corpus, judged among all labels or among those named for it.

    Where a corpus has clips with different notes, those of each note follow it as "corpus: note".

    among: corpus -> labels; clips of others are left out, and scores are shared out among these.

    Raises:
        RecipeError: an unknown corpus or label.
    """
    facts = dict(zip(data.ids, zip(data.corpora, data.notes, strict=True), strict=True))
    pairs = [facts[name] for name in table.ids.tolist()]
    own, notes = (np.array(column) for column in zip(*pairs, strict=True))
    _check_corpora(among, tuple(dict.fromkeys(own.tolist())))
    parts = {}
    for corpus in dict.fromkeys(own.tolist()):
        labels, mine = tuple(among.get(corpus, table.labels)), own == corpus
        parts[corpus] = _among(table, mine, labels)
        each = {
            f"{corpus}: {note or 'no note'}": _among(table, mine & (notes == note), labels)
            for note in sorted(set(notes[mine].tolist()))
        }
        each = {name: part for name, part in each.items() if len(part)}
        parts |= each if len(each) > 1 else {}
    return parts


def among_own_classes(table: ScoreTable) -> ScoreTable:
    """The labelled clips of a table, with their scores shared out among the classes that occur."""
    present = np.unique(table.truth[table.labelled])
    return _among(table, table.labelled, tuple(table.labels[label] for label in present))


def _check_corpora(named: Iterable[str], known: Sequence[str]) -> None:
    unknown = sorted(set(named) - set(known))
    if unknown:
        raise RecipeError(f"no corpus {', '.join(unknown)}; there are {', '.join(known)}")


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
