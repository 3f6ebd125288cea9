"""Predictions as flat rows: CSV files and pandas DataFrames.

Columns: path, emotion, confidence, abstained, score of each label ("scores.happy"), of each branch
("parts.face.happy", "parts.face.expression.happy"), "missing.face", "missing.voice", the evidence
("evidence.face_seconds", ...), duration_seconds, start_seconds, stop_seconds, windows,
"bundle.name", "error.kind" and "error.message". What does not apply is None.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Literal

from facevoice.branches import Branch, nodes
from facevoice.errors import MissingDependencyError
from facevoice.predict.prediction import Prediction
from facevoice.types import MODALITIES, Scores

if TYPE_CHECKING:
    import pandas as pd

ColumnType = Literal["text", "truth", "count", "number"]

_FIRST = ("path", "emotion", "confidence", "abstained")
_EVIDENCE = ("face_frames", "face_seconds", "speech_seconds", "people")
_BOX = ("left", "top", "right", "bottom")
_TYPES: Final[dict[str, ColumnType]] = {
    "path": "text",
    "emotion": "text",
    "abstained": "truth",
    "evidence.face_frames": "count",
    "evidence.people": "count",
    "windows": "count",
}
_TEXTS: Final = ("missing.", "bundle.", "error.")


def columns_of(tree: Branch) -> list[str]:
    """The columns of every row that predictions with this tree give, in order."""
    return [
        *_FIRST,
        *(f"scores.{label}" for label in tree.labels),
        *(f"parts.{name}.{label}" for name, _ in nodes(tree) for label in tree.labels),
        *(f"missing.{modality}" for modality in MODALITIES),
        *(f"evidence.{name}" for name in _EVIDENCE),
        *(f"evidence.box.{side}" for side in _BOX),
        "duration_seconds",
        "start_seconds",
        "stop_seconds",
        "windows",
        "bundle.name",
        "bundle.sha256",
        "error.kind",
        "error.message",
    ]


def types_of(tree: Branch) -> dict[str, ColumnType]:
    """The type of each of these columns, whatever the rows hold; every cell may also be None."""
    return {
        name: "text" if name.startswith(_TEXTS) else _TYPES.get(name, "number")
        for name in columns_of(tree)
    }


def flat_row(prediction: Prediction) -> dict[str, Any]:
    """One prediction as column -> value; branches that did not score are left out."""
    record = prediction.to_dict()
    row: dict[str, Any] = {name: record[name] for name in _FIRST}
    if prediction.scores is not None:
        row |= _flat_scores("scores", prediction.scores)
        row |= _flat_parts("parts", prediction.scores)
    for modality in MODALITIES:
        row[f"missing.{modality}"] = record["missing"].get(modality)
    evidence = record["evidence"] or {}
    for name in _EVIDENCE:
        row[f"evidence.{name}"] = evidence.get(name)
    for side, value in zip(_BOX, evidence.get("box") or [None] * 4, strict=True):
        row[f"evidence.box.{side}"] = value
    for name in ("duration_seconds", "start_seconds", "stop_seconds", "windows"):
        row[name] = record[name]
    row |= {f"bundle.{name}": value for name, value in record["bundle"].items()}
    for name in ("kind", "message"):
        row[f"error.{name}"] = (record["error"] or {}).get(name)
    return row


def _flat_scores(prefix: str, scores: Scores) -> dict[str, float]:
    return {f"{prefix}.{label}": round(value, 6) for label, value in scores.to_dict().items()}


def _flat_parts(prefix: str, scores: Scores) -> dict[str, float]:
    row: dict[str, float] = {}
    for name, part in scores.parts.items():
        row |= _flat_scores(f"{prefix}.{name}", part)
        row |= _flat_parts(f"{prefix}.{name}", part)
    return row


def to_frame(predictions: Iterable[Prediction]) -> "pd.DataFrame":
    """A DataFrame with one row a prediction and the columns that the module's head describes.

    Raises:
        MissingDependencyError: pandas is not installed (extra ``tables``).
    """
    try:
        import pandas as pd  # noqa: PLC0415 - optional and slow to import
    except ImportError:
        raise MissingDependencyError.of("pandas", "tables", "to_frame") from None
    return pd.DataFrame([flat_row(prediction) for prediction in predictions])
