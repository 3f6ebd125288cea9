"""Writing bundles: a hidden folder is filled, checked, and put in place in one step."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facevoice.branches.tree import nodes
from facevoice.bundle.read import OLD_KINDS, load_bundle, renamed
from facevoice.bundle.trained_on import TRAINED_ON
from facevoice.errors import BundleError, FacevoiceError, OutputError
from facevoice.writing import replacing


@contextmanager
def new_bundle(output: Path) -> Iterator[Path]:
    """Give a hidden folder beside ``output`` to fill, and move it there if the block succeeds.

    The block writes the files, then the card by ``write_card``. The folder takes the place of an
    older bundle only after it loads; if anything fails, whatever was at ``output`` stays.

    Raises:
        BundleError: something other than a bundle is at ``output``, or the new one is unsound.
        OutputError: the folder cannot be written.
    """
    check_place(output)
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


def check_place(output: Path) -> None:
    """Raise BundleError if something other than a bundle or an empty folder is there."""
    taken = output.exists() and (not output.is_dir() or any(output.iterdir()))
    if taken and not (output / "bundle.json").is_file():
        raise BundleError(f"{output} exists and is not a bundle: choose another folder")


def files_of(folder: Path) -> dict[str, str]:
    """The sha256 of every file that belongs under ``files`` of a card, by name."""
    paths = sorted((*folder.glob("*.onnx"), *folder.glob(TRAINED_ON)))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write bundle.json in the oldest format that can hold the tree.

    Raises:
        OutputError: it cannot be written.
    """
    tree = card["tree"]
    every = [tree, *(node for _, node in nodes(tree))]
    newer = any(node.get("kind") == "stack" or node.get("rule", "sum") != "sum" for node in every)
    if not newer:  # readers of format 1, such as facevoice 0.1, know kinds by their old names
        tree = renamed(tree, {new: old for old, new in OLD_KINDS.items()})
    whole = {"format": 2 if newer else 1} | {
        key: value for key, value in card.items() if key not in {"format", "files", "tree"}
    }
    whole |= {"files": card["files"], "tree": tree}
    text = json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
    with replacing(folder / "bundle.json") as temporary:
        temporary.write_text(text, encoding="utf-8")
