"""Whether anything behind a figure is on both sides of a split."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from facevoice.messages import counted, sentence, some
from facevoice.scores.provenance import clip_digests, fingerprint, groups_known
from facevoice.scores.table import (
    ScoreTable,
    looked_for,
    not_looked_for,
    shared_groups,
    taught_in,
    twins,
)
from facevoice.scores.table.keys import are_among, from_texts
from facevoice.scores.weights_file import FitRecord, FittedFusion

Verdict = Literal["leak", "suspect", "unknown", "not looked for", "none found"]
NOT_LOOKED_FOR: Final = not_looked_for(
    "these clips taught what gave the scores", "the table does not say"
)


@dataclass(frozen=True, slots=True)
class LeakStatus:
    """The worst that was found, with the details.

    verdict: "leak": the figures cannot be trusted; "suspect": check the clips named;
        "unknown": nothing can be ruled out, e.g. since speakers are unknown; "not looked for": no
        leak between splits, but the table does not say which clips taught its models; "none found".
    findings: one sentence each.
    """

    verdict: Verdict
    findings: tuple[str, ...]


def leak_status(whole: ScoreTable, judged: ScoreTable, fitted: FittedFusion | None) -> LeakStatus:
    """Look for leaks between splits, between clips, and between fitting and judging.

    Args:
        whole: the table with all its splits.
        judged: the clips that figures are computed on, one split or all of them.
        fitted: what is judged; None if nothing was fitted.
    """
    leaks, suspects, unknown, unlooked = [], [], [], []
    taught = taught_in(judged, named=5)
    if taught:
        leaks.append(sentence(taught))
    if not looked_for(judged):
        unlooked.append(sentence(NOT_LOOKED_FOR))
    shared = shared_groups(whole)
    if shared:
        names = [f"{group} ({', '.join(splits)})" for group, splits in shared.items()]
        leaks.append(f"{counted(len(shared), 'group')} in several splits: {some(names)}.")
    across, within = _twins(whole, judged)
    if across:
        leaks.append(f"{counted(len(across), 'clip')} in several splits: {some(across)}.")
    if within:
        suspects.append(
            f"{counted(len(within), 'set')} of clips with the same scores in every branch, as one"
            f" clip has under several names: {some(within)}."
        )
    if not groups_known(judged):
        unknown.append(
            "The speakers and films of the clips are unknown: one may be on both sides, and the"
            " intervals treat clips as independent."
        )
    if fitted is not None and fitted.fitted_on is not None:
        leaks += _seen_before(judged, fitted, fitted.fitted_on)
        if not fitted.fitted_on.groups and groups_known(judged):
            unknown.append("The speakers and films of the clips fitted on are unknown.")
    found: dict[Verdict, list[str]] = {
        "leak": leaks,
        "suspect": suspects,
        "unknown": unknown,
        "not looked for": unlooked,
    }
    verdict: Verdict = next((name for name, each in found.items() if each), "none found")
    return LeakStatus(verdict, tuple(finding for each in found.values() for finding in each))


def _twins(whole: ScoreTable, judged: ScoreTable) -> tuple[list[str], list[str]]:
    """Sets of clips with equal scores: across splits, and within the clips judged."""
    split_of = dict(zip(whole.ids.tolist(), whole.splits.tolist(), strict=True))
    inside = set(judged.ids.tolist())
    across, within = [], []
    for names in twins(whole):
        if len({split_of[name] for name in names}) > 1:
            across.append(" = ".join(names))
        elif inside.issuperset(names):
            within.append(" = ".join(names))
    return across, within


def _seen_before(judged: ScoreTable, fitted: FittedFusion, record: FitRecord) -> list[str]:
    known = judged.rows(judged.labelled)
    if record.sha256 == fingerprint(known):
        return ["The weights were fitted on these same clips: the figures are optimistic."]
    again = known.ids[fitted_clips(known, fitted)].tolist()
    groups = sorted(set(record.groups) & set(known.groups.tolist()))
    findings = []
    if again:
        findings.append(
            f"{counted(len(again), 'clip')} with the name or the scores of a clip that the weights"
            f" were fitted on: {some(again)}."
        )
    if groups:
        findings.append(
            f"{counted(len(groups), 'group')} of those that the weights were fitted on:"
            f" {some(groups)}."
        )
    return findings


def fitted_clips(judged: ScoreTable, fitted: FittedFusion) -> NDArray[np.bool_]:
    """(N,) which clips weights were fitted on, known again by their names or by their scores."""
    if fitted.fitted_on is None:
        return np.zeros(len(judged), bool)
    seen = {*fitted.fitted_on.digests, *fitted.fitted_on.keys} - {""}
    digests, ids = clip_digests(judged, fitted.leaves), judged.ids.tolist()
    truth = np.array([*judged.labels, ""])[judged.truth].tolist()
    named = are_among(ids, truth, from_texts(fitted.fitted_on.keys)) & (judged.keys != "")
    pairs = zip(digests, judged.keys.tolist(), strict=True)
    alike = np.array([bool({*pair} & seen) for pair in pairs], bool)
    return np.asarray(named | alike)
