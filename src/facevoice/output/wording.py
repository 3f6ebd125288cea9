"""How numbers, times and lists are written, on pages and in messages alike.

Without numpy, which would double the time of a message or of --help.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

_UNSEEN: Final = re.compile(
    # control characters, marks that turn the direction of text, line separators, lone surrogates
    "[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)


def visible(text: str, *, keep: str = "") -> str:
    """Text for a terminal: what would move its cursor or turn text around is written as an escape.

    The names of files may hold such characters. keep: characters that stay as they are.
    """

    def escaped(found: re.Match[str]) -> str:
        return found[0] if found[0] in keep else found[0].encode("unicode_escape").decode("ascii")

    return _UNSEEN.sub(escaped, text)


def json_line(record: Mapping[str, Any]) -> str:
    """A record as one line of JSON, with such characters as JSON's own escapes."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def percent(value: float) -> str:
    """A share of 1 in whole percent."""
    return f"{100 * value:.0f}%"


def duration(seconds: float, digits: int = 0) -> str:
    """How long something takes: "12 s" ("12.0 s" with one digit), "2 min 05 s", "1 h 02 min"."""
    if round(seconds, digits) < 60:
        return f"{seconds:.{digits}f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def speed(per_second: float) -> str:
    """A rate per second, or per minute where it is below 1 per second: "7.1/s", "12.5/min"."""
    return f"{per_second:.1f}/s" if per_second >= 1 else f"{60 * per_second:.1f}/min"


def clock(seconds: float, last: float, digits: int = 2) -> str:
    """An instant of a clip that ends at ``last``: "3.25 s", or "2:05" from a minute on."""
    if last < 60:
        return f"{seconds:.{digits}f} s"
    sign, whole = ("-" if seconds < 0 else ""), abs(math.floor(seconds))
    hours, minutes = whole // 3600, whole % 3600 // 60
    start = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{sign}{start}:{whole % 60:02}"


def listed(names: Sequence[str]) -> str:
    """Names as a phrase: "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
