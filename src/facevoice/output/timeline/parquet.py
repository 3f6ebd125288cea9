"""The same tables as Parquet, typed; needs the extra ``tables``."""

import importlib
from pathlib import Path
from typing import Any, Final

from facevoice.errors import MissingDependencyError
from facevoice.output.timeline.tables import Table, remove_absent, tables_of
from facevoice.timeline.table import Timeline
from facevoice.writing import replacing

SUFFIX: Final = ".parquet"
_TYPES: Final = {"text": "string", "int": "int64", "float": "float64", "float32": "float32"}


def arrow(module: str = "pyarrow") -> Any:
    """The module of pyarrow.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError.of("pyarrow", "tables", "a Parquet timeline") from error


def write_parquet(timeline: Timeline, folder: Path, source: Path) -> list[Path]:
    """Write ``NAME.about.parquet``, ``NAME.windows.parquet`` and so on; gives their paths.

    Raises:
        MissingDependencyError: pyarrow is not installed.
        OutputError: a file cannot be written.
    """
    paths = []
    writer = arrow("pyarrow.parquet")
    for name, table in tables_of(timeline).items():
        path = folder / f"{source.stem}.{name}{SUFFIX}"
        with replacing(path) as temporary:
            writer.write_table(_arrow_table(table), temporary)
        paths.append(path)
    remove_absent(folder, source.stem, SUFFIX, paths)
    return paths


def _arrow_table(table: Table) -> Any:
    pyarrow = arrow()
    types = {name: pyarrow.type_for_alias(_TYPES[kind]) for name, kind in table.kinds.items()}
    columns = table.columns()
    arrays = [pyarrow.array(columns[name], type=each) for name, each in types.items()]
    return pyarrow.table(arrays, names=list(types))
