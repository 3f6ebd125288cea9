"""Temperature, class scale and class offsets of a blend, against the equation by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facevoice.branches import Adjustment, Blend
from facevoice.branches.adjustment import UNCHANGED
from facevoice.branches.base import tempered
from facevoice.errors import BundleError, InvalidInputError
from facevoice.scores.search import Node
from facevoice.scores.table import ScoreTable
from facevoice.types import Evidence, Scores
from support.evidence_factory import make_evidence

LABELS = ("a", "b", "c")


class Fixed:
    """A branch that gives preset scores."""

    labels, modality = LABELS, "face"

    def __init__(self, name: str, values: np.ndarray) -> None:
        self.name, self._values = name, values

    def score(self, evidence: Evidence) -> Scores | None:
        return Scores(LABELS, self._values)


def test_it_is_the_equation() -> None:
    scores = np.array([0.6, 0.3, 0.1])
    scale, offsets = np.array([1.0, 0.5, 2.0]), np.array([0.0, -1.0, 2.0])
    powered = (scores**scale * np.exp(offsets)) ** (1 / 1.7)
    found = Adjustment(1.7, tuple(scale), tuple(offsets)).apply(scores)
    np.testing.assert_allclose(found, powered / powered.sum(), atol=1e-15)
    alone = Adjustment(class_offsets=(0.0, np.log(2), 0.0)).apply(scores)
    np.testing.assert_allclose(alone, np.array([0.6, 0.6, 0.1]) / 1.3)


def test_without_class_numbers_it_is_the_temperature_to_the_bit() -> None:
    scores = np.random.default_rng(0).dirichlet(np.ones(5), 20)
    np.testing.assert_array_equal(Adjustment(1.3).apply(scores), tempered(scores, 1.3))
    assert UNCHANGED.apply(scores) is scores


def test_silence_stays_and_zeros_do_not_break_it() -> None:
    rows = np.array([[np.nan] * 3, [1.0, 0.0, 0.0]])
    found = Adjustment(2.0, class_offsets=(0.0, 1.0, 0.0)).apply(rows)
    assert np.isnan(found[0]).all()
    assert found[1].argmax() == 0
    assert found[1].sum() == pytest.approx(1)


@given(
    st.lists(st.floats(-3, 3), min_size=3, max_size=3),
    st.floats(0.05, 20),
    st.floats(-5, 5),
    st.integers(0, 50),
)
def test_neither_temperature_nor_a_common_offset_moves_a_decision(
    offsets: list[float], temperature: float, shift: float, seed: int
) -> None:
    scores = np.random.default_rng(seed).dirichlet(np.ones(3), 5)
    plain = Adjustment(class_offsets=tuple(offsets)).apply(scores)
    warm = Adjustment(temperature, class_offsets=tuple(offsets)).apply(scores)
    clear = np.sort(plain, axis=1)[:, -1] - np.sort(plain, axis=1)[:, -2] > 1e-9
    np.testing.assert_array_equal(warm.argmax(axis=1)[clear], plain.argmax(axis=1)[clear])
    shifted = Adjustment(class_offsets=tuple(value + shift for value in offsets)).apply(scores)
    np.testing.assert_allclose(shifted, plain, atol=1e-12)


@given(
    st.floats(0.1, 5),
    st.lists(st.floats(0.2, 3), min_size=3, max_size=3),
    st.lists(st.floats(-2, 2), min_size=3, max_size=3),
    st.integers(0, 99),
)
def test_a_blend_and_a_node_of_a_table_agree(
    temperature: float, scale: list[float], offsets: list[float], seed: int
) -> None:
    adjustment = Adjustment(temperature, tuple(scale), tuple(offsets))
    scores = np.random.default_rng(seed).dirichlet(np.ones(3), (1, 2))
    blend = Blend(
        "s", [Fixed("x", scores[0, 0]), Fixed("y", scores[0, 1])], (0.9, 0.2), adjustment=adjustment
    )
    table = ScoreTable.of_arrays(scores, labels=LABELS, branches=["x", "y"])
    fused = Node("s", ("x", "y"), (0.9, 0.2), adjustment).fuse(table)[0]
    np.testing.assert_allclose(blend.score(make_evidence()).values, fused, atol=1e-12)


def test_a_single_speaker_passes_unchanged() -> None:
    adjustment = Adjustment(2.0, class_offsets=(0.0, 5.0, 0.0))
    said = np.array([0.7, 0.2, 0.1])
    blend = Blend("s", [Fixed("x", said)], [1.0], adjustment=adjustment)
    np.testing.assert_array_equal(blend.score(make_evidence()).values, said)


def test_it_survives_json_and_leaves_out_what_has_no_effect() -> None:
    full = Adjustment(1.5, (1.0, 2.0), (0.5, -0.5))
    assert Adjustment.of_dict(full.to_dict() | {"name": "x"}) == full
    assert Adjustment().to_dict() == {"temperature": 1.0}
    assert Adjustment.of_dict({}) == UNCHANGED


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"temperature": 0}, "temperature must be positive"),
        ({"temperature": float("inf")}, "temperature must be positive"),
        ({"class_offsets": [0, float("nan")]}, "class_offsets must be finite"),
        ({"class_scale": ["wide"]}, "not valid"),
        ({"class_offsets": 3}, "not valid"),
    ],
)
def test_nonsense_is_refused(card: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Adjustment.of_dict(card)


def test_another_number_of_labels_is_refused() -> None:
    wrong = Adjustment(class_offsets=(0.0, 1.0))
    with pytest.raises(BundleError, match="holds 2 numbers for 3 labels"):
        Blend("s", [Fixed("x", np.full(3, 1 / 3))], [1.0], adjustment=wrong)
    with pytest.raises(InvalidInputError, match="holds 2 numbers for 3 labels"):
        wrong.apply(np.full((1, 3), 1 / 3))
