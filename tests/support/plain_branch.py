"""A branch with nothing but ``score``, and how it gets into a bundle and into worker processes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facevoice.batch import Engine, Scoring, Unit
from facevoice.bundle import read
from facevoice.types import EMOTIONS, Evidence, Modality, Scores


@dataclass(frozen=True)
class Brightness:
    """Scores by how bright the faces and how loud the speech are; reads both modalities."""

    name: str
    labels: tuple[str, ...]
    modality: Modality | None = None

    @classmethod
    def of_node(cls, node: Mapping[str, Any], context: Any) -> "Brightness":
        return cls(node["name"], tuple(context.labels))

    def score(self, evidence: Evidence) -> Scores | None:
        if evidence.faces is None and evidence.speech is None:
            return None
        values = np.ones(len(self.labels))
        if evidence.faces is not None:
            values[0] += float(evidence.faces.images.mean()) / 50
        if evidence.speech is not None:
            values[1] += 10 * float(np.abs(evidence.speech.samples).mean())
        return Scores(self.labels, values / values.sum())


def register() -> None:
    """Add the kind, as its line in the dict of kinds would."""
    read._KINDS["brightness"] = Brightness


def write_bundle(folder: Path) -> Path:
    """A bundle whose whole tree is such a branch."""
    folder.mkdir()
    card = {
        "format": 1,
        "name": "plain",
        "version": "1",
        "labels": EMOTIONS,
        "licences": {"code": "MIT", "weights": "MIT", "data": "none"},
        "provenance": {},
        "files": {},
        "tree": {"kind": "brightness", "name": "brightness"},
    }
    (folder / "bundle.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


@dataclass(frozen=True, slots=True)
class Registered(Scoring):
    """Knows the kind in the process that scores."""

    def open(self) -> Callable[[Unit], str]:
        register()
        return Scoring.open(self)


@dataclass(frozen=True)
class Registering:
    """An engine whose processes know the kind."""

    engine: Engine

    def run(self, scoring, units):
        return self.engine.run(Registered(*astuple(scoring)), units)
