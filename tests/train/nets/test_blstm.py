"""The BLSTM against the paper's formulas, written out in numpy, and against its own ONNX file."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from facevoice.errors import RecipeError
from facevoice.train.nets import SummedBlstm

DIM, WIDTH, CLASSES = 5, 4, 3


def build(pooling="mean", dropout=0.0, layers=2):
    torch.manual_seed(1)
    net = SummedBlstm(DIM, CLASSES, WIDTH, dropout, pooling, layers)
    for parameter in net.parameters():  # away from zero, so that every gate tells
        torch.nn.init.normal_(parameter, 0, 0.7)
    return net.eval()


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def one_direction(lstm, suffix, inputs):
    """Eq. 1-2 over (T, D) in the order given -> (T, W)."""
    # torch stacks the gates in this order, and has two biases where the formula has one
    of_input, of_state, bias, more_bias = (
        getattr(lstm, f"{kind}_l0{suffix}").detach().numpy().astype(np.float64)
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    state, cell, states = np.zeros(WIDTH), np.zeros(WIDTH), []
    for values in inputs:
        gates = (of_input @ values + of_state @ state + bias + more_bias).reshape(4, WIDTH)
        take, forget, output = sigmoid(gates[0]), sigmoid(gates[1]), sigmoid(gates[3])
        cell = forget * cell + take * np.tanh(gates[2])
        state = output * np.tanh(cell)
        states.append(state)
    return np.array(states)


def by_the_formulas(net, sequence):
    """(T, D) -> logits (K,)."""
    hidden = sequence.astype(np.float64)
    length = len(hidden)
    for lstm in net.layers:
        forward = one_direction(lstm, "", hidden)
        backward = one_direction(lstm, "_reverse", hidden[::-1])
        # eq. 3; counting from 0, the backward step that reads instant t last is T - 1 - t
        hidden = np.array([forward[t] + backward[length - 1 - t] for t in range(length)])
    pooled = hidden.mean(axis=0) if net.pooling == "mean" else forward[-1] + backward[-1]
    weight, bias = (item.detach().numpy() for item in (net.classify.weight, net.classify.bias))
    return weight @ pooled + bias


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("pooling", ["mean", "last"])
@pytest.mark.parametrize("length", [1, 2, 7, 16])
def test_is_the_papers_equations(length, pooling, layers):
    net = build(pooling, layers=layers)
    sequences = np.random.default_rng(0).standard_normal((2, length, DIM)).astype(np.float32)
    with torch.no_grad():
        logits = net(torch.from_numpy(sequences)).numpy()
    expected = [by_the_formulas(net, sequence) for sequence in sequences]
    np.testing.assert_allclose(logits, expected, atol=2e-6)


@pytest.mark.parametrize("pooling", ["mean", "last"])
@torch.no_grad()
def test_padding_has_no_influence(pooling):
    net = build(pooling)
    lengths = torch.tensor([3, 7, 1, 5])
    features = torch.randn(4, 9, DIM)
    for row, length in enumerate(lengths):
        features[row, length:] = 1e3
    together = net(features, lengths)
    for row, length in enumerate(lengths):
        alone = net(features[row : row + 1, :length])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_padded_rows_learn_as_they_do_alone(pooling):
    net = build(pooling)
    features, lengths = torch.randn(2, 6, DIM), torch.tensor([2, 6])
    net(features, lengths).square().sum().backward()
    together = [parameter.grad.clone() for parameter in net.parameters()]
    net.zero_grad()
    loss = net(features[:1, :2]).square().sum() + net(features[1:]).square().sum()
    loss.backward()
    for parameter, gradient in zip(net.parameters(), together, strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-5)


def test_last_reads_the_whole_sequence_in_both_directions():
    """Zeroing the backward LSTM's reading of the first frame must show (it reads it last)."""
    net = build("last", layers=1)
    features = torch.randn(1, 8, DIM)
    changed = features.clone()
    changed[0, -1] = 0  # what the backward direction reads first and the forward one last
    with torch.no_grad():
        for name, parameter in net.layers[0].named_parameters():
            if not name.endswith("_reverse"):
                parameter.zero_()  # only the backward direction speaks
        assert (net(features) - net(changed)).abs().max() > 1e-4
        changed = features.clone()
        changed[0, 0] = 0
        assert (net(features) - net(changed)).abs().max() > 1e-2


@pytest.mark.parametrize("lengths", [None, torch.tensor([4, 2])])
def test_dropout_acts_between_layers_and_before_the_classifier(lengths):
    net = build(dropout=0.5)
    seen = []
    net.dropout.register_forward_hook(lambda _, inputs, output: seen.append((*inputs, output)))
    features = torch.randn(2, 4, DIM)
    assert torch.equal(net(features, lengths), net(features, lengths))
    assert all(torch.equal(given, kept) for given, kept in seen)
    seen.clear()
    net.train()
    assert not torch.equal(net(features, lengths), net(features, lengths))
    assert len(seen) == 2 * 2
    assert not any(torch.equal(given, kept) for given, kept in seen)


@pytest.mark.parametrize(
    "change",
    [
        {"pooling": "max"}, {"layers": 0}, {"width": 0}, {"feature_dim": 0}, {"classes": 0},
        {"dropout": 1.0},
    ],
)  # fmt: skip
def test_impossible_numbers_are_refused(change):
    numbers = {
        "feature_dim": DIM, "classes": CLASSES, "width": WIDTH, "dropout": 0.1, "pooling": "mean",
    }  # fmt: skip
    with pytest.raises(RecipeError, match="BLSTM"):
        SummedBlstm(**numbers | change)


EXPORT = """
import sys
from pathlib import Path
import torch
from facevoice.session import Session
from facevoice.train.nets import SummedBlstm

for pooling in ("mean", "last"):
    torch.manual_seed(0)
    net = SummedBlstm(5, 3, 4, 0.3, pooling).eval()
    path = f"{sys.argv[1]}/{pooling}.onnx"
    torch.onnx.export(
        net, (torch.rand(2, 3, 5),), path, dynamo=True, opset_version=18, verbose=False,
        input_names=["features"], output_names=["logits"], external_data=False,
        dynamic_shapes=(
            {0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("length", min=1)},
        ),
    )
    session = Session(Path(path))
    for batch, length in ((1, 1), (1, 16), (5, 2), (3, 9)):
        features = torch.randn(batch, length, 5)
        (logits,) = session.run(features.numpy())
        with torch.no_grad():
            print(float((torch.from_numpy(logits) - net(features)).abs().max()))
"""


@pytest.mark.slow
def test_exports_with_free_batch_and_length(tmp_path):
    # a process of its own: an earlier export of fixed length in the same one would fix this one's
    done = subprocess.run(
        [sys.executable, "-c", EXPORT, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    differences = [float(line) for line in done.stdout.split("\n") if line[:1].isdigit()]
    assert len(differences) == 8
    assert max(differences) < 1e-5
