"""The columns of predictions as flat rows, described once: CSV, Parquet and pandas follow.

A row has a column for the score of each label ("scores.happy") and of each branch
("parts.face.happy", "parts.face.expression.happy"); the others are those of ``_FIRST`` and
``_LAST``. Where people are read against their own baselines, there are ``_PERSONAL`` and the score
of each label ("personal.scores.happy") as well. What does not apply is None.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from facevoice.branches import Branch, nodes
from facevoice.errors import MissingDependencyError
from facevoice.predict.prediction import Prediction
from facevoice.types import Scores

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["text", "truth", "count", "number"]

_FIRST: Final[Mapping[str, Kind]] = {
    "path": "text",
    "emotion": "text",
    "confidence": "number",
    "abstained": "truth",
}
_PERSONAL: Final[Mapping[str, Kind]] = {
    "personal.emotion": "text",
    "personal.confidence": "number",
    "personal.clips": "count",
    "personal.seconds": "number",
    "personal_reason": "text",
}
_LAST: Final[Mapping[str, Kind]] = {
    "missing.face": "text",
    "missing.voice": "text",
    "evidence.face_frames": "count",
    "evidence.face_seconds": "number",
    "evidence.speech_seconds": "number",
    "evidence.people": "count",
    "evidence.box.left": "number",
    "evidence.box.top": "number",
    "evidence.box.right": "number",
    "evidence.box.bottom": "number",
    "evidence.picture_size.width": "count",
    "evidence.picture_size.height": "count",
    "duration_seconds": "number",
    "start_seconds": "number",
    "stop_seconds": "number",
    "windows": "count",
    "audio_tracks.count": "count",
    "audio_tracks.read": "count",
    "audio_tracks.speaking": "text",
    "damage.corrupt_pictures": "count",
    "damage.mended_stamps": "count",
    "damage.lost_packets": "count",
    "bundle.name": "text",
    "bundle.sha256": "text",
    "error.kind": "text",
    "error.message": "text",
}
_PLACES: Final = {"left": 0, "top": 1, "right": 2, "bottom": 3, "width": 0, "height": 1}


def columns_of(tree: Branch, *, personal: bool = False) -> dict[str, Kind]:
    """The columns of the rows that predictions with this tree give, in order, with their types.

    Every cell may also be None. personal: whether people are read against their own baselines.
    """
    prefixes = ["scores", *(f"parts.{name}" for name, _ in nodes(tree))]
    scores = [f"{prefix}.{label}" for prefix in prefixes for label in tree.labels]
    columns: dict[str, Kind] = {**_FIRST, **dict.fromkeys(scores, "number"), **_LAST}
    if not personal:
        return columns
    own = [f"personal.scores.{label}" for label in tree.labels]
    return {**columns, **_PERSONAL, **dict.fromkeys(own, "number")}


def _below(prefix: str, branch: str) -> str:
    return f"{'parts' if prefix == 'scores' else prefix}.{branch}"


def flat_row(prediction: Prediction) -> dict[str, Any]:
    """One prediction as column -> value; branches that did not score are left out."""
    record = prediction.to_dict()
    scores = {} if prediction.scores is None else dict(_scores("scores", prediction.scores))
    return {
        **{name: record[name] for name in _FIRST},
        **scores,
        **{name: _cell(record, name) for name in _LAST},
        **_personal(record),
    }


def _personal(record: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing where no personal answer was asked for."""
    if record["personal"] is None and record["personal_reason"] is None:
        return {}
    scores = {} if record["personal"] is None else record["personal"]["scores"]
    return {
        **{name: _cell(record, name) for name in _PERSONAL},
        **{f"personal.scores.{label}": value for label, value in scores.items()},
    }


def _scores(prefix: str, scores: Scores) -> Iterator[tuple[str, float]]:
    yield from ((f"{prefix}.{label}", round(each, 6)) for label, each in scores.to_dict().items())
    for name, part in scores.parts.items():
        yield from _scores(_below(prefix, name), part)


def _cell(record: Any, column: str) -> Any:
    """The value that a dotted name leads to in a prediction's record; a list as text."""
    for key in column.split("."):
        if record is not None:
            record = record[_PLACES[key]] if isinstance(record, list) else record.get(key)
    return ", ".join(map(str, record)) if isinstance(record, list) else record


def to_frame(predictions: Iterable[Prediction]) -> "pd.DataFrame":
    """A DataFrame with one row per prediction and the columns that this module describes.

    Raises:
        MissingDependencyError: pandas is not installed (extra ``tables``).
    """
    try:
        import pandas as pd  # noqa: PLC0415 - optional and slow to import
    except ImportError:
        raise MissingDependencyError.of("pandas", "tables", "to_frame") from None
    return pd.DataFrame([flat_row(prediction) for prediction in predictions])
