"""The section that shows the clip over time: scores, face and sound above one time axis."""

from html import escape

import numpy as np

from facevoice.output.clip import words
from facevoice.output.clip.content import Clip, Stretch
from facevoice.output.clip.draw import Colours, axis, data_uri, lane, ribbon, stack, swatch, wave
from facevoice.output.clip.sound import Spectrogram
from facevoice.types import Float64Array


def timeline_section(clip: Clip, colours: Colours) -> str:
    """The fused scores of a long clip and the sound of any; empty without both."""
    course = len(clip.stretches) > 1 and clip.root.scores is not None
    plots = [_scores(clip, colours)] if course else []
    plots += _sound(clip)
    if not plots:
        return ""
    heading = "Over time" if course else "The sound"
    return f"<section><h2>{heading}</h2>{''.join(plots)}</section>"


def _scores(clip: Clip, colours: Colours) -> str:
    span = (clip.start_seconds, clip.stop_seconds)
    labels = clip.labels
    legend = "".join(f"<li>{swatch(label, colours)}{escape(label)}</li>" for label in labels)
    seen = np.array(
        [(each.start_seconds, each.stop_seconds) for each in clip.stretches if each.face]
    ).reshape(-1, 2)
    merged = clip.prediction.windows > len(clip.stretches)
    about = (
        f"The clip was judged in {clip.prediction.windows} windows, one after another."
        " Each column shows how the fused score of a window"
        + (" (here the mean of several)" if merged else "")
        + " is shared among the labels; the ribbon below names the highest."
    )
    return (
        f'<p class="about">{about}</p><ul class="legend">{legend}</ul>'
        f'<div class="plot">{stack(clip.stretches, labels, colours, span)}'
        f"{ribbon(clip.stretches, labels, colours, span)}{axis(span)}</div>"
        f"{_numbers(clip)}"
        f"{_face_lane(seen, span, len(clip.stretches))}"
    )


def _face_lane(seen: Float64Array, span: tuple[float, float], count: int) -> str:
    """Where a face was seen; nothing if that was everywhere or nowhere."""
    if len(seen) in {0, count}:
        return ""
    name = f"A face is seen in {len(seen)} of {count} columns"
    return (
        '<div class="plot"><h3>Windows that show a face</h3>'
        f"{lane(seen, span, name)}{axis(span)}</div>"
    )


def _numbers(clip: Clip) -> str:
    """The columns as a table that opens on demand."""
    labels = clip.labels

    def row(stretch: Stretch) -> str:
        times = (stretch.start_seconds, stretch.stop_seconds)
        when = " to ".join(words.clock(at, clip.stop_seconds) for at in times)
        best, score = "no answer", ""
        if stretch.values is not None:
            index = int(stretch.values.argmax())
            best, score = labels[index], words.percent(float(stretch.values[index]))
        found = [
            name for name, there in (("face", stretch.face), ("voice", stretch.voice)) if there
        ]
        cells = (best, score, words.listed(found) or "nothing")
        return (
            f'<tr><th scope="row">{when}</th>'
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            + "</tr>"
        )

    rows = "".join(row(stretch) for stretch in clip.stretches)
    return (
        "<details><summary>The same as a table</summary>"
        '<div class="scroll"><table class="numbers"><thead><tr><th scope="col">Time</th>'
        '<th scope="col">Highest</th><th scope="col">Score</th><th scope="col">Found</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div></details>"
    )


def _sound(clip: Clip) -> list[str]:
    sound = clip.sound
    if sound is None:
        return []
    span = (sound.start_seconds, sound.stop_seconds)
    ruler = axis(span)
    picture = "" if sound.spectrogram is None else _spectrogram(sound.spectrogram, span)
    count = len(clip.spans)
    found = "no speech found"
    if count and clip.prediction.evidence is not None:
        spoken = clip.prediction.evidence.speech_seconds
        plural = "" if count == 1 else "es"
        found = f"{count} stretch{plural} of speech, {words.length(spoken)} in all"
    legend = (
        '<ul class="legend"><li><i class="key voiced" aria-hidden="true"></i>speech, which the'
        ' model hears</li><li><i class="key" aria-hidden="true"></i>the rest, which it does not'
        "</li></ul>"
    )
    waveform = (
        f'<div class="plot"><h3>Waveform: {found}</h3>{legend if count else ""}'
        f"{wave(sound, clip.spans)}{'' if picture else ruler}</div>"
    )
    return [waveform, f'<div class="plot">{picture}{ruler}</div>' if picture else ""]


def _spectrogram(spectrogram: Spectrogram, span: tuple[float, float]) -> str:
    whole = span[1] - span[0]
    left = 100 * (spectrogram.start_seconds - span[0]) / whole
    width = 100 * (spectrogram.stop_seconds - spectrogram.start_seconds) / whole
    marks = "".join(
        f'<span style="bottom:{100 * hertz / spectrogram.top_hz:.1f}%">{hertz // 1000} kHz</span>'
        for hertz in range(2000, int(spectrogram.top_hz), 2000)
    )
    return (
        "<h3>Spectrogram: strong marks are loud, low tones at the bottom</h3>"
        f'<div class="spectrogram"><img src="{data_uri("png", spectrogram.png)}"'
        f' style="left:{left:.2f}%;width:{width:.2f}%" alt="Spectrogram of the sound, 0 to'
        f' {spectrogram.top_hz / 1000:g} kHz">{marks}</div>'
    )
