"""Damage as an item of the stream in which it was found, so that it travels as pictures do."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import TypeVar

from facevoice.types import UNDAMAGED, Damage, Damaged

Item = TypeVar("Item")


def with_damage(
    read: Callable[[Damaged], Generator[Item, None, None]],
) -> Generator[Item | Damage, None, None]:
    """Yield what a reader yields and, before each item, the damage that was found on the way to it.

    read: makes the generator; it is given the function to report damage to.
    """
    found: list[Damage] = []
    with closing(read(found.append)) as items:
        for item in items:
            yield from _emptied(found)
            yield item
    yield from _emptied(found)


def _emptied(found: list[Damage]) -> Iterator[Damage]:
    if found:
        yield sum(found, UNDAMAGED)
        found.clear()
