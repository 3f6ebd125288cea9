import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from facevoice.branches import Adjustment, Blend, average, leaves, nodes
from facevoice.branches.tree import named_leaves
from facevoice.errors import BundleError, LabelMismatchError
from facevoice.types import Evidence, Modality, Scores
from support.evidence_factory import make_evidence

LABELS = ("a", "b", "c")


class Fixed:
    """A branch that always says the same, if its modality is there."""

    def __init__(self, name: str, values: list[float], modality: Modality = "face") -> None:
        self.name, self.labels, self.modality = name, LABELS[: len(values)], modality
        self._values = np.array(values)

    def score(self, evidence: Evidence) -> Scores | None:
        present = evidence.faces if self.modality == "face" else evidence.speech
        return None if present is None else Scores(self.labels, self._values)


FACE = Fixed("face", [0.6, 0.3, 0.1])
VOICE = Fixed("voice", [0.1, 0.2, 0.7], "voice")


def test_it_is_the_weighted_sum_of_equation_4():
    blend = Blend("system", [FACE, VOICE], [0.88, 0.30])
    expected = (0.88 * np.array([0.6, 0.3, 0.1]) + 0.30 * np.array([0.1, 0.2, 0.7])) / 1.18
    scores = blend.score(make_evidence())
    np.testing.assert_allclose(scores.values, expected)
    assert list(scores.parts) == ["face", "voice"]


@pytest.mark.parametrize(("evidence", "alone"), [
    (make_evidence(speech_seconds=0), FACE),
    (make_evidence(faces=0), VOICE),
])  # fmt: skip
def test_one_present_member_passes_unchanged(evidence, alone):
    blend = Blend("system", [FACE, VOICE], [0.9, 0.1], adjustment=Adjustment(3.0))
    scores = blend.score(evidence)
    np.testing.assert_array_equal(scores.values, alone.score(evidence).values)
    assert list(scores.parts) == [alone.name]


def test_nothing_present_gives_nothing():
    assert Blend("s", [FACE, VOICE], [1, 1]).score(make_evidence(faces=0, speech_seconds=0)) is None


def test_a_missing_member_renormalises_the_others():
    other = Fixed("other", [0.0, 0.0, 1.0])
    blend = Blend("s", [FACE, other, VOICE], [0.2, 0.2, 0.6])
    scores = blend.score(make_evidence(speech_seconds=0))
    np.testing.assert_allclose(scores.values, [0.3, 0.15, 0.55])


def test_a_member_of_weight_zero_is_shown_and_does_not_count():
    scores = Blend("s", [FACE, VOICE], [1.0, 0.0]).score(make_evidence())
    np.testing.assert_array_equal(scores.values, [0.6, 0.3, 0.1])
    assert "voice" in scores.parts
    only_zero = Blend("s", [FACE, VOICE], [1.0, 0.0]).score(make_evidence(faces=0))
    assert only_zero is None


def test_label_sets_never_mix():
    with pytest.raises(LabelMismatchError, match="cannot mix 'face'"):
        Blend("s", [FACE, Fixed("voice", [0.5, 0.5], "voice")], [1, 1])


@pytest.mark.parametrize(
    ("members", "weights"),
    [([], []), ([FACE], [1, 1]), ([FACE, VOICE], [0, 0]), ([FACE, VOICE], [-1, 1]),
     ([FACE, VOICE], [np.nan, 1]), ([FACE, FACE], [1, 1])],
)  # fmt: skip
def test_nonsense_is_refused(members, weights):
    with pytest.raises(BundleError):
        Blend("s", members, weights)


@given(st.lists(st.floats(0.01, 10), min_size=2, max_size=2), st.floats(0.01, 100))
def test_scaling_all_weights_changes_nothing(weights, scale):
    evidence = make_evidence(faces=1)
    first = Blend("s", [FACE, VOICE], weights).score(evidence)
    second = Blend("s", [FACE, VOICE], [scale * weight for weight in weights]).score(evidence)
    np.testing.assert_allclose(first.values, second.values, atol=1e-12)


@given(st.lists(st.floats(0.01, 10), min_size=2, max_size=2))
def test_the_order_of_members_changes_nothing(weights):
    evidence = make_evidence(faces=1)
    first = Blend("s", [FACE, VOICE], weights).score(evidence)
    second = Blend("s", [VOICE, FACE], weights[::-1]).score(evidence)
    np.testing.assert_allclose(first.values, second.values, atol=1e-12)


def test_windows_are_averaged_by_their_modalitys_seconds_and_blended_again():
    blend = Blend("s", [Blend("f", [FACE], [1]), VOICE], [0.5, 0.5])
    sure, torn = Scores(LABELS, np.array([1.0, 0, 0])), Scores(LABELS, np.array([0, 0.5, 0.5]))

    def window(face: Scores | None, voice: Scores | None) -> Scores | None:
        inner = None if face is None else Scores(LABELS, face.values, {"face": face})
        return blend.combine({"f": inner, "voice": voice})

    result = average(blend, [
        ({"face": 3.0, "voice": 1.0}, window(sure, torn)),
        ({"face": 1.0, "voice": 0.0}, window(torn, None)),
        ({"face": 0.0, "voice": 3.0}, window(None, sure)),
        ({"face": 0.0, "voice": 0.0}, None),
    ])  # fmt: skip
    np.testing.assert_allclose(result.parts["f"].values, [0.75, 0.125, 0.125])
    np.testing.assert_allclose(result.parts["voice"].values, [0.75, 0.125, 0.125])
    np.testing.assert_allclose(result.values, [0.75, 0.125, 0.125])


def test_windows_without_anything_give_nothing():
    assert average(FACE, [({"face": 0.0, "voice": 0.0}, None)]) is None


def test_the_product_is_the_weighted_mean_of_log_scores_in_closed_form():
    blend = Blend("s", [FACE, VOICE], [0.88, 0.30], rule="product")
    share = 0.88 / 1.18
    powered = np.array([0.6, 0.3, 0.1]) ** share * np.array([0.1, 0.2, 0.7]) ** (1 - share)
    scores = blend.score(make_evidence())
    np.testing.assert_allclose(scores.values, powered / powered.sum(), rtol=1e-12)
    assert list(scores.parts) == ["face", "voice"]
    logs = np.average(np.log([FACE._values, VOICE._values]), axis=0, weights=[0.88, 0.30])
    np.testing.assert_allclose(scores.values, special.softmax(logs), rtol=1e-12)


def test_the_product_of_one_present_member_is_that_member():
    blend = Blend("s", [FACE, VOICE], [1, 1], rule="product", adjustment=Adjustment(2.0))
    scores = blend.score(make_evidence(speech_seconds=0))
    np.testing.assert_array_equal(scores.values, [0.6, 0.3, 0.1])
    assert blend.score(make_evidence(faces=0, speech_seconds=0)) is None
    whole = blend.score(make_evidence()).values
    plain = Blend("s", [FACE, VOICE], [1, 1], rule="product").score(make_evidence()).values
    np.testing.assert_allclose(whole, np.sqrt(plain) / np.sqrt(plain).sum())


def test_a_score_of_zero_is_floored_in_a_product():
    sure = Fixed("sure", [1.0, 0.0, 0.0])
    scores = Blend("s", [sure, VOICE], [1, 1], rule="product").score(make_evidence())
    powered = np.sqrt(np.array([1.0, 1e-12, 1e-12]) * np.array([0.1, 0.2, 0.7]))
    np.testing.assert_allclose(scores.values, powered / powered.sum())


def test_an_unknown_rule_is_refused():
    with pytest.raises(BundleError, match="rule must be sum or product, got 'max'"):
        Blend("s", [FACE, VOICE], [1, 1], rule="max")


@pytest.mark.parametrize("rule", ["sum", "product"])
def test_windows_are_averaged_before_any_rule_combines_them(rule):
    blend = Blend("s", [FACE, VOICE], [0.5, 0.5], rule=rule)
    sure, torn = Scores(LABELS, np.array([1.0, 0, 0])), Scores(LABELS, np.array([0, 0.5, 0.5]))
    windows = [
        ({"face": 3.0, "voice": 1.0}, blend.combine({"face": sure, "voice": torn})),
        ({"face": 1.0, "voice": 1.0}, blend.combine({"face": torn, "voice": torn})),
    ]
    face = Scores(LABELS, np.array([0.75, 0.125, 0.125]))
    np.testing.assert_array_equal(
        average(blend, windows).values, blend.combine({"face": face, "voice": torn}).values
    )


def test_a_leaf_that_reads_both_is_averaged_by_all_seconds():
    both = Fixed("both", [0.5, 0.5, 0.0])
    both.modality = None
    sure, torn = Scores(LABELS, np.array([1.0, 0, 0])), Scores(LABELS, np.array([0, 0.5, 0.5]))
    result = average(
        both, [({"face": 2.0, "voice": 1.0}, sure), ({"face": 0.0, "voice": 1.0}, torn)]
    )
    np.testing.assert_allclose(result.values, [0.75, 0.125, 0.125])


def test_leaves_are_found_at_any_depth():
    tree = Blend("s", [Blend("f", [FACE], [1]), VOICE], [1, 1])
    assert [leaf.name for leaf in leaves(tree)] == ["face", "voice"]
    assert [name for name, _ in nodes(tree)] == ["f", "f.face", "voice"]
    assert list(leaves(FACE)) == [FACE]


def test_a_bundles_nodes_are_walked_as_branches_are():
    leaf, twin = {"name": "a", "kind": "oracle"}, {"name": "a", "kind": "oracle"}
    inner = {"name": "face", "members": [leaf, {"name": "b"}]}
    tree = {"name": "s", "members": [inner, {"name": "voice", "members": [twin]}]}
    assert [name for name, _ in nodes(tree)] == ["face", "face.a", "face.b", "voice", "voice.a"]
    assert list(named_leaves(tree)) == ["face.a", "b", "voice.a"]
    assert named_leaves(tree)["voice.a"] is twin


def test_leaves_of_a_tree_file_need_no_names():
    tree = {"members": [{"run": "a"}, {"members": [{"run": "b"}]}]}
    assert [leaf["run"] for leaf in leaves(tree)] == ["a", "b"]
