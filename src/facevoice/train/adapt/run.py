"""Few labelled clips -> a bundle fitted to them: last layers, temporal part, fusion, calibration.

The networks stay as they are. Every figure is out of fold: whole groups (speakers) are held out
while heads are chosen and fitted, and again while weights and temperatures are.
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from facevoice.bundle import Bundle, load_bundle
from facevoice.bundle.reweigh import bundle_fusion
from facevoice.bundle.trained_on import known
from facevoice.errors import DatasetError, RecipeError
from facevoice.scores.metrics import evaluate
from facevoice.scores.table import trained_on
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
    fitting: Progress | None = None,
) -> Path:
    """Write a bundle adapted to the clips; one that was made of the same inputs stays.

    progress: told how many clips are read. fitting: told how many steps of ``fit`` are done.

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
    with threadpool_limits(1, "blas"):  # of thousands of tiny steps, where threads only wait
        adapted = fit(leaves, clips, rows, base, settings.temporal, fitting)
    notes = (speaker_note(data), trained_note(base, data), *adapted.notes)
    adapted = replace(adapted, notes=tuple(filter(None, notes)))
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
    groups = held_together(data)
    if len(used) < 2:
        raise DatasetError(f"{data.folder} holds the label {used[0]} alone: nothing to tell apart")
    for label in used:
        own = data.y == data.labels.index(label)
        if len(np.unique(groups[own])) < FEWEST_GROUPS:
            raise DatasetError(
                f"too few clips of {label}: {int(own.sum())} of one group (speaker); at least"
                f" {FEWEST_GROUPS} groups must show it"
            )


def held_together(data: Prepared) -> NDArray[np.str_]:
    """(N,) the group of each clip, which no fold may cut; of a lone group each clip by itself."""
    groups = np.array(data.groups)
    return groups if len(np.unique(groups)) >= FEWEST_GROUPS else np.array(data.ids)


def speaker_note(data: Prepared) -> str:
    """What to mind about the figures, if folds could not hold out whole speakers; else ""."""
    if len(set(data.groups)) < FEWEST_GROUPS:
        return (
            f"all clips are of one group (speaker), {data.groups[0]}: folds hold out single clips,"
            " so the figures flatter, and say nothing about other people"
        )
    if all(group == name for group, name in zip(data.groups, data.ids, strict=True)):
        return (
            "no speakers are named: folds hold out single clips, one person may stand on both"
            " sides, and the figures flatter; name speakers in the table of labels"
        )
    return ""


def trained_note(bundle: Bundle, data: Prepared) -> str:
    """What to mind about the figures, if clips taught the bundle already; else ""."""
    labels = [data.labels[index] for index in data.y]
    taught = known(bundle.folder, bundle.card, data.ids, labels, digests=data.digests)
    found = trained_on(f"the bundle {bundle.name}", data.ids, taught)
    return f"{found}: the figures flatter, those before adapting most" if found else ""


def clips_of(bundle: Bundle, data: Prepared, settings: Settings) -> Clips:
    """The clips with labels as the bundle numbers them."""
    index = {place: bundle.labels.index(data.labels[place]) for place in np.unique(data.y)}
    y = np.array([index[place] for place in data.y], np.int64)
    return Clips(y, held_together(data), len(bundle.labels), settings.seed)


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
