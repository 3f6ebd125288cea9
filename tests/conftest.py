"""Fixtures that several tests share; hypothesis is told to keep to a steady pace."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # before numpy is imported: workers share the cores
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

from pathlib import Path

import pytest
from hypothesis import settings

from support.toy_bundle import make_toy_bundle

settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data; tests that need it skip where it is absent."""
    folder = os.environ.get("FACEVOICE_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs the real data: FACEVOICE_DATA names no folder")
    return Path(folder)


@pytest.fixture(scope="session")
def toy_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of tiny random networks over the seven emotions."""
    return make_toy_bundle(tmp_path_factory.mktemp("bundles") / "toy")


@pytest.fixture(scope="session")
def four_class_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of tiny random networks over four labels of its own."""
    labels = ("calm", "contempt", "pain", "joy & <tears>")
    return make_toy_bundle(tmp_path_factory.mktemp("bundles") / "four", labels)
