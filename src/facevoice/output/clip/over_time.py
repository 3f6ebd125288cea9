"""The section that shows the clip over time: scores, face and sound above one time axis."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from typing import Final

import numpy as np

from facevoice.messages import counted
from facevoice.output.clip.content import Clip, Stretch
from facevoice.output.clip.sound import Sound, Spectrogram
from facevoice.output.html.elements import (
    Colours,
    curve_paths,
    data_uri,
    details,
    legend,
    section,
    table,
)
from facevoice.output.html.time_axis import axis, lane, placed, ribbon, share, visible
from facevoice.output.verdict import CLOSE
from facevoice.output.wording import clock, duration, listed, percent
from facevoice.types import Scores
from facevoice.types.spans import Span

_MOST_SEPARATED: Final = 48
"""More stretches than this are drawn without gaps between them."""


def over_time(clip: Clip, colours: Colours) -> str:
    """The fused scores of a long clip and the sound of any; empty without both."""
    scored = len(clip.stretches) > 1 and clip.root.scores is not None
    plots = [*([_scores(clip, colours)] if scored else []), *_sound(clip)]
    return section("Over time" if scored else "The sound", "".join(plots)) if plots else ""


def _scores(clip: Clip, colours: Colours) -> str:
    span, labels, windows = clip.span, clip.labels, clip.prediction.windows
    averaged = " (here the mean of several)" if windows > len(clip.stretches) else ""
    about = (
        f"The clip was analysed in {windows} consecutive windows. Each column shows how the"
        f" fused score of a window{averaged} is shared among the labels; the ribbon below names the"
        f" highest, or two where {CLOSE}."
    )
    emotions = ribbon(_emotions(clip.stretches, labels), colours, span)
    return (
        f'<p class="about">{about}</p>{legend(labels, colours)}'
        f'<div class="plot">{stack(clip.stretches, labels, colours, span)}{emotions}{axis(span)}'
        f"</div>{_numbers(clip)}{_face_lane(clip)}"
    )


def stack(stretches: Sequence[Stretch], labels: Sequence[str], colours: Colours, span: Span) -> str:
    """Each stretch's scores as a column of stacked bars, the first label at the bottom."""
    paths: list[list[str]] = [[] for _ in labels]
    for stretch in stretches:
        if stretch.values is None:
            continue
        left = 1000 * share(stretch.start_seconds, span)
        width = 1000 * share(stretch.stop_seconds, span) - left
        edges = 100 * (1 - np.concatenate([[0.0], np.cumsum(stretch.values)]))
        for path, bottom, top in zip(paths, edges[:-1], edges[1:], strict=True):
            if bottom - top >= 0.05:
                path.append(f"M{left:.1f} {bottom:.1f}h{width:.1f}V{top:.1f}h-{width:.1f}z")
    kind = "stack apart" if len(stretches) <= _MOST_SEPARATED else "stack"
    return (
        f'<svg class="{kind}" viewBox="0 0 1000 100" preserveAspectRatio="none" role="img"'
        f' aria-label="Fused scores over time, stacked; the table below has the same numbers">'
        f"{curve_paths(labels, colours, paths)}</svg>"
    )


def _emotions(
    stretches: Sequence[Stretch], labels: Sequence[str]
) -> Iterator[tuple[Span, Sequence[str]]]:
    """The emotion of each stretch, or the two between which it is undecided; equals are joined."""
    for names, run in groupby(stretches, lambda each: _names(each, tuple(labels))):
        group = list(run)
        yield (group[0].start_seconds, group[-1].stop_seconds), names


def _names(stretch: Stretch, labels: tuple[str, ...]) -> tuple[str, ...]:
    if stretch.values is None:
        return ()
    scores = Scores(labels, stretch.values)
    return scores.undecided or (scores.emotion,)


def _face_lane(clip: Clip) -> str:
    """Where a face was seen; nothing if that was everywhere or nowhere."""
    seen = [(each.start_seconds, each.stop_seconds) for each in clip.stretches if each.face]
    count = len(clip.stretches)
    if len(seen) in {0, count}:
        return ""
    drawn = lane(seen, clip.span, f"A face is seen in {len(seen)} of {count} columns")
    return f'<div class="plot"><h3>Windows that show a face</h3>{drawn}{axis(clip.span)}</div>'


def _numbers(clip: Clip) -> str:
    """The columns as a table that opens on demand."""

    def row(each: Stretch) -> tuple[str, ...]:
        times = (each.start_seconds, each.stop_seconds)
        score = "" if each.values is None else percent(float(each.values.max()))
        found = [name for name, there in (("face", each.face), ("voice", each.voice)) if there]
        return (
            " to ".join(clock(at, clip.stop_seconds) for at in times),
            escape(each.emotion(clip.labels) or "no answer"),
            score,
            listed(found) or "nothing",
        )

    rows = [row(each) for each in clip.stretches]
    return details("The same as a table", table(("Time", "Highest", "Score", "Found"), rows))


def _sound(clip: Clip) -> list[str]:
    sound = clip.sound
    if sound is None:
        return []
    ruler = axis((sound.start_seconds, sound.stop_seconds))
    found = "no speech found"
    if clip.speech and clip.prediction.evidence is not None:
        spoken = duration(clip.prediction.evidence.speech_seconds, 1)
        found = f"{counted(len(clip.speech), 'stretch', 'stretches')} of speech, {spoken} in all"
    key = (
        '<ul class="legend"><li><i class="key voiced" aria-hidden="true"></i>speech, which the'
        ' model analyses</li><li><i class="key" aria-hidden="true"></i>the rest, which it ignores'
        "</li></ul>"
    )
    picture = "" if sound.spectrogram is None else _spectrogram(sound.spectrogram, clip.span)
    waveform = (
        f'<div class="plot"><h3>Waveform: {found}</h3>{key if clip.speech else ""}'
        f"{_wave(sound, clip.speech)}{'' if picture else ruler}</div>"
    )
    return [waveform, f'<div class="plot">{picture}{ruler}</div>' if picture else ""]


def _wave(sound: Sound, speech: Sequence[Span]) -> str:
    """The sound's envelope, louder and softer, with the stretches of speech marked."""
    columns = len(sound.low)
    scale = 48 / sound.peak if sound.peak > 0 else 0.0
    upper = 50 - np.maximum(sound.high * scale, 0.4)
    lower = 50 - np.minimum(sound.low * scale, -0.4)
    x = np.arange(columns) + 0.5
    there = "L".join(f"{at:g} {y:.1f}" for at, y in zip(x, upper, strict=True))
    back = "L".join(f"{at:g} {y:.1f}" for at, y in zip(x[::-1], lower[::-1], strict=True))
    span = (sound.start_seconds, sound.stop_seconds)
    edges = [[columns * share(at, span) for at in each] for each in visible(speech, span)]
    rectangles = "".join(
        f'<rect x="{left:.2f}" y="0" width="{right - left:.2f}" height="100"/>'
        for left, right in edges
    )
    return (
        f'<svg class="wave" viewBox="0 0 {columns} 100" preserveAspectRatio="none" role="img"'
        f' aria-label="Waveform; {len(speech)} stretches of speech are marked">'
        f'<defs><clipPath id="speech">{rectangles}</clipPath>'
        f'<path id="outline" d="M{there}L{back}z"/></defs>'
        f'<g class="spoken">{rectangles}</g><use href="#outline"/>'
        f'<use class="voiced" href="#outline" clip-path="url(#speech)"/></svg>'
    )


def _spectrogram(spectrogram: Spectrogram, span: Span) -> str:
    place = placed((spectrogram.start_seconds, spectrogram.stop_seconds), span)
    marks = "".join(
        f'<span style="bottom:{100 * hertz / spectrogram.top_hz:.1f}%">{hertz // 1000} kHz</span>'
        for hertz in range(2000, int(spectrogram.top_hz), 2000)
    )
    return (
        "<h3>Spectrogram: what stands out is loud, low frequencies are at the bottom</h3>"
        f'<div class="spectrogram"><img src="{data_uri("image/png", spectrogram.png)}"'
        f' style="{place}" alt="Spectrogram of the sound, 0 to'
        f' {spectrogram.top_hz / 1000:g} kHz">{marks}</div>'
    )
