"""An installation without training libraries, and without a network, must predict."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import facevoice
from facevoice.samples import SAMPLE


def run(code: str, *arguments: object, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_prediction_needs_neither_torch_nor_the_network(toy_bundle, tmp_path, monkeypatch):
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)  # set by our own import
    code = """
        import socket, sys
        for name in ("torch", "torchvision", "sklearn", "onnx", "scipy", "pandas", "opensmile"):
            sys.modules[name] = None

        def refuse(*arguments, **options):
            raise AssertionError("a socket was opened")

        socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
        from facevoice.cli import main

        sys.exit(main(["predict", sys.argv[1], "--bundle", sys.argv[2], "--json"]))
    """
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert '"emotion": "' in run(code, SAMPLE, toy_bundle, **home)
    assert list(tmp_path.iterdir()) == []  # onnxruntime keeps there what it reports of its use


def test_importing_facevoice_imports_nothing_heavy():
    code = """
        import sys
        import facevoice
        heavy = {"av", "numpy", "onnxruntime", "pandas", "soxr", "torch", "PIL"}
        print(sorted(heavy & set(sys.modules)))
    """
    assert run(code).strip() == "[]"


def test_help_imports_nothing_heavy():
    code = """
        import sys
        import facevoice.cli
        facevoice.cli.parser().format_help()
        heavy = {"asyncio", "importlib.metadata", "multiprocessing", "numpy"}
        print(sorted(heavy & set(sys.modules)))
    """
    assert run(code).strip() == "[]"


def test_every_public_name_is_there():
    for name in facevoice.__all__:
        assert getattr(facevoice, name) is not None
    assert set(facevoice.__all__) <= set(dir(facevoice))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        facevoice.nonsense  # noqa: B018


def test_the_layers_hold():
    result = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout
