"""The report page of one clip: a single HTML file that shows what a prediction rests on.

It loads no external content, needs no JavaScript and embeds its pictures.
"""

import os
from pathlib import Path

from facevoice.output.clip.content import look_at
from facevoice.output.clip.document import document
from facevoice.person import Baseline
from facevoice.predict import Predictor
from facevoice.predict.prediction import Prediction
from facevoice.writing import replacing

__all__ = ["clip_page", "write_clip_page"]


def clip_page(
    predictor: Predictor,
    path: str | os.PathLike[str],
    *,
    start_seconds: float | None = None,
    stop_seconds: float | None = None,
    audio_track: int | None = None,
    baseline: Baseline | None = None,
    title: str | None = None,
    note: str | None = None,
) -> tuple[Prediction, str]:
    """Predict one video, sound file or picture and describe the prediction as an HTML page.

    The evidence is made once and discarded window by window; of a long clip, some faces and an
    outline of its sound are kept.

    start_seconds, stop_seconds: the part to analyse, in the container's presentation time.
    audio_track: number of the sound track, from 0; None: the main one.
    baseline: of the person shown; the page then has the personal answer beside the plain one.
    title: heading of the page; None uses the file's name.
    note: a remark below the heading, as plain text.

    Returns the prediction, the same as from calling the predictor, and the page.

    Raises:
        FacevoiceError: the file cannot be read, the part is empty, or the baseline was enrolled
            with another bundle.
    """
    clip = look_at(
        predictor,
        path,
        start_seconds=start_seconds,
        stop_seconds=stop_seconds,
        audio_track=audio_track,
        baseline=baseline,
    )
    return clip.prediction, document(clip, title=title, note=note)


def write_clip_page(  # noqa: PLR0913 - one keyword per option
    predictor: Predictor,
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    start_seconds: float | None = None,
    stop_seconds: float | None = None,
    audio_track: int | None = None,
    baseline: Baseline | None = None,
    title: str | None = None,
    note: str | None = None,
) -> Prediction:
    """Predict one input and write its page; ``output`` is replaced only once the page is complete.

    Raises:
        FacevoiceError: as ``clip_page``.
        OutputError: the page cannot be written.
    """
    prediction, page = clip_page(
        predictor,
        path,
        start_seconds=start_seconds,
        stop_seconds=stop_seconds,
        audio_track=audio_track,
        baseline=baseline,
        title=title,
        note=note,
    )
    with replacing(Path(output)) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return prediction
