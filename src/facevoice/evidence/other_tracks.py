"""Find out which sound tracks of a file speak, where the one that was read does not."""

from collections.abc import Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final

from facevoice import media
from facevoice.errors import InvalidInputError, MediaUnreadableError
from facevoice.speech.voice import SPEECH_RATE_HZ, SileroVoice, has_speech
from facevoice.types import AudioTracks

_PIECE_SECONDS: Final = 10.0
_MOST_PIECES: Final = 60  # ten minutes


def audio_tracks(
    path: Path,
    info: media.MediaInfo,
    *,
    spoken: bool,
    start_seconds: float | None = None,
    stop_seconds: float | None = None,
) -> AudioTracks | None:
    """The sound tracks of a file; None without any.

    spoken: whether the track that was read has speech; if not, the others are searched.
    start_seconds, stop_seconds: the part to search; None: from the start, to the end.
    """
    if info.audio_track is None:
        return None
    others = [] if spoken else [n for n in range(info.audio_tracks) if n != info.audio_track]
    speaking = _speaking(path, others, start_seconds, stop_seconds) if others else ()
    return AudioTracks(info.audio_tracks, info.audio_track, tuple(speaking))


def _speaking(
    path: Path, tracks: Iterable[int], start: float | None, stop: float | None
) -> list[int]:
    detector = SileroVoice()

    def speaks(track: int) -> bool:
        pieces = media.iter_waveform(
            path,
            rate_hz=SPEECH_RATE_HZ,
            window_seconds=_PIECE_SECONDS,
            start_seconds=start,
            stop_seconds=stop,
            audio_track=track,
        )
        try:
            with closing(pieces):
                return any(has_speech(piece, detector) for piece in islice(pieces, _MOST_PIECES))
        except (MediaUnreadableError, InvalidInputError):  # it has no decoder, or is damaged
            return False

    return [track for track in tracks if speaks(track)]
