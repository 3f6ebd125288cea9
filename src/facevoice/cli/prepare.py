"""facevoice datasets and facevoice prepare: corpora, and their one-time decoding and cleaning."""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facevoice.cli.options import positive, say

if TYPE_CHECKING:
    from facevoice.datasets import Corpus

_CONTENTS: Final = "clips, face_crops, face_folders, pictures, face_images or speech"
_EVERY_SECONDS: Final = 0.2  # on a terminal
_EVERY_SECONDS_IN_A_LOG: Final = 30.0


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
    leaks = command.add_mutually_exclusive_group()
    leaks.add_argument(
        "--drop-leaks", action="store_true", help="leave out what leaks into test or validation"
    )
    leaks.add_argument(
        "--allow-leaks", action="store_true", help="accept a split that leaks; reports say so"
    )
    command.set_defaults(run=run_prepare)


def run_datasets(options: argparse.Namespace) -> int:
    """Print a line for each corpus, or all about one."""
    from facevoice.datasets import CORPORA

    if options.corpus is not None:
        print(_details(_corpus(options.corpus)))
        return 0
    width = max(map(len, CORPORA))
    for corpus in CORPORA.values():
        print(f"{corpus.name:{width}}  {corpus.content:12}  {corpus.title}")
    print("\nfacevoice datasets NAME tells its layout, labels, licence and where to obtain it.")
    return 0


def _corpus(name: str) -> "Corpus":
    from facevoice.datasets import CORPORA
    from facevoice.errors import DatasetError

    if name not in CORPORA:
        raise DatasetError(f"unknown corpus {name!r}; known: {', '.join(CORPORA)}")
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
    )
    progress = _Progress()
    try:
        prepared = prepare(
            _corpus(options.corpus),
            options.root,
            options.output,
            choices,
            workers=options.workers,
            threads=options.threads,
            progress=progress,
        )
    finally:
        progress.close()
    say(f"{len(prepared.ids)} samples of {options.corpus} in {options.output}")
    for reason, count in prepared.meta["dropped"].items():
        say(f"  dropped {count}: {reason}")
    if prepared.leaks:
        say(f"  the split leaks {len(prepared.leaks)} times: prepared.json names them")
    return 0


class _Progress:
    """Done, rate and time left on standard error: a line that changes, or in a log now and then."""

    def __init__(self) -> None:
        self._watched = sys.stderr.isatty()
        self._first: tuple[float, int] | None = None
        self._shown = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = (now, done)
            self._shown = now
            if done:
                say(f"{done} of {total} samples were prepared before")
            return
        pause = _EVERY_SECONDS if self._watched else _EVERY_SECONDS_IN_A_LOG
        if now - self._shown < pause and done < total:
            return
        self._shown = now
        rate = (done - self._first[1]) / max(now - self._first[0], 1e-3)
        left = time.strftime("%H:%M:%S", time.gmtime((total - done) / rate)) if rate else "?"
        text = f"{done}/{total} samples, {rate:.1f}/s, {left} left"
        if self._watched:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        else:
            say(text)

    def close(self) -> None:
        """Wipe the line."""
        if self._watched and self._first is not None:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
