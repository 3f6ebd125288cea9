"""Sum or product, and do face and voice weigh the same? Decided on people never seen.

    python benchmarks/fusion_rule.py DATA [--keep FOLDER] [--step 0.1]

DATA holds ``crema_ravdess_features.npz`` and ``crema_votes/``; see ``feature_fusion.py`` for the
features, the folds of speakers and the two heads used here, a logistic regression for each
modality. A head's cost and temperature come from out-of-fold scores of the training speakers, as do
the weights that are searched. Judged are

- CREMA-D and RAVDESS, speakers left out;
- the other corpus: everything from one, judged on the other (the six labels both have), where
  temperatures are wrong and the modalities have other strengths; and the same with temperatures
  fitted on other speakers of that corpus;
- CREMA-D with a voice made as weak as its face or weaker, by noise on its features.

Prints for each the figures of both modalities and of sum and product, with equal weights and with
those of the least log-loss or the most right clips; and paired differences, with 95 % intervals
from a bootstrap over speakers. Temperatures are those of the branches: none is fitted to a fusion.
Last, people as a yardstick: raters of CREMA-D judged the voice alone, the face alone and both; how
close do a sum and a product of the first two come to the third?
"""

import argparse
import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import feature_fusion as features
import numpy as np
from feature_fusion import INNER, Array, Clips
from numpy.typing import NDArray

from facevoice.branches.base import tempered
from facevoice.branches.blend import RULES, Rule, blend
from facevoice.scores.calibration import fit_temperature
from facevoice.scores.metrics import ConfusionMatrix, log_loss, reliability_bins
from facevoice.scores.search import search_grid
from facevoice.scores.search.grid import Objective
from facevoice.scores.table import ScoreTable, grouped_folds, read_score_table, write_score_table
from facevoice.types import Float64Array

COSTS: Final = {"face": (3e-4, 3e-3, 3e-2), "voice": (1e-3, 1e-2, 3e-2)}
SEARCHES: Final[dict[str, Objective | None]] = {
    "equal": None,
    "least log-loss": "log_loss",
    "most right": "war",
}
FIGURES: Final = ("WAR", "UAR", "log-loss", "ECE")
NOISE: Final = (2.0, 4.0)
RESAMPLES: Final = 1000


@dataclass(frozen=True)
class Setting:
    """Tables of scores to judge: split "val" to choose weights on, split "test" to judge."""

    name: str
    tables: tuple[ScoreTable, ...]

    @property
    def test(self) -> ScoreTable:
        """All clips judged."""
        whole = self.tables[0].split("test")
        for table in self.tables[1:]:
            whole = whole.append(table.split("test"))
        return whole


def inputs(train: Clips, test: Clips, modality: str) -> tuple[Array, Array]:
    """What a head reads of both: the voice standardised, or the mean of whitened face tokens."""
    if modality == "voice":
        return features.standardised(train.voice, test.voice)
    train, test = features.whitened(train, test)
    return features.mean_token(train), features.mean_token(test)


def head(train: Clips, test: Clips, modality: str) -> Float64Array:
    """(N, K) calibrated scores by one modality: of training clips out of fold, then of the rest."""
    costs, shape = COSTS[modality], (len(train.ids), len(train.labels))
    folds = grouped_folds(
        train.table(np.full((shape[0], 2, shape[1]), 1 / shape[1]), "", COSTS), INNER
    )
    found = np.full((len(costs), *shape), np.nan)
    for fold in range(INNER):
        inner, held = train.rows(folds != fold), folds == fold
        fitted, judged = inputs(inner, train.rows(held), modality)
        for place, cost in enumerate(costs):
            found[place, held] = features.logistic(fitted, inner.truth, judged, cost)
    best = int(np.argmin([log_loss(scores, train.truth) for scores in found]))
    fitted, judged = inputs(train, test, modality)
    rest = features.logistic(fitted, train.truth, judged, costs[best])
    temperature = fit_temperature(found[best], train.truth)
    return tempered(np.concatenate([found[best], rest]), temperature)


def scored(train: Clips, test: Clips) -> ScoreTable:
    """Out-of-fold scores of the training clips (val), and scores of the others (test)."""
    scores = np.stack([head(train, test, modality) for modality in COSTS], axis=1)
    count = len(train.ids)
    return train.table(scores[:count], "val", COSTS).append(
        test.table(scores[count:], "test", COSTS)
    )


def scored_once(train: Clips, test: Clips) -> list[ScoreTable]:
    """The one table of another corpus."""
    return [scored(train, test)]


def retempered(table: ScoreTable) -> ScoreTable:
    """The table with each half of the speakers judged at the temperatures of the other half."""
    speakers = np.unique(table.split("test").groups)
    first = np.random.default_rng(0).permutation(speakers)[: len(speakers) // 2]
    scores, judged = table.scores.copy(), table.splits == "test"
    for half in (judged & np.isin(table.groups, first), judged & ~np.isin(table.groups, first)):
        others = judged & ~half
        for place in range(len(COSTS)):
            found = fit_temperature(table.scores[others, place], table.truth[others])
            scores[half, place] = tempered(table.scores[half, place], found)
    return replace(table, scores=scores)


def weakened(tables: Sequence[ScoreTable], clips: Clips) -> list[ScoreTable]:
    """The tables with the voice scored anew on other features of the same clips."""
    place = {name: index for index, name in enumerate(clips.ids.tolist())}
    found = []
    for table in tables:
        rows = np.array([place[name] for name in table.ids.tolist()])
        train, test = (clips.rows(rows[table.splits == split]) for split in ("val", "test"))
        found.append(table.select(["face"]).with_branch("voice", head(train, test, "voice")))
    return found


def within(clips: Clips) -> list[ScoreTable]:
    """A table for each fold of speakers."""
    fold_of = features.read_folds()
    folds = np.array([fold_of[name] for name in clips.speaker.tolist()])
    return [
        scored(clips.rows(folds != fold), clips.rows(folds == fold)) for fold in np.unique(folds)
    ]


def noisy(clips: Clips, amount: float) -> Clips:
    """The same clips with noise on the voice, as a multiple of each feature's deviation."""
    noise = np.random.default_rng(0).normal(0, amount, clips.voice.shape)
    return replace(clips, voice=(clips.voice + noise * clips.voice.std(axis=0)).astype(np.float32))


def shared(clips: Clips, labels: tuple[str, ...]) -> Clips:
    """The clips of these labels, numbered by their order."""
    names = np.array(clips.labels)[clips.truth]
    kept = clips.rows(np.isin(names, labels))
    place = {label: index for index, label in enumerate(labels)}
    truth = np.array([place[name] for name in names[np.isin(names, labels)].tolist()])
    return replace(kept, truth=truth, labels=labels)


def settings(data: Path, keep: Path | None) -> Iterator[Setting]:
    """Each setting, read from ``keep`` where it is there."""
    path = data / "crema_ravdess_features.npz"
    crema, ravdess = features.load(path, "crema"), features.load(path, "ravdess")
    six = shared(ravdess, crema.labels)

    def setting(name: str, make: Callable[[], list[ScoreTable]]) -> Setting:
        return Setting(name, tuple(_kept(make, keep and keep / name.replace(" ", "-"))))

    first = setting("CREMA-D", lambda: within(crema))
    yield first
    yield setting("RAVDESS", lambda: within(ravdess))
    for name, train, test in (
        ("CREMA-D to RAVDESS", crema, six),
        ("RAVDESS to CREMA-D", six, crema),
    ):
        strange = setting(name, partial(scored_once, train, test))
        yield strange
        tables = tuple(retempered(table) for table in strange.tables)
        yield Setting(f"{name}, temperatures of other speakers there", tables)
    for amount in NOISE:
        weak = partial(weakened, first.tables, noisy(crema, amount))
        yield setting(f"CREMA-D, noise of {amount:g} on the voice", weak)


def _kept(make: Callable[[], list[ScoreTable]], folder: Path | None) -> list[ScoreTable]:
    if folder is not None and folder.is_dir():
        return [read_score_table(path) for path in sorted(folder.glob("*.npz"))]
    tables = make()
    if folder is not None:
        folder.mkdir(parents=True)
        for number, table in enumerate(tables):
            write_score_table(table, folder / f"{number}.npz")
    return tables


def fused(setting: Setting, rule: Rule, objective: Objective | None, step: float) -> "Fused":
    """Scores of all clips judged, and the voice's share of the weights in each fold."""
    scores, shares = [], []
    for table in setting.tables:
        weights = np.ones(len(COSTS))
        if objective is not None:
            weights = search_grid(
                table.split("val"), step=step, objective=objective, rule=rule
            ).weights
        scores.append(blend(table.split("test").scores, weights, rule))
        shares.append(float(weights[-1] / weights.sum()))
    return Fused(np.concatenate(scores), tuple(shares))


@dataclass(frozen=True)
class Fused:
    """Scores (N, K), and the voice's share of the weights in each fold."""

    scores: Float64Array
    shares: tuple[float, ...]


def figures(scores: Float64Array, truth: NDArray[Any], labels: tuple[str, ...]) -> Float64Array:
    """FIGURES of some clips."""
    matrix = ConfusionMatrix.of_scores(scores, truth, labels)
    ece = reliability_bins(scores, truth).ece
    return np.array([matrix.war, matrix.uar, log_loss(scores, truth), ece])


def difference(first: Float64Array, second: Float64Array, test: ScoreTable) -> str:
    """First minus second in each figure, with 95 % intervals from a bootstrap over speakers."""
    _, speaker = np.unique(test.groups, return_inverse=True)
    members = [np.flatnonzero(speaker == place) for place in range(speaker.max() + 1)]
    rng = np.random.default_rng(0)

    def both(clips: Array) -> Float64Array:
        truth = test.truth[clips]
        one, other = (figures(scores[clips], truth, test.labels) for scores in (first, second))
        return one - other

    draws = [
        both(
            np.concatenate([members[each] for each in rng.integers(0, len(members), len(members))])
        )
        for drawn in rng.integers(0, len(members), (RESAMPLES, len(members)))
    ]
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    found = both(np.arange(len(test)))
    return ", ".join(
        f"{name} {value:+.3f} ({least:+.3f} to {most:+.3f})"
        for name, value, least, most in zip(FIGURES, found, low, high, strict=True)
    )


def judge(setting: Setting, step: float) -> None:
    """Print a setting's table and its differences."""
    test = setting.test
    print(f"\n## {setting.name}: {len(test)} clips, {len(set(test.groups.tolist()))} speakers")
    print("| | WAR | UAR | log-loss | ECE | T asked for | voice's share |\n" + "|---" * 7 + "|")
    for name in test.branches:
        print(_row(name, test.column(name), test))
    found = {}
    for rule in RULES:
        for search, objective in SEARCHES.items():
            each = found[f"{rule}, {search}"] = fused(setting, rule, objective, step)
            print(_row(f"{rule}, {search}", each.scores, test, each.shares))
    base = found["sum, equal"]
    print("\nproduct - sum, equal weights:")
    print("  " + difference(found["product, equal"].scores, base.scores, test))
    for rule in RULES:
        for search in list(SEARCHES)[1:]:
            print(f"{rule}, weights of {search} - equal:")
            own, equal = (found[f"{rule}, {name}"].scores for name in (search, "equal"))
            print("  " + difference(own, equal, test))


def _row(name: str, scores: Float64Array, test: ScoreTable, shares: tuple[float, ...] = ()) -> str:
    values = figures(scores, test.truth, test.labels)
    cells = [f"{value:.3f}" for value in values]
    asked = f"{fit_temperature(scores, test.truth):.2f}"
    span = f"{min(shares):.2f} to {max(shares):.2f}" if shares else ""
    return "| " + " | ".join([name, *cells, asked, span]) + " |"


def yardstick(data: Path, crema: Setting) -> None:
    """People who saw and heard: which fusion of the raters of one modality comes close to them?"""
    voice, face, both, intended = _votes(data / "crema_votes" / "crema_votes.csv", crema.test)
    print(f"\n## People: {len(both)} clips of CREMA-D, raters of the face, of the voice, of both")
    print("| | as raters of both | as intended | cross-entropy with raters of both, nats |")
    print("|---|---|---|---|")
    people = {"face": face, "voice": voice}
    rows = {f"raters of the {name}": _smoothed(votes) for name, votes in people.items()}
    members = np.stack(list(rows.values()), axis=1)
    rows |= {f"raters, {rule}": blend(members, [1, 1], rule) for rule in RULES}
    scores = crema.test.scores
    rows |= {f"heads, {rule}": blend(scores, [1, 1], rule) for rule in RULES}
    share = both / both.sum(axis=1, keepdims=True)
    clear = np.sort(both, axis=1)[:, -1] > np.sort(both, axis=1)[:, -2]
    for name, values in rows.items():
        answers = values.argmax(axis=1)
        alike = (answers == both.argmax(axis=1))[clear].mean()
        right = (answers == intended).mean()
        temperature = _soft_temperature(values, share)
        crossed = _crossed(tempered(values, temperature), share)
        print(f"| {name} | {alike:.3f} | {right:.3f} | {_crossed(values, share):.3f}"
              f" ({crossed:.3f} at T {temperature:.2f}) |")  # fmt: skip


def _votes(path: Path, test: ScoreTable) -> tuple[Array, Array, Array, Array]:
    """Votes (N, 6) for the voice, the face and both, and the intended label (N,)."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = {row["id"]: row for row in csv.DictReader(stream)}
    found = [
        np.array([[float(rows[name][f"{who}_{label}"]) for label in test.labels]
                  for name in test.ids.tolist()])
        for who in ("voice", "face", "av")
    ]  # fmt: skip
    return found[0], found[1], found[2], test.truth


def _smoothed(votes: Array) -> Float64Array:
    """Shares of the votes, with half a vote more for every label (Krichevsky and Trofimov)."""
    more = votes + 0.5
    return np.asarray(more / more.sum(axis=1, keepdims=True), np.float64)


def _crossed(scores: Float64Array, share: Array) -> float:
    return float(-(share * np.log(np.maximum(scores, 1e-12))).sum(axis=1).mean())


def _soft_temperature(scores: Float64Array, share: Array) -> float:
    grid = np.geomspace(0.2, 5, 200)
    return float(grid[np.argmin([_crossed(tempered(scores, each), share) for each in grid])])


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--keep", type=Path, help="folder of score tables, reused if there")
    parser.add_argument("--step", type=float, default=0.1, help="of the grid (default: 0.1)")
    options = parser.parse_args()
    first: Setting | None = None
    for setting in settings(options.data, options.keep):
        judge(setting, options.step)
        first = first or setting
    if first is not None:
        yardstick(options.data, first)


if __name__ == "__main__":
    main()
