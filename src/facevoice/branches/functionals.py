"""Features of an utterance and the model that scores them (the paper, voice stream, step 3)."""

from dataclasses import dataclass
from typing import ClassVar

from facevoice.branches.base import Context, Leaf, Node
from facevoice.errors import BundleError
from facevoice.session import Session
from facevoice.speech.functionals import FEATURE_COUNTS, FeatureSet, check_feature_set, functionals
from facevoice.types import Evidence, Modality, Scores


@dataclass(frozen=True, repr=False, eq=False)
class Functionals(Leaf):
    """IS09 (384), IS10 (1582) or our own features, scored by an SVM, a regression or nets.

    session: features (1, D) float32 -> probabilities (1, K), its last output.
    IS09 and IS10 need the extra ``opensmile``; "prosody" (ours) does not.
    """

    modality: ClassVar[Modality | None] = "voice"
    session: Session
    feature_set: FeatureSet

    def __post_init__(self) -> None:
        Leaf.__post_init__(self)
        if self.feature_set not in FEATURE_COUNTS:
            raise BundleError(
                f"branch {self.name!r}: unknown feature set {self.feature_set!r};"
                f" known: {', '.join(FEATURE_COUNTS)}"
            )

    @classmethod
    def of_node(cls, node: Node, context: Context) -> "Functionals":
        """Read a node of kind ``functionals``."""
        return cls.read(
            node,
            context,
            session=context.session(node["model"]),
            feature_set=node["feature_set"],
        )

    def check_extras(self) -> None:
        """Raise MissingDependencyError if it needs opensmile, which is not installed."""
        check_feature_set(self.feature_set)

    def score(self, evidence: Evidence) -> Scores | None:
        """Score the clip's speech; None without speech.

        Raises:
            MissingDependencyError: it needs opensmile, which is not installed.
        """
        if evidence.speech is None:
            return None
        features = functionals(evidence.speech, self.feature_set)
        return self.of_probabilities(self.session.run(features[None])[-1])

    def __repr__(self) -> str:
        return f"Functionals({self.name}: {self.feature_set})"
