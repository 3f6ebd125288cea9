"""facevoice datasets and facevoice prepare: corpora, and their one-time decoding and cleaning."""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facevoice.cli.console import ProgressLine, say, show, when_interrupted
from facevoice.cli.options import add_track_option, positive
from facevoice.messages import counted, near

if TYPE_CHECKING:
    from facevoice.datasets import Corpus
    from facevoice.train.prepare.folder import Prepared
    from facevoice.types import Sample

_NEVER: Final = {"speech": ("face",), "pictures": ("voice",), "face_images": ("voice",)}
"""What a corpus never has that is read in such a way."""
_MOST_GROUPS: Final = 12
_CONTENTS: Final = "clips, face_crops, face_folders, pictures, face_images or speech"


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verbs."""
    listing = verbs.add_parser("datasets", help="list the corpora that can be prepared")
    listing.add_argument("corpus", nargs="?", help="all about this one")
    listing.set_defaults(run=run_datasets)
    command = verbs.add_parser(
        "prepare", help="decode and clean a corpus once, for training (extra train)"
    )
    command.add_argument("corpus", help="its name, see facevoice datasets")
    command.add_argument("--root", type=Path, required=True, help="the corpus's folder")
    command.add_argument("-o", "--output", type=Path, required=True, help="the prepared folder")
    command.add_argument("--workers", type=positive, default=1, help="processes (default: 1)")
    command.add_argument(
        "--threads", type=positive, metavar="N", help="of each process (default: cores / workers)"
    )
    command.add_argument("--as", dest="content", metavar="CONTENT", help=f"read as {_CONTENTS}")
    command.add_argument(
        "--labels", metavar="A,B,...", help="keep only these labels, in this order"
    )
    command.add_argument(
        "--limit", type=positive, metavar="N", help="only N samples, of all labels, to try it"
    )
    add_track_option(command)
    leaks = command.add_mutually_exclusive_group()
    leaks.add_argument(
        "--drop-leaks", action="store_true", help="leave out what leaks into test or validation"
    )
    leaks.add_argument(
        "--allow-leaks", action="store_true", help="accept a split that leaks; reports say so"
    )
    command.set_defaults(run=run_prepare)


def _groups(samples: "Sequence[Sample]") -> Iterator[str]:
    """How many samples each group has, where groups are known; only the range of many."""
    found = Counter(sample.group for sample in samples if sample.group != sample.id)
    if 0 < len(found) <= _MOST_GROUPS:
        yield "groups: " + ", ".join(f"{name} {count}" for name, count in sorted(found.items()))
    elif found:
        yield f"{min(found.values())} to {max(found.values())} samples per group"


def run_datasets(options: argparse.Namespace) -> int:
    """Print a line for each corpus, or all about one."""
    from facevoice.datasets import CORPORA

    if options.corpus is not None:
        show(_details(_corpus(options.corpus)))
        return 0
    width = max(map(len, CORPORA))
    for corpus in CORPORA.values():
        show(f"{corpus.name:{width}}  {corpus.content:12}  {corpus.title}")
    show("\nfacevoice datasets NAME tells its layout, labels, licence and where to obtain it.")
    return 0


def _corpus(name: str) -> "Corpus":
    from facevoice.datasets import CORPORA
    from facevoice.errors import DatasetError

    if name not in CORPORA:
        raise DatasetError(
            f"unknown corpus {name!r}; known: {', '.join(CORPORA)}{near(name, CORPORA)}"
        )
    return CORPORA[name]


def _details(corpus: "Corpus") -> str:
    facts = {
        "content": corpus.content,
        "layout": corpus.layout,
        "labels": ", ".join(corpus.labels) or "its own",
        "mapping": corpus.mapping,
        "splits": corpus.splits,
        "groups": corpus.groups or "not told: each file is its own",
        "licence": corpus.licence,
        "cite": corpus.citation,
        "obtain": corpus.obtain,
    }
    lines = [f"  {name + ':':9} {text}" for name, text in facts.items()]
    return "\n".join([f"{corpus.name}  {corpus.title}", *lines])


def run_prepare(options: argparse.Namespace) -> int:
    """Prepare a corpus and say what was kept and dropped."""
    from facevoice.datasets import CONTENTS
    from facevoice.errors import InvalidInputError
    from facevoice.train.prepare.other_tracks import speaking_elsewhere
    from facevoice.train.prepare.run import prepare
    from facevoice.train.prepare.selection import Choices

    if options.content not in {None, *CONTENTS}:
        raise InvalidInputError(f"--as takes {_CONTENTS}, got {options.content!r}")
    choices = Choices(
        content=options.content,
        labels=tuple(options.labels.split(",")) if options.labels else (),
        limit=options.limit,
        allow_leaks=options.allow_leaks,
        drop_leaks=options.drop_leaks,
        audio_track=options.audio_track,
    )
    with (
        ProgressLine("samples", last=True) as progress,
        when_interrupted(
            lambda: (
                f"{counted(progress.done, 'sample')} kept in {options.output}: to continue, run the"
                " same command"
            )
        ),
    ):
        prepared = prepare(
            _corpus(options.corpus),
            options.root,
            options.output,
            choices,
            workers=options.workers,
            threads=options.threads,
            progress=progress,
        )
    say(f"{counted(len(prepared.ids), 'sample')} of {options.corpus} in {options.output}")
    for line in _account(prepared, _corpus(options.corpus)):
        say(f"  {line}")
    elsewhere = (
        () if choices.audio_track is not None else speaking_elsewhere(options.output, options.root)
    )
    if elsewhere:
        say(
            f"  {counted(len(elsewhere), 'file')} without speech in the sound track that was read,"
            f" but with speech in another, such as {elsewhere[0]}: choose with --audio-track"
        )
    return 0


def _account(prepared: "Prepared", corpus: "Corpus") -> Iterator[str]:
    """What became of the samples: counts, names that were mapped, what was dropped, leaks."""
    from facevoice.cli.labelled import samples_of
    from facevoice.datasets.corpus import GROUPS_UNKNOWN, account, counts
    from facevoice.types import MODALITIES

    samples = samples_of(prepared)
    yield "; ".join(account(samples))
    yield from _groups(samples)
    for modality in MODALITIES:
        missing = int((~prepared.has(modality)).sum())
        if missing and modality not in _NEVER.get(prepared.meta.get("read_as", ""), ()):
            yield f"{missing} without a {modality}"
    renamed = prepared.meta.get("renamed")
    if renamed or corpus.labels:
        yield f"read as: {counts(renamed) if renamed else corpus.mapping}"
    for reason, count in prepared.meta["dropped"].items():
        yield f"dropped {count}: {reason}"
    if prepared.leaks:
        yield f"the split leaks {counted(len(prepared.leaks), 'time')}: prepared.json names them"
    if not any(sample.group != sample.id for sample in samples):
        yield GROUPS_UNKNOWN
