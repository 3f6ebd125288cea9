import csv
import io
import json
import shutil
import subprocess
import sys

import pytest

from facevoice.cli import main
from facevoice.samples import SAMPLE


def facevoice(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_predict_prints_a_table_a_person_can_read(capsys, toy_bundle):
    assert facevoice("predict", SAMPLE, "--bundle", toy_bundle) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0].startswith(str(SAMPLE))
    assert "s of speech" in lines[0]
    assert lines[1].split() == [
        "verdict", "angry", "disgust", "fear", "happy", "neutral", "sad", "surprise",
    ]  # fmt: skip
    titles = [line.split()[0] for line in lines[2:5]]
    assert titles == ["fused", "├", "│"]


def test_predict_prints_json_lines_and_goes_on_after_an_error(capsys, toy_bundle, tmp_path):
    (tmp_path / "empty.mp4").touch()
    status = facevoice("predict", tmp_path, SAMPLE, "--json", "--bundle", toy_bundle)
    out, err = capsys.readouterr()
    records = [json.loads(line) for line in out.splitlines()]
    assert status == 1
    assert [record["error"] and record["error"]["kind"] for record in records] == [
        "unreadable",
        None,
    ]
    assert err.count("\n") == 1
    assert "empty.mp4" in err


def test_nothing_found_is_no_failure(capsys, toy_bundle, tmp_path):
    from PIL import Image

    Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
    assert facevoice("predict", tmp_path / "black.png", "--bundle", toy_bundle) == 0
    out = capsys.readouterr().out
    assert "no face: no_face (no face was found)" in out
    assert "no voice: no_audio_stream" in out


def test_csv_has_one_row_an_input(capsys, toy_bundle, tmp_path):
    gone = tmp_path / "gone.mp4"
    assert facevoice("predict", SAMPLE, gone, "--csv", "--bundle", toy_bundle) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["path"] for row in rows} == {str(SAMPLE), str(gone)}
    good = next(row for row in rows if row["path"] == str(SAMPLE))
    assert float(good["scores.happy"]) >= 0
    assert good["error.kind"] == ""


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".txt", ".parquet"])
def test_the_format_follows_the_suffix(capsys, toy_bundle, tmp_path, suffix):
    output = tmp_path / "deep" / f"out{suffix}"
    output.parent.mkdir()
    assert facevoice("predict", SAMPLE, "-o", output, "--bundle", toy_bundle) == 0
    assert capsys.readouterr().out == ""
    assert [path.name for path in output.parent.iterdir()] == [output.name]
    if suffix == ".parquet":
        import pandas as pd

        assert pd.read_parquet(output)["path"].tolist() == [str(SAMPLE)]
    else:
        assert str(SAMPLE) in output.read_text()


@pytest.mark.parametrize(
    "arguments",
    [["-o", "out.xyz"], ["--json", "-o", "out.csv"], ["--bundle", "nonsense"], ["--start", "99"]],
)
def test_what_cannot_be_done_is_said_in_one_line(capsys, toy_bundle, arguments):
    options = arguments if "--bundle" in arguments else [*arguments, "--bundle", toy_bundle]
    assert facevoice("predict", SAMPLE, *options) == 1
    err = capsys.readouterr().err
    assert err.startswith("facevoice: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [[], ["predict"], ["nonsense"], ["predict", "--threads=0"]])
def test_wrong_usage_is_status_2(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        facevoice(*arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_broken_pipe_is_quiet(toy_bundle):
    command = [sys.executable, "-m", "facevoice", "predict", *[str(SAMPLE)] * 2, "--json"]
    with subprocess.Popen(
        [*command, "--bundle", str(toy_bundle)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_models_shows_the_licences(capsys, toy_bundle):
    assert facevoice("models", toy_bundle) == 0
    out = capsys.readouterr().out
    for subject in ("code", "weights", "data"):
        assert f"licence of {subject}: " in out
    assert facevoice("models", "--json", toy_bundle) == 0
    cards = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert cards[-1]["name"] == "toy"


def test_models_shows_branches_and_what_they_never_met_at_any_width(
    capsys, toy_bundle, tmp_path, monkeypatch
):
    folder = tmp_path / "made"
    shutil.copytree(toy_bundle, folder)
    card = json.loads((folder / "bundle.json").read_text())
    voice = card["tree"]["members"][1]["members"][0]
    voice["licences"] = {
        "code": "MIT", "weights": "share alike", "data": {"ravdess": "CC BY-NC-SA 4.0"},
        "parts": {"speech_encoder.onnx": {"licence": "BSD-2", "learnt_from": "speech of the web"}},
    }  # fmt: skip
    card["provenance"]["temperatures"] = {
        "spectrogram": {"table": "held_out.npz", "clips": 90, "log_loss": [1.5, 1.25]}
    }
    figures = {"clips": 90, "war": 0.5, "war_low": 0.4, "war_high": 0.6, "uar": 0.45}
    card["left_out"] = {"emodb": {"speech": figures | {"own_classes": {"uar": 0.625}}}}
    (folder / "bundle.json").write_text(json.dumps(card))
    for width in ("40", "200"):
        monkeypatch.setenv("COLUMNS", width)
        assert facevoice("models", folder) == 0
        lines = capsys.readouterr().out.split("\n\n")[-2].splitlines()
        assert all(len(line) <= max(int(width), 50) for line in lines[1:])
        out = " ".join(" ".join(lines).split())
        for told in (
            "branch voice.spectrogram: code: MIT weights: share alike",
            "learnt from ravdess: CC BY-NC-SA 4.0",
            "uses speech_encoder.onnx: BSD-2; learnt from speech of the web",
            "of spectrogram: fitted on 90 clips new to it, held_out.npz; log-loss 1.500 -> 1.250",
            (
                "emodb left out of training, 90 clips: speech WAR 0.500 (0.400-0.600), UAR 0.450;"
                " UAR among its own classes: speech 0.625"
            ),
        ):
            assert told in out


def test_doctor_names_what_is_there(capsys):
    assert facevoice("doctor") == 0
    out = capsys.readouterr().out
    for word in ("onnxruntime", "extra opensmile", "extra train", "bundle base", "files intact"):
        assert word in out


def test_doctor_says_that_cuda_is_untested(capsys, monkeypatch):
    monkeypatch.setattr("facevoice.session.available_devices", lambda: ("cpu", "cuda"))
    facevoice("doctor")
    assert "devices            cpu, cuda (untested" in capsys.readouterr().out


def test_datasets_lists_the_corpora_and_tells_all_about_one(capsys):
    assert facevoice("datasets") == 0
    out = capsys.readouterr().out
    for word in ("afew", "fer2013", "ravdess-speech", "manifest"):
        assert f"\n{word} " in f"\n{out}"
    assert facevoice("datasets", "fer2013") == 0
    out = capsys.readouterr().out
    for word in ("layout:", "mapping:", "splits:", "licence:", "cite:", "obtain:"):
        assert word in out
    assert facevoice("datasets", "nonsense") == 1
    assert "known: afew" in capsys.readouterr().err


def test_evaluate_prints_figures_for_every_node(capsys, toy_bundle, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text(f"file,emotion,speaker\n{SAMPLE},happy,A\n{SAMPLE},bored,B\n")
    table = tmp_path / "scores.csv"
    assert facevoice("evaluate", labels, "-o", table, "--bundle", toy_bundle) == 0
    said = capsys.readouterr()
    for node in ("fused", "face.expression", "face.sequence", "voice.spectrogram"):
        assert node in said.out
    assert "left out: 1 with label bored" in said.err
    assert table.exists()
    assert facevoice("evaluate", labels, "--json", "--bundle", toy_bundle) == 0
    assert json.loads(capsys.readouterr().out)["clips"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "needs the columns"), ("file,label\n", "no row"), ("file,label\na,\n", "line 2")],
)
def test_evaluate_refuses_bad_label_files(capsys, toy_bundle, tmp_path, text, message):
    labels = tmp_path / "labels.csv"
    labels.write_text(text)
    assert facevoice("evaluate", labels, "--bundle", toy_bundle) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", [["demo", "-o"], ["predict", "clip.mp4", "--report"]])
def test_a_page_replaces_no_film(command, tmp_path, capsys):
    film = tmp_path / "film.mp4"
    film.write_bytes(b"precious")
    with pytest.raises(SystemExit) as refused:
        main([*command, str(film)])
    assert refused.value.code == 2
    assert "a page's name ends in .html" in capsys.readouterr().err
    assert film.read_bytes() == b"precious"
