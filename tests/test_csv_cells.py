"""Cells that a spreadsheet would run as formulas, and tables that spreadsheets have saved."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facevoice.cli import main
from facevoice.csv_cells import csv_rows, csv_text, plain_cell, safe_cell
from facevoice.datasets import read_labels
from facevoice.errors import DatasetError, InvalidInputError
from facevoice.scores.table import ScoredBy, ScoreTable, read_score_table, write_score_table
from facevoice.scores.table.files import is_score_csv

FORMULAS = [
    "=1+1", "+1", "-1.mp4", "@sum", "\tx", "\rx", "\nx", "'=x", "''=x",
    "\uff1dx", "\uff0bx", "\uff0dx", "\uff20x",
]  # fmt: skip
TEXTS = ["", "a.mp4", "'quoted'", "it's", "a=b", "12", "(=x", "' =x"]


@pytest.mark.parametrize("text", [*FORMULAS, *TEXTS])
def test_cells_are_made_safe_and_come_back(text: str) -> None:
    safe = safe_cell(text)
    assert plain_cell(safe) == text
    assert safe == (f"'{text}" if text in FORMULAS else text)


@pytest.mark.parametrize("value", [-1, -0.5, None, True, float("nan")])
def test_numbers_are_left_alone(value: object) -> None:
    assert safe_cell(value) is value


def table() -> ScoreTable:
    scores = np.random.default_rng(1).dirichlet(np.ones(3), (2, 2))
    made = ScoreTable.of_arrays(
        scores,
        ["=happy", "sad"],
        branches=["face", "+voice"],
        labels=["=happy", "sad", "calm"],
        ids=["-a.mp4", "@b.mp4"],
        groups=["=s0", "s1"],
        splits=["test", "test"],
    )
    return replace(made, bundle=ScoredBy("base", "0" * 64), tree={"name": "x", "members": []})


def same(one: ScoreTable, other: ScoreTable) -> bool:
    arrays = ("scores", "ids", "groups", "splits", "truth")
    facts = ("branches", "labels", "bundle", "tree")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays) and all(
        getattr(one, name) == getattr(other, name) for name in facts
    )


def test_score_tables_come_back_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    write_score_table(table(), path)
    _, *lines = path.read_text().splitlines()
    for row in csv.reader(lines):
        for cell in row[:5]:
            assert not cell.startswith(tuple("=+-@"))
    assert same(read_score_table(path), table())


def saved_by_a_spreadsheet(path: Path, separator: str, decimal: str, encoding: str) -> Path:
    """What a spreadsheet makes of a comma-separated file: every line becomes cells, padded."""
    rows = list(csv.reader(io.StringIO(path.read_text())))
    width = max(map(len, rows))
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=separator)
    for number, row in enumerate(rows):
        cells = row if number == 0 else [_written(cell, decimal) for cell in row]
        writer.writerow([*cells, *[""] * (width - len(row))])
    copy = path.with_name("saved.csv")
    copy.write_text(stream.getvalue(), encoding=encoding)
    return copy


def _written(cell: str, decimal: str) -> str:
    return cell.replace(".", decimal) if cell.startswith("0.") else cell


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    ("separator", "decimal"), [(";", ","), ("\t", ","), (",", "."), (";", ".")]
)
def test_score_tables_that_a_spreadsheet_saved(
    tmp_path: Path, separator: str, decimal: str, encoding: str
) -> None:
    path = tmp_path / "scores.csv"
    write_score_table(table(), path)
    copy = saved_by_a_spreadsheet(path, separator, decimal, encoding)
    assert is_score_csv(copy)
    assert same(read_score_table(copy), table())


def test_a_remark_about_the_separator_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("sep=;\nid;branch;a;b\n0;face;0,5;0,5\n")
    assert read_score_table(path).scores.tolist() == [[[0.5, 0.5]]]


def test_decimal_commas_among_commas(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text('id,branch,a,b\n"1,5",face,"0,5","0,5"\n')
    found = read_score_table(path)
    assert found.scores.tolist() == [[[0.5, 0.5]]]
    assert found.ids.tolist() == ["1,5"]
    path.write_text("id,branch,a,b\n0,face,0,5,0,5\n")
    with pytest.raises(InvalidInputError, match=r"line 2 has 6 cells.*decimal commas"):
        read_score_table(path)


def test_damage_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("id;branch;a;b\n0;face;0,5\n")
    with pytest.raises(InvalidInputError, match=r"scores\.csv: line 2 has 3 cells, the header 4"):
        read_score_table(path)
    path.write_text('# facevoice: {"bundle": broken\nid,branch,a,b\n0,face,0.5,0.5\n')
    with pytest.raises(InvalidInputError, match="the note about the bundle, is damaged"):
        read_score_table(path)
    path.write_text('id,branch,a,b\n0,"face"x,0.5,0.5\n')
    with pytest.raises(InvalidInputError, match="line 2 is not CSV"):
        read_score_table(path)


def test_labels_are_read_from_tables_that_were_made_safe(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-16"):
        path = tmp_path / "labels.csv"
        path.write_text("sep=;\nfile;label\n'-a.mp4;happy\n'=b.mp4;sad\n", encoding=encoding)
        assert [sample.id for sample in read_labels(path).samples] == ["-a.mp4", "=b.mp4"]


def test_rows_keep_the_numbers_of_their_lines(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('a,b\n\n"x\ny",1\n,\nz,2\n')
    rows = list(csv_rows(csv_text(tmp_path / "a.csv")))
    assert rows == [(1, ["a", "b"]), (4, ["x\ny", "1"]), (6, ["z", "2"])]


@pytest.mark.parametrize("remark", ["sep=", "SEP=\r\n", "sep=\n"])
def test_a_remark_that_names_no_separator_leaves_it_to_the_table(
    tmp_path: Path, remark: str
) -> None:
    assert list(csv_rows(remark)) == []
    path = tmp_path / "labels.csv"
    path.write_text(remark, newline="")
    assert not is_score_csv(path)
    with pytest.raises(DatasetError, match=r"labels\.csv"):
        read_labels(path)
    with pytest.raises(InvalidInputError, match=r"labels\.csv"):
        read_score_table(path)
    assert main(["evaluate", str(path)]) == 1
    rows = list(csv_rows(f"{remark.rstrip()}\r\na;b\r\n0,5;c\r\n"))
    assert rows == [(2, ["a", "b"]), (3, ["0.5", "c"])]
