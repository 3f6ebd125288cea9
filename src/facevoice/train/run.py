"""One recipe, prepared data -> one finished run folder, whatever kind of branch it becomes."""

from pathlib import Path

from facevoice.train.fit.joined import TrainingData
from facevoice.train.fit.loop import train_net
from facevoice.train.fit.stage import Progress, Report
from facevoice.train.recipe import Recipe
from facevoice.train.voice.ensemble import train_ensemble
from facevoice.train.voice.svm import train_svm


def train(
    recipe: Recipe,
    data: TrainingData,
    run: Path,
    report: Report | None = None,
    *,
    progress: Progress | None = None,
    devices: int = 1,
) -> Path:
    """Train, or go on where a killed run with the same recipe and data stopped.

    devices: GPUs, or processes where there is none; they share each batch of a network.
    Returns the run folder.

    Raises:
        RecipeError: the recipe does not fit the data, or the folder holds another run.
    """
    if recipe.branch == "functionals_svm":
        fit = train_ensemble if recipe.net == "ensemble" else train_svm
        return fit(recipe, data, run, report)
    return train_net(recipe, data, run, report, progress=progress, devices=devices)
