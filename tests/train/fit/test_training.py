"""A run from prepared data to a bundle that predicts, at toy size, on data made on the spot."""

import json
import resource
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

import facevoice
from facevoice.bundle import shipped_bundles
from facevoice.bundle.licences import branch_licences
from facevoice.bundle.trained_on import (
    VALIDATED_ON,
    Lessons,
    known,
    read_lessons,
    write_lessons,
)
from facevoice.errors import DatasetError, OutputError, RecipeError
from facevoice.samples import SAMPLE
from facevoice.scores.table import ScoreTable, write_score_table
from facevoice.scores.table.keys import keys_of
from facevoice.train.export import assemble as assemble_module
from facevoice.train.export.assemble import assemble
from facevoice.train.export.onnx_files import Exported, Run
from facevoice.train.fit.samples import drawing_order, split_of
from facevoice.train.nets import NETS, NetSize, multiply_adds, parameter_count
from facevoice.train.nets.small import SmallResNet
from facevoice.train.prepare.folder import join
from facevoice.train.recipe import recipe_from
from facevoice.train.run import train
from support.prepared_folders import COUNT, LABELS, VOICE, heard, shown, write_prepared

FACE = recipe_from(
    {
        "name": "tiny_face", "branch": "face_vote", "net": "small_resnet", "width": 4, "epochs": 4,
        "input_size": 24, "grey": True, "batch_size": 16, "learning_rate": 0.01, "pooling": "mean",
        "mirror": True, "augment": 0.3, "val_fraction": 0.25,
    },
    "test",
)  # fmt: skip
TREE = """
name = "tiny"
version = "0"
description = "for a test"
licences = { code = "MIT", weights = "MIT", data = "none" }
[tree]
name = "system"
members = [
    { name = "face", weight = 0.5, members = [{ run = "tiny_face" }] },
    { name = "voice", weight = 0.5, members = [{ run = "tiny_voice", temperature = 2.0 }] },
]
"""


@pytest.fixture(scope="session")
def faces(tmp_path_factory):
    """Pictures whose bright quarter is the label."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 120, (COUNT, 24, 24), np.uint8)
    for i in range(COUNT):
        top, left = 12 * (i % 4 // 2), 12 * (i % 2)
        images[i, top : top + 12, left : left + 12] += 130
    parts = [shown(image) for image in images]
    return write_prepared(tmp_path_factory.mktemp("data") / "faces", parts)


@pytest.fixture(scope="session")
def voices(tmp_path_factory):
    """Tones whose pitch is the label."""
    rng = np.random.default_rng(0)
    time = np.arange(8000) / 16000
    tones = [np.sin(2 * np.pi * 300 * 2 ** (i % 4) * time) for i in range(COUNT)]
    noisy = [tone * 8000 + rng.normal(0, 300, 8000) for tone in tones]
    parts = [heard(samples.astype(np.int16)) for samples in noisy]
    return write_prepared(tmp_path_factory.mktemp("data") / "voices", parts)


@pytest.fixture(scope="session")
def runs(faces, voices, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [train(FACE, faces, folder / "face"), train(VOICE, voices, folder / "voice")]


@pytest.fixture(scope="session")
def bundle(runs, tmp_path_factory):
    """The runs assembled, with a model card."""
    folder = tmp_path_factory.mktemp("assembled")
    tree = folder / "tree.toml"
    tree.write_text('model_card = "card.md"\n' + TREE)
    (folder / "card.md").write_text("# What it is for\n")
    return assemble(runs, tree, folder / "bundle")


@pytest.fixture
def _exported_already(bundle, monkeypatch):
    """Networks are those of the bundle: their export is what takes long."""

    def copied(run, folder):
        name = f"{run.recipe.name}.onnx"
        shutil.copyfile(bundle / name, folder / name)
        return Exported({"model": name}, 0.0)

    monkeypatch.setattr(assemble_module, "export", copied)


def log_of(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_the_loss_falls_and_held_out_samples_are_scored(runs):
    for run in runs:
        log = log_of(run)
        assert log[-1]["loss"] < log[0]["loss"]
    with np.load(runs[1] / "scores_test.npz") as stored:
        assert set(stored["groups"]) == {"s5"}
        np.testing.assert_allclose(stored["scores"].sum(axis=1), 1)
    facts = json.loads((runs[0] / "run.json").read_text())
    assert facts["rows"]["train"] + facts["rows"]["val"] == COUNT
    assert facts["recipe"]["width"] == 4


def test_a_killed_run_resumes_to_the_very_same_weights(runs, faces, tmp_path):
    class KilledError(Exception):
        pass

    def kill_after_two(line):
        if line["epoch"] == 2:
            raise KilledError

    with pytest.raises(KilledError):
        train(FACE, faces, tmp_path / "run", kill_after_two)
    assert not (tmp_path / "run" / "model.pt").exists()
    train(FACE, faces, tmp_path / "run")
    first, second = (
        torch.load(run / "model.pt", weights_only=True) for run in (runs[0], tmp_path / "run")
    )
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    assert [line["epoch"] for line in log_of(tmp_path / "run")] == [1, 2, 3, 4]


def test_a_full_disk_loses_nothing(runs, faces, tmp_path):
    """Files may not grow beyond the first bytes of a checkpoint, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_the_disk(line):
        if line["epoch"] == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))

    try:
        with pytest.raises(OutputError, match=r"checkpoint\.pt cannot be written: File too large"):
            train(FACE, faces, tmp_path / "run", fill_the_disk)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((tmp_path / "run").glob(".*.tmp"))
    train(FACE, faces, tmp_path / "run")
    assert [line["epoch"] for line in log_of(tmp_path / "run")] == [1, 2, 3, 4]
    assert log_of(tmp_path / "run")[-1]["loss"] == log_of(runs[0])[-1]["loss"]


def test_small_pictures_come_first(faces, tmp_path, monkeypatch):
    seen = []

    def spy(net, pictures):
        if net.training:
            seen.append(pictures.shape[-1])
        return original(net, pictures)

    original = SmallResNet.features
    monkeypatch.setattr(SmallResNet, "features", spy)
    train(
        recipe_from(FACE.to_dict() | {"sizes": [8, 16, 24], "epochs": 3}, "test"), faces, tmp_path
    )
    steps = len(seen) // 3
    assert seen == [8] * steps + [16] * steps + [24] * steps


def test_a_run_notes_what_it_learnt_from(runs, faces, voices, bundle):
    lessons = read_lessons(runs[1])
    groups = np.array(voices.groups)
    labels = [LABELS[k] for k in voices.y]
    keys = keys_of(voices.ids, labels)
    np.testing.assert_array_equal(np.isin(keys, lessons.every), groups != "s5")
    validated = np.isin(keys, lessons.validated)
    assert 0 < validated.sum() < (groups != "s5").sum()
    assert not np.isin(lessons.validated, lessons.learnt).any()
    card = json.loads((bundle / "bundle.json").read_text())
    taught = known(bundle, card, faces.ids, [LABELS[k] for k in faces.y])
    assert set(taught.tolist()) == {"yes", "validation"}
    assert VALIDATED_ON in card["files"]


@pytest.mark.usefixtures("_exported_already")
def test_branches_carry_the_licences_of_all_they_learnt_from(runs, faces, tmp_path):
    later = recipe_from(FACE.to_dict() | {"initial": str(runs[0]), "epochs": 1}, "test")
    others = replace(faces, meta=faces.meta | {"licence": "CC0"}, corpora=("others",) * COUNT)
    again = train(later, others, tmp_path / "later")
    meta = others.meta | {"licences": {"others": "CC BY"}}
    assert train(later, replace(others, meta=meta), tmp_path / "later") == again
    tree = tmp_path / "tree.toml"
    tree.write_text(TREE.replace(', data = "none"', ""))
    folder = assemble([again, runs[1]], tree, tmp_path / "bundle")
    card = json.loads((folder / "bundle.json").read_text())
    found = branch_licences(card)
    assert found["face.tiny_face"].data == {faces.meta["corpus"]: "none", "others": "CC BY"}
    assert found["voice.tiny_voice"].code == "MIT"
    own = found["voice.tiny_voice"].data
    whole = {**found["face.tiny_face"].data, **own}
    assert card["licences"]["data"] == "; ".join(f"{name}: {text}" for name, text in whole.items())


def test_a_model_card_goes_along(runs, bundle, tmp_path):
    assert (bundle / "MODEL_CARD.md").read_text() == "# What it is for\n"
    tree = tmp_path / "tree.toml"
    tree.write_text('model_card = "card.md"\n' + TREE)
    with pytest.raises(RecipeError, match=r"model card card\.md: there is no such file"):
        assemble(runs, tree, tmp_path / "bundle")


def test_a_run_notes_what_its_initial_weights_learnt_from(runs, faces, tmp_path):
    later = recipe_from(FACE.to_dict() | {"initial": str(runs[0]), "epochs": 1}, "test")
    earlier = keys_of(["somebody"], [LABELS[0]])
    before = read_lessons(runs[0])
    write_lessons(runs[0], before + Lessons(earlier))
    try:
        train(later, faces, tmp_path / "later")
    finally:
        write_lessons(runs[0], before)
    assert np.isin(earlier, read_lessons(tmp_path / "later").learnt).all()


def test_a_folder_keeps_to_its_recipe(runs, faces):
    other = recipe_from(FACE.to_dict() | {"width": 5}, "test")
    with pytest.raises(RecipeError, match="another recipe"):
        train(other, faces, runs[0])


def test_runs_become_a_bundle_that_predicts(bundle):
    prediction = facevoice.load(bundle)(SAMPLE)
    assert prediction.scores.labels == LABELS
    assert set(prediction.scores.parts) == {"face", "voice"}
    card = json.loads((bundle / "bundle.json").read_text())
    population = {name: each["people"] for name, each in card["population"].items()}
    assert set(population) == {"face.tiny_face", "voice.tiny_voice"}
    voice = card["tree"]["members"][1]["members"][0]
    assert voice["temperature"] == 2.0
    assert card["provenance"]["branches"]["tiny_face"]["parity_with_torch"] <= 1e-4
    assert card["figures"]["tiny_voice"]["test_count"] == 16
    beside = sorted(path.name for path in bundle.parent.iterdir())
    assert beside == ["bundle", "card.md", "tree.toml"]


def test_a_tree_must_use_the_runs_and_no_others(runs, tmp_path):
    tree = tmp_path / "tree.toml"
    tree.write_text(TREE.replace("tiny_voice", "tiny_face"))
    with pytest.raises(RecipeError, match="does not use the runs tiny_voice"):
        assemble(runs, tree, tmp_path / "bundle")
    with pytest.raises(RecipeError, match="names the runs tiny_face; given"):
        assemble(runs[1:], tree, tmp_path / "bundle")
    tree.write_text(TREE.replace('{ run = "tiny_voice", temperature = 2.0 }', '{ name = "voice" }'))
    with pytest.raises(RecipeError, match="a branch needs a run, or a name and a kind"):
        assemble(runs, tree, tmp_path / "bundle")


@pytest.mark.usefixtures("_exported_already")
def test_a_score_table_gives_a_temperature(runs, tmp_path):
    """The clips of speaker s5, whom the voice has not met."""
    stored = Run.open(runs[1]).scores("test")
    table = ScoreTable.of_arrays(
        stored["scores"], stored["y"], branches=["tiny_voice"], labels=LABELS, ids=stored["ids"]
    )
    write_score_table(table, tmp_path / "new.npz")
    tree = tmp_path / "tree.toml"
    tree.write_text(TREE.replace("temperature = 2.0", f'calibrate = "{tmp_path / "new.npz"}"'))
    card = json.loads((assemble(runs, tree, tmp_path / "bundle") / "bundle.json").read_text())
    voice = card["tree"]["members"][1]["members"][0]
    fitted = card["provenance"]["temperatures"]["tiny_voice"]
    assert fitted["temperature"][1] == voice["temperature"] != fitted["temperature"][0]
    assert fitted["clips"] == len(table)
    assert "calibrate" not in voice


def test_a_run_can_start_from_another(runs, faces, tmp_path):
    settings = FACE.to_dict() | {"initial": str(runs[0]), "epochs": 1}
    run = train(recipe_from(settings, "test"), faces, tmp_path / "on")
    assert log_of(run)[0]["loss"] < log_of(runs[0])[0]["loss"]
    with pytest.raises(RecipeError, match="neither"):
        train(recipe_from(settings | {"initial": "nowhere"}, "test"), faces, tmp_path / "no")
    wrong = recipe_from(settings | {"width": 5}, "test")
    with pytest.raises(RecipeError, match="is a run with width = 4, this recipe has 5"):
        train(wrong, faces, tmp_path / "wrong")


def test_a_recipe_must_fit_its_data(faces, voices, tmp_path):
    with pytest.raises(RecipeError, match="none of 64 train samples has a voice"):
        train(VOICE, faces, tmp_path / "a")
    unknown = recipe_from(VOICE.to_dict() | {"test_groups": ["s77"]}, "test")
    with pytest.raises(RecipeError, match="s77"):
        train(unknown, voices, tmp_path / "b")
    with pytest.raises(RecipeError, match="colour"):
        recipe_from(VOICE.to_dict() | {"spectrogram": {"colour": 1}}, "test")
    net = recipe_from(FACE.to_dict() | {"net": "resnet9000"}, "test")
    with pytest.raises(RecipeError, match="known: small_resnet"):
        train(net, faces, tmp_path / "d")


def test_groups_never_stand_on_two_sides(faces):
    split = split_of(faces, FACE)
    groups = np.array(faces.groups)
    assert not set(groups[split.train]) & set(groups[split.val])
    assert len(split.train) + len(split.val) == COUNT


def test_the_sampler_draws_rare_classes_more_often():
    y = np.array([0] * 90 + [1] * 10)
    recipe = recipe_from(FACE.to_dict() | {"balance": "sampler", "balance_power": 1.0}, "test")
    drawn = y[drawing_order(y, recipe, np.random.default_rng(0))]
    assert 0.35 < drawn.mean() < 0.65
    plain = y[drawing_order(y, FACE, np.random.default_rng(0))]
    assert sorted(plain) == sorted(y)


def test_corpora_are_joined_only_if_they_match(faces, voices):
    both = join([voices, faces])
    assert len(both.ids) == len(both.y) == len(list(both.evidences())) == 2 * COUNT
    assert (both.ids[0], both.ids[-1]) == ("voices/0", f"faces/{COUNT - 1}")
    np.testing.assert_array_equal(both.has("voice"), [True] * COUNT + [False] * COUNT)
    np.testing.assert_array_equal(both.speech(7).samples, voices.speech(7).samples)
    for mine, own in zip(both.pictures(COUNT + 7, 1), faces.pictures(7, 1), strict=True):
        np.testing.assert_array_equal(mine, own)
    other = replace(faces, meta=faces.meta | {"labels": ["calm"]})
    with pytest.raises(DatasetError, match="cannot be joined"):
        join([faces, other])
    assert join([faces]) is faces


def test_multiply_adds_are_those_of_the_layers():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.Flatten(),
                              torch.nn.Linear(2 * 16, 3))  # fmt: skip
    assert multiply_adds(net, (1, 4, 4)) == 16 * 2 * 9 + 32 * 3
    assert parameter_count(net) == 2 * 9 + 2 + 32 * 3 + 3


@pytest.mark.parametrize("name", sorted(NETS))
def test_every_net_maps_pictures_to_logits(name):
    net = NETS[name](NetSize(channels=1, classes=5, width=4, dropout=0.1))
    assert net(torch.zeros(2, 1, 48, 64)).shape == (2, 5)


def test_what_is_learnt_is_divided_by_the_labels_shares(faces, tmp_path):
    plain = replace(FACE, epochs=1, name="plain")
    runs = {
        power: train(replace(plain, prior_power=power), faces, tmp_path / str(power))
        for power in (0.0, 0.5)
    }
    weights = {power: torch.load(run / "model.pt") for power, run in runs.items()}
    split = split_of(faces, plain)
    share = np.bincount(faces.y[split.train], minlength=len(LABELS)) / len(split.train)
    moved = weights[0.0].pop("classify.bias") - weights[0.5].pop("classify.bias")
    np.testing.assert_allclose(moved, 0.5 * np.log(share), atol=1e-6)
    for name, values in weights[0.0].items():
        assert torch.equal(values, weights[0.5][name])


def test_an_exported_network_says_nothing_of_where_it_was_made(runs, bundle):
    for name in ("tiny_face.onnx", "tiny_voice.onnx"):
        content = (bundle / name).read_bytes()
        assert b".py" not in content
        for folder in (runs[0].parent, bundle.parent):
            assert str(folder).encode() not in content


def test_no_network_that_ships_says_where_it_was_made():
    (folder,) = shipped_bundles()
    for path in folder.parent.parent.rglob("*.onnx"):
        assert b'.py"' not in path.read_bytes(), path.name
