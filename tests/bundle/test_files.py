"""Where the files of a bundle are: in its folder, or among the parts that ship."""

import json
import shutil
from pathlib import Path

import pytest

from facevoice.bundle import files, load_bundle
from facevoice.bundle.files import file_path, files_named, shipped_parts
from facevoice.bundle.reweigh import reweighted
from facevoice.bundle.write import files_of, new_bundle, write_card
from facevoice.errors import BundleError, HashMismatchError
from facevoice.scores.weights_file import FittedFusion
from support.evidence_factory import make_evidence
from support.toy_bundle import TOY_ENCODERS, add_speech_encoder


@pytest.fixture
def whole(toy_bundle: Path, tmp_path: Path) -> Path:
    """A bundle with encoders of its own."""
    return add_speech_encoder(toy_bundle, tmp_path / "whole")


@pytest.fixture
def parts(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where this facevoice ships the same encoders."""
    folder = tmp_path / "package"
    folder.mkdir()
    for item in TOY_ENCODERS:
        shutil.copyfile(whole / item["file"], folder / item["file"])
    monkeypatch.setattr(files, "PART_FOLDERS", (folder,))
    return folder


@pytest.fixture
def lean(whole: Path, parts: Path, tmp_path: Path) -> Path:
    """The bundle without a copy of the encoders."""
    return written(whole, tmp_path / "lean", shared_parts=True)


def written(source: Path, output: Path, *, shared_parts: bool) -> Path:
    card = json.loads((source / "bundle.json").read_text())
    with new_bundle(output) as folder:
        for path in source.glob("*.onnx"):
            if path.name not in shipped_parts():
                shutil.copyfile(path, folder / path.name)
        found = files_of(folder, card["tree"], shared_parts=shared_parts)
        write_card(folder, card | {"files": found})
    return output


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.onnx")}


def test_a_bundle_is_written_with_copies_of_the_parts_it_uses(
    whole: Path, parts: Path, tmp_path: Path
) -> None:
    output = written(whole, tmp_path / "copy", shared_parts=False)
    assert names(output) == names(whole)
    assert json.loads((output / "bundle.json").read_text()) == json.loads(
        (whole / "bundle.json").read_text()
    )


def test_a_bundle_may_rely_on_the_parts_that_ship(whole: Path, lean: Path) -> None:
    assert names(lean) == names(whole) - {"bands.onnx", "blocks.onnx"}
    bundle = load_bundle(lean)
    assert bundle.card["files"] == load_bundle(whole).card["files"]
    assert bundle.card["format"] == 3
    evidence = make_evidence()
    found, wanted = (load_bundle(folder).tree.score(evidence) for folder in (lean, whole))
    assert found.to_dict() == wanted.to_dict()
    assert bundle.path("head.onnx").parent == lean
    assert bundle.path("bands.onnx") == files.PART_FOLDERS[0] / "bands.onnx"


def test_its_own_copy_comes_first(lean: Path, parts: Path, whole: Path) -> None:
    (parts / "bands.onnx").write_bytes(b"of another version")
    with pytest.raises(HashMismatchError, match=r"needs bands\.onnx with sha256 .*ships one with"):
        load_bundle(lean)
    shutil.copyfile(whole / "bands.onnx", lean / "bands.onnx")
    load_bundle(lean)
    (lean / "bands.onnx").write_bytes(b"damaged")
    with pytest.raises(HashMismatchError, match="changed or damaged"):
        load_bundle(lean)


def test_a_part_that_nobody_has_is_named_with_its_hash(lean: Path, parts: Path) -> None:
    sha256 = json.loads((lean / "bundle.json").read_text())["files"]["blocks.onnx"]
    (parts / "blocks.onnx").unlink()
    message = rf"lacks blocks\.onnx \(sha256 {sha256[:12]}.*ships the parts bands\.onnx"
    with pytest.raises(BundleError, match=message):
        load_bundle(lean)


def test_a_reweighed_bundle_is_complete_by_itself(lean: Path, tmp_path: Path) -> None:
    from facevoice.bundle.reweigh import bundle_fusion

    fusion = bundle_fusion(load_bundle(lean).card)
    output = reweighted(lean, FittedFusion(fusion), tmp_path / "mine")
    assert {"bands.onnx", "blocks.onnx"} <= names(output)
    assert load_bundle(output).path("bands.onnx").parent == output


def test_files_are_found_at_any_depth_of_a_node() -> None:
    known = dict.fromkeys("abc", "")
    node = {"model": "a", "name": "x", "encoders": [{"file": "c", "layers": ["d"]}, {"file": "a"}]}
    assert files_named(node, known) == ["a", "c"]


def test_a_name_that_nothing_has_stays_in_the_folder(tmp_path: Path) -> None:
    assert file_path(tmp_path, "nothing.onnx") == tmp_path / "nothing.onnx"
