"""The examples of docs/fusion.md run as they stand."""

import re
from pathlib import Path

import pytest

from support.places import DOCS

PAGE = DOCS / "fusion.md"


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    exec(compile("\n".join(blocks), str(PAGE), "exec"), {})  # noqa: S102 - our own page
    assert (tmp_path / "report" / "report.html").is_file()
