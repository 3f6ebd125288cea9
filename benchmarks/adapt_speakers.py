"""What ``facevoice adapt`` is worth: every speaker is scored by a bundle adapted to the others.

    python benchmarks/adapt_speakers.py --data CLIPS --prepared FOLDER

CLIPS: a folder with labels.csv (file, emotion, speaker), or a folder that is prepared already.
Nothing of the speaker is seen before: heads, their choice, weights and temperatures come from the
other speakers: from all of their clips, or from so many as --clips says, of each label as many as
of any other. "fused before" is the bundle as it is, "weights refitted" its branches with weights
and temperatures fitted on the other speakers, "fused after" the adapted bundle. Figures are over
all labels that the bundle knows; beside them stands the WAR among the labels that the clips show.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facevoice.bundle import Bundle, load_bundle
from facevoice.bundle.reweigh import bundle_fusion
from facevoice.cli.console import ProgressLine
from facevoice.datasets.labels import MANIFEST
from facevoice.scores import metrics
from facevoice.train.adapt.features import LeafFeatures, read_leaves
from facevoice.train.adapt.fit import Settings, fit
from facevoice.train.adapt.heads import Clips
from facevoice.train.adapt.refit import Temporal
from facevoice.train.adapt.run import check_data, clips_of
from facevoice.train.adapt.weights import rules_of, weighed
from facevoice.train.prepare.folder import Prepared, open_prepared
from facevoice.train.prepare.run import prepare
from facevoice.types import Float64Array


def drawn(clips: Clips, rows: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """So many of the rows (all, if there are fewer), of each label in turn."""
    rng = np.random.default_rng(clips.seed)
    order = rng.permutation(rows)
    turn = np.empty(len(order), np.int64)
    for label in np.unique(clips.y[order]):
        own = clips.y[order] == label
        turn[own] = np.arange(own.sum())
    return np.sort(order[np.argsort(turn, kind="stable")][:count])


def held_out(
    leaves: Sequence[LeafFeatures],
    clips: Clips,
    bundle: Bundle,
    temporal: Temporal,
    count: int,
) -> dict[str, Float64Array]:
    """(N, K) scores of each clip by node, before and after, adapted without its speaker."""
    scores: dict[str, Float64Array] = {}

    def put(name: str, rows: np.ndarray, values: Float64Array) -> None:
        empty = np.full((len(clips.y), clips.size), np.nan)
        scores.setdefault(name, empty)[rows] = values

    for group in np.unique(clips.groups):
        rows = np.flatnonzero(clips.groups == group)
        others = drawn(clips, np.flatnonzero(clips.groups != group), count)
        adapted = fit(leaves, clips, others, bundle, temporal)
        table = adapted.table(leaves, clips, rows)
        own = [leaf for leaf in leaves if not leaf.added]
        for leaf in own:
            put(f"{leaf.name} before", rows, table.column(leaf.name))
        put("fused before", rows, bundle_fusion(bundle.card).fuse(table))
        modalities = {str(leaf.node["name"]): leaf.modality for leaf in own}
        rules = rules_of(bundle.card["tree"], modalities)
        put("weights refitted", rows, weighed(adapted.held_out, own, {}, "all", rules).fuse(table))
        for name in adapted.refits:
            put(f"{name} alone", rows, table.column(name))
        for node in adapted.tree.nodes:
            table = table.with_branch(node.name, node.fuse(table))
            last = node is adapted.tree.root
            put("fused after" if last else f"{node.name} after", rows, table.column(node.name))
            shares = ", ".join(
                f"{weight:g} {member}"
                for member, weight in zip(node.members, node.weights, strict=True)
            )
            print(f"{group}: {node.name} = {shares}, T {node.adjustment.temperature:g}", flush=True)
        for name, refit in adapted.refits.items():
            print(f"{group}: {name}: {refit.kind}", flush=True)
    return scores


def report(scores: dict[str, Float64Array], clips: Clips, labels: tuple[str, ...]) -> None:
    """Print WAR with its Wilson interval, UAR, log-loss and ECE of each node."""
    right = {}
    for name, values in scores.items():
        found = metrics.Figures(name, labels, values, clips.y).rounded(
            "war", "war_low", "war_high", "uar", "log_loss", "ece"
        )
        right[name] = (metrics.predicted_classes(values) == clips.y).astype(np.float64)
        print(
            f"{name:28} WAR {found['war']:.3f} ({found['war_low']:.3f}-{found['war_high']:.3f})"
            f"  UAR {found['uar']:.3f}  log-loss {found['log_loss']:.3f}  ECE {found['ece']:.3f}"
            f"  shown labels only {_among_shown(values, clips):.3f}"
        )
    test = metrics.paired_permutation(right["fused after"], right["fused before"])
    print(f"fused, after - before: {test.difference:+.3f} (McNemar p = {test.p_value:.2g})")
    for group in np.unique(clips.groups):
        own = clips.groups == group
        print(
            f"{group}: {right['fused before'][own].mean():.3f} ->"
            f" {right['fused after'][own].mean():.3f}"
        )


def _among_shown(values: Float64Array, clips: Clips) -> float:
    """WAR of the highest score among the labels that some clip shows."""
    shown = np.unique(clips.y)
    found = shown[np.nan_to_num(values[:, shown], nan=-1.0).argmax(axis=1)]
    answered = ~np.isnan(values[:, 0])
    return float(((found == clips.y) & answered).mean())


def opened(data: Path, folder: Path | None) -> Prepared:
    """Prepared clips; those of a table of labels are prepared first, once."""
    if (data / "prepared.json").is_file():
        return open_prepared(data)
    if folder is None:
        raise SystemExit("--prepared is needed: where the clips' faces and speech are kept")
    with ProgressLine("clips prepared") as progress:
        return prepare(MANIFEST, data, folder, workers=2, progress=progress)


def main() -> None:
    """Read the clips once, then adapt as often as there are speakers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--prepared", type=Path)
    parser.add_argument("--bundle", default="base")
    parser.add_argument("--temporal", choices=("choose", "moments", "blstm"), default="choose")
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--clips", type=int, nargs="+", help="how many to learn from (all)")
    options = parser.parse_args()
    bundle, data = load_bundle(options.bundle), opened(options.data, options.prepared)
    check_data(bundle, data)
    settings = Settings(views=options.views, temporal=options.temporal)
    clips = clips_of(bundle, data, settings)
    with tempfile.TemporaryDirectory() as work:
        leaves = read_leaves(bundle, data, Path(work), views=settings.views, seed=settings.seed)
    for count in options.clips or [len(clips.y)]:
        print(f"adapted to {count} clips of other speakers at most:")
        scores = held_out(leaves, clips, bundle, settings.temporal, count)
        report(scores, clips, bundle.labels)


if __name__ == "__main__":
    main()
