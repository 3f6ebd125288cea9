"""A person's baseline, enrolled from clips and kept in a file: statistics, no picture, no sound."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from facevoice.branches import Branch
from facevoice.branches.tree import dotted_leaves
from facevoice.errors import InvalidInputError
from facevoice.person.estimator import Statistics
from facevoice.person.readings import Reading
from facevoice.types import Evidence, Scores, require
from facevoice.writing import replacing

FORMAT: Final = "facevoice baseline"
VERSION: Final = 1
_HOLDS: Final = "statistics of one person's scores, fingerprints of these; no pictures, no sound"


class Judged(Protocol):
    """A prediction: which bundle made it, and what it says of the person."""

    @property
    def bundle_name(self) -> str: ...  # noqa: D102
    @property
    def bundle_sha256(self) -> str: ...  # noqa: D102
    @property
    def scores(self) -> Scores | None: ...  # noqa: D102
    @property
    def reading(self) -> Reading | None: ...  # noqa: D102


class Judge(Protocol):
    """A predictor: calling it with a path, or giving it evidence, yields a prediction."""

    @property
    def bundle(self) -> "Model": ...  # noqa: D102
    def __call__(self, path: str | os.PathLike[str], /) -> Judged: ...  # noqa: D102
    def of_evidence(self, evidence: Evidence, /) -> Judged: ...  # noqa: D102


class Model(Protocol):
    """A bundle: what it is called, and which branches it scores."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def sha256(self) -> str: ...  # noqa: D102
    @property
    def tree(self) -> Branch: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Baseline:
    """What one bundle has found of one person.

    bundle_name, bundle_sha256: of the bundle; scores of another one cannot be read against it.
    statistics: sums over the person's clips.
    fingerprints: of the readings of these clips, so that none is added twice; a baseline of an
        older version of facevoice has none.
    """

    bundle_name: str
    bundle_sha256: str
    statistics: Statistics
    fingerprints: frozenset[str] = frozenset()

    @property
    def clips(self) -> int:
        """How many clips it rests on: those that had a face or a voice."""
        return self.statistics.clips

    @property
    def sha256(self) -> str:
        """A hash of all it holds."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def seconds(self) -> float:
        """How long the person was seen or heard in them."""
        return self.statistics.seconds

    @classmethod
    def empty(cls, bundle: Model) -> "Baseline":
        """Of nobody yet: for a bundle."""
        return cls(bundle.name, bundle.sha256, Statistics.empty())

    @classmethod
    def of(
        cls, predictor: Judge, paths: Iterable[str | os.PathLike[str]], *, neutral: bool = False
    ) -> "Baseline":
        """Enrol a person from clips that show nobody else: videos, sound files or pictures.

        Clips without a face and a voice add nothing.
        neutral: whether the clips are known to show the person in no particular mood.

        Raises:
            FacevoiceError: a file cannot be read.
            InvalidInputError: ``paths`` is a single path.
        """
        require(
            not isinstance(paths, (str, os.PathLike)),
            f"paths must be several, such as [{paths!r}], not one path",
        )
        found = (predictor(path) for path in paths)
        return cls.empty(predictor.bundle).after(found, neutral=neutral)

    @classmethod
    def of_evidence(
        cls, predictor: Judge, evidence: Iterable[Evidence], *, neutral: bool = False
    ) -> "Baseline":
        """The same from evidence that exists already."""
        found = (predictor.of_evidence(each) for each in evidence)
        return cls.empty(predictor.bundle).after(found, neutral=neutral)

    def update(self, prediction: Judged, *, neutral: bool = False) -> "Baseline":
        """The baseline with one more clip of the person.

        The same one if nothing was scored, or if it ``holds`` the clip already.

        neutral: whether the clip is known to show the person in no particular mood.

        Raises:
            InvalidInputError: another bundle made the prediction, or it was read from a record
                with rounded numbers.
        """
        self.check_prediction(prediction)
        if prediction.reading is None or self.holds(prediction):
            return self
        return replace(
            self,
            statistics=self.statistics.plus(prediction.reading, neutral=neutral),
            fingerprints=self.fingerprints | {prediction.reading.fingerprint},
        )

    def holds(self, prediction: Judged) -> bool:
        """Whether it was made from this very clip, among others."""
        reading = prediction.reading
        return reading is not None and reading.fingerprint in self.fingerprints

    def after(self, predictions: Iterable[Judged], *, neutral: bool = False) -> "Baseline":
        """Update with several, in order."""
        baseline = self
        for prediction in predictions:
            baseline = baseline.update(prediction, neutral=neutral)
        return baseline

    def check(self, bundle: Model) -> None:
        """Raise InvalidInputError unless it was enrolled with this very bundle and fits it."""
        self.check_made_by(bundle.name, bundle.sha256)
        self.statistics.check([*dotted_leaves(bundle.tree)], bundle.tree.labels)

    def check_prediction(self, prediction: Judged) -> None:
        """Raise InvalidInputError unless a prediction can be added, or read against this."""
        self.check_made_by(prediction.bundle_name, prediction.bundle_sha256)
        if prediction.reading is None and prediction.scores is not None:
            raise InvalidInputError(
                "this prediction was read from a record with rounded numbers, which a baseline"
                " cannot use: predict again, or keep to_dict(exact=True)"
            )

    def check_made_by(self, bundle_name: str, bundle_sha256: str) -> None:
        """Raise InvalidInputError unless it was enrolled with the bundle of this name and hash."""
        if bundle_sha256 != self.bundle_sha256:
            raise InvalidInputError(
                f"the baseline was enrolled with the bundle {self.bundle_name}"
                f" ({self.bundle_sha256[:12]}...), this is {bundle_name} ({bundle_sha256[:12]}...):"
                " enrol the person again with this bundle"
            )

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON, exact."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "holds": _HOLDS,
            "bundle": {"name": self.bundle_name, "sha256": self.bundle_sha256},
            **self.statistics.to_dict(),
            "fingerprints": sorted(self.fingerprints),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Baseline":
        """Read what ``to_dict`` returned.

        Raises:
            InvalidInputError: it is not that.
        """
        try:
            if (record["format"], record["version"]) != (FORMAT, VERSION):
                raise InvalidInputError(  # noqa: TRY301 - not one of the errors of reading below
                    f"not a baseline of version {VERSION}: it says {record['format']!r},"
                    f" {record['version']!r}"
                )
            bundle = record["bundle"]
            return cls(
                str(bundle["name"]),
                str(bundle["sha256"]),
                Statistics.from_dict(record),
                frozenset(map(str, record.get("fingerprints", ()))),
            )
        except InvalidInputError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidInputError(f"not a baseline: {error!r}") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as a JSON file, in place of an older one.

        Raises:
            OutputError: the file cannot be written.
        """
        with replacing(Path(path)) as temporary:
            text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
            temporary.write_text(f"{text}\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Baseline":
        """Read a baseline file.

        Raises:
            InvalidInputError: it is absent, or not a baseline.
        """
        try:
            record = json.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InvalidInputError(f"no baseline file {os.fspath(path)}") from None
        except (UnicodeDecodeError, json.JSONDecodeError, IsADirectoryError):
            raise InvalidInputError(
                f"{os.fspath(path)} is not a baseline: not a JSON file"
            ) from None
        except (OSError, ValueError) as error:
            raise InvalidInputError(f"{os.fspath(path)} is not a baseline: {error}") from error
        try:
            return cls.from_dict(record)
        except InvalidInputError as error:
            raise InvalidInputError(f"{os.fspath(path)}: {error}") from error
