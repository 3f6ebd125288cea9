"""Many files at once: the same predictions in order, whatever is kept, equal, torn or deadly."""

import json
import multiprocessing
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest

import facevoice
from facevoice.batch import Processes, Progress, RayCluster, Records, predict_all
from facevoice.errors import InvalidInputError, MissingDependencyError, OutputError
from facevoice.predict.prediction import Prediction
from facevoice.samples import SAMPLE
from facevoice.types import UNDAMAGED
from facevoice.workers import Outcome
from support.deadly_files import Dangerous
from support.places import PREDICTION_SCHEMA
from support.small_corpus import make_variants


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    return make_variants(tmp_path_factory.mktemp("variants"))


@pytest.fixture(scope="module")
def predictor(toy_bundle):
    return facevoice.load(toy_bundle)


def records_of(predictions):
    return [prediction.to_dict() for prediction in predictions]


# --- records ---


def test_a_prediction_survives_its_exact_record(predictor):
    whole = predictor(SAMPLE)
    again = Prediction.from_dict(json.loads(json.dumps(whole.to_dict(exact=True))))
    assert again.to_dict(exact=True) == whole.to_dict(exact=True)
    assert again.to_dict() == whole.to_dict()
    assert repr(again) == repr(whole)
    (failed,) = predictor.predict_many(["gone.mp4"])
    assert Prediction.from_dict(failed.to_dict()) == failed


def test_a_record_of_version_1_0_is_read(predictor):
    record = predictor(SAMPLE).to_dict()
    del record["damage"]
    assert Prediction.from_dict(record | {"schema_version": "1.0"}).damage == UNDAMAGED


def test_a_rounded_record_can_be_read_too(predictor):
    whole = predictor(SAMPLE)
    again = Prediction.from_dict(whole.to_dict())
    assert again.emotion == whole.emotion
    assert again.scores.parts["face"]["happy"] == pytest.approx(
        whole.scores.parts["face"]["happy"], abs=2e-6
    )


@pytest.mark.parametrize(
    "change",
    [{"schema_version": "9"}, {"scores": {"happy": "x"}}, {"bundle": None}, {"evidence": {}}],
)
def test_what_is_no_record_is_refused(predictor, change):
    record = {**predictor(SAMPLE).to_dict(), **change}
    with pytest.raises(InvalidInputError, match="record"):
        Prediction.from_dict(record)
    with pytest.raises(InvalidInputError, match="record"):
        Prediction.from_dict({})


def test_damaged_records_count_as_none(predictor, tmp_path):
    kept = Records(tmp_path)
    record = json.dumps(predictor(SAMPLE).to_dict(exact=True))
    kept.write("ab12", record)
    assert kept.read("ab12", "elsewhere.mp4").path == "elsewhere.mp4"
    assert kept.count() == 1
    place = next(tmp_path.rglob("*.json"))
    for damage in ("", record[:50], "[]", "{}", "\0" * 50):
        place.write_text(damage)
        assert kept.read("ab12", "x") is None
    assert kept.read("cd34", "x") is None


def test_half_written_records_of_killed_runs_are_swept(tmp_path):
    kept = Records(tmp_path)
    kept.write("ab12", "{}")
    old, new = tmp_path / "ab/.ab1.json.1.tmp", tmp_path / "ab/.ab2.json.2.tmp"
    for path in (old, new):
        path.write_text("{")
    os.utime(old, (0, 0))
    kept.sweep()
    assert sorted(path.name for path in (tmp_path / "ab").iterdir()) == [new.name, "ab12.json"]


# --- which files are scored ---


@dataclass(frozen=True)
class Watched:
    """Works in this process, and notes which files it is asked to score."""

    seen: list[str]

    def run(self, scoring, units):
        score = scoring.open()
        for unit in units:
            self.seen.append(Path(unit.path).name)
            yield Outcome(unit, score(unit), None)


def test_all_give_what_each_gives_alone_in_order(variants, predictor, toy_bundle, tmp_path):
    paths = variants.write(tmp_path, 10, damaged=2)
    paths = [paths[3], tmp_path / "gone.mp4", *reversed(paths), tmp_path]  # a folder is an error
    tallies = []
    found = records_of(
        predict_all(
            paths,
            bundle=toy_bundle,
            engine=Processes(workers=2),
            progress=lambda progress: tallies.append(
                (progress.done, progress.failed, progress.kept)
            ),
        )
    )
    assert found == records_of(predictor.predict_many(paths))
    kinds = [record["error"]["kind"] for record in found if record["error"]]
    assert sorted(kinds) == ["not_found"] * 2 + ["unreadable"] * 2
    assert [done for done, _, _ in tallies] == list(range(1, 14))
    assert tallies[-1] == (13, 4, 1)


def test_equal_bytes_are_scored_once(variants, toy_bundle, tmp_path):
    first, second = variants.write(tmp_path, 2)
    copies = [tmp_path / f"copy{number}{first.suffix}" for number in range(3)]
    for copy in copies:
        copy.write_bytes(first.read_bytes())
    torn = [tmp_path / "torn1.mp4", tmp_path / "torn2.mp4"]
    for path in torn:
        path.write_bytes(b"no film")
    watched = Watched([])
    paths = [copies[0], torn[0], first, second, torn[1], *copies[1:]]
    found = records_of(predict_all(paths, bundle=toy_bundle, engine=watched))
    assert [record["path"] for record in found] == [str(path) for path in paths]
    assert {name for name in watched.seen if "torn" not in name} == {"copy0.jpg", second.name}
    assert all({**found[0], "path": None} == {**found[k], "path": None} for k in (2, 5, 6))
    for record, path in ((found[1], torn[0]), (found[4], torn[1])):
        assert str(path) in record["error"]["message"]


def test_only_what_changed_is_scored_again(variants, toy_bundle, tmp_path):
    paths = variants.write(tmp_path / "clips", 8, damaged=1)

    def scored(paths, **options):
        watched = Watched([])
        found = predict_all(
            paths, bundle=toy_bundle, engine=watched, cache=tmp_path / "cache", **options
        )
        return records_of(found), watched.seen

    before, seen = scored(paths)
    assert seen == [path.name for path in paths]
    again, seen = scored(paths)
    assert again == before
    assert seen == [paths[0].name]  # errors are not kept: the cause may be gone
    paths[0].write_bytes(variants.marked(".jpg", 500))
    paths[3].write_bytes(variants.marked(".wav", 501))
    os.utime(paths[5])  # touched, but the same
    moved = paths[6].rename(paths[6].with_name("moved.png"))
    after, seen = scored([*paths[:6], moved, paths[7]])
    assert seen == [paths[0].name, paths[3].name]
    assert after[0]["error"] is None
    assert after[6] == {**before[6], "path": str(moved)}
    _, seen = scored(paths[:2], stop_seconds=0.2)
    assert seen == [path.name for path in paths[:2]]  # another part, another record


def test_another_bundle_is_another_record(variants, toy_bundle, four_class_bundle, tmp_path):
    paths = variants.write(tmp_path / "clips", 2)
    for bundle in (toy_bundle, four_class_bundle, toy_bundle):
        found = list(
            predict_all(paths, bundle=bundle, engine=Watched([]), cache=tmp_path / "cache")
        )
        assert found[0].scores.labels == facevoice.load(bundle).bundle.labels
    assert Records(tmp_path / "cache").count() == 4


def test_without_a_cache_nothing_stays(variants, toy_bundle, tmp_path, monkeypatch):
    import tempfile

    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    paths = variants.write(tmp_path / "clips", 3)
    predictions = predict_all(paths, bundle=toy_bundle, engine=Watched([]))
    next(predictions)
    assert list((tmp_path / "tmp").iterdir())
    predictions.close()  # closing the generator ends the work
    assert not list((tmp_path / "tmp").iterdir())


def test_records_that_vanish_and_folders_that_refuse_are_told(variants, toy_bundle, tmp_path):
    import shutil

    paths = variants.write(tmp_path / "clips", 3)
    cache = tmp_path / "cache"
    predictions = predict_all(
        paths,
        bundle=toy_bundle,
        engine=Watched([]),
        cache=cache,
        progress=lambda _: shutil.rmtree(cache),
    )
    with pytest.raises(OutputError, match="has disappeared"):
        list(predictions)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        list(predict_all(paths, bundle=toy_bundle, engine=Watched([]), cache=tmp_path / "file"))


# --- processes that die ---


def test_a_file_that_kills_its_process_is_a_row_with_the_error(
    variants, predictor, toy_bundle, tmp_path
):
    paths = variants.write(tmp_path, 6)
    deadly, faulty = paths[1].with_name("deadly.mkv"), paths[2].with_name("faulty.png")
    paths[1].rename(deadly)
    paths[2].rename(faulty)
    paths[1:3] = [deadly, faulty]
    found = records_of(predict_all(paths, bundle=toy_bundle, engine=Dangerous(Processes())))
    assert found[1]["error"]["kind"] == "worker"
    assert "exit status 11" in found[1]["error"]["message"]
    assert found[2]["error"] == {"kind": "error", "message": "IndexError: a fault in the code"}
    for record in found:
        jsonschema.validate(record, PREDICTION_SCHEMA)
    others = [paths[k] for k in (0, 3, 4, 5)]
    assert [found[k] for k in (0, 3, 4, 5)] == records_of(predictor.predict_many(others))


# --- how far it is ---


def test_the_rate_counts_what_was_scored():
    now = [100.0]
    progress = Progress(total=50, clock=lambda: now[0])
    assert (progress.rate, progress.seconds_left) == (None, None)
    for _ in range(20):
        progress.count(kept=True)
    assert progress.rate is None
    now[0] += 60.0  # until the workers have begun
    for number in range(11):
        progress.count(failed=number == 0)
        assert (progress.rate is None) == (number < 3)
        now[0] += 0.5
    now[0] -= 0.5
    assert (progress.done, progress.failed, progress.kept) == (31, 1, 20)
    assert progress.seconds == pytest.approx(65.0)
    assert progress.rate == pytest.approx(2.0)
    assert progress.seconds_left == pytest.approx(9.5)


def test_one_large_unit_alone_gives_no_rate():
    now = [100.0]
    progress = Progress(total=512, clock=lambda: now[0])
    progress.count(256)
    now[0] += 1.0
    assert (progress.rate, progress.seconds_left) == (None, None)


# --- Ray ---


def test_without_ray_the_cure_is_named(variants, toy_bundle, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    paths = variants.write(tmp_path, 1)
    with pytest.raises(MissingDependencyError, match="--extra ray"):
        list(predict_all(paths, bundle=toy_bundle, engine=RayCluster(2)))


def _in_a_pool(job):
    bundle, paths = job
    return records_of(predict_all(paths, bundle=bundle, engine=Processes(workers=2, threads=1)))


def test_a_worker_of_a_pool_scores_files_itself(toy_bundle, tmp_path, predictor):
    (tmp_path / "cut.mp4").touch()
    paths = [str(SAMPLE), str(tmp_path / "cut.mp4")]
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # its workers are daemons
        found = pool.map(_in_a_pool, [(str(toy_bundle), paths)])[0]
    assert found == records_of(predictor.predict_many(paths))


@pytest.mark.parametrize("count", [0, -1, 1.5, "2", True, float("nan")])
@pytest.mark.parametrize("engine", [Processes, RayCluster])
def test_engines_have_whole_numbers_of_workers_and_threads(engine, count):
    for name in ("workers", "threads"):
        with pytest.raises(InvalidInputError, match=f"{name} must be a whole number"):
            engine(**{name: count})


def test_networks_have_whole_numbers_of_threads(toy_bundle, monkeypatch):
    for count in (0, -1, 1.5, "2"):
        with pytest.raises(InvalidInputError, match="threads must be a whole number"):
            facevoice.load(toy_bundle, threads=count)
    monkeypatch.setenv("FACEVOICE_THREADS", "many")
    with pytest.raises(InvalidInputError, match="FACEVOICE_THREADS"):
        facevoice.load(toy_bundle)
