"""CSV, Parquet and JSON: whole, documented, and read back as they were."""

import csv
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from facevoice.cli import main
from facevoice.errors import InvalidInputError, MediaNotFoundError, MissingDependencyError
from facevoice.faces.blendshapes import BLENDSHAPES
from facevoice.output.timeline import FORMATS, write
from facevoice.output.timeline.columns import TABLES, Column, expanded, tables_of
from facevoice.output.timeline.reading import read
from facevoice.types import UNDAMAGED, Damage, Scores
from support.places import DOCS
from support.written_timelines import (
    make_timeline,
    same,
    with_blendshapes,
    with_personal,
    without_faces,
)

SOURCE = Path("talk.mp4")  # tables need no more of it than its name
HOSTILE = ('joy, "quoted"', "<&>\n", "naïve.dot", "=1+1")
EMPTY = {"rows": (), "people": (), "segments": (), "cuts": np.zeros(0)}


def written(timeline, folder, form):
    paths = write(timeline, folder, [form], SOURCE)
    return next(path for path in paths if ".windows." in path.name or path.suffix == ".json")


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
@pytest.mark.parametrize(
    "timeline",
    [
        replace(make_timeline(), speech_spans=np.array([[0.5, 1.5], [1.75, 4.5]])),
        replace(make_timeline(with_frames=False, origin=-2.5), damage=Damage(3, 2, 1)),
        make_timeline(labels=HOSTILE, path="odd \u2028 name.mp4"),
        replace(make_timeline(), duration_seconds=None, speech_spans=np.zeros((0, 2)), **EMPTY),
        replace(make_timeline(with_frames=False), **EMPTY),
        with_blendshapes(make_timeline()),
        with_blendshapes(without_faces(make_timeline())),
        with_personal(make_timeline(with_frames=False, origin=-2.5)),
        replace(with_personal(make_timeline()), personal_segments=(), **EMPTY),
    ],
    ids=[
        "usual",
        "without frames",
        "hostile labels",
        "no people",
        "nothing",
        "blendshapes",
        "blendshapes of no face",
        "personal",
        "personal without people",
    ],
)
def test_what_is_read_is_what_was_written(timeline, form, tmp_path):
    assert same(read(written(timeline, tmp_path, form)), timeline)


def test_a_record_of_version_1_0_is_read(tmp_path):
    timeline = replace(make_timeline(), damage=Damage(3, 2, 1))
    path = written(timeline, tmp_path, "json")
    record = json.loads(path.read_text(encoding="utf-8"))
    del record["damage"]
    path.write_text(json.dumps(record | {"schema_version": "1.0"}), encoding="utf-8")
    assert same(read(path), replace(timeline, damage=UNDAMAGED))


def test_tables_of_version_1_0_are_read(tmp_path):
    timeline = replace(make_timeline(), damage=Damage(3, 2, 1))
    path = written(timeline, tmp_path, "csv")
    about = tmp_path / "talk.about.csv"
    with about.open(encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    new = {"speech_spans", *(name for name in row if "damage" in name)}
    old = {name: cell for name, cell in row.items() if name not in new} | {"version": "1.0"}
    assert len(old) == len(row) - 4
    rows = tuple(replace(row, picture_size=None) for row in timeline.rows)
    frames = replace(timeline.frames, picture_sizes=None)
    segments = tuple(replace(each, undecided=None) for each in timeline.segments)
    without = replace(timeline, damage=UNDAMAGED, rows=rows, frames=frames, segments=segments)
    with about.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([old.keys(), old.values()])
    assert same(read(path), without)


def test_what_a_later_minor_version_adds_is_left_out(tmp_path):
    timeline = make_timeline()
    write(timeline, tmp_path, ["json"], Path("talk.mp4"))
    path = tmp_path / "talk.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record |= {"schema_version": "1.2", "later": 1}
    record["damage"]["later"] = 1
    for name in ("people", "windows", "segments", "frames"):
        record[name] = [each | {"later": 1} for each in record[name]]
    path.write_text(json.dumps(record), encoding="utf-8")
    assert same(read(path), timeline)


def test_versions_are_compared_by_number(monkeypatch):
    columns = [Column(f"since {v}", "int", "", "", since=v) for v in ("1.9", "1.10")]
    monkeypatch.setitem(TABLES, "people", tuple(columns))
    for version, count in (("1.8", 0), ("1.9", 1), ("1.10", 2), ("1.11", 2)):
        assert len(expanded("people", (), version=version)) == count


def test_any_table_of_a_set_leads_to_the_timeline(tmp_path):
    timeline = make_timeline()
    for path in write(timeline, tmp_path, ["csv", "parquet"], SOURCE):
        assert same(read(path), timeline)


def test_frames_of_an_earlier_run_do_not_stay(tmp_path):
    write(make_timeline(), tmp_path, ["csv", "parquet"], SOURCE)
    paths = write(make_timeline(with_frames=False), tmp_path, ["csv", "parquet"], SOURCE)
    assert sorted(paths) == sorted(tmp_path.iterdir())


def test_the_json_keeps_to_its_schema(tmp_path):
    schema = json.loads((DOCS / "timeline.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    usual = make_timeline()
    for timeline in (
        usual,
        make_timeline(with_frames=False),
        with_blendshapes(usual),
        with_personal(usual),
    ):
        record = json.loads(written(timeline, tmp_path, "json").read_text(encoding="utf-8"))
        jsonschema.validate(record, schema)
        record["windows"][0]["surprise"] = 1
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(record, schema)


def documented(table):
    """The table of its columns as docs/timeline.md has it."""
    rows = [(f"`{each.name}`", each.unit, each.doc) for each in TABLES[table]]
    lines = [f"| {' | '.join(cells)} |\n".replace("|  |", "| |") for cells in rows]
    return "".join(["| column | unit | meaning |\n", "|---|---|---|\n", *lines])


@pytest.mark.parametrize("table", TABLES)
def test_the_documentation_has_every_column_as_it_is_described(table):
    assert documented(table) in (DOCS / "timeline.md").read_text(encoding="utf-8")


def test_every_column_that_is_written_is_described():
    timeline = with_personal(with_blendshapes(make_timeline()))
    for name, table in tables_of(timeline).items():
        described = [each.name for each in TABLES[name]]
        for column in table.columns:
            general = re.sub(rf"\.({'|'.join(timeline.labels)})$", ".LABEL", column.name)
            general = re.sub(r"parts\..*\.LABEL$", "parts.BRANCH.LABEL", general)
            general = re.sub(rf"^blend_({'|'.join(BLENDSHAPES)})$", "blend_BLENDSHAPE", general)
            assert general in described
        assert [each.name for each in table.columns if each in TABLES[name]] == [
            each for each in described if "LABEL" not in each and "BLENDSHAPE" not in each
        ]


def test_blendshapes_have_columns_only_where_they_were_asked_for(tmp_path):
    without, timeline = make_timeline(), with_blendshapes(make_timeline())
    names = [column.name for column in tables_of(timeline)["frames"].columns]
    measured = [f"blend_{name}" for name in BLENDSHAPES]
    measured += ["yaw_degrees", "pitch_degrees", "roll_degrees"]
    assert names[-55:] == measured
    assert names[:-55] == [column.name for column in tables_of(without)["frames"].columns]
    written(timeline, tmp_path, "csv")
    with (tmp_path / "talk.frames.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    blinks = timeline.frames.blendshapes[:, BLENDSHAPES.index("eyeBlinkLeft")]
    assert np.float32(rows[1]["blend_eyeBlinkLeft"]) == blinks[1]
    assert np.float32(rows[1]["pitch_degrees"]) == timeline.frames.head_poses[1, 1]
    assert not rows[0]["blend_eyeBlinkLeft"]  # NaN


def test_personal_answers_have_columns_only_where_they_were_asked_for():
    without, timeline = make_timeline(), with_personal(make_timeline())
    plain, own = tables_of(without), tables_of(timeline)
    assert set(own) - set(plain) == {"personal_segments"}
    for name, table in plain.items():
        names = [each.name for each in table.columns]
        assert [each.name for each in own[name].columns if each.name in names] == names
        added = [each.name for each in own[name].columns if each.name not in names]
        assert all(each.startswith("personal") for each in added)
        assert bool(added) == (name in {"windows", "people", "segments"})
    rows = [dict(zip(own["windows"].columns, row, strict=True)) for row in own["windows"].rows]
    rows = [{column.name: cell for column, cell in row.items()} for row in rows]
    assert rows[0]["personal_reason"] == "too_little"
    assert rows[2]["personal.scores.happy"] == timeline.rows[2].personal.scores["happy"]
    assert rows[2]["personal.parts.face.fear"] > 0.5
    assert (rows[2]["personal.clips"], rows[2]["personal.seconds"]) == (4, 12.5)


def test_the_schema_has_the_fields_of_the_columns():
    schema = json.loads((DOCS / "timeline.schema.json").read_text(encoding="utf-8"))
    for name, noun in (
        ("windows", "window"),
        ("people", "person"),
        ("segments", "segment"),
        ("personal_segments", "personal_segment"),
    ):
        fields = dict.fromkeys(column.at[0] for column in TABLES[name])
        assert schema["$defs"][noun]["required"] == list(fields)


def test_a_spreadsheet_gets_one_row_per_window_and_person(tmp_path):
    timeline = make_timeline()
    with written(timeline, tmp_path, "csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(timeline.rows)
    first = rows[0]
    assert float(first["scores.angry"]) == timeline.rows[0].scores["angry"]
    assert float(first["parts.face.expression.angry"]) > 0.5
    assert (first["person"], first["emotion"], first["speaker"]) == ("0", "angry", "this")
    nobody = next(each for each in rows if not each["person"])
    assert not nobody["quality"]
    assert nobody["missing.face"] == "no_face"


def test_parquet_is_typed(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    types = parquet.read_schema(written(make_timeline(), tmp_path, "parquet"))
    assert str(types.field("person").type) == "int64"
    assert str(types.field("scores.happy").type) == "double"


def test_csv_and_json_need_no_optional_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setitem(sys.modules, "pandas", None)
    for form in ("csv", "json"):
        assert same(read(written(make_timeline(), tmp_path, form)), make_timeline())
    with pytest.raises(MissingDependencyError, match="--extra tables"):
        write(make_timeline(), tmp_path, ["parquet"], SOURCE)
    assert not list(tmp_path.glob("*.parquet"))


def test_an_unknown_format_names_the_known_and_writes_nothing(tmp_path):
    with pytest.raises(InvalidInputError, match="'xlsx'; known: csv, parquet, json"):
        write(make_timeline(), tmp_path, ["csv", "xlsx"], SOURCE)
    assert not list(tmp_path.iterdir())
    assert len(FORMATS) == len(set(FORMATS))


def test_columns_that_would_share_a_name_are_refused(tmp_path):
    labels = ("x", "b.x")

    def leaf():
        return Scores(labels, np.array([0.5, 0.5]))

    timeline = make_timeline(labels=labels, with_frames=False)
    whole = Scores(
        labels, np.array([0.5, 0.5]), {"a": Scores(labels, leaf().values, {"b": leaf()})}
    )
    timeline = replace(timeline, rows=(replace(timeline.rows[0], scores=whole), *timeline.rows[1:]))
    with pytest.raises(InvalidInputError, match=r"two columns would be called parts\.a\.b\.x"):
        write(timeline, tmp_path, ["csv"], SOURCE)
    assert same(read(written(timeline, tmp_path, "json")), timeline)


def test_tables_that_do_not_belong_together_are_told(tmp_path):
    path = written(make_timeline(), tmp_path, "csv")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(InvalidInputError, match="has 13 rows instead of 14"):
        read(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("talk.json", "{", "not a timeline that can be read"),
        ("talk.json", "[]", "not a timeline that can be read"),
        ("talk.json", '{"schema_version": "2.0"}', "version is 2.0"),
        ("talk.json", '{"schema_version": "1.0"}', "'labels' is absent"),
        ("talk.about.csv", "version\n", "not a timeline that can be read"),
        ("talk.windows.parquet", "PAR1", "not a timeline that can be read"),
        ("talk.xlsx", "", r"NAME\.windows"),
        ("windows.csv", "", r"NAME\.windows"),
    ],
)
def test_what_is_no_timeline_says_so(name, content, message, tmp_path):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    if name.endswith(".parquet"):
        path.with_name("talk.about.parquet").write_text(content, encoding="utf-8")
    with pytest.raises(InvalidInputError, match=message):
        read(path)


@pytest.mark.parametrize("name", ["talk.json", "talk.windows.csv"])
def test_an_absent_file_is_named(name, tmp_path):
    with pytest.raises(MediaNotFoundError, match=r"talk\."):
        read(tmp_path / name)


def test_the_help_names_every_format(capsys):
    with pytest.raises(SystemExit):
        main(["timeline", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert f"comma-separated formats: {', '.join(FORMATS)} (default" in text
