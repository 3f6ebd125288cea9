"""One recipe, prepared data -> one finished run folder, whatever kind of branch it becomes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from facevoice.train.fit.loop import train_net
from facevoice.train.fit.run_folder import check_folder
from facevoice.train.fit.stage import Progress, Report
from facevoice.train.prepare.folder import Prepared
from facevoice.train.recipe import AnyRecipe
from facevoice.train.voice.run import train_utterances

_TRAIN: Final[Mapping[str, Callable[..., Path]]] = {
    "face_vote": train_net,
    "face_sequence": train_net,
    "spectrogram_net": train_net,
    "functionals": train_utterances,
    "speech_encoder": train_utterances,
}


def train(
    recipe: AnyRecipe,
    data: Prepared,
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
    check_folder(run, recipe, data)  # before minutes of features are computed
    fit = _TRAIN[recipe.branch]
    return fit(recipe, data, run, report, progress=progress, devices=devices)
