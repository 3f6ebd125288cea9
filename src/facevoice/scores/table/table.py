"""The score table: clips x branches x labels, checked when it is made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import InvalidInputError, LabelMismatchError
from facevoice.messages import near
from facevoice.types import EMOTIONS, MISSING_CODES, Float64Array
from facevoice.types.values import Value

StrArray = NDArray[np.str_]
IntArray = NDArray[np.int64]

_PER_CLIP: Final = ("ids", "scores", "truth", "groups", "splits", "missing", "keys", "taught")
TAUGHT: Final = ("no", "validation", "", "yes")
"""Whether what gave the scores learnt from a clip, from the best to the worst: no; the clip only
chose when training stopped, or set a temperature or the weights of a fusion; unknown; yes.
"""
SUM_TOLERANCE: Final = 5e-3
"""How far a distribution's sum may stray from 1: three decimals over ten labels."""


@dataclass(frozen=True, slots=True)
class ScoredBy:
    """The bundle that gave a table its scores: its name and the sha256 of its bundle.json."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ScoreTable(Value):
    """The scores of each branch for each clip.

    ids: (N,) names of the clips, all different.
    branches: (B,) names. labels: (K,) names.
    scores: (N, B, K) float64, each row >= 0 and summing to 1; a row of NaN where the branch has no
    scores because the clip lacks its modality.
    truth: (N,) int64 label indices, -1 where unknown.
    groups: (N,) speaker or film, which must not be on both sides of a split; the clip's own id if
    unknown.
    splits: (N,) e.g. "train", "val", "test"; "" if there is none.
    missing: (N, B) a missing code of ``types.MISSING_CODES`` where a branch has no scores; "" where
    it has, or if the reason is unknown.
    keys: (N,) by which a clip is known again in other tables, whatever its id has become (see
    ``scores.table.keys``); "" where unknown.
    taught: (N,) a word of ``TAUGHT``: whether what gave the scores learnt from the clip.
    bundle: the bundle that gave the scores; None if they come from elsewhere.
    tree: the structure of that bundle's tree, as plain JSON: the root's ``name``, ``kind`` and
        ``members``, inner nodes with all their settings, branches with ``name``, ``kind`` and
        ``weight``; None if it is not known.

    Scores are kept exactly as given. Raises InvalidInputError, which names the row and what was
    found; use ``of_arrays`` for arrays from elsewhere.
    """

    ids: StrArray
    branches: tuple[str, ...]
    labels: tuple[str, ...]
    scores: Float64Array
    truth: IntArray
    groups: StrArray
    splits: StrArray
    missing: StrArray
    keys: StrArray = field(default_factory=lambda: _strings(()))
    taught: StrArray = field(default_factory=lambda: _strings(()))
    bundle: ScoredBy | None = None
    tree: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        count, members, size = len(self.ids), len(self.branches), len(self.labels)
        _check_names("branches", self.branches)
        _check_names("labels", self.labels)
        for name in ("keys", "taught"):
            if not len(getattr(self, name)):
                object.__setattr__(self, name, np.full(count, "", dtype=np.str_))
        wanted = {
            "ids": (count,),
            "scores": (count, members, size),
            "truth": (count,),
            "groups": (count,),
            "splits": (count,),
            "missing": (count, members),
            "keys": (count,),
            "taught": (count,),
        }
        for name, shape in wanted.items():
            found = getattr(self, name).shape
            if found != shape:
                raise InvalidInputError(
                    f"ScoreTable.{name} must be {shape} for {count} clips, {members} branches"
                    f" and {size} labels, got {found}"
                )
        _check_ids(self.ids)
        _check_truth(self)
        _check_scores(self)
        _check_missing(self)
        _check_taught(self)
        for name in wanted:
            view = getattr(self, name).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    @classmethod
    def of_arrays(
        cls,
        scores: NDArray[Any] | Sequence[Any],
        truth: Sequence[Any] | NDArray[Any] | None = None,
        *,
        branches: Sequence[str] | None = None,
        labels: Sequence[str] = EMOTIONS,
        ids: Iterable[str] | None = None,
        groups: Iterable[Any] | None = None,
        splits: Iterable[str] | str = "",
        missing: NDArray[Any] | None = None,
    ) -> "ScoreTable":
        """A table from arrays of any model.

        Args:
            scores: (N, B, K), or (N, K) for a single branch.
            truth: (N,) label indices (-1: unknown) or label names ("": unknown); None: unknown.
            branches: names; "branch 1" ... by default.
            labels: names of the K columns.
            ids: names of the clips; "0", "1" ... by default.
            groups: speaker or film of each clip; its own id by default.
            splits: one for all clips, or one each.
            missing: (N, B) missing codes; "" everywhere by default.
        """
        values = np.asarray(scores, np.float64)
        values = values[:, None, :] if values.ndim == 2 else values
        if values.ndim != 3:
            raise InvalidInputError(f"scores must be (N, B, K) or (N, K), got {values.shape}")
        count, members, _ = values.shape
        names = _strings(range(count) if ids is None else ids)
        return cls(
            ids=names,
            branches=tuple(branches or (f"branch {index + 1}" for index in range(members))),
            labels=tuple(labels),
            scores=values.copy(),
            truth=_truth_indices(truth, count, labels),
            groups=names if groups is None else _strings(groups),
            splits=np.full(count, splits) if isinstance(splits, str) else _strings(splits),
            missing=np.full((count, members), "") if missing is None else np.asarray(missing),
        )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def present(self) -> NDArray[np.bool_]:
        """(N, B) whether the branch has scores for the clip."""
        return np.asarray(~np.isnan(self.scores[:, :, 0]), np.bool_)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """(N,) whether any branch has scores for the clip."""
        return np.asarray(self.present.any(axis=1), np.bool_)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(N,) whether the truth is known."""
        return np.asarray(self.truth >= 0, np.bool_)

    def coverage(self) -> dict[str, float]:
        """Share of the clips for which each branch has scores."""
        shares = self.present.mean(axis=0) if len(self) else np.zeros(len(self.branches))
        return {name: float(share) for name, share in zip(self.branches, shares, strict=True)}

    def column(self, branch: str) -> Float64Array:
        """(N, K) scores of one branch."""
        return self.scores[:, self.branch_index(branch)]

    def branch_index(self, branch: str) -> int:
        """The index of a branch.

        Raises:
            InvalidInputError: there is none of that name; the message lists the known ones.
        """
        if branch not in self.branches:
            known = ", ".join(self.branches)
            raise InvalidInputError(f"no branch {branch!r} in the table; it has: {known}")
        return self.branches.index(branch)

    def rows(self, chosen: NDArray[Any]) -> "ScoreTable":
        """Some of the clips: a mask (N,) of bool, or indices (M,) without repeats."""
        taken: dict[str, Any] = {name: getattr(self, name)[chosen] for name in _PER_CLIP}
        return replace(self, **taken)

    def split(self, name: str) -> "ScoreTable":
        """The clips of one split.

        Raises:
            InvalidInputError: no clip is in it.
        """
        chosen = self.splits == name
        if not chosen.any():
            known = np.unique(self.splits).tolist()
            listed = ", ".join(map(repr, known)) if any(known) else "none"
            raise InvalidInputError(
                f"no clip in split {name!r}; splits in the table: {listed}{near(name, known)}"
            )
        return self.rows(chosen)

    def select(self, branches: Sequence[str]) -> "ScoreTable":
        """Some of the branches, in the order asked for."""
        places = [self.branch_index(branch) for branch in branches]
        return replace(
            self,
            branches=tuple(branches),
            scores=self.scores[:, places],
            missing=self.missing[:, places],
        )

    def with_branch(self, name: str, scores: Float64Array) -> "ScoreTable":
        """One more branch, e.g. a blend of others; scores: (N, K), rows of NaN where none."""
        reasons = np.full((len(self), 1), "", dtype="<U1")
        return replace(
            self,
            branches=(*self.branches, name),
            scores=np.concatenate([self.scores, scores[:, None, :]], axis=1),
            missing=np.concatenate([self.missing, reasons], axis=1),
        )

    def append(self, other: "ScoreTable") -> "ScoreTable":
        """The clips of both tables; branches and labels must be the same, ids different.

        The bundle and its tree are kept where both tables have the same.
        """
        if self.labels != other.labels:
            raise LabelMismatchError(f"tables over {self.labels} and {other.labels} cannot mix")
        if self.branches != other.branches:
            raise InvalidInputError(
                f"cannot append: branches {self.branches} and {other.branches} differ"
            )
        merged: dict[str, Any] = {
            name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _PER_CLIP
        }
        return replace(self, **merged, **self.origin_shared_with(other))

    def origin_shared_with(self, other: "ScoreTable") -> dict[str, Any]:
        """``bundle`` and ``tree`` where both tables have the same, None where they differ."""
        return {
            name: getattr(self, name) if getattr(self, name) == getattr(other, name) else None
            for name in ("bundle", "tree")
        }

    def __repr__(self) -> str:
        return (
            f"ScoreTable({len(self)} clips x {len(self.branches)} branches x"
            f" {len(self.labels)} labels: {', '.join(self.branches)})"
        )


def _strings(values: Iterable[Any]) -> StrArray:
    return np.array([str(value) for value in values], dtype=np.str_)


def _truth_indices(
    truth: Sequence[Any] | NDArray[Any] | None, count: int, labels: Sequence[str]
) -> IntArray:
    if truth is None:
        return np.full(count, -1, np.int64)
    given = np.asarray(truth)
    if np.issubdtype(given.dtype, np.integer):
        return given.astype(np.int64)
    names = [str(name) for name in given.tolist()]
    known = {name: index for index, name in enumerate(labels)} | {"": -1}
    for row, name in enumerate(names):
        if name not in known:
            raise InvalidInputError(
                f"truth of row {row} is {name!r}, which is not a label; labels: {', '.join(labels)}"
            )
    return np.array([known[name] for name in names], np.int64)


def _check_names(what: str, names: tuple[str, ...]) -> None:
    if not names or len(set(names)) != len(names) or "" in names:
        raise InvalidInputError(f"ScoreTable.{what} must be different, non-empty names: {names}")


def _check_ids(ids: StrArray) -> None:
    names, counts = np.unique(ids, return_counts=True)
    repeated = names[counts > 1]
    if len(repeated):
        raise InvalidInputError(
            f"{len(repeated)} clip ids occur more than once, the first is {str(repeated[0])!r}"
        )


def _check_truth(table: ScoreTable) -> None:
    size = len(table.labels)
    wrong = np.flatnonzero((table.truth < -1) | (table.truth >= size))
    if len(wrong):
        row = int(wrong[0])
        raise InvalidInputError(
            f"truth of clip {str(table.ids[row])!r} is {table.truth[row]}, out of range for"
            f" {size} labels (0 ... {size - 1}, or -1 for unknown)"
        )


def _check_scores(table: ScoreTable) -> None:
    scores = table.scores
    absent = np.isnan(scores)
    total = np.where(absent, 0.0, scores).sum(axis=2)
    faults = {
        "NaN in a part of its scores": absent.any(axis=2) & ~absent.all(axis=2),
        "an infinite score": np.isinf(scores).any(axis=2),
        "a negative score": (scores < 0).any(axis=2),
        f"a sum that is not 1 (within {SUM_TOLERANCE:g}; pass margins through a softmax)": (
            ~absent.any(axis=2) & ~(np.abs(total - 1) <= SUM_TOLERANCE)
        ),
    }
    for fault, where in faults.items():
        if where.any():
            row, branch = (int(place) for place in np.argwhere(where)[0])
            found = np.round(scores[row, branch], 6).tolist()
            raise InvalidInputError(
                f"clip {str(table.ids[row])!r} (row {row}), branch {table.branches[branch]!r}"
                f" has {fault}: {found}; {int(where.sum())} such rows in the table"
            )


def _check_taught(table: ScoreTable) -> None:
    wrong = np.flatnonzero(~np.isin(table.taught, TAUGHT))
    if len(wrong):
        row = int(wrong[0])
        raise InvalidInputError(
            f"clip {str(table.ids[row])!r} has taught {str(table.taught[row])!r}; it must be yes,"
            " validation, no, or empty where that is unknown"
        )


def _check_missing(table: ScoreTable) -> None:
    noted = table.missing != ""
    for code in np.unique(table.missing[noted]):
        if str(code) not in MISSING_CODES:
            known = ", ".join(MISSING_CODES)
            raise InvalidInputError(f"unknown missing code {str(code)!r}; known: {known}")
    clash = noted & table.present
    if clash.any():
        row, branch = (int(place) for place in np.argwhere(clash)[0])
        raise InvalidInputError(
            f"clip {str(table.ids[row])!r}, branch {table.branches[branch]!r} has scores and"
            f" also the missing code {str(table.missing[row, branch])!r}"
        )
