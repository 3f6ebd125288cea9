"""Read everyone in a film against himself or herself: the rows of windows gain personal answers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, get_args

from facevoice.bundle import Bundle
from facevoice.errors import InvalidInputError
from facevoice.person import Baseline, FilmStatistics, Reading, Statistics, personal_of
from facevoice.timeline.table import PersonalMode, Row
from facevoice.types import MODALITIES, Evidence

_FORGET_SECONDS: Final = 60.0  # people who are lost for seconds come back under another number


class OwnBaselines:
    """What is known of each person of one film; windows are taken in order.

    bundle: the one that scores.
    mode: "whole": rows are read when all windows were taken (see ``whole``), against all of them;
        "causal": each is read as it is taken, against the windows before it.
    share: hop / window, see ``FilmStatistics``.
    baseline: what was known of everyone before; None: nothing. If there are no pictures at all, the
        speech is taken for the enrolled person's.
    """

    def __init__(
        self, bundle: Bundle, mode: PersonalMode, share: float, baseline: Baseline | None
    ) -> None:
        if mode not in get_args(PersonalMode):
            raise InvalidInputError(f"personal must be whole or causal, got {mode!r}")
        if baseline is not None:
            baseline.check(bundle)
        self._bundle, self._mode, self._share = bundle, mode, share
        self._named = baseline is not None
        self._enrolled = Statistics.empty() if baseline is None else baseline.statistics
        self._people: dict[int | None, FilmStatistics] = {}
        self._seen: dict[int | None, float] = {}
        self._readings: dict[tuple[float, int | None], Reading] = {}

    def take(self, row: Row, evidence: Evidence) -> Row:
        """Learn from a row; causal: the row with its personal answer.

        evidence: what its fused scores are of.
        """
        reading = self._reading(row, evidence)
        found = row if self._mode == "whole" else self._read(row, reading)
        if reading is not None and self._is_someones(row):
            self._learn(row, reading)
        return found

    def whole(self, rows: Sequence[Row]) -> list[Row]:
        """Rows that were taken, each with its answer against the whole film of its person."""
        known = {person: film.statistics for person, film in self._people.items()}
        return [
            self._answered(row, self._readings.get((row.start_seconds, row.person)), known)
            for row in rows
        ]

    def _is_someones(self, row: Row) -> bool:
        """Whether it is known whose row it is: speech without pictures is the enrolled person's."""
        return row.person is not None or (self._named and row.sound_alone)

    def _reading(self, row: Row, evidence: Evidence) -> Reading | None:
        if row.scores is None:
            return None
        weights = {modality: evidence.weight(modality) for modality in MODALITIES}
        seconds = max(evidence.face_seconds, evidence.speech_seconds)
        return Reading.of(self._bundle.tree, row.scores, weights, seconds)

    def _learn(self, row: Row, reading: Reading) -> None:
        person = row.person
        if self._mode == "whole":
            self._readings[row.start_seconds, person] = reading
        elif person not in self._people:  # a camera may run for days
            before = row.start_seconds - _FORGET_SECONDS
            for gone in [each for each, last in self._seen.items() if last < before]:
                del self._seen[gone], self._people[gone]
        self._seen[person] = row.stop_seconds
        self._people.setdefault(person, FilmStatistics(self._share, self._enrolled)).add(reading)

    def _read(self, row: Row, reading: Reading | None) -> Row:
        film = self._people.get(row.person)
        known = {} if film is None else {row.person: film.statistics}
        return self._answered(row, reading, known)

    def _answered(
        self, row: Row, reading: Reading | None, known: Mapping[int | None, Statistics]
    ) -> Row:
        if row.scores is not None and not self._is_someones(row):
            return replace(row, personal_reason="no_baseline")
        statistics = known.get(row.person, self._enrolled)
        bundle = self._bundle
        personal, reason = personal_of(
            bundle.tree, bundle.population, statistics, row.scores, reading
        )
        return replace(row, personal=personal, personal_reason=reason)


def own_baselines(
    bundle: Bundle, mode: PersonalMode | None, share: float, baseline: Baseline | None
) -> OwnBaselines | None:
    """What reads people against their own baselines; None if that is not asked for.

    Raises:
        InvalidInputError: an unknown mode, or a baseline that is not asked for or does not fit.
    """
    if mode is not None:
        return OwnBaselines(bundle, mode, share, baseline)
    if baseline is not None:
        raise InvalidInputError("a baseline is read against only with personal: ask for it, too")
    return None
