"""facevoice doctor: what is installed, what is missing, how to get it."""

import argparse
import platform
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from facevoice.cli.console import show
from facevoice.messages import counted

_NEEDED: Final = ("numpy", "onnxruntime", "av", "soxr", "pillow")
_EXTRAS: Final = {
    "heic": (("pillow-heif",), "HEIC pictures"),
    "opensmile": (("opensmile",), "IS09 and IS10 features (research licence, non-commercial)"),
    "serve": (
        ("fastapi", "uvicorn", "prometheus-client", "python-multipart"),
        "the server: an API and a page",
    ),
    "tables": (("pandas", "pyarrow"), "DataFrames and Parquet"),
    "train": (
        ("torch", "torchvision", "lightning-fabric", "onnx", "scikit-learn"),
        "training and export",
    ),
}
_UNTESTED: Final = {"cuda": "cuda (untested: nobody has run these networks there yet)"}


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser("doctor", help="check what is installed and what is missing")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print versions, extras, devices and the bundles' health; 1 if a required part is broken."""
    del options
    from facevoice import __version__
    from facevoice.errors import how_to_install

    show(f"facevoice {__version__}, Python {platform.python_version()}, {platform.platform()}")
    show(f"interpreter {sys.executable}")
    broken = 0
    for package in _NEEDED:
        version = _version(package)
        broken += version is None
        show(f"  {package:18} {version or 'MISSING: reinstall facevoice'}")
    for extra, (packages, purpose) in _EXTRAS.items():
        versions = {package: _version(package) for package in packages}
        missing = [package for package, version in versions.items() if version is None]
        if missing:
            state = f"not installed: {how_to_install(extra, ' '.join(missing))}"
        else:
            state = ", ".join(f"{package} {version}" for package, version in versions.items())
        show(f"  extra {extra:12} {state}\n  {'':18} for {purpose}")
    return 1 if broken or _check_models() else 0


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _check_loading(networks: Iterable[Path]) -> None:
    """Load networks, which otherwise happens at their first use; BundleError if one cannot be."""
    from facevoice.session import Session

    for network in networks:
        Session(network).load()


def _check_models() -> int:
    """Check all networks and load the bundles that ship; returns how many are broken."""
    from facevoice.bundle import load_bundle, shipped_bundles
    from facevoice.bundle.files import PART_FOLDERS
    from facevoice.errors import FacevoiceError
    from facevoice.session import available_devices, shipped_model

    devices = [_UNTESTED.get(device, device) for device in available_devices()]
    show(f"  devices            {', '.join(devices)}")
    broken = 0
    for folder in PART_FOLDERS:
        name = folder.parent.name
        try:
            networks = [shipped_model(folder, path.name) for path in folder.glob("*.onnx")]
            _check_loading(networks)
        except FacevoiceError as error:
            broken += 1
            show(f"  {name:18} BROKEN: {error}")
        else:
            show(f"  {name:18} {counted(len(networks), 'network')}, files intact")
    for folder in shipped_bundles():
        try:
            bundle = load_bundle(folder)
            _check_loading(folder.glob("*.onnx"))
        except FacevoiceError as error:
            broken += 1
            show(f"  bundle {folder.name:11} BROKEN: {error}")
        else:
            show(f"  bundle {folder.name:11} {bundle.version}, files intact")
    return broken
