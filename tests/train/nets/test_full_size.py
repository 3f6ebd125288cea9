"""The paper's networks at full size: one step of each, bundled, compared and used."""

import json
import shutil

import pytest

import facevoice
from facevoice.samples import SAMPLE
from facevoice.train.export.assemble import assemble
from facevoice.train.recipe import load_recipe
from facevoice.train.run import train
from support.places import RECIPES
from support.toy_clips import LABELS, ONE_BRANCH_TREE, write_clips

pytestmark = pytest.mark.slow

ONE_STEP = (
    "initial=", "epochs=1", "draws=1", "batch_size=4", "patience=0", "augment=0.0",
    "val_groups=['s1']", "balance=none", "storage=fp16",
)  # fmt: skip
PARAMETERS = {
    "vggface_blstm": 138_000_000,  # 134 million of VGG-16, and the BLSTM
    "resnet18_blstm": 13_000_000,
    "densenet121_blstm": 11_000_000,
    "vgg_affectnet": 134_000_000,
    "spectrogram_vgg19": 139_000_000,
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("data") / "clips", count=8)


@pytest.mark.parametrize("name", PARAMETERS)
def test_one_step_bundle_parity_and_prediction(name, clips, tmp_path):
    changes = (*ONE_STEP, "blstm_epochs=1") if name.endswith("_blstm") else ONE_STEP
    recipe = load_recipe(RECIPES / f"{name}.toml", changes)
    run = train(recipe, clips, tmp_path / "run")
    facts = json.loads((run / "run.json").read_text())
    assert facts["parameters"] == pytest.approx(PARAMETERS[name], rel=0.2)
    tree = tmp_path / "tree.toml"
    tree.write_text(ONE_BRANCH_TREE.format(name=recipe.name))
    folder = assemble([run], tree, tmp_path / "bundle")
    card = json.loads((folder / "bundle.json").read_text())
    branch = card["provenance"]["branches"][recipe.name]
    assert branch["parity_with_torch"] <= 1e-4
    assert branch["parity_in_half_precision"] <= 1e-2
    stored = sum(path.stat().st_size for path in folder.glob("*.onnx"))
    assert stored < 2.2 * facts["parameters"] + 20e6  # half precision
    prediction = facevoice.load(folder)(SAMPLE)
    assert prediction.scores.labels == LABELS
    shutil.rmtree(tmp_path)  # gigabytes
