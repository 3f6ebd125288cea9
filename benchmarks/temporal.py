"""Votes of frames, their mean, or a part that reads them over time: which tells a clip's emotion?

The face network of a bundle stays as it is. Votes and mean are what ``face_vote`` does with it;
"moments" (mean and deviation of its features, then a linear layer) and "blstm" (two layers, summed
directions) learn from all speakers but one and are judged on that one. "mean, refitted" is a linear
layer on the mean alone, so that what time adds is told from what learning on these clips adds.
Run: ``python benchmarks/temporal.py --data prepared/javanese_av``.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from facevoice.branches.base import softmax
from facevoice.bundle import load_bundle
from facevoice.scores import metrics
from facevoice.train.adapt.features import LeafFeatures, read_leaves
from facevoice.train.adapt.fit import Settings
from facevoice.train.adapt.heads import Clips
from facevoice.train.adapt.refit import Kind, fit_head
from facevoice.train.adapt.run import check_data, clips_of
from facevoice.train.prepare.folder import open_prepared
from facevoice.types import Float64Array


def pooled(leaf: LeafFeatures, count: int, size: int) -> dict[str, Float64Array]:
    """(N, K) scores of each clip by the network as it is: votes of its frames, and their mean."""
    assert leaf.trunk is not None
    votes, mean = np.full((count, size), np.nan), np.full((count, size), np.nan)
    width = leaf.trunk.head.weight.shape[0]
    for row, features in leaf.sequences[0].items():
        each = softmax(leaf.trunk.head.logits(features[:, :width]).astype(np.float32))
        votes[row] = np.bincount(each.argmax(axis=1), minlength=size) / len(each)
        mean[row] = each.mean(axis=0)
    return {"votes": votes, "mean": mean}


def held_out(leaf: LeafFeatures, clips: Clips, kind: Kind) -> Float64Array:
    """(N, K) scores of each clip by a head that the other speakers taught."""
    scores = np.full((len(clips.y), clips.size), np.nan)
    for group in np.unique(clips.groups):
        own = clips.groups == group
        taught = np.flatnonzero(~own & leaf.speaks)
        rows = np.flatnonzero(own)
        scores[rows] = fit_head(leaf, clips, taught, kind).scores(leaf, rows)
    return scores


def without_deviation(leaf: LeafFeatures) -> LeafFeatures:
    """The same features without how they vary over time."""
    values = leaf.read.values.copy()
    values[:, values.shape[1] // 2 :] = 0
    return replace(leaf, items=replace(leaf.read, values=values))


def main() -> None:
    """Print a table, each row with its paired test against the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", default="base")
    options = parser.parse_args()
    bundle, data = load_bundle(options.bundle), open_prepared(options.data)
    check_data(bundle, data)
    settings = Settings()
    clips = clips_of(bundle, data, settings)
    with tempfile.TemporaryDirectory() as work:
        leaves = read_leaves(bundle, data, Path(work), views=settings.views, seed=settings.seed)
    leaf = next(leaf for leaf in leaves if leaf.modality == "face" and leaf.trunk is not None)
    found = pooled(leaf, len(clips.y), clips.size)
    found["mean, refitted"] = held_out(without_deviation(leaf), clips, "moments")
    found["moments"] = held_out(leaf, clips, "moments")
    found["blstm"] = held_out(leaf, clips, "blstm")
    right = {
        name: (metrics.predicted_classes(scores) == clips.y).astype(np.float64)
        for name, scores in found.items()
    }
    for name, scores in found.items():
        figures = metrics.Figures(name, bundle.labels, scores, clips.y)
        matrix, war = figures.matrix, figures.war
        told = f"{name:16} WAR {matrix.war:.3f} ({war.low:.3f}-{war.high:.3f})"
        told += f"  UAR {matrix.uar:.3f}  log-loss {figures.rounded('log_loss')['log_loss']:.3f}"
        for other in ("mean", "mean, refitted"):
            if name != other:
                by_clip = metrics.paired_permutation(right[name], right[other])
                by_speaker = metrics.paired_permutation(
                    right[name], right[other], groups=clips.groups
                )
                told += (
                    f"  - {other}: {by_clip.difference:+.3f} (p {by_clip.p_value:.3f} by clip,"
                    f" {by_speaker.p_value:.3f} by speaker)"
                )
        print(told)


if __name__ == "__main__":
    main()
