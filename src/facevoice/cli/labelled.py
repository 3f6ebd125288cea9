"""Labelled clips of any kind -> the scores of every node: what score and evaluate share."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from facevoice.cli.console import ProgressLine, say, when_interrupted
from facevoice.cli.options import add_model_options, add_track_option
from facevoice.errors import InvalidInputError
from facevoice.messages import counted

if TYPE_CHECKING:
    from facevoice.bundle import Bundle
    from facevoice.predict import Predictor
    from facevoice.predict.prediction import Prediction
    from facevoice.report.scoring import LabelledEvidence
    from facevoice.scores.table import ScoreTable
    from facevoice.train.prepare.folder import Prepared
    from facevoice.types import Sample


@dataclass(frozen=True, slots=True)
class Labelled:
    """Scores of labelled clips.

    table: with a column for every node of the bundle's tree.
    left_out: how many clips were not scored, by reason. failed: clips that could not be read.
    """

    table: "ScoreTable"
    left_out: dict[str, int]
    failed: int


def add_input_options(command: argparse.ArgumentParser, *, also: str = "") -> None:
    """The input, --data, --split and the model's options; also: what else the input may be."""
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "input",
        nargs="?",
        type=Path,
        metavar="|".join(["LABELS.CSV", "FOLDER", *([also] if also else [])]),
        help="a table (commas, semicolons or tabs) with the columns file (or path), label (or"
        " emotion) and optionally split and group (or speaker); or a folder that holds such a"
        " table, has one subfolder per label, or was made by facevoice prepare"
        + ("; or a score table (.parquet .csv .npz)" if also else ""),
    )
    source.add_argument("--data", type=Path, metavar="FOLDER", help="another way to give FOLDER")
    command.add_argument(
        "--split", help="only the clips of this split: train, val or test, by any usual name"
    )
    add_track_option(command)
    add_model_options(command)


def is_prepared(path: Path) -> bool:
    """Whether a path is a folder that facevoice prepare made."""
    return (path / "prepared.json").is_file()


def samples_of(prepared: "Prepared") -> "tuple[Sample, ...]":
    """The samples of a prepared folder, in the order of its rows."""
    from facevoice.types import Sample

    labels = [prepared.labels[index] for index in prepared.y]
    facts = (prepared.splits, prepared.groups, prepared.digests)
    return tuple(
        Sample(name, prepared.folder, label, split, group or name, digest=digest)
        for name, label, split, group, digest in zip(prepared.ids, labels, *facts, strict=True)
    )


def score_labelled(
    path: Path,
    split: str | None,
    predictor: "Predictor",
    check: "Callable[[Bundle, Sequence[Sample]], None]",
    *,
    audio_track: int | None = None,
    kept: "list[Prediction] | None" = None,
) -> Labelled:
    """Score the clips of a table of labels, a folder or a prepared folder, or one split of them.

    Prints what was read, renamed and left out before any clip is scored.

    check: called with the bundle and the clips before any is scored; may raise.
    audio_track: number of the sound track of every clip, from 0; None: the main one.
    kept: gains each prediction, in the order of the table.

    Raises:
        InvalidInputError: a track of a prepared folder, whose sound has been read.
        DatasetError: it cannot be read, or has no clip of that split or of the bundle's labels.
    """
    from facevoice.datasets import Found, read_labels
    from facevoice.report.scoring import score_clips, score_evidence, with_digests
    from facevoice.train.prepare.folder import open_prepared

    prepared = open_prepared(path) if is_prepared(path) else None
    if prepared is not None and audio_track is not None:
        raise InvalidInputError(f"{path} holds prepared sound: give --audio-track to prepare")
    found = read_labels(path) if prepared is None else Found(samples_of(prepared))
    whole = found.over(predictor.bundle.labels)
    found = found if split is None else found.of_split(split)
    found = found.over(predictor.bundle.labels)
    for line in found.lines():
        say(line)
    found = replace(found, samples=with_digests(predictor.bundle, found.samples))
    check(predictor.bundle, found.samples)
    watch = _Watch(len(found.samples), kept)
    with watch.line, when_interrupted(lambda: "nothing is kept of the scores so far"):
        if prepared is None:
            table = score_clips(predictor, found, audio_track=audio_track, watch=watch)
        else:
            table = score_evidence(predictor, _evidences(prepared, found.samples), watch=watch)
    if watch.beside:
        say(
            f"{watch.beside} of {counted(len(found.samples), 'clip')} without speech in the sound"
            " track that was read, but with speech in another: choose with --audio-track"
        )
    return Labelled(_with_keys(table, whole.samples), found.reasons, watch.failed)


def _with_keys(table: "ScoreTable", samples: "Sequence[Sample]") -> "ScoreTable":
    """The table with keys that tell its clips from those of other splits, too."""
    import numpy as np

    from facevoice.scores.table.keys import as_texts, distinct_keys

    ids = [sample.id for sample in samples]
    texts = as_texts(distinct_keys(ids, [sample.label or "" for sample in samples]))
    keys = dict(zip(ids, texts.tolist(), strict=True))
    return replace(table, keys=np.array([keys[name] for name in table.ids.tolist()]))


class _Watch:
    """Shows the progress; counts clips that failed, and those that speak on another track."""

    def __init__(self, total: int, kept: "list[Prediction] | None") -> None:
        self.line, self._total, self._kept = ProgressLine("clips"), total, kept
        self.failed = self.beside = 0

    def __call__(self, number: int, prediction: "Prediction") -> None:
        self.line(number, self._total, Path(prediction.path or "").name)
        if self._kept is not None:
            self._kept.append(prediction)
        tracks = prediction.audio_tracks
        self.beside += tracks is not None and bool(tracks.speaking)
        if prediction.error is not None:
            self.failed += 1
            self.line.say(prediction.error[1])


def _evidences(prepared: "Prepared", samples: "Sequence[Sample]") -> "Iterator[LabelledEvidence]":
    places = {name: row for row, name in enumerate(prepared.ids)}
    for sample in samples:
        yield sample, prepared.evidence(places[sample.id])


def training_clips(bundle: "Bundle", samples: "Sequence[Sample]") -> str:
    """How many of the clips taught the bundle, in words; "" if none as far as known.

    Says so where the bundle does not record what taught it.
    """
    from facevoice.report.scoring import taught_by
    from facevoice.scores.table import not_looked_for, trained_on

    found = taught_by(bundle, samples)
    if (found == "").any():
        whether = f"the bundle {bundle.name} was trained on these clips"
        say(not_looked_for(whether, "it does not record what taught it"))
    return trained_on(f"the bundle {bundle.name}", [sample.id for sample in samples], found)
