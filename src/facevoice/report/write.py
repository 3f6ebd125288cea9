"""A report as files: report.html, report.md, report.json and report.tex in one folder."""

import json
from pathlib import Path
from typing import Final

from facevoice.errors import InvalidInputError
from facevoice.report.card import ReportCard
from facevoice.report.page import html_report
from facevoice.report.record import report_record
from facevoice.report.text import latex_report, markdown_report
from facevoice.writing import check_file, replacing

_SUFFIXES: Final = (".html", ".md", ".json", ".tex")


def check_report(folder: str | Path, *, overwrite: bool) -> None:
    """Check, before clips are scored, that a report can be written there and replaces none unasked.

    Raises:
        InvalidInputError: a report is there and ``overwrite`` is false, or the folder's name is
            that of a page.
        OutputError: the folder cannot be written to.
    """
    if Path(folder).suffix.lower() in _SUFFIXES:
        raise InvalidInputError(f"a report is a folder of several files: {folder} names one file")
    for suffix in _SUFFIXES:
        check_file(Path(folder) / f"report{suffix}", overwrite=overwrite, made=True)


def write_report(card: ReportCard, folder: str | Path) -> tuple[Path, ...]:
    """Write all formats; other files in the folder stay.

    Raises:
        OutputError: the folder or a file cannot be written.
    """
    record = json.dumps(report_record(card), indent=1, allow_nan=False)
    texts = (html_report(card), markdown_report(card), f"{record}\n", latex_report(card))
    paths = []
    for suffix, text in zip(_SUFFIXES, texts, strict=True):
        path = Path(folder) / f"report{suffix}"
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        paths.append(path)
    return tuple(paths)
