"""A prediction as a table for people to read."""

from collections.abc import Iterator
from typing import Final

from facevoice.branches import Branch
from facevoice.branches.tree import members_of
from facevoice.predict.prediction import Prediction
from facevoice.types import MISSING_CODES, MODALITIES, MissingCode, Scores

MEANING: Final[dict[MissingCode, str]] = dict(
    zip(
        MISSING_CODES,
        (
            "the file has no picture",
            "no face was found",
            "the file has no sound",
            "the sound is silent",
            "there is sound, but no speech in it",
            "less than a quarter of a second of speech",
        ),
        strict=True,
    )
)


UNSURE: Final = "unsure: the highest score is under this model's threshold for an answer"


def render(prediction: Prediction, tree: Branch) -> str:
    """Several lines: what was looked at, a row a node of the tree, and what was missing."""
    if prediction.error is not None:
        return f"{prediction.path}\n  error: {prediction.error[1]}\n"
    lines = [f"{prediction.path or 'arrays'}{_looked_at(prediction)}"]
    rows = list(_rows(tree, prediction.scores, "", ""))
    name_width = max(len(title) for title, _ in rows)
    verdicts = [_verdict(scores, unsure=prediction.abstained) for _, scores in rows[:1]]
    verdicts += [_verdict(scores) for _, scores in rows[1:]]
    verdict_width = max(7, *map(len, (*tree.labels, *verdicts)))
    widths = [max(len(label), 5) for label in tree.labels]
    header = "  ".join(label.rjust(width) for label, width in zip(tree.labels, widths, strict=True))
    lines.append(f"  {'':{name_width}}  {'verdict':{verdict_width}}  {header}")
    for (title, scores), verdict in zip(rows, verdicts, strict=True):
        if scores is None:
            lines.append(f"  {title:{name_width}}  {verdict}")
            continue
        numbers = "  ".join(
            f"{value:{width}.2f}" for value, width in zip(scores.values, widths, strict=True)
        )
        lines.append(f"  {title:{name_width}}  {verdict:{verdict_width}}  {numbers}")
    if prediction.abstained:
        lines.append(f"  {UNSURE}")
    for modality in MODALITIES:
        code = prediction.missing.get(modality)
        if code is not None:
            lines.append(f"  no {modality}: {code} ({MEANING[code]})")
    return "\n".join(lines) + "\n"


def _verdict(scores: Scores | None, *, unsure: bool = False) -> str:
    if scores is None:
        return "-"
    return f"unsure: {scores.emotion}" if unsure else scores.emotion


def _looked_at(prediction: Prediction) -> str:
    facts = []
    start, stop = prediction.start_seconds, prediction.stop_seconds
    if start is not None and stop is not None and stop > start:
        facts.append(f"{start:.1f}-{stop:.1f} s")
    if prediction.windows > 1:
        facts.append(f"{prediction.windows} windows")
    evidence = prediction.evidence
    if evidence is not None:
        if evidence.face_frames:
            faces = "1 face" if evidence.face_frames == 1 else f"{evidence.face_frames} faces"
            facts.append(f"{faces} looked at")
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
