"""Which samples of a corpus are prepared: labels wanted, leaks, a limit."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facevoice.datasets import Content, Corpus, Dropped, Leak, check_split, leaking_ids
from facevoice.datasets.names import meanings
from facevoice.types import Float64Array, Sample


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user may choose about a preparation.

    content: how the files are to be read, where the corpus would be read otherwise.
    labels: keep only these, in this order; in any spelling that ``datasets.names`` knows.
    limit: take only so many samples, as many of each label as there are.
    allow_leaks: accept a split that leaks, and record it.
    drop_leaks: leave out the training and validation samples that leak.
    audio_track: number of the sound track of every file, from 0; None: the main one.
    """

    content: Content | None = None
    labels: tuple[str, ...] = ()
    limit: int | None = None
    allow_leaks: bool = False
    drop_leaks: bool = False
    audio_track: int | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to be prepared: samples, label set, what was renamed and what was left out before.

    votes: (K,) shares of raters by sample id, over ``labels``; of the samples that have any.
    """

    samples: tuple[Sample, ...]
    labels: tuple[str, ...]
    dropped: tuple[Dropped, ...]
    leaks: tuple[Leak, ...]
    renamed: Mapping[str, int]
    votes: Mapping[str, Float64Array]


def select(corpus: Corpus, root: Path, choices: Choices) -> Selection:
    """Find the samples of a corpus and choose among them.

    Raises:
        DatasetError: the layout is another, the split leaks, or no sample has a label wanted.
    """
    found = corpus.find(root)
    present = sorted({sample.label for sample in found.samples if sample.label is not None})
    wanted = meanings(choices.labels, present)
    labels = tuple(wanted.get(name, name) for name in choices.labels)
    labels = labels or found.labels or corpus.labels
    found = found.over(labels)
    samples, dropped = list(found.samples), list(found.dropped)
    if choices.limit is not None:
        samples = _some(samples, choices.limit)
    leaks = check_split(samples, allow=choices.allow_leaks or choices.drop_leaks)
    if choices.drop_leaks:
        going = leaking_ids(samples, leaks)
        reason = "leak: also in the test or validation set"
        dropped += [Dropped(item.path, reason) for item in samples if item.id in going]
        samples = [item for item in samples if item.id not in going]
        leaks = ()
    votes = _votes(corpus, root, labels, samples)
    return Selection(tuple(samples), labels, tuple(dropped), leaks, found.renamed, votes)


def _votes(
    corpus: Corpus, root: Path, labels: Sequence[str], samples: Sequence[Sample]
) -> dict[str, Float64Array]:
    """The raters' votes among the labels, each sample's summing to 1."""
    counts = corpus.votes(root) if corpus.votes is not None else {}
    places = [corpus.labels.index(label) for label in labels if counts]
    chosen = {sample.id: counts[sample.id][places] for sample in samples if sample.id in counts}
    return {name: found / found.sum() for name, found in chosen.items() if found.sum() > 0}


def _some(samples: Sequence[Sample], limit: int) -> list[Sample]:
    """Labels in turn, of each label in an order that is random but always the same."""
    seen: Counter[str | None] = Counter()
    ranked = []
    for sample in sorted(samples, key=lambda item: hashlib.sha256(item.id.encode()).digest()):
        ranked.append((seen[sample.label], str(sample.label), sample.id))
        seen[sample.label] += 1
    chosen = {identity for _, _, identity in sorted(ranked)[:limit]}
    return [sample for sample in samples if sample.id in chosen]
