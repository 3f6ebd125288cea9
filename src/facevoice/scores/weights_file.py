"""weights.json: a fitted fusion, how it was found, and the clips it was fitted on."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facevoice.branches.adjustment import UNCHANGED, Adjustment
from facevoice.errors import InvalidInputError, MediaNotFoundError
from facevoice.scores.provenance import clip_digests, fingerprint, groups_known, versions
from facevoice.scores.search import StackedRegression, WeightTree
from facevoice.scores.table import ScoreTable, looked_for
from facevoice.types import Float64Array
from facevoice.writing import replacing


@dataclass(frozen=True, slots=True, repr=False)
class FitRecord:
    """The clips that something was fitted on, so that a leak can be found later.

    sha256: of the table. clips: how many. groups: speakers or films; empty if unknown.
    digests: of each clip's scores (``provenance.clip_digests``).
    keys: of the clips, as the table has them; empty if unknown.
    taught: how many of the clips taught what scored them; None if that was not looked for.
    bundle: the name of the bundle that gave the scores; "" if they come from elsewhere, such as the
        held-out scores of ``facevoice folds``.
    """

    sha256: str
    clips: int
    groups: tuple[str, ...]
    digests: tuple[str, ...]
    keys: tuple[str, ...] = ()
    taught: int | None = None
    bundle: str = ""

    @classmethod
    def of_table(cls, table: ScoreTable, leaves: tuple[str, ...]) -> "FitRecord":
        """Note the labelled clips of a table."""
        known = table.rows(table.labelled)
        groups = np.unique(known.groups) if groups_known(known) else ()
        return cls(
            fingerprint(table),
            len(known),
            tuple(str(group) for group in groups),
            clip_digests(known, leaves),
            tuple(key for key in known.keys.tolist() if key),
            int((known.taught == "yes").sum()) if looked_for(known) else None,
            "" if known.bundle is None else known.bundle.name,
        )


@dataclass(frozen=True, slots=True, repr=False)
class FittedFusion:
    """What ``facevoice fuse`` finds and ``facevoice evaluate`` applies.

    fusion: weights, or a stacked regression.
    fitted_on: None for weights that were not fitted on a table (equal, published, a bundle's).
    search: how they were found, as JSON: objective, step, optimal vectors, ranges, folds.
    abstain_below: the fusion is unsure where its highest score is below this.
    """

    fusion: WeightTree | StackedRegression
    fitted_on: FitRecord | None = None
    search: Mapping[str, Any] = field(default_factory=dict)
    abstain_below: float | None = None

    @property
    def leaves(self) -> tuple[str, ...]:
        """The branches that are read."""
        return self.fusion.leaves

    def fuse(self, table: ScoreTable) -> Float64Array:
        """(N, K) scores, adjusted; a row of NaN where no branch that counts has scores."""
        return self.fusion.fuse(table)

    @property
    def adjustment(self) -> Adjustment:
        """What the last node does to its blend; nothing for a regression."""
        if isinstance(self.fusion, WeightTree):
            return self.fusion.root.adjustment
        return UNCHANGED

    def to_dict(self) -> dict[str, Any]:
        """What weights.json holds."""
        card = self.fusion.to_dict()
        if self.abstain_below is not None:
            card["abstain_below"] = self.abstain_below
        card["search"] = dict(self.search)
        if self.fitted_on is not None:
            card["fitted_on"] = asdict(self.fitted_on)
        return card | {"versions": versions()}

    @classmethod
    def of_dict(cls, card: Mapping[str, Any]) -> "FittedFusion":
        """Read back what ``to_dict`` gave.

        Raises:
            InvalidInputError: another format, or a key is absent or of a wrong type.
        """
        kind = StackedRegression if card.get("kind") == "stacking" else WeightTree
        try:
            record, threshold = card.get("fitted_on"), card.get("abstain_below")
            return cls(
                kind.of_dict(card),
                None if record is None else _record(record),
                dict(card.get("search", {})),
                None if threshold is None else float(threshold),
            )
        except (KeyError, TypeError) as error:
            raise InvalidInputError(f"weights have a missing or wrong value: {error}") from error


def _record(card: Mapping[str, Any]) -> FitRecord:
    taught = card.get("taught")
    return FitRecord(
        str(card["sha256"]),
        int(card["clips"]),
        tuple(card["groups"]),
        tuple(card["digests"]),
        tuple(map(str, card.get("keys", ()))),
        None if taught is None else int(taught),
        str(card.get("bundle", "")),
    )


def read_weights(path: str | Path) -> FittedFusion:
    """Read weights.json.

    Raises:
        MediaNotFoundError: there is no such file.
        InvalidInputError: it is not JSON, or not weights; the message names the file.
    """
    source = Path(path)
    try:
        card = json.loads(source.read_text(encoding="utf-8"))
        if not isinstance(card, dict):
            raise InvalidInputError("it is not a JSON object")
        return FittedFusion.of_dict(card)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise MediaNotFoundError(f"no weights at {source}: make them with facevoice fuse") from None
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise InvalidInputError(f"{source} does not hold weights: it is not JSON") from None
    except ValueError as error:  # what json raises, and ours
        raise InvalidInputError(f"{source} does not hold weights: {error}") from error


def write_weights(fitted: FittedFusion, path: str | Path) -> None:
    """Write weights.json; the file is written completely or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    text = json.dumps(fitted.to_dict(), indent=1, allow_nan=False) + "\n"
    with replacing(Path(path)) as temporary:
        temporary.write_text(text, encoding="utf-8")
