"""The command over many files: killed, interrupted and resumed, the table is whole."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import facevoice
from facevoice.cli import main
from facevoice.output.predictions.columns import columns_of, flat_row
from support.small_corpus import make_variants
from support.stopped import stopped_after


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    return make_variants(tmp_path_factory.mktemp("variants"))


@pytest.fixture
def corpus(variants, tmp_path):
    """Twelve files, two of them damaged."""
    return variants.write(tmp_path / "corpus", 12, damaged=2)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "facevoice", "predict", *map(str, arguments)]


def kept_in(parts: Path) -> dict[Path, int]:
    """The finished records and when each was written."""
    return {path: path.stat().st_mtime_ns for path in parts.glob("??/*.json")}


def start_and_stop(
    arguments: list[str], count: int, how: signal.Signals, *, group: bool
) -> tuple[int, str]:
    """Send a signal when so many records are kept; the status and what was said."""
    place = "facevoice.batch.records:Records.write"
    end = stopped_after(count, place, arguments[3:], how, group=group)
    return end.status, end.said


def alone(predictor, paths) -> list[dict]:
    return [prediction.to_dict() for prediction in predictor.predict_many(paths)]


def test_killed_and_resumed_the_table_is_whole(corpus, toy_bundle, tmp_path):
    output = tmp_path / "table.jsonl"
    parts = tmp_path / "table.jsonl.parts"
    arguments = command(corpus[0].parent, "-o", output, "--workers", 2, "--bundle", toy_bundle)
    status, _ = start_and_stop(arguments, 4, signal.SIGKILL, group=False)
    assert status == -signal.SIGKILL
    assert not output.exists()
    kept = kept_in(parts)
    assert len(kept) == 4
    refused = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert re.fullmatch(r"facevoice: .*--resume.*delete the folder.*\n", refused.stderr)
    assert kept_in(parts) == kept
    done = subprocess.run([*arguments, "--resume"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "2 failed" in done.stderr.splitlines()[-1]
    assert f"{len(kept)} known already" in done.stderr.splitlines()[-1]
    found = [json.loads(line) for line in output.read_text().splitlines()]
    assert found == alone(facevoice.load(toy_bundle), corpus)
    assert sum(record["error"] is not None for record in found) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "table.jsonl"]


def test_ctrl_c_says_how_to_go_on(corpus, toy_bundle, tmp_path):
    output = tmp_path / "table.csv"
    parts = tmp_path / "table.csv.parts"
    arguments = command(corpus[0].parent, "-o", output, "--workers", 2, "--bundle", toy_bundle)
    status, err = start_and_stop(arguments, 3, signal.SIGINT, group=True)
    assert status == 130
    last = err.splitlines()[-1]
    assert re.fullmatch(r"facevoice: interrupted; 3 records kept in .*--resume", last)
    assert "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", parts.name]
    assert main([*arguments[3:], "--resume"]) == 1
    with output.open(newline="") as stream:
        assert [row["path"] for row in csv.DictReader(stream)] == [str(path) for path in corpus]
    assert not parts.exists()


def test_ctrl_c_before_anything_is_done_leaves_nothing(corpus, toy_bundle, tmp_path, monkeypatch):
    from facevoice.batch import Scoring

    def interrupt(self, path):
        raise KeyboardInterrupt

    monkeypatch.setattr(Scoring, "key_of", interrupt)
    output = tmp_path / "table.csv"
    arguments = [corpus[0], "-o", output, "--workers", 1, "--bundle", toy_bundle]
    assert main(command(*arguments)[3:]) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_workers_write_what_one_process_writes(corpus, toy_bundle, tmp_path, capsys):
    inputs = [*corpus[:5], tmp_path / "gone.mp4", corpus[0], "--bundle", toy_bundle]
    for suffix in (".csv", ".parquet", ".txt", ".jsonl"):
        one, two = tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"
        assert main(command(*inputs, "-o", one)[3:]) == 1
        kept = ("--cache", tmp_path / "cache")
        assert main(command(*inputs, "-o", two, "--workers", 2, *kept)[3:]) == 1
        assert one.read_bytes() == two.read_bytes()
        assert "2 failed" in capsys.readouterr().err.splitlines()[-1]  # one was named twice


def test_parquet_is_typed_by_the_bundle_and_not_by_the_rows(corpus, toy_bundle, tmp_path):
    import pyarrow.parquet

    tree = facevoice.load(toy_bundle).bundle.tree
    schemas = []
    for number, inputs in enumerate(([corpus[0]], corpus[:4])):  # one error alone; a mixture
        output = tmp_path / f"{number}.parquet"
        main(command(*inputs, "-o", output, "--bundle", toy_bundle)[3:])
        schemas.append(pyarrow.parquet.read_schema(output))
    assert schemas[0] == schemas[1]
    assert schemas[0].names == list(columns_of(tree))
    kinds = {name: str(schemas[0].field(name).type) for name in schemas[0].names}
    assert Counter(kinds.values()).keys() == {"string", "bool", "int64", "double"}
    assert (kinds["emotion"], kinds["windows"]) == ("string", "int64")
    rows = pyarrow.parquet.read_table(output).to_pylist()
    (expected,) = facevoice.load(toy_bundle).predict_many([corpus[1]])
    assert {k: v for k, v in rows[1].items() if v is not None} == {
        k: v for k, v in flat_row(expected).items() if v is not None
    }


def test_parquet_is_written_group_by_group(corpus, toy_bundle, tmp_path, monkeypatch):
    import pyarrow.parquet

    from facevoice.output import predictions

    monkeypatch.setattr(predictions, "_GROUP", 2)
    output = tmp_path / "table.parquet"
    main(command(*corpus[:5], "-o", output, "--bundle", toy_bundle)[3:])
    assert pyarrow.parquet.ParquetFile(output).num_row_groups == 3
    paths = pyarrow.parquet.read_table(output)["path"].to_pylist()
    assert paths == [str(path) for path in corpus[:5]]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_file_names_that_are_no_text_stop_nothing(variants, toy_bundle, tmp_path, suffix):
    odd = tmp_path / "corpus" / os.fsdecode(b"caf\xe9.png")
    try:
        variants.write(tmp_path / "corpus", 1)[0].rename(odd)
    except OSError:
        pytest.skip("this file system takes no such names")
    output = tmp_path / f"table{suffix}"
    assert main(command(odd, "-o", output, "--workers", 1, "--bundle", toy_bundle)[3:]) == 0
    assert rb"caf\udce9.png" in output.read_bytes()


def test_standard_output_is_in_order(corpus, toy_bundle, capsys):
    paths = corpus[1:5]
    assert main(command(*paths, "--json", "--workers", 2, "--bundle", toy_bundle)[3:]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["path"] for record in found] == [str(path) for path in paths]


def test_a_cache_serves_other_tables(corpus, toy_bundle, tmp_path, capsys):
    cache = tmp_path / "cache"
    arguments = [*corpus[1:5], "--cache", cache, "--bundle", toy_bundle]
    assert main(command(*arguments, "-o", tmp_path / "a.csv")[3:]) == 0
    assert main(command(*arguments, "-o", tmp_path / "b.csv", "--resume")[3:]) == 0
    assert "4 known already" in capsys.readouterr().err
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "b.csv", "cache", "corpus"}
    assert len(kept_in(cache)) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume"], "needs the -o"),
        (["--address", "auto"], "--engine ray"),
        (["--workers", "2", "--report", "page.html"], "one input"),
        (["--workers", "2", "-o", "file/table.csv"], "cannot be written"),
        (["--workers", "2", "-o", "folder.csv"], "cannot be written"),
        (["--workers", "2", "--bundle", "nonsense"], "no bundle"),
        (["--engine", "ray", "--address", "127.0.0.1:1"], "no Ray cluster answers"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_scored(
    corpus, toy_bundle, tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("folder.csv").mkdir()
    options = arguments if "--bundle" in arguments else [*arguments, "--bundle", toy_bundle]
    assert main(command(corpus[1], *options)[3:]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"corpus", "file", "folder.csv"}


@pytest.mark.slow
def test_a_thousand_clips_killed_twice(variants, toy_bundle, tmp_path):
    import pandas as pd

    corpus = variants.write(tmp_path / "corpus", 1000, damaged=10)
    output = tmp_path / "table.parquet"
    parts = tmp_path / "table.parquet.parts"
    arguments = command(corpus[0].parent, "-o", output, "--workers", 2, "--bundle", toy_bundle)
    start_and_stop(arguments, 300, signal.SIGKILL, group=False)
    first = kept_in(parts)
    start_and_stop([*arguments, "--resume"], 350, signal.SIGKILL, group=True)
    second = kept_in(parts)
    assert len(first) == 300
    assert len(second) == 650
    assert {path: second[path] for path in first} == first  # none was done again
    assert not output.exists()
    done = subprocess.run([*arguments, "--resume"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{len(second)} known already" in done.stderr.splitlines()[-1]
    table = pd.read_parquet(output)
    assert table["path"].tolist() == [str(path) for path in corpus]
    assert table["error.kind"].value_counts().to_dict() == {"unreadable": 10}
    assert table["emotion"].notna().sum() == 990
    whole = tmp_path / "whole.parquet"
    few = corpus[::37]
    main(command(*few, "-o", whole, "--bundle", toy_bundle, "--threads", 1)[3:])
    chosen = table[table["path"].isin([str(path) for path in few])].reset_index(drop=True)
    pd.testing.assert_frame_equal(chosen, pd.read_parquet(whole))
    assert not parts.exists()
