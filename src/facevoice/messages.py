"""Counts and names in messages: the same words in every layer."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Final

_MOST_NAMED: Final = 5


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: "1 face", "2 faces"."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def some(names: Sequence[str], most: int = _MOST_NAMED) -> str:
    """The first names of a list, and how many more there are: "a, b and 3 more"."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def sentence(text: str) -> str:
    """A message as a sentence."""
    return f"{text[0].upper()}{text[1:]}."


def near(name: str, known: Iterable[str]) -> str:
    """The known name that was perhaps meant, as the end of a message; "" if none is alike."""
    by_case = {each.lower(): each for each in known}
    found = difflib.get_close_matches(name.lower(), by_case, n=1)
    return f"; did you mean {by_case[found[0]]!r}?" if found else ""
