"""The report card: what a fusion is worth, as one page, Markdown, JSON and LaTeX."""

from facevoice.report.card import ReportCard
from facevoice.report.leaks import LeakStatus, leak_status
from facevoice.report.measure import report_card
from facevoice.report.page import html_report
from facevoice.report.text import latex_report, markdown_report
from facevoice.report.write import check_report, write_report

__all__ = [
    "LeakStatus",
    "ReportCard",
    "check_report",
    "html_report",
    "latex_report",
    "leak_status",
    "markdown_report",
    "report_card",
    "write_report",
]
