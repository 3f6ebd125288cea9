"""Why a modality is missing, in words: the meaning of each missing code."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from facevoice.types import MissingCode


class Reason(NamedTuple):
    """clause: for tables and inside sentences. sentence: for a page, on its own."""

    clause: str
    sentence: str


REASONS: Final[Mapping[MissingCode, Reason]] = {
    "no_video_stream": Reason(
        "the file has no picture", "The file has no picture, so there was no face to analyse."
    ),
    "no_face": Reason("no face was found", "No face was found in the picture."),
    "too_little": Reason(
        "the face is seen too briefly",
        "The face is seen for too small a part of the time to stand for it.",
    ),
    "no_audio_stream": Reason(
        "the file has no sound", "The file has no sound, so there was no voice to analyse."
    ),
    "silent": Reason(
        "the sound is silent", "The sound is silent, so there was no voice to analyse."
    ),
    "no_speech": Reason("no speech was found", "There is sound, but no speech was found in it."),
    "too_short": Reason(
        "there is less than a quarter of a second of speech",
        "The sound or the speech in it is too short (under a quarter of a second).",
    ),
}
