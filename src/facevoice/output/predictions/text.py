"""A prediction as a table for people to read."""

from collections.abc import Iterator
from typing import Final

from facevoice.branches import Branch
from facevoice.branches.tree import members_of
from facevoice.output.damage import damage_sentence
from facevoice.output.missing import REASONS
from facevoice.output.wording import UNDECIDED_MARGIN, counted, listed, undecided, verdict, visible
from facevoice.predict.prediction import Prediction
from facevoice.types import Scores

UNSURE: Final = "unsure: the highest score is below this model's threshold for an answer"
CLOSE: Final = f"their scores differ by less than {UNDECIDED_MARGIN:g}"


def render(prediction: Prediction, tree: Branch) -> str:
    """Several lines: what was analysed, one row per node of the tree, and what was missing."""
    if prediction.error is not None:
        return f"{visible(str(prediction.path))}\n  error: {visible(prediction.error[1])}\n"
    lines = [f"{visible(prediction.path or 'arrays')}{_looked_at(prediction)}"]
    rows = list(_rows(tree, prediction.scores, "", ""))
    verdicts = [
        "-" if scores is None else verdict(scores, unsure=prediction.abstained and not number)
        for number, (_, scores) in enumerate(rows)
    ]
    name_width = max(len(title) for title, _ in rows)
    verdict_width = max(7, *map(len, (*tree.labels, *verdicts)))
    widths = [max(len(label), 5) for label in tree.labels]
    header = "  ".join(label.rjust(width) for label, width in zip(tree.labels, widths, strict=True))
    lines.append(f"  {'':{name_width}}  {'verdict':{verdict_width}}  {header}")
    for (title, scores), said in zip(rows, verdicts, strict=True):
        values = () if scores is None else zip(scores.values, widths, strict=True)
        numbers = "  ".join(f"{value:{width}.2f}" for value, width in values)
        lines.append(f"  {title:{name_width}}  {said:{verdict_width}}  {numbers}".rstrip())
    if prediction.abstained:
        lines.append(f"  {UNSURE}")
    elif prediction.scores is not None and (between := undecided(prediction.scores)) is not None:
        lines.append(f"  undecided between {listed(between)}: {CLOSE}")
    lines += [
        f"  no {modality}: {code} ({REASONS[code].clause})"
        for modality, code in sorted(prediction.missing.items())
    ]
    tracks = prediction.audio_tracks
    lines += [f"  {tracks.hint}"] if tracks is not None and tracks.hint else []
    if prediction.damage:
        lines.append(f"  {damage_sentence(prediction.damage)}")
    return "\n".join(lines) + "\n"


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
