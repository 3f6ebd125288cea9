"""A local Ray cluster gives what processes give: the same rows, cache and errors."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from facevoice.batch import Processes, RayCluster, Records, predict_all
from facevoice.cli import main
from facevoice.errors import InvalidInputError
from support.deadly_files import Dangerous
from support.people import add_population
from support.places import TESTS
from support.small_corpus import make_variants

pytestmark = pytest.mark.slow
ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    return make_variants(tmp_path_factory.mktemp("variants"))


def ray_processes() -> list[int]:
    """Those of Ray that come from this process, or were left by it."""
    found = []
    for process in psutil.process_iter(["name", "cmdline", "environ"]):
        words = " ".join(process.info["cmdline"] or ())
        mine = (process.info["environ"] or {}).get("FACEVOICE_TEST_RAY") == str(os.getpid())
        if mine and ("ray::" in words or "raylet" in words or "gcs_server" in words):
            found.append(process.pid)
    return found


def wait_for_none() -> None:
    deadline = time.monotonic() + 180
    while ray_processes():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_cluster_of_two_gives_the_same_table(variants, toy_bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(TESTS))  # actors need deadly_files
    monkeypatch.chdir(tmp_path)
    paths = [path.relative_to(tmp_path) for path in variants.write(tmp_path / "c", 24, damaged=3)]
    for number, name in ((5, "deadly"), (10, "faulty")):
        paths[number] = paths[number].rename(paths[number].with_stem(name))
    paths += [paths[1], tmp_path / "gone.mp4"]
    tables = []
    for engine, cache in ((Processes(workers=2), "one"), (RayCluster(workers=2), "two")):
        predictions = predict_all(
            paths, bundle=toy_bundle, engine=Dangerous(engine), cache=tmp_path / cache
        )
        tables.append([prediction.to_dict() for prediction in predictions])
    assert tables[0] == tables[1]
    kinds = [record["error"]["kind"] for record in tables[1] if record["error"]]
    assert sorted(kinds) == [
        "error",
        "not_found",
        "unreadable",
        "unreadable",
        "unreadable",
        "worker",
    ]
    assert not ray.is_initialized()
    contents = [
        {path.name: path.read_bytes() for path in Records(tmp_path / name).folder.glob("??/*")}
        for name in ("one", "two")
    ]
    assert contents[0] == contents[1]


def test_a_cluster_too_small_is_refused_and_not_waited_for(variants, toy_bundle, tmp_path):
    paths = variants.write(tmp_path, 2)
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        with pytest.raises(InvalidInputError, match="use at most --workers 1"):
            list(predict_all(paths, bundle=toy_bundle, engine=RayCluster(workers=2)))
        assert ray.is_initialized()  # it was not ours to end
    finally:
        ray.shutdown()


def test_the_command_is_quiet_and_leaves_no_process(variants, toy_bundle, tmp_path):
    corpus = variants.write(tmp_path / "corpus", 12, damaged=1)
    common = [sys.executable, "-m", "facevoice", "predict", str(corpus[0].parent)]
    common += ["--bundle", str(toy_bundle), "--workers", "2"]
    environment = os.environ | {"FACEVOICE_TEST_RAY": str(os.getpid())}
    done = subprocess.run(
        [*common, "-o", str(tmp_path / "ray.csv"), "--engine", "ray"],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    # where the machine is overloaded, Ray may have something to warn of
    ours = ("facevoice: ", "\x1b[33m(raylet", "(raylet")
    assert [line for line in done.stderr.splitlines() if not line.startswith(ours)] == []
    subprocess.run([*common, "-o", str(tmp_path / "pool.csv")], check=False, capture_output=True)
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "pool.csv").read_bytes()
    wait_for_none()


def test_people_are_read_as_by_one_process(variants, toy_bundle, tmp_path):
    bundle = add_population(toy_bundle, tmp_path / "bundle")
    corpus = variants.write(tmp_path / "corpus", 6, damaged=1)
    common = ["predict", str(corpus[0].parent), "--bundle", str(bundle), "--same-person"]
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    assert main([*common, "-o", str(one)]) == 1
    assert main([*common, "-o", str(two), "--workers", "2", "--engine", "ray"]) == 1
    assert one.read_bytes() == two.read_bytes()
    assert b'"personal": {' in one.read_bytes()


def test_killed_it_takes_the_cluster_along_and_can_go_on(variants, toy_bundle, tmp_path):
    corpus = variants.write(tmp_path / "corpus", 200)
    output, parts = tmp_path / "table.csv", tmp_path / "table.csv.parts"
    command = [sys.executable, "-m", "facevoice", "predict", str(corpus[0].parent), "-o"]
    command += [str(output), "--bundle", str(toy_bundle), "--workers", "2"]
    environment = os.environ | {"FACEVOICE_TEST_RAY": str(os.getpid())}
    process = subprocess.Popen([*command, "--engine", "ray"], env=environment)
    deadline = time.monotonic() + 240
    while Records(parts).count() < 20 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert ray_processes()
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = Records(parts).count()
    assert 20 <= kept < 200
    wait_for_none()
    done = subprocess.run(  # the engines share what is kept
        [*command, "--resume"], capture_output=True, text=True, check=True
    )
    assert f"{kept} known already" in done.stderr.splitlines()[-1]
    assert len(output.read_text().splitlines()) == 201
