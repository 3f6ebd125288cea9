"""Weights to start from, in the layouts that are published, imitated at small size."""

import hashlib
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.io
import torch
import torchvision
from torch import nn

from facevoice.errors import HashMismatchError, RecipeError
from facevoice.train.fit.initial_weights import load_initial, weights_folder
from facevoice.train.fit.sequence_features import SequenceNet
from facevoice.train.nets import NETS, NetSize, SummedBlstm

WIDTH = 4
CLASSIFIERS = {
    "vgg16": "classifier.6.", "vgg16_bn": "classifier.6.", "vgg19": "classifier.6.",
    "vgg19_bn": "classifier.6.", "resnet18": "fc.", "densenet121": "classifier.",
}  # fmt: skip
VGG_FACE = (
    "conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv4_1",
    "conv4_2", "conv4_3", "conv5_1", "conv5_2", "conv5_3", "fc6", "fc7",
)  # fmt: skip


def build(name="vgg16", channels=3, width=WIDTH, feature_dim=0, classes=7, seed=0):
    torch.manual_seed(seed)
    return NETS[name](NetSize(channels, classes, width, 0.1, feature_dim)).eval()


def published(net, name):
    """A net's weights as torchvision would publish them: its names, 1000 labels."""
    state = {key.removeprefix("body."): item for key, item in net.body.state_dict().items()}
    head = CLASSIFIERS[name]
    state[f"{head}weight"] = torch.randn(1000, net.feature_dim)
    state[f"{head}bias"] = torch.randn(1000)
    return state


def vgg_face(net):
    """A VGG-16's weights under VGG-Face's names, which go by the order of layers."""
    layers = [module for module in net.body.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    state = {}
    for name, layer in zip(VGG_FACE, layers, strict=True):
        state[f"{name}.weight"], state[f"{name}.bias"] = layer.weight.data, layer.bias.data
    return state | {"fc8.weight": torch.randn(2622, net.feature_dim), "fc8.bias": torch.randn(2622)}


def matconvnet(net, *, old):
    """The same as MatConvNet holds them: (H, W, in, out), fully connected ones as convolutions."""
    layers = []
    state = vgg_face(net)
    for name in (*VGG_FACE, "fc8"):
        filters, biases = state[f"{name}.weight"].numpy(), state[f"{name}.bias"].numpy()[None]
        if name == "fc6":
            filters = filters.reshape(len(filters), -1, 7, 7)
        elif name.startswith("fc"):
            filters = filters[:, :, None, None]
        filters = np.asfortranarray(filters.transpose(2, 3, 1, 0))
        layer = {"name": name, "type": "conv"}
        if old:
            layers.append(layer | {"filters": filters, "biases": biases})
        else:
            pair = np.empty((1, 2), object)
            pair[0, 0], pair[0, 1] = filters, biases
            layers.append(layer | {"weights": pair})
        layers.append({"name": f"relu_{name}", "type": "relu"})
    cells = np.empty((1, len(layers)), object)
    cells[0] = layers
    return {"net": {"layers": cells}} if old else {"layers": cells, "meta": {"inputs": 1.0}}


def assert_features_equal(one, other):
    pictures = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(one.features(pictures), other.features(pictures))


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """The weights folder of this test."""
    monkeypatch.setenv("FACEVOICE_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "weights").mkdir(parents=True)
    return tmp_path / "home" / "weights"


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_reads_torchvisions_layout(tmp_path, name, wrapped):
    source, net = build(name, seed=1), build(name)
    classifier = net.classify.weight.clone()
    state = published(source, name)
    if wrapped:
        state = {"state_dict": {f"module.{key}": item for key, item in state.items()}, "epoch": 3}
    path = tmp_path / "published.pth"
    torch.save(state, path)
    line = load_initial(net, name, str(path))
    assert_features_equal(net, source)
    assert torch.equal(net.classify.weight, classifier)
    assert "published.pth" in line
    assert hashlib.sha256(path.read_bytes()).hexdigest()[:12] in line


def test_reads_the_names_of_torchvisions_old_densenet_file(tmp_path):
    source, net = build("densenet121", seed=1), build("densenet121")
    state = {
        re.sub(r"(denselayer\d+\.)(norm|conv)([12])\.", r"\1\2.\3.", key): item
        for key, item in published(source, "densenet121").items()
        if not key.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in state
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    load_initial(net, "densenet121", str(tmp_path / "old.pth"))
    assert_features_equal(net, source)


def test_reads_vgg_face_of_torch(tmp_path):
    source, net = build(seed=1), build()
    torch.save(vgg_face(source), tmp_path / "faces.pth")
    line = load_initial(net, "vgg16", str(tmp_path / "faces.pth"))
    assert_features_equal(net, source)
    assert "VGG-Face" in line
    assert "non-commercial" in line


@pytest.mark.parametrize("old", [False, True])
def test_reads_vgg_face_of_matconvnet(weights, old):
    source, net = build(seed=1), build()
    scipy.io.savemat(weights / "vgg-face.mat", matconvnet(source, old=old))
    line = load_initial(net, "vgg16", "vggface")
    assert_features_equal(net, source)
    assert line.startswith("vgg-face.mat, VGG-Face")


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_grey_net_answers_as_the_published_one_to_a_grey_picture(tmp_path, name):
    source, net = build(name, seed=1), build(name, channels=1)
    torch.save(published(source, name), tmp_path / "published.pth")
    load_initial(net, name, str(tmp_path / "published.pth"))
    grey = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        expected = source.features(grey.expand(-1, 3, -1, -1))
        torch.testing.assert_close(net.features(grey), expected, rtol=1e-4, atol=1e-5)


def test_an_added_layer_starts_at_random(tmp_path):
    source, net = build("resnet18", seed=1), build("resnet18", feature_dim=10)
    torch.save(published(source, "resnet18"), tmp_path / "published.pth")
    added = net.project[0].weight.clone()
    load_initial(net, "resnet18", str(tmp_path / "published.pth"))
    assert torch.equal(net.body.conv1.weight, source.body.conv1.weight)
    assert torch.equal(net.project[0].weight, added)


# torchvision's files of full width: fetched from a folder, as from the network


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    """A resnet18 as torchvision publishes it, and its address."""
    folder = tmp_path_factory.mktemp("server")
    source = build("resnet18", width=64, seed=1)
    torch.save(published(source, "resnet18"), folder / "raw.pth")
    digest = hashlib.sha256((folder / "raw.pth").read_bytes()).hexdigest()
    path = (folder / "raw.pth").rename(folder / f"resnet18-{digest[:8]}.pth")
    return source, path.as_uri()


def publish(monkeypatch, url):
    monkeypatch.setattr(
        torchvision.models,
        "get_model_weights",
        lambda name: {"IMAGENET1K_V1": SimpleNamespace(url=url)},
    )


def test_fetches_torchvisions_file_once(weights, monkeypatch, imagenet):
    source, url = imagenet
    publish(monkeypatch, url)
    net = build("resnet18", width=64)
    line = load_initial(net, "resnet18", "imagenet")
    assert_features_equal(net, source)
    name = url.rpartition("/")[2]
    assert [path.name for path in weights.iterdir()] == [name]
    assert line.startswith(f"{name}, IMAGENET1K_V1; sha256 {name[9:17]}")
    publish(monkeypatch, f"file:///nowhere/{name}")
    assert load_initial(build("resnet18", width=64), "resnet18", "imagenet") == line


def test_says_which_file_to_fetch_where_there_is_no_network(weights, monkeypatch):
    publish(monkeypatch, "file:///nowhere/resnet18-f37072fd.pth")
    with pytest.raises(RecipeError) as caught:
        load_initial(build("resnet18", width=64), "resnet18", "imagenet")
    assert "file:///nowhere/resnet18-f37072fd.pth" in str(caught.value)
    assert str(weights / "resnet18-f37072fd.pth") in str(caught.value)
    assert not list(weights.iterdir())


def test_a_file_with_other_bytes_is_not_kept(weights, monkeypatch, tmp_path):
    bad = tmp_path / "resnet18-f37072fd.pth"
    bad.write_bytes(b"half a file")
    publish(monkeypatch, bad.as_uri())
    with pytest.raises(HashMismatchError, match="expected f37072fd"):
        load_initial(build("resnet18", width=64), "resnet18", "imagenet")
    assert not list(weights.iterdir())
    (weights / bad.name).write_bytes(b"put here by hand")
    with pytest.raises(HashMismatchError, match="delete it"):
        load_initial(build("resnet18", width=64), "resnet18", "imagenet")


def test_torchvisions_weights_have_one_width(weights):
    with pytest.raises(RecipeError, match="width 64, this recipe 4"):
        load_initial(build("resnet18"), "resnet18", "imagenet")


def test_weights_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("FACEVOICE_HOME", str(tmp_path))
    assert weights_folder() == tmp_path / "weights"
    monkeypatch.delenv("FACEVOICE_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert weights_folder() == tmp_path / "cache" / "facevoice" / "weights"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights_folder() == tmp_path / ".cache" / "facevoice" / "weights"


# what cannot be loaded


def test_vgg_face_absent(weights):
    with pytest.raises(RecipeError, match=r"vgg_face_dag\.pth from https") as caught:
        load_initial(build(), "vgg16", "vggface")
    assert str(weights) in str(caught.value)


@pytest.mark.parametrize("initial", ["imagenet", "vggface"])
def test_small_nets_have_no_published_weights(weights, initial):
    torch.save(vgg_face(build()), weights / "vgg_face_dag.pth")
    with pytest.raises(RecipeError, match="no weights for small_resnet; only for vgg16"):
        load_initial(build("small_resnet"), "small_resnet", initial)


def test_vgg_face_is_a_vgg16(tmp_path):
    torch.save(vgg_face(build()), tmp_path / "faces.pth")
    with pytest.raises(RecipeError, match="holds VGG-Face, a vgg16; the net is a vgg19"):
        load_initial(build("vgg19"), "vgg19", str(tmp_path / "faces.pth"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("conv3_2.bias"), r"missing: features\.12\.bias$"),
        (lambda state: state.update(conv9=torch.ones(1)), r"not of this net: conv9$"),
        (
            lambda state: state.update({"conv1_1.weight": torch.ones(8, 3, 3, 3)}),
            r"of other shape: features\.0\.weight \(8, 3, 3, 3\) for \(4, 3, 3, 3\)$",
        ),
    ],
)
def test_a_file_must_fit_exactly(tmp_path, change, message):
    state = vgg_face(build(seed=1))
    change(state)
    torch.save(state, tmp_path / "faces.pth")
    net = build()
    before = {key: item.clone() for key, item in net.state_dict().items()}
    with pytest.raises(RecipeError, match=message):
        load_initial(net, "vgg16", str(tmp_path / "faces.pth"))
    assert all(torch.equal(item, before[key]) for key, item in net.state_dict().items())


class _Pickled:
    """Tells when it is made from a file."""

    made = 0

    def __reduce__(self):
        return _Pickled._make, ()

    @staticmethod
    def _make():
        _Pickled.made += 1
        return _Pickled()


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("text.pth", lambda path: path.write_text("weights")),
        ("empty.pth", lambda path: path.write_bytes(b"")),
        ("VGG_FACE.t7", lambda path: path.write_bytes(b"\x04\0\0\0\x01\0\0\0")),
        ("array.pth", lambda path: torch.save(torch.ones(3), path)),
        ("object.pth", lambda path: torch.save({"a": _Pickled()}, path)),
        ("number.pth", lambda path: torch.save({"a": 3}, path)),
        ("text.mat", lambda path: path.write_text("weights")),
        ("empty.mat", lambda path: path.write_bytes(b"")),
        ("other.mat", lambda path: scipy.io.savemat(path, {"x": np.ones(3)})),
        ("newer.mat", lambda path: path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")),
    ],
)
def test_files_that_hold_no_weights_are_named(tmp_path, name, write):
    write(tmp_path / name)
    with pytest.raises(RecipeError, match=re.escape(name)):
        load_initial(build(), "vgg16", str(tmp_path / name))
    assert not _Pickled.made


def test_an_unknown_word_lists_what_there_is():
    with pytest.raises(RecipeError, match='neither "imagenet" nor "vggface"'):
        load_initial(build(), "vgg16", "imagnet")


# a finished run


def write_run(folder, net, name="small_resnet", labels="abcdefg", **facts):
    folder.mkdir()
    size = net.size
    recipe = {"branch": "face_vote", "net": name, "width": size.width}
    if size.feature_dim:
        recipe["feature_dim"] = size.feature_dim
    facts = {
        "recipe": recipe, "labels": list(labels),
        "corpus": {"corpus": "toys", "licence": "free to all"},
    } | facts  # fmt: skip
    (folder / "run.json").write_text(json.dumps(facts))
    torch.save(net.state_dict(), folder / "model.pt")
    return str(folder)


@pytest.mark.parametrize("feature_dim", [0, 9])
@pytest.mark.parametrize("name", ["small_resnet", "resnet18"])
def test_a_run_is_taken_over_whole(tmp_path, name, feature_dim):
    source = build(name, seed=1, feature_dim=feature_dim)
    net = build(name, feature_dim=feature_dim)
    run = write_run(tmp_path / "first", source, name, initial_weights="resnet18-x.pth; BSD")
    line = load_initial(net, name, run)
    assert all(torch.equal(net.state_dict()[key], it) for key, it in source.state_dict().items())
    assert line.startswith("run first on toys, labels a b c d e f g, classifier taken over; sha256")
    assert line.endswith("data: free to all; it began with: resnet18-x.pth; BSD")


def test_a_run_with_other_labels_keeps_our_classifier(tmp_path):
    source, net = build("small_resnet", seed=1, classes=4), build("small_resnet")
    classifier = net.classify.weight.clone()
    line = load_initial(net, "small_resnet", write_run(tmp_path / "first", source, labels="abcd"))
    assert torch.equal(net.classify.weight, classifier)
    assert_features_equal(net, source)
    assert "classifier new" in line


def test_a_layer_may_be_added_to_a_run(tmp_path):
    source, net = build("small_resnet", seed=1), build("small_resnet", feature_dim=9)
    before = {key: item.clone() for key, item in net.state_dict().items()}
    line = load_initial(net, "small_resnet", write_run(tmp_path / "first", source))
    for key, item in net.state_dict().items():
        ours = key.startswith(("project.", "classify."))
        assert torch.equal(item, before[key] if ours else source.state_dict()[key])
    assert "classifier new" in line


def test_the_network_of_a_sequence_run(tmp_path):
    source, net = build("small_resnet", seed=1), build("small_resnet")
    run = write_run(tmp_path / "first", source)
    whole = SequenceNet(source, SummedBlstm(source.feature_dim, 7, 5, 0.1, "mean"))
    torch.save(whole.state_dict(), tmp_path / "first" / "model.pt")
    facts = json.loads((tmp_path / "first" / "run.json").read_text())
    facts["recipe"]["branch"] = "face_sequence"
    (tmp_path / "first" / "run.json").write_text(json.dumps(facts))
    load_initial(net, "small_resnet", run)
    assert_features_equal(net, source)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"width": 8}, "width = 8, this recipe has 4"),
        ({"feature_dim": 5}, "feature_dim = 5, this recipe has 0"),
        ({"channels": 1}, r"stem\.0\.weight \(4, 1, 3, 3\) for \(4, 3, 3, 3\)"),
        ({"name": "spectrogram_resnet"}, "net = spectrogram_resnet, this recipe has small_resnet"),
    ],
)
def test_a_run_of_another_net_is_refused(tmp_path, source, message):
    name = source.get("name", "small_resnet")
    run = write_run(tmp_path / "first", build(**{"name": name} | source), name)
    with pytest.raises(RecipeError, match=message):
        load_initial(build("small_resnet"), "small_resnet", run)


@pytest.mark.parametrize("absent", ["run.json", "model.pt"])
def test_an_unfinished_run_is_refused(tmp_path, absent):
    run = write_run(tmp_path / "first", build("small_resnet"))
    (tmp_path / "first" / absent).unlink()
    with pytest.raises(RecipeError, match=f"{absent} is absent"):
        load_initial(build("small_resnet"), "small_resnet", run)
