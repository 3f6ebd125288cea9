"""What each branch of a bundle was made of, under which licences."""

import json

from facevoice.bundle import load_bundle, read_card
from facevoice.bundle.files import PART_FOLDERS
from facevoice.bundle.licences import Licences, all_data, branch_licences, part_licences
from support.toy_bundle import make_toy_bundle

SPEECH = Licences("MIT", "share alike", {"ravdess": "CC BY-NC-SA 4.0"}, {})


def test_a_branch_carries_its_licences_through_writing_and_reading(tmp_path) -> None:
    folder = make_toy_bundle(tmp_path / "toy")
    card = read_card(folder)
    card["tree"]["members"][1]["members"][0]["licences"] = SPEECH.to_dict()
    (folder / "bundle.json").write_text(json.dumps(card))
    load_bundle(folder)  # a branch reads its own keys and leaves these alone
    found = branch_licences(read_card(folder))
    assert found["voice.spectrogram"] == SPEECH
    assert found["face.sequence"] == Licences()
    assert found["face.sequence"].lines() == []
    assert SPEECH.lines() == [
        ("code", "MIT"),
        ("weights", "share alike"),
        ("learnt from ravdess", "CC BY-NC-SA 4.0"),
    ]


def test_older_bundles_give_what_their_provenance_says() -> None:
    leaf = {"kind": "functionals", "name": "prosody"}
    corpus = {"corpus": "emodb", "licence": "free for research"}
    card = {"tree": leaf, "provenance": {"branches": {"prosody": {"corpus": corpus}}}}
    assert branch_licences(card) == {"prosody": Licences(data={"emodb": "free for research"})}


def test_every_shipped_network_states_its_licence() -> None:
    for folder in PART_FOLDERS:
        manifest = json.loads((folder / "manifest.json").read_text())
        node = {"encoders": [{"file": name} for name in manifest["files"]]}
        for facts in part_licences(node).values():
            assert facts["licence"]
    ((name, facts),) = part_licences({"model": "silero_vad_16k_sequence.onnx"}).items()
    assert (name, facts["licence"]) == ("silero_vad_16k_sequence.onnx", "MIT")
    assert part_licences({"model": "mine.onnx"}) == {}


def test_the_data_of_a_tree_are_named_once() -> None:
    other = Licences(data={"fer2013": "none", "ravdess": "CC BY-NC-SA 4.0"})
    tree = {"members": [{"licences": SPEECH.to_dict()}, {"licences": other.to_dict()}, {}]}
    assert all_data(tree) == "ravdess: CC BY-NC-SA 4.0; fer2013: none"
