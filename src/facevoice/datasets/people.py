"""Tables that say whom files show."""

from pathlib import Path
from typing import Final

from facevoice.csv_cells import csv_rows, csv_text
from facevoice.errors import DatasetError

_FILE: Final = ("file", "path")
_PERSON: Final = ("person", "speaker")


def read_people(table: Path) -> dict[Path, str]:
    """The person that each file shows, by its resolved path.

    A CSV table with the columns file (or path), relative to the table, and person (or speaker), as
    tables of labels have them. Files without a person are left out. Files need not exist.

    Raises:
        DatasetError: there is no such table, a column is missing, a file is named twice with two
            people, or nobody is named.
    """
    try:
        (_, header), *lines = [*csv_rows(csv_text(table))] or [(1, [])]
    except FileNotFoundError:
        raise DatasetError(f"no table of people {table}") from None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{table} is not a CSV table of people: {error}") from error
    names = [name.strip().lower() for name in header]
    places = []
    for options in (_FILE, _PERSON):
        place = next((names.index(name) for name in options if name in names), None)
        if place is None:
            raise DatasetError(
                f"{table} needs the columns file and person; it has: {', '.join(header) or 'none'}"
            )
        places.append(place)
    people: dict[Path, str] = {}
    for line, row in lines:
        cells = [row[place].strip() if place < len(row) else "" for place in places]
        if not cells[0]:
            raise DatasetError(f"{table}, line {line} names no file")
        path, person = (table.parent / cells[0]).resolve(), cells[1]
        if person and people.setdefault(path, person) != person:
            raise DatasetError(
                f"{table}, line {line}: {cells[0]} shows {person!r}, an earlier line says"
                f" {people[path]!r}"
            )
    if not people:
        raise DatasetError(f"{table} names nobody")
    return people
