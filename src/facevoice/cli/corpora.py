"""facevoice datasets and facevoice prepare: corpora, and their one-time decoding and cleaning."""

import argparse
import contextlib
from pathlib import Path

from facevoice.cli.options import Counter, positive, say


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verbs."""
    listing = verbs.add_parser("datasets", help="list the corpora that can be prepared")
    listing.set_defaults(run=run_datasets)
    command = verbs.add_parser(
        "prepare", help="decode and clean a corpus once, for training (extra train)"
    )
    command.add_argument("corpus", help="its name, see facevoice datasets")
    command.add_argument("--root", type=Path, required=True, help="the corpus's folder")
    command.add_argument("-o", "--output", type=Path, required=True, help="the prepared folder")
    command.add_argument("--workers", type=positive, default=1, help="processes (default: 1)")
    command.set_defaults(run=run_prepare)


def run_datasets(options: argparse.Namespace) -> int:
    """Print what each corpus is, expects and requires."""
    del options
    from facevoice.datasets import CORPORA

    for corpus in CORPORA.values():
        print(f"{corpus.name}  {corpus.title}")
        print(f"  layout: {corpus.layout}")
        print(f"  labels: {', '.join(corpus.labels)}")
        print(f"  licence: {corpus.licence}")
        print(f"  obtain: {corpus.obtain}")
        print(f"  cite: {corpus.citation}\n")
    return 0


def run_prepare(options: argparse.Namespace) -> int:
    """Prepare a corpus and say what was kept and dropped."""
    from facevoice.datasets import CORPORA
    from facevoice.errors import DatasetError
    from facevoice.train.prepare import prepare

    if options.corpus not in CORPORA:
        raise DatasetError(f"unknown corpus {options.corpus!r}; known: {', '.join(CORPORA)}")
    corpus = CORPORA[options.corpus]
    counter: list[Counter] = []

    def progress(done: int, total: int) -> None:
        if not counter:
            counter.append(Counter(total, "samples"))
        counter[0].show(done)

    prepared = prepare(
        corpus, options.root, options.output, workers=options.workers, progress=progress
    )
    with contextlib.suppress(IndexError):
        counter[0].close()
    say(f"{len(prepared.ids)} samples of {corpus.name} in {options.output}")
    for reason, count in prepared.meta["dropped"].items():
        say(f"  dropped {count}: {reason}")
    return 0
