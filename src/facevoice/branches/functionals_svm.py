"""Utterance features and the machine that scores them (the paper, voice stream, step 3)."""

import numpy as np

from facevoice.branches.base import check_classes, check_temperature, tempered
from facevoice.errors import BundleError
from facevoice.session import Session
from facevoice.speech.functionals import FEATURE_COUNTS, FeatureSet, functionals
from facevoice.types import Evidence, Modality, Scores


class FunctionalsSvm:
    """IS09 (384), IS10 (1582) or our own features, scored by an SVM or another machine, as ONNX.

    session: features (1, D) float32 -> probabilities (1, K), its last output.
    IS09 and IS10 need the extra ``opensmile``; "prosody" (ours) does not.
    """

    modality: Modality | None = "voice"

    def __init__(
        self,
        name: str,
        labels: tuple[str, ...],
        session: Session,
        feature_set: FeatureSet,
        *,
        temperature: float = 1.0,
    ) -> None:
        if feature_set not in FEATURE_COUNTS:
            known = ", ".join(FEATURE_COUNTS)
            raise BundleError(
                f"branch {name!r}: unknown feature set {feature_set!r}; known: {known}"
            )
        check_temperature(name, temperature)
        self.name = name
        self.labels = labels
        self.temperature = temperature
        self._session = session
        self._feature_set = feature_set

    def score(self, evidence: Evidence) -> Scores | None:
        """Score the clip's speech; None without speech.

        Raises:
            MissingDependencyError: it needs opensmile, which is not installed.
        """
        if evidence.speech is None:
            return None
        features = functionals(evidence.speech, self._feature_set)
        probabilities = self._session.run(features[None])[-1]
        check_classes(self.name, probabilities.shape[1], self.labels)
        values = np.asarray(probabilities[0], np.float64)
        return Scores(self.labels, tempered(values / values.sum(), self.temperature))

    def __repr__(self) -> str:
        return f"FunctionalsSvm({self.name}: {self._feature_set})"
