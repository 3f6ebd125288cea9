"""Options for known people, and enrolment, on the command line."""

import csv
import json
import shutil

import jsonschema
import numpy as np
import pytest
from PIL import Image

import facevoice
from facevoice.cli import main
from facevoice.person import FEWEST_CLIPS, Baseline
from facevoice.samples import SAMPLE
from support.media_files import write_media
from support.people import add_population
from support.places import PREDICTION_SCHEMA


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def bundle(toy_bundle, tmp_path_factory):
    return add_population(toy_bundle, tmp_path_factory.mktemp("people") / "toy")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Two pictures and two recordings, parts of the sample: they are read in no time."""
    folder = tmp_path_factory.mktemp("clips")
    frames = list(facevoice.media.iter_frames(SAMPLE, rate_hz=1))
    for name, frame in (("a.png", frames[1]), ("b.png", frames[3])):
        Image.fromarray(frame.image).save(folder / name)
    found = facevoice.media.read_waveform(SAMPLE, rate_hz=16000)
    for name, half in (("c.wav", found.samples[:32000]), ("d.wav", found.samples[24000:])):
        write_media(folder / name, sound=half)
    return [folder / name for name in ("a.png", "b.png", "c.wav", "d.wav")]


@pytest.fixture(scope="module")
def enrolled(bundle, clips, tmp_path_factory):
    path = tmp_path_factory.mktemp("enrolled") / "anna.baseline.json"
    assert run("baseline", *clips[1:], "-o", path, "--bundle", bundle) == 0
    return path


def records(path):
    found = [json.loads(line) for line in path.read_text().splitlines()]
    for record in found:
        jsonschema.validate(record, PREDICTION_SCHEMA)
    return found


def test_all_inputs_of_one_person_are_read_against_all_of_them(bundle, clips, tmp_path):
    output = tmp_path / "table.jsonl"
    assert run("predict", *clips, "--same-person", "-o", output, "--bundle", bundle) == 0
    predictor = facevoice.load(bundle, threads=1)
    plain = [predictor(path) for path in clips]
    whole = Baseline.empty(predictor.bundle).after(plain)
    for record, prediction in zip(records(output), plain, strict=True):
        wanted = facevoice.predict.read_against(prediction, predictor.bundle, whole).to_dict()
        assert record == wanted
        assert record["personal"]["clips"] == 4


def test_a_table_of_people_keeps_them_apart(bundle, clips, tmp_path, capsys):
    table, output = tmp_path / "people.csv", tmp_path / "out.csv"
    lines = [f"{path},{name}" for path, name in zip(clips, ["x", "x", "x", ""], strict=True)]
    table.write_text("\n".join(["file,person", *lines]))
    arguments = ("predict", *clips, "--people", table, "--bundle", bundle)
    assert run(*arguments, "-o", output) == 0
    with output.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["personal.clips"] for row in rows] == ["3", "3", "3", ""]
    assert [row["personal_reason"] for row in rows] == ["", "", "", "no_baseline"]
    assert all(row["personal.emotion"] in facevoice.EMOTIONS for row in rows[:3])
    again, cache = tmp_path / "again.csv", ("--cache", tmp_path / "cache")
    for _ in ("by workers", "from the cache"):
        assert run(*arguments, "-o", again, "--overwrite", "--workers", "2", *cache) == 0
        assert again.read_bytes() == output.read_bytes()
    with output.open(newline="") as stream:
        header = next(csv.reader(stream))
    assert run("predict", clips[2], "--csv", "--bundle", bundle) == 0
    capsys.readouterr()
    plain = facevoice.output.predictions.columns.columns_of(facevoice.load(bundle).bundle.tree)
    assert [name for name in header if not name.startswith("personal")] == list(plain)


@pytest.mark.parametrize("options", [("--same-person",), ("--same-person", "--baseline")])
def test_workers_records_and_a_resumed_run_give_the_same_table(
    options, bundle, clips, enrolled, tmp_path
):
    """The second pass works from records, to the last digit."""
    chosen = [*options, enrolled] if "--baseline" in options else options
    common = ("predict", *clips, tmp_path / "gone.mp4", *chosen, "--bundle", bundle)
    one, two, again, resumed = (tmp_path / f"{number}.jsonl" for number in range(4))
    assert run(*common, "-o", one) == 1  # an input is not there
    cache = tmp_path / "cache"
    assert run(*common, "-o", two, "--workers", 2, "--cache", cache) == 1
    assert run(*common, "-o", again, "--cache", cache) == 1
    shutil.copytree(cache, f"{resumed}.parts")
    next((tmp_path / f"{resumed}.parts").glob("*/*.json")).unlink()
    assert run(*common, "-o", resumed, "--resume") == 1
    assert len({path.read_bytes() for path in (one, two, again, resumed)}) == 1
    # three of them were enrolled before, and count once
    found = [each["personal"] and each["personal"]["clips"] for each in records(one)]
    assert found == [None, 4, 4, 4, 4]


def test_too_little_is_said(bundle, clips, capsys):
    assert run("predict", *clips[2:], "--same-person", "--bundle", bundle) == 0
    out, err = capsys.readouterr()
    assert out.count("no personal answer: too_little") == 2
    assert f"the person (2 clips) personally: {FEWEST_CLIPS} clips are needed" in err


def test_an_enrolled_person_is_read_against_the_baseline(bundle, clips, enrolled, capsys):
    assert run("predict", clips[0], "--baseline", enrolled, "--bundle", bundle) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:2] == ["verdict", "personal"]
    assert "read against 3 clips" in lines[-2]
    predictor = facevoice.load(bundle, threads=1)
    found = predictor(clips[0], baseline=Baseline.load(enrolled)).personal.scores
    (row,) = (line for line in lines if line.startswith("  personal "))
    assert [float(cell) for cell in row.split()[2:]] == pytest.approx(found.values, abs=0.006)
    assert row.split()[1] == found.emotion


def test_the_page_shows_both_answers(bundle, clips, enrolled, tmp_path, capsys):
    page = tmp_path / "page.html"
    arguments = ("predict", clips[3], "--report", page, "--json", "--bundle", bundle)
    assert run(*arguments, "--baseline", enrolled) == 0
    record = json.loads(capsys.readouterr().out)
    text = page.read_text()
    assert text.count("usual self") == 1
    assert "Read against 3 clips" in text
    section = text[text.index("usual self") :]
    assert section.index(f">{record['personal']['emotion']}</p>") < section.index("</table>")
    few = tmp_path / "few.json"
    assert run("baseline", clips[2], "-o", few, "--bundle", bundle) == 0
    assert run(*arguments, "--baseline", few, "--overwrite") == 0
    assert "<code>too_little</code>" in page.read_text()
    assert run(*arguments, "--overwrite") == 0
    assert "usual self" not in page.read_text()


def test_an_enrolled_person_may_start_the_others(bundle, clips, enrolled, tmp_path):
    """Enrolled and then all of the inputs: the same as all of them at once, to the digit."""
    outputs = [tmp_path / name for name in ("one.jsonl", "two.jsonl")]
    mixed = ("predict", clips[0], "--same-person", "--baseline", enrolled)
    assert run(*mixed, "-o", outputs[0], "--bundle", bundle) == 0
    ordered = (*clips[1:], clips[0])
    assert run("predict", *ordered, "--same-person", "-o", outputs[1], "--bundle", bundle) == 0
    assert records(outputs[0])[0] == records(outputs[1])[-1]


def test_enrolment_says_what_it_found_and_goes_on(bundle, clips, tmp_path, capsys):
    path = tmp_path / "anna.baseline.json"
    arguments = ("-o", path, "--bundle", bundle)
    assert run("baseline", clips[2], *arguments) == 0
    out, err = capsys.readouterr()
    assert "1 clip, " in out
    assert f"too little: {FEWEST_CLIPS} clips are needed" in out
    assert "a face in 0 new clips, a voice in 1 new clip" in out
    assert "voice.spectrogram 0%" in out
    assert "the clips look alike" in out
    assert err == ""
    assert run("baseline", clips[3], *arguments) == 1
    assert "exists: replace it with --overwrite" in capsys.readouterr().err
    for clip in (clips[3], clips[0]):
        assert run("baseline", clip, "--update", *arguments) == 0
    out = capsys.readouterr().out
    assert "enough" in out
    trust = Baseline.load(path).statistics.branches["voice.spectrogram"].trust
    assert f"voice.spectrogram {100 * trust:.0f}%" in out
    at_once = tmp_path / "at_once.json"
    assert run("baseline", *clips[2:], clips[0], "-o", at_once, "--bundle", bundle) == 0
    assert path.read_bytes() == at_once.read_bytes()


def test_one_clip_that_is_declared_neutral_is_enough(bundle, clips, tmp_path, capsys):
    path = tmp_path / "anna.baseline.json"
    assert run("baseline", clips[2], "--neutral", "-o", path, "--bundle", bundle) == 0
    out, err = capsys.readouterr()
    assert "enough to read" in out
    known = Baseline.load(path).statistics
    assert (known.clips, known.neutral) == (1, 1)
    assert "does not know how people score in neutral clips" in err  # of this bundle
    output = tmp_path / "one.jsonl"
    command = ("predict", clips[2], "--baseline", path, "-o", output, "--bundle", bundle)
    assert run(*command) == 0
    assert records(output)[0]["personal"]["clips"] == 1
    capsys.readouterr()
    whole = ("predict", clips[3], "--same-person", "--baseline", path, "--bundle", bundle)
    assert run(*whole) == 0
    out, err = capsys.readouterr()
    assert "read against 2 clips" in out
    assert err == ""


def test_a_clip_that_is_known_already_is_said_and_counts_once(
    bundle, clips, enrolled, tmp_path, capsys
):
    path, copy = tmp_path / "anna.json", tmp_path / "copy.wav"
    shutil.copy(enrolled, path)
    shutil.copy(clips[3], copy)
    assert run("baseline", *clips[2:], copy, "-o", path, "--update", "--bundle", bundle) == 0
    out, err = capsys.readouterr()
    assert "3 inputs enrolled already: left out" in err
    assert "to change that, enrol all clips of the person again with --overwrite" in err
    assert "3 clips, " in out
    assert path.read_bytes() == enrolled.read_bytes()
    for chosen, said in ((("--baseline", enrolled), "4 inputs"), ((), "1 input")):
        assert run("predict", *clips, copy, "--same-person", *chosen, "--bundle", bundle) == 0
        out, err = capsys.readouterr()
        assert f"{said} enrolled already, or a copy of another: counted once" in err
        assert out.count("read against 4 clips") == 5


def test_several_people_in_inputs_of_one_are_counted(bundle, data_folder, tmp_path, capsys):
    crowd, path = data_folder / "clips" / "several_faces_5_frames_no_audio.mp4", tmp_path / "a.json"
    said = "1 input with more than one person: the main one's face and all speech were taken"
    assert run("baseline", crowd, "-o", path, "--bundle", bundle) == 0
    assert capsys.readouterr().err.count(said) == 1
    for options in (("--baseline", path), ("--same-person",)):
        assert run("predict", crowd, *options, "--bundle", bundle) == 0
        assert capsys.readouterr().err.count(said) == 1


def test_nothing_to_enrol_is_refused(bundle, tmp_path, capsys):
    silent = write_media(tmp_path / "silent.wav", sound=np.zeros(16000, np.float32))
    path = tmp_path / "anna.json"
    assert run("baseline", silent, tmp_path / "gone.mp4", "-o", path, "--bundle", bundle) == 1
    assert "nothing to enrol" in capsys.readouterr().err
    assert not path.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--same-person", "--report", "page.html"), "one input by itself"),
        (("--people", "people.csv", "--baseline", "{enrolled}"), "choose one"),
        (("--people", "gone.csv"), "no table of people"),
        (("--baseline", "gone.json"), "no baseline file"),
        (("--baseline", "{enrolled}", "--bundle", "{toy}"), "enrol the person again"),
    ],
)
def test_what_makes_no_sense_is_refused(
    options, message, enrolled, toy_bundle, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_text(f"file,person\n{SAMPLE},anna\n")
    chosen = [option.format(enrolled=enrolled, toy=toy_bundle) for option in options]
    assert run("predict", SAMPLE, *chosen) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


def test_a_bundle_without_a_population_says_so(toy_bundle, clips, tmp_path, capsys):
    path = tmp_path / "anna.json"
    assert run("baseline", clips[2], "-o", path, "--bundle", toy_bundle) == 0
    assert "has no population" in capsys.readouterr().err
    assert run("predict", clips[2], "--baseline", path, "--bundle", toy_bundle) == 0
    out, err = capsys.readouterr()
    assert "has no population" in err
    assert "no personal answer: no_population" in out
    assert run("live", clips[2], "--personal", "--bundle", toy_bundle) == 0
    assert capsys.readouterr().err.count("has no population: nobody can be read personally") == 1


def test_a_clip_said_to_show_two_people_is_refused(tmp_path):
    from facevoice.datasets.people import read_people
    from facevoice.errors import DatasetError

    path = tmp_path / "people.csv"
    cases = {
        "file,person\na.mp4,anna\n./a.mp4,ben": "an earlier line says 'anna'",
        "file,who\na.mp4,anna": "needs the columns file and person; it has: file, who",
        "file,person\n,anna": "line 2 names no file",
        "file,person\na.mp4,": "names nobody",
        "": "needs the columns",
    }
    for text, message in cases.items():
        path.write_text(text)
        with pytest.raises(DatasetError, match=message):
            read_people(path)
    path.write_text("speaker;path\nanna;x/a.mp4\nanna;b.mp4\nanna;x/a.mp4\n")
    assert read_people(path) == {tmp_path / "x" / "a.mp4": "anna", tmp_path / "b.mp4": "anna"}


def test_a_clip_in_two_spellings_counts_once(bundle, clips, tmp_path, monkeypatch):
    monkeypatch.chdir(clips[0].parent)
    written = tmp_path / "one.jsonl"
    assert run("predict", clips[0].name, clips[0], "-o", written, "--bundle", bundle) == 0
    assert [record["path"] for record in records(written)] == [clips[0].name]
