"""Every recipe of the paper, at toy size: it trains, resumes exactly, bundles and predicts."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from facevoice.branches import leaves
from facevoice.bundle import load_bundle
from facevoice.train.export.assemble import assemble
from facevoice.train.export.onnx_files import Run
from facevoice.train.fit.run_folder import read_log
from facevoice.train.nets.build import build_net
from facevoice.train.recipe import load_recipe
from facevoice.train.run import train
from support.places import RECIPES
from support.toy_clips import ONE_BRANCH_TREE, write_clips

TOY = (
    "width=8", "initial=", "dropout=0.0", "epochs=2", "draws=1", "batch_size=16", "patience=0",
    "val_groups=['s1']", "test_groups=['s2']",
)  # fmt: skip
FACE = ("input_size=48", "frames=3", "normalise=unit")
SEQUENCE = (*FACE, "blstm_width=8", "blstm_epochs=2", "views=2")
SPECTROGRAM = ("spectrogram={ height = 32, width = 32 }",)
NAMES = {
    "vggface_blstm": SEQUENCE,
    "resnet18_blstm": (*SEQUENCE, "feature_dim=16"),
    "densenet121_blstm": (*SEQUENCE, "feature_dim=16"),
    "vgg_affectnet": (*FACE, "pooling=mean"),  # votes are counted in prediction alone
    "spectrogram_vgg19": SPECTROGRAM,
}


def toy(name, *changes):
    return load_recipe(RECIPES / f"{name}.toml", (*TOY, *NAMES[name], *changes))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("data") / "clips")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_trains_resumes_bundles_and_predicts(name, clips, tmp_path):
    recipe = toy(name)
    whole = train(recipe, clips, tmp_path / "whole")

    class KilledError(Exception):
        pass

    def kill(line):
        if line["epoch"] == 1 and line["stage"] == read_log(whole)[-1]["stage"]:
            raise KilledError

    with pytest.raises(KilledError):
        train(recipe, clips, tmp_path / "killed", kill)
    resumed = train(recipe, clips, tmp_path / "killed")
    first, second = (torch.load(run / "model.pt", weights_only=True) for run in (whole, resumed))
    assert all(torch.equal(first[key], second[key]) for key in first)

    tree = tmp_path / "tree.toml"
    tree.write_text(ONE_BRANCH_TREE.format(name=recipe.name))
    (branch,) = leaves(load_bundle(assemble([whole], tree, tmp_path / "bundle")).tree)
    stored = Run.open(whole).scores("val")
    found = replace(branch, temperature=1.0).score(
        clips.evidence(clips.ids.index(str(stored["ids"][0])))
    )
    np.testing.assert_allclose(found.values, stored["scores"][0], atol=1e-4)


@pytest.mark.slow
def test_two_processes_lose_what_one_does(clips, tmp_path):
    recipe = toy("vgg_affectnet", "epochs=3", "augment=0.5", "balance=none")
    runs = [train(recipe, clips, tmp_path / str(devices), devices=devices) for devices in (1, 2)]
    one, two = ([line["loss"] for line in read_log(run)] for run in runs)
    assert len(one) == 3
    np.testing.assert_allclose(one, two, rtol=2e-4)
    scores = [Run.open(run).scores("val")["scores"] for run in runs]
    np.testing.assert_allclose(*scores, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_as_written_builds_the_papers_network(name):
    recipe = load_recipe(RECIPES / f"{name}.toml")
    assert recipe.width == 64
    assert recipe.input_shape[1:] == (224, 224)
    if recipe.modality == "face":
        assert recipe.crop == (16, 16, 240, 240)
    with torch.device("meta"):
        net = build_net(recipe, 7)
    if recipe.branch == "face_sequence":
        assert net.feature_dim == 4096
        assert recipe.frames == (4 if name == "densenet121_blstm" else 16)
    if name == "vgg_affectnet":
        assert recipe.pooling == "votes"
