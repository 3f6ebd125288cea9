"""Copy Silero's voice activity detector from the silero-vad wheel, once its hash is checked.

    python scripts/fetch_silero.py

The wheel (MIT; part of the dev group) holds the network in several forms. facevoice ships the one
that reads a whole block of sound in a single call.
"""

import hashlib
import json
import os
import sys
import tempfile
from importlib import metadata
from pathlib import Path

MODELS = Path(__file__).resolve().parent.parent / "src" / "facevoice" / "speech" / "models"


def main() -> None:
    """Copy the files that the manifest finds in the wheel; stop at the first wrong hash."""
    manifest = json.loads((MODELS / "manifest.json").read_text(encoding="utf-8"))
    wheel = metadata.distribution("silero-vad")
    for name, entry in manifest["files"].items():
        if "path_in_wheel" not in entry:
            continue
        source = Path(str(wheel.locate_file(entry["path_in_wheel"])))
        content = source.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != entry["sha256"]:
            sys.exit(
                f"{source} has sha256 {found}, the manifest lists {entry['sha256']};"
                f" install silero-vad=={entry['version']} (found {wheel.version})"
            )
        target = MODELS / name
        with tempfile.NamedTemporaryFile(dir=MODELS, delete=False) as file:
            file.write(content)
        Path(file.name).chmod(0o644)
        os.replace(file.name, target)  # noqa: PTH105 - atomic on one file system
        print(f"{target.name}: {len(content)} bytes, sha256 {found[:12]}... as listed")


if __name__ == "__main__":
    main()
