"""Few labelled clips -> a bundle fitted to them: last layers, temporal part, fusion, calibration.

The networks stay as they are. Every figure is out of fold: whole groups (speakers) are held out
while heads are chosen and fitted, and again while weights and temperatures are.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from facevoice.bundle import Bundle, load_bundle
from facevoice.bundle.reweigh import bundle_fusion
from facevoice.errors import DatasetError, RecipeError
from facevoice.scores.metrics import evaluate
from facevoice.train.adapt.bundle import finished, write_bundle
from facevoice.train.adapt.features import Progress, read_leaves
from facevoice.train.adapt.fit import FEWEST_GROUPS, Adapted, Settings, fit
from facevoice.train.adapt.heads import Clips
from facevoice.train.prepare.folder import Prepared


def adapt(
    bundle: str | Path,
    data: Prepared,
    output: Path,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a bundle adapted to the clips; one that was made of the same inputs stays.

    Raises:
        RecipeError: the data or the bundle does not allow it, see ``check_data``.
        DatasetError: too few clips of a label.
        BundleError: no such bundle.
        OutputError: a file cannot be written.
    """
    settings = settings or Settings()
    base = load_bundle(bundle)
    check_data(base, data)
    if finished(output, base, data, settings):
        return output
    clips = clips_of(base, data, settings)
    with tempfile.TemporaryDirectory(prefix="facevoice-") as work:
        leaves = read_leaves(
            base, data, Path(work), views=settings.views, seed=settings.seed, progress=progress
        )
    rows = np.arange(len(data.ids))
    adapted = fit(leaves, clips, rows, base, settings.temporal)
    figures = figures_of(adapted, base)
    write_bundle(base, data, settings, leaves, adapted, figures, output)
    return output


def check_data(bundle: Bundle, data: Prepared) -> None:
    """Raise RecipeError or DatasetError where nothing can be learnt from the data."""
    source = bundle.card["provenance"].get("adapted")
    if source is not None:
        name = source["inputs"]["bundle"]["name"]
        raise RecipeError(f"{bundle.folder} is adapted already: adapt {name}, which it came from")
    used = [data.labels[label] for label in np.unique(data.y)]
    unknown = [label for label in used if label not in bundle.labels]
    if unknown:
        raise RecipeError(
            f"{data.folder} has the labels {', '.join(unknown)}; the bundle {bundle.name} knows"
            f" {', '.join(bundle.labels)}"
        )
    groups = np.array(data.groups)
    count = len(np.unique(groups))
    if count < FEWEST_GROUPS:
        raise RecipeError(
            f"{data.folder} holds clips of {count} group (speaker): at least {FEWEST_GROUPS} are"
            " needed, so that one can be held out"
        )
    if len(used) < 2:
        raise DatasetError(f"{data.folder} holds the label {used[0]} alone: nothing to tell apart")
    for label in used:
        own = data.y == data.labels.index(label)
        if len(np.unique(groups[own])) < FEWEST_GROUPS:
            raise DatasetError(
                f"too few clips of {label}: {int(own.sum())} of one group (speaker); at least"
                f" {FEWEST_GROUPS} groups must show it"
            )


def clips_of(bundle: Bundle, data: Prepared, settings: Settings) -> Clips:
    """The clips with labels as the bundle numbers them."""
    index = {place: bundle.labels.index(data.labels[place]) for place in np.unique(data.y)}
    y = np.array([index[place] for place in data.y], np.int64)
    return Clips(y, np.array(data.groups), len(bundle.labels), settings.seed)


def figures_of(adapted: Adapted, bundle: Bundle) -> dict[str, dict[str, Any]]:
    """Out-of-fold WAR with its Wilson interval, and UAR, of every branch, before and after."""
    table = adapted.held_out
    before = table.scores[:, 0]
    if "members" in bundle.card["tree"]:
        before = bundle_fusion(bundle.card).fuse(table)
    columns = {name: table.column(name) for name in table.branches}
    columns |= {"fused before": before, "fused after": adapted.fused}
    columns = {name: scores for name, scores in columns.items() if np.isfinite(scores).any()}
    return {
        f"{name}, out of fold": evaluate(table, scores).rounded(
            "count", "war", "war_low", "war_high", "uar", "log_loss"
        )
        for name, scores in columns.items()
    }
