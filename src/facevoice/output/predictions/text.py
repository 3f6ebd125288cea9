"""A prediction as a table for people to read."""

from collections.abc import Iterable, Iterator
from typing import Final

from facevoice.branches import Branch
from facevoice.branches.tree import members_of
from facevoice.messages import counted
from facevoice.output.damage import damage_sentence
from facevoice.output.missing import REASONS
from facevoice.output.person import FEW_SHOWN, REASON_CLAUSES, rests_on, unchanged
from facevoice.output.verdict import CLOSE, verdict
from facevoice.output.wording import listed, visible
from facevoice.predict.prediction import Prediction
from facevoice.types import Scores

UNSURE: Final = "unsure: the highest score is below this model's threshold for an answer"


def render(prediction: Prediction, tree: Branch) -> str:
    """Several lines: what was analysed, one row per node of the tree, and what was missing."""
    if prediction.error is not None:
        return f"{visible(str(prediction.path))}\n  error: {visible(prediction.error[1])}\n"
    lines = [f"{visible(prediction.path or 'arrays')}{_looked_at(prediction)}"]
    lines += _table(prediction, tree)
    if prediction.abstained:
        lines.append(f"  {UNSURE}")
    elif prediction.scores is not None and (between := prediction.scores.undecided) is not None:
        lines.append(f"  undecided between {listed(between)}: {CLOSE}")
    lines += [
        f"  no {modality}: {code} ({REASONS[code].clause})"
        for modality, code in sorted(prediction.missing.items())
    ]
    lines += _about_the_person(prediction)
    tracks = prediction.audio_tracks
    lines += [f"  {tracks.hint}"] if tracks is not None and tracks.hint else []
    if prediction.damage:
        lines.append(f"  {damage_sentence(prediction.damage)}")
    return "\n".join(lines) + "\n"


def _table(prediction: Prediction, tree: Branch) -> Iterator[str]:
    """A header and one row per node; a personal answer has a row of its own and its verdicts."""
    rows = list(_rows(tree, prediction.scores, "", ""))
    verdicts = [[_said(scores)] for _, scores in rows]
    verdicts[0] = [_said(prediction.scores, unsure=prediction.abstained)]
    heads = ["verdict"]
    if prediction.personal is not None:
        heads.append("personal")
        own = list(_rows(tree, prediction.personal.scores, "", ""))
        for row, (_, scores) in zip(verdicts, own, strict=True):
            row.append(_said(scores))
        rows.append(("personal", prediction.personal.scores))
        verdicts.append(["", _said(prediction.personal.scores)])
    name_width = max(len(title) for title, _ in rows)
    every = [word for row in (heads, *verdicts) for word in row]
    verdict_width = max(map(len, (*tree.labels, *every)))
    widths = [max(len(label), 5) for label in tree.labels]

    def line(title: str, words: list[str], cells: Iterable[str]) -> str:
        shown = "  ".join(f"{word:{verdict_width}}" for word in words)
        return f"  {title:{name_width}}  {shown}  {'  '.join(cells)}".rstrip()

    yield line("", heads, map(str.rjust, tree.labels, widths))
    for (title, scores), words in zip(rows, verdicts, strict=True):
        values = () if scores is None else zip(scores.values, widths, strict=True)
        yield line(title, words, (f"{value:{width}.2f}" for value, width in values))


def _said(scores: Scores | None, *, unsure: bool = False) -> str:
    return "-" if scores is None else verdict(scores, unsure=unsure)


def _about_the_person(prediction: Prediction) -> Iterator[str]:
    personal, reason = prediction.personal, prediction.personal_reason
    if personal is not None:
        found = rests_on(personal.clips, personal.seconds)
        said = f"  personal: read against {found} of the same person"
        between = personal.scores.undecided
        if unchanged([(personal, prediction.scores)]):
            said += f", which changes nothing: {FEW_SHOWN}"
        elif between is not None:
            said += f"; undecided between {listed(between)}"
        yield said
    if reason is not None:
        yield f"  no personal answer: {reason} ({REASON_CLAUSES[reason]})"


def _looked_at(prediction: Prediction) -> str:
    facts = []
    start, stop = prediction.start_seconds, prediction.stop_seconds
    if start is not None and stop is not None and stop > start:
        facts.append(f"{start:.1f}-{stop:.1f} s")
    tracks = prediction.audio_tracks
    if tracks is not None and tracks.count > 1:
        facts.append(f"sound track {tracks.read} of {tracks.count}")
    if prediction.windows > 1:
        facts.append(f"{prediction.windows} windows")
    evidence = prediction.evidence
    if evidence is not None:
        if evidence.face_frames:
            facts.append(f"{counted(evidence.face_frames, 'face')} looked at")
        if evidence.speech_seconds:
            facts.append(f"{evidence.speech_seconds:.1f} s of speech")
        if evidence.people > 1:
            facts.append(f"{evidence.people} people, the main one scored")
    return f"  ({', '.join(facts)})" if facts else ""


def _rows(
    node: Branch, scores: Scores | None, first: str, rest: str
) -> Iterator[tuple[str, Scores | None]]:
    """Title and scores of a node and of all below it, drawn as a tree."""
    title = "fused" if not first else f"{first}{node.name}"
    yield title, scores
    members = members_of(node)
    for member in members:
        last = member is members[-1]
        part = None if scores is None else scores.parts.get(member.name)
        branch, trunk = ("└ ", "  ") if last else ("├ ", "│ ")
        yield from _rows(member, part, rest + branch, rest + trunk)
