"""The real corpora at hand are found whole, with their speakers."""

import importlib.util
import os
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from facevoice.datasets import CORPORA
from facevoice.types import EMOTIONS
from support.places import BENCHMARKS

pytestmark = pytest.mark.skipif("FACEVOICE_DATA" not in os.environ, reason="no FACEVOICE_DATA")


def data():
    return Path(os.environ["FACEVOICE_DATA"])


@pytest.mark.parametrize(
    ("corpus", "folder", "count", "groups"),
    [
        ("manifest", "javanese_av", 144, 6),
        ("ravdess-speech", "ravdess_speech", 1248, 24),  # without 192 of calm
        ("ravdess-facecrops", "ravdess_av", 52, 1),
        ("emodb", "emodb", 353, 10),  # without 9 of boredom
        ("speech-world", "speech_world", 2556, 78),
    ],
)
def test_a_corpus_is_found_whole(corpus, folder, count, groups):
    found = CORPORA[corpus].find(data() / folder)
    assert len(found.samples) == count
    assert len({sample.group for sample in found.samples}) == groups
    assert {sample.label for sample in found.samples} <= set(EMOTIONS)
    assert all(sample.path.is_file() for sample in found.samples)


@pytest.mark.slow
def test_fer2013_is_found_whole(tmp_path):
    with tarfile.open(data() / "fer2013.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    found = CORPORA["fer2013"].find(tmp_path)
    assert Counter(sample.split for sample in found.samples) == {"train": 28709, "test": 7178}


def test_the_features_are_found_whole_and_their_folds_are_committed():
    path = BENCHMARKS / "feature_fusion.py"
    spec = importlib.util.spec_from_file_location("feature_fusion", path)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    folds = benchmark.read_folds()
    for corpus, count, speakers in (("crema", 7440, 91), ("ravdess", 1248, 24)):
        clips = benchmark.load(data() / "crema_ravdess_features.npz", corpus)
        assert len(clips.ids) == count
        names = set(clips.speaker.tolist())
        assert len(names) == speakers
        assert {folds[name] for name in names} == set(range(benchmark.OUTER[corpus]))
