"""Corpus folder -> prepared folder: decode, detect, align and clean each sample once.

Finished pieces stand in files of their own (``parts``), so an interrupted preparation resumes where
it stopped, and ends with the very bytes of an uninterrupted one.
"""

import csv
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from facevoice import __version__
from facevoice.csv_cells import safe_cells
from facevoice.datasets import Corpus
from facevoice.datasets.leaks import content_digest
from facevoice.errors import DatasetError
from facevoice.scores.table import ScoreTable, write_score_table
from facevoice.train.prepare.contact_sheet import write_contact_sheet
from facevoice.train.prepare.folder import COLUMNS, FORMAT, VOTES, Prepared, open_prepared
from facevoice.train.prepare.gather import Reading, Unusable
from facevoice.train.prepare.parts import PARTS, Unit, Work, merge
from facevoice.train.prepare.selection import Choices, Selection, select
from facevoice.workers import run, threads_each
from facevoice.writing import check_folder, replacing

Progress = Callable[[int, int], None]
"""Called with how many samples are done, of how many; first with those of an earlier run."""

_SETTINGS: Final = "settings.json"
_LEAK_IDS: Final = 8  # named in the record for each leak


def prepare(
    corpus: Corpus,
    root: Path,
    output: Path,
    choices: Choices | None = None,
    *,
    workers: int = 1,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Prepare a corpus; samples that cannot be used are counted and listed in ``dropped.csv``.

    threads: processor threads of each worker; None: its share of the cores.

    Raises:
        DatasetError: the layout is another, the split leaks, no sample could be used, or
            ``output`` holds another preparation.
        OutputError: the disk is full or not writable; what is finished stays.
    """
    choices = choices if choices is not None else Choices()
    if choices.content is not None:
        corpus = replace(corpus, content=choices.content)
    check_folder(output)
    selection = select(corpus, root, choices)
    threads = threads if threads is not None else threads_each(workers)
    work = Work(corpus, output, Reading(threads, choices.audio_track))
    units = work.units(selection.samples)
    source = _source_digest(units, selection)
    _claim(work)
    if (output / "prepared.json").is_file():
        prepared = open_prepared(output)
        if prepared.meta["source_sha256"] == source:
            return prepared
        work.take_over(units)
    waiting = [unit for unit in units if not work.path(unit).is_file()]
    total = len(selection.samples)
    count = total - sum(len(unit.samples) for unit in waiting)
    show = progress or (lambda _done, _total: None)
    show(count, total)
    for unit in run(work, waiting, workers=workers, threads=threads):
        count += len(unit.samples)
        show(count, total)
    return _finish(work, units, selection, root, source)


def _source_digest(units: Sequence[Unit], selection: Selection) -> str:
    """A hash of what goes in: units by their keys, and the samples' facts."""
    digest = hashlib.sha256(repr(selection.labels).encode())
    digest.update(repr(selection.leaks).encode())
    for unit in units:
        digest.update(unit.key.encode())
        for sample in unit.samples:
            facts = (sample.label, sample.split, sample.group, sample.corpus, sample.note)
            digest.update("".join(f"{fact}\0" for fact in facts).encode())
    for name, votes in selection.votes.items():
        digest.update(name.encode() + votes.tobytes())
    return digest.hexdigest()


def _claim(work: Work) -> None:
    """Note in the folder what is being prepared in it; refuse one that holds something else."""
    path = work.output / _SETTINGS
    wanted = {
        "format": FORMAT,
        "facevoice": __version__,
        "corpus": work.corpus.name,
        "content": work.corpus.content,
    }
    if work.reading.audio_track is not None:
        wanted["audio_track"] = work.reading.audio_track
    try:
        present = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        present = None
    except ValueError as error:
        raise DatasetError(f"{path} is damaged ({error}): choose another folder") from error
    if present is not None and present != wanted:
        differing = ", ".join(
            f"{key} {present.get(key)!r}, not {value!r}"
            for key in wanted | present
            if present.get(key) != (value := wanted.get(key))
        )
        raise DatasetError(f"{work.output} holds another preparation ({differing}): choose another")
    if present is None:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
    for folder in (work.output, work.output / PARTS):
        for stale in folder.glob(".*.tmp"):  # of a process that was killed while it wrote
            stale.unlink(missing_ok=True)


def _finish(
    work: Work, units: Sequence[Unit], selection: Selection, root: Path, source: str
) -> Prepared:
    """Merge the parts and write the tables; ``prepared.json`` last: it says that all is there."""
    output, corpus = work.output, work.corpus
    (output / "prepared.json").unlink(missing_ok=True)
    rows: list[list[str]] = []
    dropped = [[_relative(item.path, root), item.reason, ""] for item in selection.dropped]
    for unit in units:
        for sample, found in zip(unit.samples, work.outcomes(unit), strict=True):
            place = _relative(sample.path, root)
            if isinstance(found, Unusable):
                dropped.append([place, found.reason, found.detail.replace(str(root), "ROOT")])
            else:
                row = [sample.id, str(sample.label), sample.split, sample.group, place, *found]
                rows.append([*row, sample.corpus, sample.note, content_digest(sample)])
    _table(output / "dropped.csv", ["file", "reason", "detail"], dropped)
    reasons = Counter(reason for _, reason, _ in dropped)
    if not rows:
        raise DatasetError(
            f"{corpus.name}: none of {len(selection.samples)} samples is usable: {dict(reasons)};"
            f" {output / 'dropped.csv'} lists them"
        )
    merge(work, units)
    _table(output / "samples.csv", COLUMNS, rows)
    _write_votes(output, rows, selection)
    meta = _meta(work, selection, len(rows), reasons, source)
    with replacing(output / "prepared.json") as path:
        path.write_text(json.dumps(meta, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    shutil.rmtree(output / PARTS, ignore_errors=True)
    prepared = open_prepared(output)
    write_contact_sheet(prepared, output / "contact_sheet.jpg")
    return prepared


def _write_votes(output: Path, rows: Sequence[Sequence[str]], selection: Selection) -> None:
    """The raters' votes as a score table, which a recipe's ``soft_labels`` may name."""
    voted = [row for row in rows if row[0] in selection.votes]
    if not voted:
        (output / VOTES).unlink(missing_ok=True)
        return
    ids, labels, splits, groups = zip(*(row[:4] for row in voted), strict=True)
    table = ScoreTable.of_arrays(
        np.stack([selection.votes[name] for name in ids]),
        labels,
        branches=["votes"],
        labels=selection.labels,
        ids=ids,
        groups=groups,
        splits=splits,
    )
    write_score_table(table, output / VOTES)


def _meta(
    work: Work, selection: Selection, count: int, reasons: Counter[str], source: str
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "facevoice": __version__,
        "corpus": work.corpus.name,
        "read_as": work.corpus.content,
        "labels": list(selection.labels),
        "renamed": dict(selection.renamed),
        "licence": work.corpus.licence,
        "licences": dict(work.corpus.licences),
        "citation": work.corpus.citation,
        "count": count,
        "dropped": dict(sorted(reasons.items())),
        "leaks": [
            {
                "kind": leak.kind,
                "what": leak.what,
                "splits": list(leak.splits),
                "count": len(leak.ids),
                "ids": list(leak.ids[:_LEAK_IDS]),
            }
            for leak in selection.leaks
        ],
        "source_sha256": source,
    }


def _table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(columns)
        table.writerows(map(safe_cells, rows))


def _relative(path: Path, root: Path) -> str:
    folder = root if root.is_dir() else root.parent
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
