"""Griffe extension: lines such as ``times_seconds: (T,) ...`` in docstrings become a list.

The docstrings describe fields and arguments as one line per name, which Markdown would join to a
paragraph. The named sections of the Google style (``Raises:`` and so on) are left as they are.
"""

import re
from typing import Any

import griffe

_FIELD = re.compile(r"^([a-z_][\w, ]*): +(\S.*)$")


class FieldLists(griffe.Extension):
    """Rewrites the docstring of every class, function and attribute."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each object once its source is read."""
        if obj.docstring is not None:
            obj.docstring.value = with_lists(obj.docstring.value)


def with_lists(text: str) -> str:
    """Turn each run of lines ``name: description`` into a Markdown list."""
    lines: list[str] = []
    inside = False
    for line in text.split("\n"):
        found = _FIELD.match(line)
        if found:
            if not inside:
                lines.append("")
            names = ", ".join(f"`{name.strip()}`" for name in found[1].split(","))
            lines.append(f"- {names}: {found[2]}")
        else:
            if inside and line and not line.startswith(" "):
                lines.append("")
            lines.append(line)
        inside = bool(found) or (inside and line.startswith(" "))
    return "\n".join(lines)
