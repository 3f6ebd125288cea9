"""MkDocs hook: the page of the command line is written from what argparse prints."""

import argparse
import os
from collections.abc import Iterator
from typing import Any

from facevoice.cli import parser

PLACE = "<!-- commands -->"
"""Where the page cli.md receives the commands."""


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Replace the mark in cli.md by a section for each command."""
    if page.file.src_uri != "cli.md":
        return markdown
    return markdown.replace(PLACE, command_sections())


def command_sections() -> str:
    """Markdown with the help of every command, in the order of ``facevoice --help``."""
    columns, os.environ["COLUMNS"] = os.environ.get("COLUMNS"), "90"  # read by argparse
    try:
        return "\n\n".join(_section(name, command) for name, command in _commands())
    finally:
        if columns is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = columns


def _commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _section(name: str, command: argparse.ArgumentParser) -> str:
    return f"## {name}\n\n```text\n{command.format_help().rstrip()}\n```"
