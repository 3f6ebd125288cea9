"""Which samples are trained on, in which order they are drawn, and what is aimed at."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from facevoice.errors import RecipeError
from facevoice.train.prepare.folder import Prepared
from facevoice.train.recipe import AnyRecipe, NetRecipe
from facevoice.types import Modality

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Split:
    """Row indices of a prepared folder: three disjoint sets, no group on two sides."""

    train: Indices
    val: Indices
    test: Indices

    def among(self, usable: NDArray[np.bool_], modality: Modality) -> "Split":
        """The rows that a branch can use: a clip may lack the modality.

        Raises:
            RecipeError: no training or no validation row is left.
        """
        parts = {name: rows[usable[rows]] for name, rows in self._parts().items()}
        for name in ("train", "val"):
            if not len(parts[name]):
                count = len(self._parts()[name])
                raise RecipeError(
                    f"none of {count} {name} samples has a {modality}, which this branch reads"
                )
        return Split(**parts)

    def _parts(self) -> dict[str, Indices]:
        return {"train": self.train, "val": self.val, "test": self.test}

    def sizes(self) -> dict[str, int]:
        """Rows by part."""
        return {name: len(rows) for name, rows in self._parts().items()}


def split_of(prepared: Prepared, recipe: AnyRecipe) -> Split:
    """The recipe's groups if it names them, else the corpus's splits and a share of the groups.

    Raises:
        RecipeError: a group or corpus that the recipe names is not in the data, or a part stays
            empty.
    """
    groups = np.array(prepared.groups)
    splits = np.array(prepared.splits)
    for what, named, known in (
        ("groups", recipe.val_groups + recipe.test_groups, prepared.groups),
        ("corpora", recipe.test_corpora, prepared.corpora),
    ):
        unknown = sorted(set(named) - set(known))
        if unknown:
            raise RecipeError(f"{what} {unknown} are not in the data")
    strangers = groups[np.isin(np.array(prepared.corpora), recipe.test_corpora)]
    test = (splits == "test") | np.isin(groups, [*recipe.test_groups, *strangers])
    val = ((splits == "val") | np.isin(groups, recipe.val_groups)) & ~test
    remaining = np.unique(groups[~test])
    if not val.any() and len(remaining):
        rng = np.random.default_rng(recipe.seed)
        count = max(1, round(recipe.val_fraction * len(remaining)))
        val = np.isin(groups, rng.choice(remaining, count, replace=False)) & ~test
    train = ~test & ~val
    if not train.any():
        raise RecipeError("no training sample is left after the split")
    return Split(np.flatnonzero(train), np.flatnonzero(val), np.flatnonzero(test))


def drawing_order(y: NDArray[np.int64], recipe: NetRecipe, rng: np.random.Generator) -> Indices:
    """Positions of one epoch: permutations, or draws that favour rare classes.

    y: (N,) labels of the training rows. Returns (N * draws,) positions.
    """
    if recipe.balance != "sampler":
        return np.concatenate([rng.permutation(len(y)) for _ in range(recipe.draws)])
    frequency = np.bincount(y) / len(y)
    weight = frequency[y] ** -recipe.balance_power
    return rng.choice(len(y), len(y) * recipe.draws, p=weight / weight.sum())


def logit_adjustment_of(y: NDArray[np.int64], classes: int, recipe: AnyRecipe) -> Tensor:
    """(K,) added to the logits in training so that rare classes count as much as common ones.

    ``log_prior`` times ``balance_power`` (Menon et al., *Long-tail learning via logit adjustment*,
    ICLR 2021, eq. 10); zeros unless ``balance`` is "logits".
    """
    if recipe.balance != "logits":
        return torch.zeros(classes)
    return recipe.balance_power * log_prior(y, classes)


def log_prior(y: NDArray[np.int64], classes: int) -> Tensor:
    """(K,) log of each class's share. A class without a sample counts as half a one.

    Taken off the logits of a trained network (Menon et al., eq. 9), so much of it as
    ``prior_power`` says, it makes rare classes as likely as in data that hold them more often.
    """
    share = np.maximum(np.bincount(y, minlength=classes), 0.5) / len(y)
    return torch.from_numpy(np.log(share)).float()


def mixed(
    pictures: Tensor, targets: Tensor, alpha: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Mixup (Zhang et al. 2018): pictures (N, C, H, W) and target distributions (N, K), paired."""
    if alpha <= 0:
        return pictures, targets
    share = float(rng.beta(alpha, alpha))
    partner = torch.from_numpy(rng.permutation(len(pictures)))
    return (
        share * pictures + (1 - share) * pictures[partner],
        share * targets + (1 - share) * targets[partner],
    )


def resized(pictures: Tensor, side: int) -> Tensor:
    """(N, C, H, W) -> (N, C, side, side), without aliasing."""
    if pictures.shape[-1] == side:
        return pictures
    return functional.interpolate(
        pictures, (side, side), mode="bilinear", align_corners=False, antialias=True
    )


def soft_targets(y: NDArray[np.int64], classes: int, smoothing: float) -> Tensor:
    """(N,) labels -> (N, K) target distributions."""
    hard = functional.one_hot(torch.from_numpy(y), classes).float()
    return hard * (1 - smoothing) + smoothing / classes
