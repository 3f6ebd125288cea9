"""Scores of windows whose faces the networks have looked at once, and of one modality alone."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from facevoice.branches import Branch, PerFaceBranch, leaves, score_tree
from facevoice.errors import BundleError
from facevoice.types import Evidence, Float64Array, Scores, UInt8Array, Waveform

_BATCH: Final = 16  # faces that wait for the networks, of all people together


class FaceLooks:
    """What each face leaf of a tree says to each face, run in batches over time and people.

    A face is handed in under a ticket and its picture forgotten once the networks have seen it.

    Raises BundleError for a tree with a face branch that cannot look at single faces.
    """

    def __init__(self, tree: Branch) -> None:
        self._leaves: dict[int, PerFaceBranch] = {}
        for leaf in leaves(tree):
            if leaf.modality != "face":
                continue
            if not isinstance(leaf, PerFaceBranch):
                raise BundleError(f"branch {leaf.name!r} cannot look at single faces: no timeline")
            self._leaves[id(leaf)] = leaf
        self._next = 0
        self._waiting: list[tuple[int, UInt8Array]] = []
        self._looks: dict[int, dict[int, Float64Array]] = {}

    def __len__(self) -> int:
        """How many faces are remembered."""
        return len(self._looks) + len(self._waiting)

    def add(self, aligned: UInt8Array) -> int:
        """Hand in a face (256, 256, 3); returns its ticket. They count up."""
        self._waiting.append((self._next, aligned))
        self._next += 1
        if len(self._waiting) >= _BATCH:
            self._run()
        return self._next - 1

    def of(self, leaf: Branch, tickets: Sequence[int]) -> Float64Array:
        """What a leaf said to these faces: (T, D)."""
        self._run()
        return np.stack([self._looks[ticket][id(leaf)] for ticket in tickets])

    def forget(self, before: int) -> None:
        """Forget all faces whose tickets are below ``before``."""
        for ticket in [ticket for ticket in self._looks if ticket < before]:
            del self._looks[ticket]

    def _run(self) -> None:
        if not self._waiting:
            return
        tickets = [ticket for ticket, _ in self._waiting]
        images = np.stack([image for _, image in self._waiting])
        self._waiting = []
        said = {key: leaf.look(images) for key, leaf in self._leaves.items()}
        for row, ticket in enumerate(tickets):
            self._looks[ticket] = {key: looks[row] for key, looks in said.items()}


class Scorer:
    """Scores windows of one bundle's tree."""

    def __init__(self, tree: Branch) -> None:
        self.tree = tree
        self.looks = FaceLooks(tree)

    def voice(self, speech: Waveform | None, start: float, stop: float) -> dict[int, Scores | None]:
        """The voice leaves' scores of a window's speech, by the leaf's identity."""
        if speech is None:
            return {}
        evidence = Evidence(None, speech, start, stop, missing={"face": "no_face"})
        voices = [leaf for leaf in leaves(self.tree) if leaf.modality == "voice"]
        return {id(leaf): leaf.score(evidence) for leaf in voices}

    def face(self, tickets: Sequence[int]) -> dict[int, Scores | None]:
        """The face leaves' scores of faces in the order of time, by the leaf's identity."""
        found: dict[int, Scores | None] = {}
        for leaf in leaves(self.tree) if tickets else ():
            if isinstance(leaf, PerFaceBranch) and leaf.modality == "face":
                chosen = [tickets[place] for place in leaf.chosen(len(tickets))]
                found[id(leaf)] = leaf.of_looks(self.looks.of(leaf, chosen))
        return found

    def blended(self, scored: Mapping[int, Scores | None]) -> Scores | None:
        """The tree's scores of leaves that were scored; those that are absent say nothing."""
        return score_tree(self.tree, lambda leaf: scored.get(id(leaf)))

    def each_face(self, tickets: Sequence[int]) -> Float64Array:
        """Each face's own scores, blended over the leaves that judge single faces: (T, K)."""
        found = np.full((len(tickets), len(self.tree.labels)), np.nan)
        said = {}
        for leaf in leaves(self.tree) if tickets else ():
            if isinstance(leaf, PerFaceBranch) and leaf.modality == "face":
                frames = leaf.frames_of_looks(self.looks.of(leaf, tickets))
                if frames is not None:
                    said[id(leaf)] = frames
        for row in range(len(tickets)):
            each = {key: Scores(self.tree.labels, frames[row]) for key, frames in said.items()}
            scores = self.blended(dict(each))
            if scores is not None:
                found[row] = scores.values
        return found
