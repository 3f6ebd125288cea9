"""A report as files: report.html, report.md, report.json and report.tex in one folder."""

import json
from pathlib import Path

from facevoice.report.card import ReportCard
from facevoice.report.page import html_report
from facevoice.report.record import report_record
from facevoice.report.text import latex_report, markdown_report
from facevoice.writing import replacing


def write_report(card: ReportCard, folder: str | Path) -> tuple[Path, ...]:
    """Write all formats; other files in the folder stay.

    Raises:
        OutputError: the folder or a file cannot be written.
    """
    texts = {
        "report.html": html_report(card),
        "report.md": markdown_report(card),
        "report.json": json.dumps(report_record(card), indent=1, allow_nan=False) + "\n",
        "report.tex": latex_report(card),
    }
    paths = []
    for name, text in texts.items():
        path = Path(folder) / name
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        paths.append(path)
    return tuple(paths)
