"""The commands of README.md, CONTRIBUTING.md and docs/: which there are, and which cannot be run.

A fenced block without a language whose lines call programs holds commands. If it cannot be run
where the tests run, a comment right before it gives the reason: <!-- not run: REASON -->
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = tuple(
    sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
)
_FENCE: Final = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+?) *-->\s*\n)?"
    r"^ *```(?P<language>\w*)\n(?P<text>.*?)^ *```",
    re.DOTALL | re.MULTILINE,
)
_PROGRAMS: Final = re.compile(
    r" *(?:[A-Z_]+=\S+ )?(?:bash|facevoice|ffmpeg|pip|python|uv) +\S", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page.

    line: of its fence. text: with lines that end in a backslash joined.
    reason: why its commands cannot be run; "" if they can.
    """

    page: Path
    line: int
    language: str
    text: str
    reason: str

    @property
    def lines(self) -> list[str]:
        """Its lines, joined where they end in a backslash."""
        joined = re.sub(r"\\\n *", " ", self.text)
        return [line.strip() for line in re.sub(r"\n *\|", " |", joined).splitlines()]

    @property
    def commands(self) -> list[str]:
        """The lines, if the block holds commands; without comments."""
        if self.language or not any(map(_PROGRAMS.match, self.lines)):
            return []
        return [found for line in self.lines if (found := re.sub(r"(^|\s+)# .*", "", line))]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start("text"))
        reason = re.sub(r"\s+", " ", found["reason"] or "")
        yield Block(page, line, found["language"], found["text"], reason)


def blocks_of_commands() -> list[Block]:
    """All blocks that hold commands, page by page."""
    return [block for page in PAGES for block in blocks(page) if block.commands]
