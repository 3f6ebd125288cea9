"""Predictions of known people, each read against all that is at hand of the person.

Two passes: the first adds up what every prediction says of its person, the second reads each one
against that. No network runs in the second.
"""

import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from facevoice.bundle import Bundle
from facevoice.person import Baseline
from facevoice.predict.prediction import Prediction
from facevoice.predict.predictor import read_against

Found = Callable[[Mapping[str, Baseline]], None]


def read_whole(
    predictions: Iterable[Prediction],
    bundle: Bundle,
    person_of: Callable[[Prediction], str | None],
    *,
    start: Baseline | None = None,
    found: Found | None = None,
) -> Iterator[Prediction]:
    """Predictions in their order, each read against all of the same person, itself included.

    Until the last of them is there, they wait in a temporary file.

    bundle: the one that made them.
    person_of: whom a prediction shows, by any name; None: nobody is named, which gives the reason
        ``no_baseline``.
    start: what is known of each person before.
    found: called with the people's baselines once all predictions are there.

    Raises:
        InvalidInputError: another bundle made a prediction or the start.
    """
    empty = Baseline.empty(bundle) if start is None else start
    baselines: dict[str, Baseline] = {}
    with tempfile.TemporaryFile() as waiting:
        count = 0
        for prediction in predictions:
            person = person_of(prediction)
            if person is not None:
                baselines[person] = baselines.get(person, empty).update(prediction)
            pickle.dump(prediction, waiting)
            count += 1
        if found is not None:
            found(baselines)
        waiting.seek(0)
        for _ in range(count):
            prediction = pickle.load(waiting)  # noqa: S301 - written above
            person = person_of(prediction)
            if person is None:
                yield replace(prediction, personal_reason="no_baseline")
            else:
                yield read_against(prediction, bundle, baselines[person])
