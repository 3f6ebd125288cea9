"""The picture networks: torchvision's own, layer for layer, and what freezing holds."""

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.densenet import DenseNet
from torchvision.models.vgg import VGG, make_layers

from facevoice.errors import RecipeError
from facevoice.train.nets import (
    NETS,
    NetSize,
    SummedBlstm,
    freeze_convolutions,
    multiply_adds,
    parameter_count,
)

CLASSIFIERS = {
    "vgg16": "classifier.6.", "vgg16_bn": "classifier.6.", "vgg19": "classifier.6.",
    "vgg19_bn": "classifier.6.", "resnet18": "fc.", "densenet121": "classifier.",
}  # fmt: skip
VGG_PLANS = {
    "vgg16": [1, 1, "M", 2, 2, "M", 4, 4, 4, "M", 8, 8, 8, "M", 8, 8, 8, "M"],
    "vgg19": [1, 1, "M", 2, 2, "M", 4, 4, 4, 4, "M", 8, 8, 8, 8, "M", 8, 8, 8, 8, "M"],
}
NATURAL = {
    "small_resnet": 64, "spectrogram_resnet": 64, "vgg16": 512, "vgg16_bn": 512, "vgg19": 512,
    "vgg19_bn": 512, "resnet18": 64, "densenet121": 128,
}  # fmt: skip
WIDTH = 8


def build(name, channels=3, feature_dim=0, width=WIDTH, dropout=0.5):
    torch.manual_seed(0)
    return NETS[name](NetSize(channels, 7, width, dropout, feature_dim))


def stirred(net):
    """Norms with statistics of their own, so that leaving one out shows."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return net.eval()


def torchvision_net(name):
    """torchvision's net of our width: resnet18 has but one."""
    if name == "resnet18":
        return torchvision.models.resnet18(num_classes=7)
    if name == "densenet121":
        return DenseNet(WIDTH // 2, (6, 12, 24, 16), WIDTH, num_classes=7)
    with torch.device("meta"):  # its fully connected layers are not for narrow nets
        net = VGG(nn.Identity())
    plan = [item if item == "M" else item * WIDTH for item in VGG_PLANS[name.removesuffix("_bn")]]
    net.features = make_layers(plan, batch_norm=name.endswith("_bn"))
    hidden = WIDTH * 64
    net.classifier[0] = nn.Linear(WIDTH * 8 * 49, hidden)
    net.classifier[3] = nn.Linear(hidden, hidden)
    net.classifier[6] = nn.Linear(hidden, 7)
    return net


def published_state(net, name):
    """Our weights under torchvision's names, classifier included."""
    state = {key.removeprefix("body."): item for key, item in net.body.state_dict().items()}
    head = CLASSIFIERS[name]
    return state | {head + key: item for key, item in net.classify.state_dict().items()}


@pytest.mark.parametrize("side", [64, 100])
@pytest.mark.parametrize("name", CLASSIFIERS)
@torch.no_grad()
def test_gives_what_torchvisions_net_gives(name, side):
    ours = stirred(build(name, width=64 if name == "resnet18" else WIDTH))
    theirs = torchvision_net(name).eval()
    theirs.load_state_dict(published_state(ours, name), strict=True)
    pictures = torch.randn(2, 3, side, side)
    torch.testing.assert_close(ours(pictures), theirs(pictures))
    assert ours(pictures).std() > 1e-3


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_full_size_has_the_names_and_shapes_of_the_published_files(name):
    with torch.device("meta"):
        ours = NETS[name](NetSize(3, 7, 64, 0.5))
        theirs = torchvision.models.get_model(name)
    published = {
        key: item.shape
        for key, item in theirs.state_dict().items()
        if not key.startswith(CLASSIFIERS[name])
    }
    assert {key: item.shape for key, item in ours.body.state_dict().items()} == published
    natural = dict.fromkeys(CLASSIFIERS, 4096) | {"resnet18": 512, "densenet121": 1024}
    assert ours.feature_dim == ours.classify.in_features == natural[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
@torch.no_grad()
def test_full_size_vgg_gives_what_torchvisions_gives(name):
    ours, theirs = build(name, width=64).eval(), torchvision.models.get_model(name, num_classes=7)
    theirs.eval().load_state_dict(published_state(ours, name), strict=True)
    pictures = torch.randn(1, 3, 224, 224)
    torch.testing.assert_close(ours(pictures), theirs(pictures))


@pytest.mark.parametrize("feature_dim", [0, 20])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NETS)
@torch.no_grad()
def test_features_then_classifier(name, channels, feature_dim):
    net = build(name, channels, feature_dim).eval()
    pictures = torch.randn(2, channels, 48, 64)
    features = net.features(pictures)
    assert features.shape == (2, net.feature_dim) == (2, feature_dim or NATURAL[name])
    torch.testing.assert_close(net(pictures), net.classify(features))
    assert net(pictures).shape == (2, 7)
    assert features.min() >= 0  # all end in a ReLU, or in a mean of one
    assert any(key.startswith("project.") for key in net.state_dict()) == bool(feature_dim)


@pytest.mark.parametrize("name", NETS)
def test_dropout_stands_before_the_classifier_and_only_in_training(name):
    net = build(name, dropout=0.9)
    features = torch.ones(1, net.feature_dim)
    assert not torch.equal(net.train().classify(features), net.classify(features))
    assert torch.equal(net.eval().classify(features), net.classify(features))


@pytest.mark.parametrize("name", NETS)
def test_frozen_convolutions_stay_as_they_are(name):
    net = build(name, feature_dim=20)
    freeze_convolutions(net)
    before = {key: item.clone() for key, item in net.state_dict().items()}
    net.eval()
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    net(torch.randn(4, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    changed = {key for key, item in net.state_dict().items() if not torch.equal(item, before[key])}
    trained = {"project.0.weight", "project.0.bias", "classify.weight", "classify.bias"}
    if name.startswith("vgg"):
        trained |= {f"body.classifier.{n}.{part}" for n in (0, 3) for part in ("weight", "bias")}
    assert changed == trained
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    assert net.training
    assert not any(norm.training for norm in norms)


def test_unfrozen_norms_follow_the_batches():
    net = build("resnet18").train()
    before = net.body.bn1.running_mean.clone()
    net(torch.randn(4, 3, 32, 32))
    assert not torch.equal(before, net.body.bn1.running_mean)


def test_names_of_the_small_nets_stay_those_of_finished_runs():
    names = {key.rpartition(".")[0] for key in build("spectrogram_resnet", 1).state_dict()}
    block = {"conv1", "norm1", "conv2", "norm2", "shortcut.1", "shortcut.2"}
    blocks = {f"blocks.{place}.{part}" for place in range(4) for part in block}
    # the last stage keeps the channels of the one before
    assert names == {"stem.0", "stem.1", "classify"} | blocks


@pytest.mark.parametrize(
    ("number", "value"),
    [("channels", 0), ("classes", 0), ("width", 0), ("dropout", 1.0), ("feature_dim", -1)],
)
def test_impossible_sizes_are_refused(number, value):
    numbers = {"channels": 3, "classes": 7, "width": 8, "dropout": 0.1, "feature_dim": 0}
    with pytest.raises(RecipeError, match=number):
        NetSize(**numbers | {number: value})


def test_a_densenet_cannot_grow_by_half_a_channel():
    with pytest.raises(RecipeError, match="width"):
        build("densenet121", width=1)


def test_counts():
    # the published figures: 138.36 M, less the classifier's 993 labels that we do not have
    with torch.device("meta"):
        vgg = NETS["vgg16"](NetSize(3, 7, 64, 0.5))
    assert parameter_count(vgg) == 138_357_544 - 993 * 4097
    assert multiply_adds(build("resnet18", width=64), (3, 224, 224)) == 1_814_073_344 - 993 * 512
    # layers x directions x gates x (input and state) x instants, and the classifier
    blstm = SummedBlstm(10, 7, 6, 0.5, "mean")
    assert multiply_adds(blstm, (5, 10)) == 5 * 2 * 4 * 6 * (10 + 6 + 6 + 6) + 6 * 7
