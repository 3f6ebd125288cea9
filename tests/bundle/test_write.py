"""The one writer of bundles: in one step or not at all, and in the oldest format that will do."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from facevoice.bundle import load_bundle, read_card
from facevoice.bundle.write import files_of, new_bundle, write_card
from facevoice.errors import BundleError, OutputError
from support.toy_bundle import add_functionals


def fill(folder: Path, source: Path, **changes: Any) -> None:
    for path in source.glob("*.onnx"):
        shutil.copyfile(path, folder / path.name)
    card = read_card(source) | changes
    write_card(folder, card | {"files": files_of(folder, card["tree"])})


def test_a_new_bundle_appears_whole_and_takes_an_older_ones_place(
    toy_bundle: Path, tmp_path: Path
) -> None:
    output = tmp_path / "deep" / "mine"
    for name in ("first", "second"):
        with new_bundle(output) as folder:
            fill(folder, toy_bundle, name=name)
            assert folder.parent == output.parent
        assert load_bundle(output).name == name
    assert [path.name for path in output.parent.iterdir()] == ["mine"]


def test_what_does_not_load_leaves_the_older_bundle_alone(toy_bundle: Path, tmp_path: Path) -> None:
    output = tmp_path / "mine"
    with new_bundle(output) as folder:
        fill(folder, toy_bundle, name="good")
    with pytest.raises(BundleError, match="unknown kind"), new_bundle(output) as folder:
        fill(folder, toy_bundle, tree={"kind": "oracle", "name": "x"})
    with pytest.raises(KeyError), new_bundle(output) as folder:
        raise KeyError
    assert load_bundle(output).name == "good"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_only_a_bundle_or_an_empty_folder_is_replaced(toy_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").touch()
    (tmp_path / "file").touch()
    for name in ("thesis", "file"):
        with pytest.raises(BundleError, match="is not a bundle"), new_bundle(tmp_path / name):
            pytest.fail("the place was not checked before the work")
    with pytest.raises(OutputError, match="cannot be written"), new_bundle(tmp_path / "file" / "x"):
        pytest.fail("the place was not checked before the work")
    (tmp_path / "empty").mkdir()
    with new_bundle(tmp_path / "empty") as folder:
        fill(folder, toy_bundle)
    assert load_bundle(tmp_path / "empty").name == "toy"


def written(folder: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((folder / "bundle.json").read_text())
    return card


def test_what_format_1_can_hold_stays_readable_by_facevoice_0_3(
    toy_bundle: Path, tmp_path: Path
) -> None:
    source = add_functionals(toy_bundle, tmp_path / "source", "prosody")
    voice = read_card(source)["tree"]["members"][1]["members"]
    assert [node["kind"] for node in voice] == ["spectrogram_net", "functionals"]
    with new_bundle(tmp_path / "copy") as folder:
        fill(folder, source)
    assert written(tmp_path / "copy") == written(source)  # 0.3 knows functionals_svm only
    assert repr(load_bundle(source).tree) == repr(load_bundle(tmp_path / "copy").tree)


@pytest.mark.parametrize("how", [{"rule": "product"}, {"kind": "stack"}])
def test_format_2_is_written_where_it_is_needed(
    toy_bundle: Path, tmp_path: Path, how: dict[str, Any]
) -> None:
    tree = read_card(toy_bundle)["tree"]
    changed = tree | how | {"coefficients": [[0.0] * 7] * 15}
    with new_bundle(tmp_path / "mine") as folder:
        fill(folder, toy_bundle, tree=changed)
    assert written(tmp_path / "mine")["format"] == 2
    assert load_bundle(tmp_path / "mine").card["tree"] == changed
    with new_bundle(tmp_path / "plain") as folder:
        fill(folder, tmp_path / "mine", tree=tree | {"rule": "sum"})
    assert written(tmp_path / "plain")["format"] == 1
