"""A recipe -> its networks with random weights."""

from facevoice.errors import RecipeError
from facevoice.train.nets import NETS, FeatureNet, NetSize, SummedBlstm
from facevoice.train.recipe import FaceSequenceRecipe, NetRecipe


def build_net(recipe: NetRecipe, classes: int) -> FeatureNet:
    """The recipe's network with random weights.

    Raises:
        RecipeError: there is no such network.
    """
    if recipe.net not in NETS:
        raise RecipeError(f"unknown net {recipe.net!r}; known: {', '.join(NETS)}")
    size = NetSize(
        channels=recipe.input_shape[0],
        classes=classes,
        width=recipe.width,
        dropout=recipe.dropout,
        feature_dim=recipe.feature_dim,
    )
    return NETS[recipe.net](size)


def build_blstm(recipe: FaceSequenceRecipe, net: FeatureNet, classes: int) -> SummedBlstm:
    """The recipe's BLSTM over the network's features, with random weights."""
    return SummedBlstm(
        net.feature_dim, classes, recipe.blstm_width, recipe.blstm_dropout, recipe.blstm_pooling
    )
