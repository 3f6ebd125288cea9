"""The page's sentences, as plain text: document.py escapes them."""

from typing import Final

import numpy as np

from facevoice.output.clip.content import Clip
from facevoice.output.clip.nodes import Node, counted_modalities
from facevoice.output.missing import REASONS
from facevoice.output.wording import listed, percent
from facevoice.types import MODALITIES, MissingCode

CLEAR: Final = 0.75
MOSTLY: Final = 0.5
_EQUAL: Final = 0.005  # weights closer than this are equal

_MADE_OF: Final = {"sum": "Weighted sum of", "product": "Weighted product of", "stack": "Stack of"}
NO_ANSWER: Final = (
    "Neither a face nor a voice could be judged, so the model gives no answer. That is not the"
    " same as “neutral”."
)


def subject(root: Node) -> str:
    """What the result rests on, as the subject of a sentence."""
    modalities = counted_modalities(root)
    if len(modalities) == 1:
        return "the face looks" if "face" in modalities else "the voice sounds"
    return "the face looks and the voice sounds"


def verdict_heading(root: Node) -> str:
    """What the verdict is about."""
    if len(counted_modalities(root)) == 1:
        return f"What {subject(root)} like to the model"
    return "What face and voice look and sound like to the model"


def verdict(root: Node, unsure_below: float | None = None) -> tuple[str, ...]:
    """How sure the model is, and in what, as sentences.

    unsure_below: the model's threshold if the scores are below it; else None.
    """
    scores = root.scores
    if scores is None:
        return (NO_ANSWER,)
    order = np.argsort(-scores.values, kind="stable")
    first, value = scores.labels[int(order[0])], scores.confidence
    if len(order) == 1:
        return (f"To the model, {subject(root)} like “{first}”, the only label it knows.",)
    second, follower = scores.labels[int(order[1])], float(scores.values[order[1]])
    if scores.undecided is not None:
        likeness = f"about as much like “{first}” as like “{second}”: it is undecided"
    elif value >= CLEAR:
        likeness = f"clearly like “{first}”"
    elif value >= MOSTLY:
        likeness = f"mostly like “{first}”"
    else:
        likeness = f"more like “{first}” than like anything else, but it is unsure"
    count = len(scores.labels)
    opening = f"To the model, {subject(root)} {likeness}."
    if unsure_below is not None:
        opening = (
            f"The model is unsure: it gives an answer only at a score of {percent(unsure_below)} or"
            f" more. “{first}” is its best guess."
        )
    return (
        opening,
        (
            f"“{first}” gets {percent(value)} of the score; “{second}” comes next with"
            f" {percent(follower)}. A blind guess among the {count} labels would give each"
            f" {percent(1 / count)}."
        ),
        *_agreement(root),
    )


def _agreement(root: Node) -> tuple[str, ...]:
    """Whether face and voice point the same way, where each has one node under the root."""
    found = {node.modality: node.scores for node in root.members if node.counted}
    face, voice = found.get("face"), found.get("voice")
    if len(root.members) > len(MODALITIES) or face is None or voice is None:
        return ()
    if face.emotion == voice.emotion:
        return ("Face and voice point the same way.",)
    return (f"The face points to “{face.emotion}”, the voice to “{voice.emotion}”.",)


def reason(code: MissingCode, clip: Clip) -> str:
    """Why a modality is missing from the whole input, in plain words."""
    if clip.info.kind == "image" and code == "no_audio_stream":
        return "A picture has no sound, so there was no voice to analyse."
    return REASONS[code].sentence


def gaps(clip: Clip) -> list[str]:
    """In how many windows a modality was missing that others had, in plain words."""
    windows = clip.prediction.windows
    return [
        f"In {count} of {windows} windows {REASONS[code].clause}: the {modality} is judged from the"
        " others."
        for (modality, code), count in sorted(clip.gaps.items())
        if modality not in clip.prediction.missing
    ]


def silent_because(node: Node, clip: Clip) -> str:
    """Why a branch gave no scores."""
    missing = clip.prediction.missing
    codes = [missing[each] for each in MODALITIES if each in node.modalities and each in missing]
    return " ".join(reason(each, clip) for each in codes) or "It found nothing that it could score."


def role(node: Node, whole: Node, name: str) -> str:
    """What a branch is made of, and its part in ``whole``, which a sentence calls ``name``."""
    names = [readable(each.name) for each in node.members]
    kind = _MADE_OF[node.fusion] if len(names) > 1 else "From one branch,"
    made_of = f"{kind} {listed(names)}. " if names else ""
    if node.scores is None or node.share is None:
        return made_of.strip()
    if node.share == 0:
        return f"{made_of}Shown only: its weight is 0."
    others = [each.share for each in whole.members if each.share]
    if whole.fusion != "product" or len(others) < 2:
        return f"{made_of}{percent(node.share)} of {name}."
    if max(others) - min(others) < _EQUAL:
        return f"{made_of}One of {len(others)} equal factors of {name}."
    return f"{made_of}A factor of {name}, with {percent(node.share)} of the weight."


def readable(name: str) -> str:
    """The name of a branch or a figure as words."""
    return name.replace("_", " ").replace(".", ", ")
