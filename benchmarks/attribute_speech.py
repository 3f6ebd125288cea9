"""Whose mouth speaks: fits the model of ``facevoice.evidence.speaker`` and measures it.

The corpus is a folder of short frontal clips of one speaker each, with a ``labels.csv`` whose
columns are file and speaker (javanese_av). Films are made of two clips side by side: equal size,
the speaker's side at random; the silent one moves and speaks too, with its sound muted. In half of
the films the sound is a third clip's: a voice from off the picture.

``--fit OUTPUT.json --speakers A B C D`` fits a model on some speakers, at several frame rates.
``--judge A B`` judges the model that ships in films of other speakers, through the whole timeline.
``--alone FILE ...`` counts the speaking windows of films of one person that give the voice to a
face; it needs no corpus.

Run: ``python benchmarks/attribute_speech.py FOLDER --judge JV03 JV08``
"""

import argparse
import csv
import itertools
import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevoice import media
from facevoice.bundle import load_bundle
from facevoice.evidence import EvidenceReader, Plan, film_plan
from facevoice.evidence.mouths import Mouths, Pace, RecentMotions
from facevoice.evidence.speaker import Motions, features
from facevoice.faces.find import FaceFinder
from facevoice.faces.mtcnn import Mtcnn
from facevoice.media.views import Sampling
from facevoice.speech.voice import SPEECH_RATE_HZ
from facevoice.timeline import timeline

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.joined_clips import Clip, read_clip, side_by_side

_WINDOW, _HOP, _SHORTEST = 3.0, 2 / 3, 1.8  # seconds
_PENALTY = 1.0
_CORRELATIONS, _SHAPE = 126, (3, 129)  # of the features: lags and numbers
_ROUNDS = 4
_ALONE = -5.9  # log-odds that someone else speaks while one face is alone in view: a prior of .997
_WRONG = 16  # mouths that are tried with each sound besides its own
_RATES_HZ = (30.0, 25.0, 20.0)  # at which the clips are seen: films come at many rates


@dataclass(frozen=True)
class Piece:
    """One window of one clip: a mouth and the sound that belongs to it, both from 0 s on."""

    speaker: str
    motions: Motions
    sound: NDArray[np.float32]


def clips_of(folder: Path) -> list[tuple[Path, str]]:
    """Path and speaker of every clip."""
    with (folder / "labels.csv").open(encoding="utf-8") as table:
        return [(folder / row["file"], row["speaker"]) for row in csv.DictReader(table)]


def pieces_of(path: Path, speaker: str, detector: Mtcnn, picture_hz: float) -> list[Piece]:
    """The windows of a clip seen at a lower frame rate, its black beginning left out."""
    thinned = Sampling(picture_hz, None)
    mouths, pace, finder, first, last = Mouths(), Pace(), FaceFinder(detector), None, 0.0
    recent = RecentMotions(60.0)
    rate_hz = Plan(0.0, _WINDOW, _HOP, has_video=True, has_audio=True).rate_hz
    for view in media.iter_views(path, rate_hz=rate_hz):
        if view.light is None or view.light.std() <= 8:
            continue
        first, last = view.time_seconds if first is None else first, view.time_seconds
        if thinned.take(last) and pace.take(last):
            mouths.add_light(last, view.light)
        if view.image is not None:
            faces = finder.find(view.image, last, afresh=False)
            recent.add(last, mouths.measure(last, dict(enumerate(faces[:1]))))
    sound = media.read_waveform(path, rate_hz=SPEECH_RATE_HZ)
    assert sound is not None
    assert first is not None
    pieces, start = [], first
    while last - start >= _SHORTEST:
        stop = min(start + _WINDOW, last)
        times, values = recent.between(0, start, stop)
        begin, end = (round((t - sound.start_seconds) * SPEECH_RATE_HZ) for t in (start, stop))
        pieces.append(Piece(speaker, (times - start, values), sound.samples[max(begin, 0) : end]))
        start = last if stop == last else start + _HOP
    return pieces


def table_of(pieces: list[Piece]) -> NDArray[Any]:
    """(N, N, L, F) features of mouth i with sound j, by lag; NaN where they were not compared.

    Each sound is compared with its own mouth and with some of other speakers.
    """
    count = len(pieces)
    generator = np.random.default_rng(0)
    table = np.full((count, count, *_SHAPE), np.nan, np.float32)
    for j, voice in enumerate(pieces):
        others = [i for i, mouth in enumerate(pieces) if mouth.speaker != voice.speaker]
        for i in [j, *generator.choice(others, _WRONG, replace=False).tolist()]:
            mouth = pieces[i]
            inside = mouth.motions[0] < len(voice.sound) / SPEECH_RATE_HZ
            motions = mouth.motions[0][inside], mouth.motions[1][inside]
            found = features(motions, voice.sound, 0.0)
            if found is not None:
                table[i, j] = found
    return table


@dataclass(frozen=True)
class Fit:
    """A logistic sum of standardised features, at the lag where it is greatest."""

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    scales: NDArray[np.float64]
    bias: float

    def __call__(self, table: NDArray[Any]) -> NDArray[np.float64]:
        """Features (..., L, F) -> logits (...)."""
        logits: NDArray[np.float64] = self.by_lag(table).max(axis=-1)
        return logits

    def by_lag(self, table: NDArray[Any]) -> NDArray[np.float64]:
        """Features (..., F) -> logits (...)."""
        logits: NDArray[np.float64] = (table - self.means) / self.scales @ self.weights + self.bias
        return logits


def fitted(table: NDArray[Any], whose: NDArray[Any], speakers: tuple[str, ...]) -> Fit:
    """The fit on the pairs of some speakers, each at the lag where it fits best.

    Which lag that is depends on the fit: both are found in turn, from the greatest mean on.
    """
    among = np.isin(whose, speakers)
    rows, columns = np.nonzero(~np.isnan(table[..., 0, 0]) & among[:, None] & among)
    found = table[rows, columns].astype(np.float64)
    right = (rows == columns).astype(float)
    each, lags = np.arange(len(found)), found[..., :_CORRELATIONS].mean(axis=-1).argmax(axis=-1)
    for _ in range(_ROUNDS):
        model = _logistic(found[each, lags], right)
        lags = model.by_lag(found).argmax(axis=-1)
    return model


def _logistic(found: NDArray[np.float64], right: NDArray[np.float64]) -> Fit:
    """Logistic regression of features (N, F); right and wrong pairs weigh the same."""
    means, scales = found.mean(axis=0), found.std(axis=0) + 1e-6
    design = np.column_stack([(found - means) / scales, np.ones(len(found))])
    share = np.where(right == 1, 100 / right.sum(), 100 / (len(right) - right.sum()))
    penalty = np.append(np.full(design.shape[1] - 1, _PENALTY), 1e-6)
    solution = np.zeros(design.shape[1])
    for _ in range(40):
        chance = 1 / (1 + np.exp(-design @ solution))
        slope = design.T @ (share * (chance - right)) + penalty * solution
        curve = (design * (share * chance * (1 - chance))[:, None]).T @ design + np.diag(penalty)
        solution -= np.linalg.solve(curve, slope)
    return Fit(solution[:-1], means, scales, float(solution[-1]))


def trials(
    logits: NDArray[np.float64], whose: NDArray[Any], speakers: tuple[str, ...], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logits of (right face, wrong face) and of (wrong face, wrong face) with one sound each."""
    generator = np.random.default_rng(seed)
    present, absent = [], []
    for column in range(len(whose)):
        rows = [
            row
            for row in np.nonzero(~np.isnan(logits[:, column]))[0]
            if whose[row] in speakers and row != column
        ]
        if whose[column] in speakers and rows:
            others = generator.choice(rows, min(4, len(rows)), replace=False)
            present += [(logits[column, column], logits[row, column]) for row in others]
        for _ in range(2 * (len(rows) > 1)):
            one, other = generator.choice(rows, 2, replace=False)
            if whose[one] != whose[other]:
                absent.append((logits[one, column], logits[other, column]))
    return np.array(present), np.array(absent)


def rates(
    present: NDArray[np.float64], absent: NDArray[np.float64], unknown: float, least: float
) -> tuple[float, float, float]:
    """Shares: right face, unknown; and unknown with a voice from off the picture."""

    def chosen(logits: NDArray[np.float64]) -> NDArray[np.intp]:
        every = np.column_stack([logits, np.full(len(logits), unknown)])
        share = np.exp(every - every.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        best = share[:, :2].argmax(axis=1)
        return np.where(share[np.arange(len(share)), best] >= least, best, -1)

    said, off = chosen(present), chosen(absent)
    return float((said == 0).mean()), float((said == -1).mean()), float((off == -1).mean())


def thresholds(present: NDArray[np.float64], absent: NDArray[np.float64]) -> tuple[float, float]:
    """Those that miss the aims (0.8 right, 0.1 unknown, 0.7 unknown off the picture) least."""
    best = (-np.inf, 0.0, 0.0)
    for unknown, least in itertools.product(np.arange(-2, 4, 0.25), np.arange(0.35, 0.7, 0.05)):
        right, silent, off = rates(present, absent, unknown, least)
        missed = min(right - 0.8, 0) + min(0.1 - silent, 0) + min(off - 0.7, 0)
        best = max(best, (2 * missed + 0.2 * (right + off), float(unknown), float(least)))
    return best[1], best[2]


def with_thresholds(
    table: NDArray[Any], whose: NDArray[Any], speakers: tuple[str, ...]
) -> tuple[Fit, float, float]:
    """The fit on some speakers; its thresholds from mouths of speakers that each fit left out."""
    logits = np.full(table.shape[:2], np.nan)
    for judged in speakers:
        inner = fitted(table, whose, tuple(s for s in speakers if s != judged))
        logits[whose == judged] = inner(table[whose == judged])
    unknown, least = thresholds(*trials(logits, whose, speakers, seed=1))
    return fitted(table, whose, speakers), unknown, least


def fit(folder: Path, speakers: tuple[str, ...], output: Path) -> None:
    """Fit on some speakers and write the model."""
    detector = Mtcnn(threads=1)
    chosen = [(path, who) for path, who in clips_of(folder) if who in speakers]
    pieces = [
        piece
        for rate in _RATES_HZ
        for path, who in chosen
        for piece in pieces_of(path, who, detector, rate)
    ]
    whose = np.array([piece.speaker for piece in pieces])
    model, unknown, least = with_thresholds(table_of(pieces), whose, speakers)
    card = {
        "learnt_from": f"javanese_av, speakers {', '.join(speakers)}; its licence is not stated",
        "weights": model.weights.round(5).tolist(),
        "means": model.means.round(5).tolist(),
        "scales": model.scales.round(6).tolist(),
        "bias": round(model.bias, 5),
        "unknown": unknown,
        "least": round(least, 3),
        "alone": _ALONE,
    }
    output.write_text(json.dumps(card), encoding="utf-8")


def judge(folder: Path, films: int, speakers: tuple[str, ...]) -> None:
    """Side-by-side films through the whole timeline: how often the right face gets the speech."""
    counts = _judged(folder, films, speakers, np.random.default_rng(7))
    for where, found in counts.items():
        total = sum(found.values())
        shares = ", ".join(f"{what} {count / total:.3f}" for what, count in found.items())
        print(f"{where}: {total} windows: {shares}")


def alone(paths: list[Path]) -> None:
    """Films of one person: in how many windows with speech a face gets the voice."""
    every = Counter[bool]()
    for path in paths:
        found = Counter[bool]()
        plan = film_plan(media.probe(path), 3.0, 1.0, None, None)
        for window in EvidenceReader(threads=1).film(path, plan, attribute=True):
            if window.speaker is not None:
                found[window.speaker.person is not None] += 1
        every += found
        print(f"{path.name}: {found[True]} of {found.total()}", flush=True)
    print(f"{len(paths)} films: {every[True]} of {every.total()} speaking windows")


def _judged(
    folder: Path, films: int, speakers: tuple[str, ...], generator: np.random.Generator
) -> dict[str, Counter[str]]:
    """What becomes of the speech in films of some speakers, with their voices and others'."""
    bundle, every = load_bundle("base", threads=1), clips_of(folder)
    held = [clip for clip in every if clip[1] in speakers]
    counts: dict[str, Counter[str]] = {"in the picture": Counter(), "off the picture": Counter()}
    with tempfile.TemporaryDirectory() as place:
        for number in range(films):
            off = number % 2 == 1
            speaker = held[generator.integers(len(held))]
            other = _another(generator, held, {speaker[1]})
            heard = _another(generator, every, {speaker[1], other[1]}) if off else speaker
            sides = [read_clip(path) for path, _ in (speaker, other)]
            right_side = bool(generator.integers(2))
            film = _film(Path(place), sides[::-1] if right_side else sides, read_clip(heard[0]))
            middle = sides[0].pictures.shape[2]
            for row in timeline(film, bundle, frames=False).rows:
                if row.speaker == "this" and row.box is not None:
                    hit = ((row.box[0] + row.box[2]) / 2 > middle) == right_side
                    counts[_where(off)]["right" if hit and not off else "wrong"] += 1
                elif row.speaker == "unknown" and row.person is None:
                    counts[_where(off)]["unknown"] += 1
    return counts


def _where(off: bool) -> str:  # noqa: FBT001
    return "off the picture" if off else "in the picture"


def _another(
    generator: np.random.Generator, clips: list[tuple[Path, str]], not_of: set[str]
) -> tuple[Path, str]:
    choices = [clip for clip in clips if clip[1] not in not_of]
    return choices[generator.integers(len(choices))]


def _film(folder: Path, sides: list[Clip], heard: Clip) -> Path:
    seconds = min(*(side.seconds for side in sides), heard.seconds)
    film: Path = side_by_side(folder / "film.mkv", sides[0], sides[1], heard.sound, seconds)
    return film


def main() -> None:
    """Fit or measure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path, nargs="?")
    options.add_argument("--fit", type=Path, metavar="OUTPUT.json")
    options.add_argument("--speakers", nargs="+", default=[])
    options.add_argument("--judge", nargs="+", metavar="SPEAKER", default=[])
    options.add_argument("--films", type=int, default=40)
    options.add_argument("--alone", type=Path, nargs="+", metavar="FILE", default=[])
    chosen = options.parse_args()
    if chosen.fit is not None:
        fit(chosen.folder, tuple(chosen.speakers), chosen.fit)
    if chosen.judge:
        judge(chosen.folder, chosen.films, tuple(chosen.judge))
    if chosen.alone:
        alone(chosen.alone)


if __name__ == "__main__":
    main()
