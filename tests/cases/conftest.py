"""Where the shared inputs are."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cases(data_folder: Path) -> Path:
    folder = data_folder / "cases"
    if not folder.is_dir():
        pytest.skip("the real data holds no cases")
    return folder
