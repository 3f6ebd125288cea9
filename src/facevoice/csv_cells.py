"""Cells of CSV files that spreadsheets take for text, and tables back from spreadsheets.

A spreadsheet runs a cell that begins with =, +, - or @ as a formula, and the name of a file may
begin so. As OWASP advises (CSV Injection), such a cell of text is written with a single quote
before it, and the readers here take it away again.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

_FORMULA: Final = r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"  # and their forms of full width
_RISKY: Final = re.compile(f"'*{_FORMULA}")
_MADE_SAFE: Final = re.compile(f"'+{_FORMULA}")
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
_SEPARATORS: Final = ",;\t"


def safe_cell(value: Any) -> Any:
    """A value for a cell; text that would be a formula is made safe."""
    return f"'{value}" if isinstance(value, str) and _RISKY.match(value) else value


def safe_cells(values: Iterable[Any]) -> list[Any]:
    """``safe_cell`` of each value of a row."""
    return [safe_cell(value) for value in values]


def plain_cell(cell: str) -> str:
    """The text that ``safe_cell`` was given."""
    return cell[1:] if _MADE_SAFE.match(cell) else cell


def csv_text(path: Path) -> str:
    """The text of a CSV file in UTF-8, or in UTF-16 as spreadsheets write it.

    Raises:
        OSError: it cannot be read.
        ValueError: it is neither.
    """
    content = path.read_bytes()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8 or UTF-16") from None


def csv_rows(text: str, first_line: int = 1) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV table, each with the number of the line where it ends.

    Cells are separated by commas, semicolons or tabs: by what the first line has most of. Where
    these are not commas, decimal commas become points. Empty rows are left out.

    first_line: number of the first line in its file.

    Raises:
        ValueError: it is damaged.
    """
    named, (first, _, rest) = "", text.partition("\n")
    if first[:4].lower() == "sep=":  # a spreadsheet's own remark, which may name none
        named, text, first_line = first[4:5].strip("\r"), rest, first_line + 1
    separator = named or max(_SEPARATORS, key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for row in reader:
            if any(row):
                cells = row if separator == "," else [with_point(cell) for cell in row]
                yield reader.line_num + first_line - 1, [plain_cell(cell) for cell in cells]
    except csv.Error as error:
        line = reader.line_num + first_line - 1
        raise ValueError(f"line {line} is not CSV: {error}") from error


def with_point(cell: str) -> str:
    """A number with a decimal comma as one with a point; any other text as it is."""
    return cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell
