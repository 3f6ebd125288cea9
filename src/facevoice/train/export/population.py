"""The population of a bundle that is being made: what people score in each branch.

It comes from clips that the branch has not learnt from: from the score table that
``population = "TABLE"`` names at a branch of the tree file, else the one that its temperature comes
from (``calibrate``), else the validation rows of its run. A branch without any of these is not read
against a person's baseline.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from facevoice.branches import leaves
from facevoice.branches.speech_encoder import CENTRED_TEMPERATURE
from facevoice.branches.tree import dotted_leaves
from facevoice.bundle.population import (
    POPULATION,
    branch_population,
    centred_neutral,
    table_population,
)
from facevoice.errors import RecipeError
from facevoice.person import BranchPopulation, Population
from facevoice.scores.table import read_score_table
from facevoice.train.export.calibrate import CALIBRATE, Calibrations
from facevoice.train.export.onnx_files import Run, fitted_temperature

Node = Mapping[str, Any]


CENTRED_RUN: Final = "centred_run"
"""The key of a branch in a tree file that names the run of its second model."""
CENTRED_POPULATION: Final = "centred_population"
"""... and the key that names a score table of it, of clips that it has not learnt from, which says
where people's neutral clips lie."""


def population_of(
    spec: Node, tree: Node, calibrations: Calibrations, runs: Mapping[str, Run]
) -> Population:
    """The statistics of each leaf that has a source of them.

    spec: the tree as its file has it. tree: the same as bundle.json will have it.
    runs: by name; that of a second model says what someone's mean clip scores in it.

    Raises:
        RecipeError: a table lacks a branch.
    """
    named = zip(leaves(spec), dotted_leaves(tree).items(), strict=True)
    found = {}
    for each, (name, node) in named:
        own = _branch(each, node, calibrations)
        if own is not None and CENTRED_RUN in each:
            own = _with_second(own, each, float(node.get(CENTRED_TEMPERATURE, 1.0)), runs)
        if own is not None:
            found[name] = own
    return Population(found)


def _with_second(
    own: BranchPopulation, spec: Node, temperature: float, runs: Mapping[str, Run]
) -> BranchPopulation:
    """With the statistics of the second model: its intercepts, and where neutral clips lie."""
    centred = np.array(runs[spec[CENTRED_RUN]].facts["centred"]) / temperature
    if CENTRED_POPULATION not in spec:
        return replace(own, centred=centred)
    table = read_score_table(Path(spec[CENTRED_POPULATION]))
    if [*table.labels] != runs[spec[CENTRED_RUN]].facts["labels"]:
        raise RecipeError(f"{spec[CENTRED_POPULATION]} has other labels: {', '.join(table.labels)}")
    offset = centred_neutral(table, temperature)
    neutral = None if offset is None else centred + offset
    return replace(own, centred=centred, centred_neutral=neutral)


def _branch(spec: Node, node: Node, calibrations: Calibrations) -> BranchPopulation | None:
    run = calibrations.runs.get(node["name"])
    temperature = float(node.get("temperature", 1.0))
    source = spec.get(POPULATION, spec.get(CALIBRATE))
    if source is not None:  # at the temperature that validation rows ask for
        path = Path(source)
        table = read_score_table(path)
        before = temperature if run is None else fitted_temperature(run)
        column = calibrations.column(node["name"], table, path)
        return table_population(table, column, temperature / before)
    stored = None if run is None else run.scores("val")
    if stored is None:
        return None
    return branch_population(
        stored["scores"],
        stored["groups"],
        temperature,
        truth=stored["y"],
        labels=stored["labels"].tolist(),
    )
