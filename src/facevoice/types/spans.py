"""Spans of time, and groups of what follows one another in time."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

Span = tuple[float, float]
"""Start and stop in seconds, half-open."""


def joined(spans: Iterable[Span], gap: float = 0.0) -> list[Span]:
    """Spans in order of time, merged where at most ``gap`` seconds apart; empty ones left out."""
    result: list[Span] = []
    for start, stop in sorted(spans):
        if stop <= start:
            continue
        if result and start <= result[-1][1] + gap:
            result[-1] = (result[-1][0], max(stop, result[-1][1]))
        else:
            result.append((start, stop))
    return result


def overlaps(span: Span, others: Iterable[Span]) -> list[Span]:
    """The parts of a span that others cover; they are in order of time and do not overlap."""
    cut = ((max(span[0], start), min(span[1], stop)) for start, stop in others)
    return [(start, stop) for start, stop in cut if start < stop]


def neighbours(items: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """At most ``most`` groups of neighbours, all of one size but the last."""
    size = max(1, -(-len(items) // most))
    return (items[at : at + size] for at in range(0, len(items), size))
