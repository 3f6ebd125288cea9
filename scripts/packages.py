"""Fetches one release of a package from a registry, for the conversion scripts.

The package managers do the fetching, so mirrors and proxies that they are set up for are used. What
is read from a package is only believed if its sha256 is the expected one.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Reader = Callable[[str], bytes]
"""A path inside the package -> its content."""


@contextmanager
def wheel(requirement: str) -> Iterator[Reader]:
    """The wheel of a requirement such as ``name==1.0``, from PyPI by way of pip."""
    pip = shutil.which("pip") or shutil.which("pip3")
    if pip is None:
        sys.exit("pip was not found: it fetches the package")
    with tempfile.TemporaryDirectory() as folder:
        options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--dest", folder]
        subprocess.run([pip, "download", *options, requirement], check=True)
        (path,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(path) as archive:
            yield archive.read


@contextmanager
def npm_package(requirement: str) -> Iterator[Reader]:
    """The package of a requirement such as ``@scope/name@1.0``, from npm."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm was not found: it fetches the package")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", requirement, "--silent"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (path,) = Path(folder).glob("*.tgz")
        with tarfile.open(path) as archive:

            def read(name: str) -> bytes:
                file = archive.extractfile(f"package/{name}")
                if file is None:
                    raise KeyError(name)
                return file.read()

            yield read


def verified(read: Reader, name: str, sha256: str) -> bytes:
    """The content of a file in a package; the script ends if its hash is another."""
    content = read(name)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        sys.exit(f"{name} has sha256 {found}, expected {sha256}")
    return content


def write_part(folder: Path, name: str, content: bytes, facts: Mapping[str, Any]) -> None:
    """Write ``name``, and its hash and where it comes from into ``manifest.json`` beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    path = folder / "manifest.json"
    files = json.loads(path.read_text(encoding="utf-8"))["files"] if path.exists() else {}
    files[name] = {"sha256": hashlib.sha256(content).hexdigest(), **facts}
    path.write_text(json.dumps({"files": files}, indent=2) + "\n", encoding="utf-8")
    print(f"{folder / name}: {len(content):,} bytes")
