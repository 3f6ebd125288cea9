"""Writing bundles: a hidden folder is filled, checked, and put in place in one step."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from facevoice.branches.tree import nodes
from facevoice.bundle.files import files_named, shipped_parts
from facevoice.bundle.read import OLD_KINDS, load_bundle, renamed
from facevoice.bundle.trained_on import TRAINED_ON, VALIDATED_ON
from facevoice.errors import BundleError, FacevoiceError, OutputError
from facevoice.session import hash_of
from facevoice.writing import check_folder, refused, replacing


@contextmanager
def new_bundle(output: Path) -> Iterator[Path]:
    """Give a hidden folder beside ``output`` to fill, and move it there if the block succeeds.

    The block writes the files, then the card by ``write_card``. The folder takes the place of an
    older bundle only after it loads; if anything fails, whatever was at ``output`` stays.

    Raises:
        BundleError: something other than a bundle is at ``output``, or the new one is unsound.
        OutputError: the folder cannot be written.
    """
    check_place(output, overwrite=True)
    building, old = (output.with_name(f".{output.name}.{state}") for state in ("building", "old"))
    try:
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        yield building
        load_bundle(building)
        if output.exists():
            shutil.rmtree(old, ignore_errors=True)
            output.rename(old)
        building.rename(output)
        shutil.rmtree(old, ignore_errors=True)
    except FacevoiceError:
        raise
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def check_place(output: Path, *, overwrite: bool) -> None:
    """Check, before long work, that a bundle can be written there and replaces none unasked.

    Raises:
        InvalidInputError: a bundle is there, and ``overwrite`` is false.
        BundleError: something other than a bundle or an empty folder is there.
        OutputError: its folder cannot be written to.
    """
    check_folder(output.parent)
    taken = output.exists() and (not output.is_dir() or any(output.iterdir()))
    if taken and not (output / "bundle.json").is_file():
        raise BundleError(f"{output} exists and is not a bundle: choose another folder")
    if taken and not overwrite:
        raise refused(output)


def files_of(
    folder: Path, tree: Mapping[str, Any], *, shared_parts: bool = False
) -> dict[str, str]:
    """The sha256 of every file that belongs under ``files`` of a card, by name.

    Shipped parts that the tree names and the folder lacks are copied there first, so that the
    bundle is complete by itself; with ``shared_parts`` they are listed only, and the bundle works
    where facevoice ships these very parts.
    """
    parts = shipped_parts()
    missing = [name for name in files_named(tree, parts) if not (folder / name).exists()]
    if not shared_parts:
        for name in missing:
            shutil.copyfile(parts[name], folder / name)
    own = ("*.onnx", TRAINED_ON, VALIDATED_ON)
    paths = {path.name: path for pattern in own for path in folder.glob(pattern)}
    paths |= {name: parts[name] for name in missing}
    return {name: hash_of(path) for name, path in sorted(paths.items())}


_FIRST_FORMATS: Final = {"stack": 2, "speech_encoder": 3, "face_mesh": 3}
"""The first format that knows a kind, where that is not 1."""


def _oldest_format(node: Mapping[str, Any]) -> int:
    with_rule = 2 if node.get("rule", "sum") != "sum" else 1
    return max(with_rule, _FIRST_FORMATS.get(str(node.get("kind")), 1))


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write bundle.json in the oldest format that can hold the tree.

    Raises:
        OutputError: it cannot be written.
    """
    tree = card["tree"]
    every = [tree, *(node for _, node in nodes(tree))]
    shared = any(not (folder / name).exists() for name in card["files"])
    oldest = max(3 if shared else 1, *(_oldest_format(node) for node in every))
    if oldest == 1:  # readers of format 1, such as facevoice 0.1, know kinds by their old names
        tree = renamed(tree, {new: old for old, new in OLD_KINDS.items()})
    whole = {"format": oldest} | {
        key: value for key, value in card.items() if key not in {"format", "files", "tree"}
    }
    whole |= {"files": card["files"], "tree": tree}
    text = json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
    with replacing(folder / "bundle.json") as temporary:
        temporary.write_text(text, encoding="utf-8")
