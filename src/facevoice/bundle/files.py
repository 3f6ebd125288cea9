"""The files of a bundle: in its own folder, or among the parts that ship with the package.

Parts are networks that several bundles share, such as the speech encoders. A bundle that lies
outside the package has copies of the parts it uses; one that ships with them need not.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from facevoice.errors import BundleError, HashMismatchError
from facevoice.session import hash_of

PART_FOLDERS: Final = tuple(
    Path(__file__).parents[1] / package / "models" for package in ("faces", "speech")
)
"""Where networks ship; each folder has a manifest.json that says where they come from."""


def shipped_parts() -> dict[str, Path]:
    """The networks that ship with the package, by file name."""
    return {path.name: path for folder in PART_FOLDERS for path in sorted(folder.glob("*.onnx"))}


def file_path(folder: Path, name: str) -> Path:
    """Where a file of a bundle lies: in its folder, or else among the shipped parts."""
    own = folder / name
    return own if own.exists() else shipped_parts().get(name, own)


def check_files(folder: Path, card: Mapping[str, Any]) -> None:
    """Check that the files that a card lists are there, in the folder or as shipped parts.

    Raises:
        BundleError: one is missing, or its name leads out of the folder.
        HashMismatchError: one has other bytes.
    """
    for name, sha256 in card["files"].items():
        if (folder / name).resolve().parent != folder.resolve():
            raise BundleError(f"{folder}: file name {name!r} leads out of the bundle")
        path = file_path(folder, name)
        if not path.is_file():
            raise BundleError(
                f"{folder} lacks {name} (sha256 {sha256[:12]}...), which its bundle.json lists;"
                f" facevoice ships the parts {', '.join(shipped_parts())}"
            )
        found = hash_of(path)
        if found != sha256 and path.parent in PART_FOLDERS:
            raise HashMismatchError(
                f"{folder} needs {name} with sha256 {sha256[:12]}... and has no copy of it; this"
                f" facevoice ships one with {found[:12]}...: install the facevoice that the bundle"
                " was written with"
            )
        if found != sha256:
            raise HashMismatchError(
                f"{path} has sha256 {found[:12]}..., bundle.json says {sha256[:12]}...: the file"
                " was changed or damaged; install the bundle again"
            )


def files_named(node: Any, known: Mapping[str, Any]) -> list[str]:
    """The names among ``known`` that a node of a tree holds, at any depth, each once."""
    if isinstance(node, str):
        return [node] if node in known else []
    if isinstance(node, Mapping):
        return files_named([*node.values()], known)
    if isinstance(node, list | tuple):
        return list(dict.fromkeys(name for each in node for name in files_named(each, known)))
    return []
