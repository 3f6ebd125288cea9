"""A recipe -> its networks with random weights."""

from facevoice.train.nets import NETS, FeatureNet, NetSize, SummedBlstm
from facevoice.train.recipe import Recipe, spectrogram_settings


def build_net(recipe: Recipe, classes: int) -> FeatureNet:
    """The recipe's network with random weights."""
    size = NetSize(
        channels=input_shape(recipe)[0],
        classes=classes,
        width=recipe.width,
        dropout=recipe.dropout,
        feature_dim=recipe.feature_dim,
    )
    return NETS[recipe.net](size)


def build_blstm(recipe: Recipe, net: FeatureNet, classes: int) -> SummedBlstm:
    """The recipe's BLSTM over the network's features, with random weights."""
    return SummedBlstm(
        net.feature_dim, classes, recipe.blstm_width, recipe.blstm_dropout, recipe.blstm_pooling
    )


def input_shape(recipe: Recipe) -> tuple[int, int, int]:
    """(C, H, W) of one picture that the network sees."""
    if recipe.branch == "spectrogram_net":
        settings = spectrogram_settings(recipe)
        return recipe.channels, settings.height, settings.width
    return 1 if recipe.grey else 3, recipe.input_size, recipe.input_size
