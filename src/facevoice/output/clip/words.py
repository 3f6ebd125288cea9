"""The page's sentences: what a stranger reads. Plain text; document.py escapes it."""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from facevoice.output.clip.content import Clip
from facevoice.output.clip.nodes import Node, counted_modalities
from facevoice.types import MODALITIES, MissingCode, Modality, Scores

CLEAR: Final = 0.75
MOSTLY: Final = 0.5
UNDECIDED_MARGIN: Final = 0.1
"""A lead of the first label over the second that is smaller than this decides nothing."""

_REASONS: Final[Mapping[MissingCode, str]] = {
    "no_video_stream": "The file has no picture, so there was no face to look at.",
    "no_face": "No face was found in the picture.",
    "no_audio_stream": "The file has no sound, so there was no voice to listen to.",
    "silent": "The sound is silent, so there was no voice to listen to.",
    "no_speech": "There is sound, but no speech was found in it.",
    "too_short": "The sound or the speech in it is too short (under a quarter of a second).",
}
_LACKS: Final[Mapping[MissingCode, str]] = {
    "no_video_stream": "there was no picture",
    "no_face": "no face was found",
    "no_audio_stream": "there was no sound",
    "silent": "the sound was silent",
    "no_speech": "no speech was found",
    "too_short": "there was too little speech",
}

NO_ANSWER: Final = (
    "Neither a face nor a voice could be judged, so the model gives no answer. That is not the"
    " same as “neutral”."
)
CARE: Final = (
    (
        "This page shows a guess about displayed expression: what a face and a voice look and sound"
        " like to one model that learned from labelled recordings. It does not show what a person"
        " feels, thinks or intends. People express themselves differently, acted recordings differ"
        " from everyday life, and the model is often wrong. Do not base a decision about a person"
        " on it."
    ),
    (
        "The law restricts inferring emotions in some uses. For example, Article 5(1)(f) of the EU"
        " AI Act (Regulation (EU) 2024/1689) prohibits AI systems that infer emotions of people at"
        " work and in education, except for medical or safety reasons."
    ),
    (
        "Pictures of a face and recordings of a voice are personal data. This page may hold"
        " pictures of faces: share it only as you would share the clip itself."
    ),
)


def percent(value: float) -> str:
    """A share of 1 in whole percent."""
    return f"{100 * value:.0f}%"


def length(seconds: float) -> str:
    """How long something lasts: "7.0 s", "2 min 05 s", "1 h 02 min"."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def clock(seconds: float, last: float) -> str:
    """An instant of a clip that ends at ``last``: "3.25 s", or "2:05" in a longer one."""
    if last < 60:
        return f"{seconds:.2f} s"
    sign, whole = ("-" if seconds < 0 else ""), abs(math.floor(seconds))
    hours, minutes = whole // 3600, whole % 3600 // 60
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{sign}{start}:{whole % 60:02d}"


def subject(root: Node) -> str:
    """What the result rests on."""
    modalities = counted_modalities(root)
    if modalities == {"face"}:
        return "the face looks"
    if modalities == {"voice"}:
        return "the voice sounds"
    return "the face looks and the voice sounds"


def verdict_heading(root: Node) -> str:
    """What the verdict is about, in honest words."""
    modalities = counted_modalities(root)
    if modalities == {"face"}:
        return "What the face looks like to the model"
    if modalities == {"voice"}:
        return "What the voice sounds like to the model"
    return "What face and voice look and sound like to the model"


def verdict(root: Node, unsure_below: float | None = None) -> tuple[str, ...]:
    """How sure the model is, and in what, as sentences.

    unsure_below: the model's threshold if the scores are below it; None if it stands by them.
    """
    scores = root.scores
    if scores is None:
        return (NO_ANSWER,)
    order = np.argsort(-scores.values, kind="stable")
    first, value = scores.labels[int(order[0])], scores.confidence
    if len(order) == 1:
        return (f"To the model, {subject(root)} like “{first}”, the only label it knows.",)
    second, follower = scores.labels[int(order[1])], float(scores.values[order[1]])
    if value - follower < UNDECIDED_MARGIN:
        likeness = f"about as much like “{first}” as like “{second}”: it is undecided"
    elif value >= CLEAR:
        likeness = f"clearly like “{first}”"
    elif value >= MOSTLY:
        likeness = f"mostly like “{first}”"
    else:
        likeness = f"more like “{first}” than like anything else, but it is unsure"
    count = len(scores.labels)
    told = f"To the model, {subject(root)} {likeness}."
    if unsure_below is not None:
        told = (
            f"The model is unsure: it gives an answer from a score of {percent(unsure_below)} on."
            f" “{first}” is only its best guess."
        )
    return (
        told,
        (
            f"“{first}” gets {percent(value)} of its score, “{second}” comes next with"
            f" {percent(follower)}. A blind guess among the {count} labels would give each"
            f" {percent(1 / count)}."
        ),
        *_agreement(root),
    )


def _agreement(root: Node) -> tuple[str, ...]:
    """Whether face and voice point the same way, where each has one node under the root."""
    said: dict[Modality, Scores] = {}
    for node in root.members:
        modality = node.modality
        if modality is None or modality in said:
            return ()
        if node.counted and node.scores is not None:
            said[modality] = node.scores
    if set(said) != set(MODALITIES):
        return ()
    face, voice = said["face"].emotion, said["voice"].emotion
    if face == voice:
        return ("Face and voice point the same way.",)
    return (f"The face alone points to “{face}”, the voice alone to “{voice}”.",)


def reason(code: MissingCode, clip: Clip) -> str:
    """Why a modality is missing from the whole input, in plain words."""
    if clip.info.kind == "image" and code == "no_audio_stream":
        return "A picture has no sound, so there was no voice to listen to."
    return _REASONS[code]


def gaps(clip: Clip) -> list[str]:
    """In how many windows a modality was missing that others had, in plain words."""
    windows = clip.prediction.windows
    return [
        f"In {count} of {windows} windows {_LACKS[code]}: the {modality} is judged from the others."
        for (modality, code), count in sorted(clip.gaps.items())
        if modality not in clip.prediction.missing
    ]


def silent_because(node: Node, clip: Clip) -> str:
    """Why a branch gave no scores."""
    codes = [clip.prediction.missing[m] for m in MODALITIES if _lacks(node, clip, m)]
    if not codes:
        return "It found nothing that it could judge."
    return " ".join(reason(code, clip) for code in codes)


def _lacks(node: Node, clip: Clip, modality: Modality) -> bool:
    return modality in node.modalities and modality in clip.prediction.missing


def role(node: Node, whole: str) -> str:
    """What a branch is made of, and how much it adds to ``whole``."""
    names = [each.name for each in node.members]
    made_of = f"Blend of {listed(names)}. " if len(names) > 1 else ""
    if len(names) == 1:
        made_of = f"From one branch, {names[0]}. "
    if node.scores is None or node.share is None:
        return made_of.strip()
    if node.share == 0:
        return f"{made_of}Shown only: its weight is 0."
    return f"{made_of}{percent(node.share)} of {whole}."


def listed(names: list[str]) -> str:
    """Names as a phrase: "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
