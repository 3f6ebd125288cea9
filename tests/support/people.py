"""Bundles with a population, and made-up predictions of people."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from facevoice.branches.tree import dotted_leaves
from facevoice.bundle import read_card
from facevoice.person import BranchPopulation, Population, estimator
from facevoice.predict import Predictor
from facevoice.predict.prediction import Prediction
from support.evidence_factory import make_evidence


@contextmanager
def few_emotions_will_do() -> Iterator[None]:
    """Shift people whose scores look like one emotion, as those of untrained networks do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimator, "FEW_EMOTIONS", 0.0)
        patch.setattr(estimator, "ENOUGH_EMOTIONS", 0.1)
        yield


def add_population(bundle: Path, folder: Path) -> Path:
    """A copy of a bundle with made-up statistics of each of its branches."""
    shutil.copytree(bundle, folder)
    card = read_card(folder)
    population = {}
    for seed, name in enumerate(dotted_leaves(card["tree"])):
        scores = np.random.default_rng(seed).dirichlet(np.ones(len(card["labels"])), 12)
        population[name] = BranchPopulation.of(np.log(scores), ["a", "b", "c"] * 4)
    block = {"population": Population(population).to_dict()}
    text = (folder / "bundle.json").read_text()
    (folder / "bundle.json").write_text(json.dumps(json.loads(text) | block))
    return folder


def clips_of(predictor: Predictor, count: int) -> list[Prediction]:
    """Predictions of made-up evidence: with face and voice, then with one of them, in turn."""
    return [
        predictor.of_evidence(
            make_evidence(
                faces=0 if number % 3 == 1 else 2,
                speech_seconds=0 if number % 3 == 2 else 1.0,
                seed=number,
            )
        )
        for number in range(count)
    ]
