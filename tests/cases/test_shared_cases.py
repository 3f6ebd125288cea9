"""The shared inputs that other tools or earlier versions got wrong, against what their list says.

Each ends within seconds, with a record or an error of the package. Verdicts are compared with the
undamaged twin, since they change with the bundle. Add a kind by adding its rows to ``EXPECTED``.
"""

import csv
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, TimeoutError  # noqa: A004
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

import facevoice
from facevoice.errors import FacevoiceError
from facevoice.predict import Prediction
from facevoice.timeline import timeline

pytestmark = pytest.mark.slow

LIMIT_SECONDS: Final = 20.0
SCRIPTS: Final = {".py", ".sh", ".csv"}


@dataclass(frozen=True)
class Expected:
    """What a file must give; None: anything.

    twin: a file with the same verdict and nearly the same scores (``close``: the largest
        difference). start, stop: seconds. mended: whether stamps are counted as mended.
    part: start and stop to ask for.
    """

    twin: str | None = None
    close: float = 0.08
    start: float | None = None
    stop: float | None = None
    windows: int | None = None
    faces: tuple[int, int] | None = None
    speech: float | None = None
    mended: bool | None = None
    people: int | None = None
    missing: dict[str, str] | None = None
    part: tuple[float, float] | None = None


J: Final = "undamaged_j.mp4"
EXPECTED: Final[list[tuple[str, Expected]]] = [
    # clocks that share nothing, and gaps
    ("far_video.mkv", Expected(start=0.0, stop=1.67, windows=1, faces=(12, 20), mended=True)),
    ("gap5h.mkv", Expected(start=0.0, stop=18_003.76, windows=4, speech=2.57, mended=False)),
    # damaged stamps
    ("one_bad_audio_stamp.ts", Expected(twin=J, stop=5.25, windows=1, mended=True)),
    ("one_bad_video_back.ts", Expected(twin=J, stop=5.25, windows=1, mended=True)),
    ("stamps_stuck.mkv", Expected(twin=J, stop=3.79, speech=2.6, mended=True)),
    ("joined_clamped.mkv", Expected(twin="joined.ts", stop=9.06, faces=(28, 34), mended=True)),
    # headers that lie
    ("header_says_0.1s_b.mkv", Expected(stop=7.04, windows=1, faces=(26, 31), mended=False)),
    ("header_says_0.1s.flv", Expected(stop=7.08, windows=1, faces=(26, 31))),
    ("header_says_0.1s.flv", Expected(part=(3.0, 5.0), start=3.0, stop=5.0, windows=1)),
    # a rate that changes
    ("chained_rates.ogg", Expected(stop=7.53, speech=5.2, missing={"face": "no_video_stream"})),
    # what is right stays right
    ("joined.ts", Expected(start=1.44, stop=9.06, mended=False)),
    ("pts_wraps.ts", Expected(twin=J, start=-2.04, stop=1.77, mended=False)),
    ("fragment_cut.mp4", Expected(stop=2.1, mended=False)),
    ("wav_size_0.wav", Expected(stop=3.76)),
    ("rotated_270.mp4", Expected(people=1, mended=False)),
    ("avi_h264_bframes.avi", Expected(twin=J, stop=3.81, mended=False)),
    (J, Expected(stop=3.77, windows=1, people=1, mended=False)),
]


class Guarded:
    """Runs functions in another process, which is killed when one takes too long."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def __call__(self, work: Callable[..., Any], *given: Any) -> Any:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, mp_context=context)
            self._pool.submit(warm).result()
        try:
            return self._pool.submit(work, *given).result(LIMIT_SECONDS)
        except TimeoutError:
            self.close()
            pytest.fail(f"{given[0]} took more than {LIMIT_SECONDS:.0f} s")

    def close(self) -> None:
        if self._pool is not None:
            for process in self._pool._processes.values():
                process.kill()
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    run = Guarded()
    yield run
    run.close()


_loaded: list[facevoice.Predictor] = []


def warm() -> None:
    _loaded.append(facevoice.load("base", threads=1))


def predicted(path: Path, start: float | None = None, stop: float | None = None) -> dict[str, Any]:
    """The record of a prediction; of the error if the package refuses the file."""
    predictor = _loaded[0]
    try:
        return predictor(path, start_seconds=start, stop_seconds=stop).to_dict()
    except FacevoiceError as error:
        return predictor.failure(path, error).to_dict()


def windowed(path: Path) -> tuple[list[tuple[float, float]], int, int]:
    """Windows, rows and mended stamps of the timeline."""
    found = timeline(path, _loaded[0].bundle)
    windows = sorted({(row.start_seconds, row.stop_seconds) for row in found.rows})
    return windows, len(found.rows), found.damage.mended_stamps


def lived(path: Path) -> tuple[list[tuple[float, float]], int, int]:
    """The same of the live windows."""
    found = list(facevoice.live(path, _loaded[0].bundle))
    windows = [(window.start_seconds, window.stop_seconds) for window in found]
    mended = sum(window.damage.mended_stamps for window in found)
    return windows, sum(len(window.rows) for window in found), mended


def test_the_list_names_the_files(cases: Path) -> None:
    with (cases / "cases.csv").open(encoding="utf-8", newline="") as table:
        named = {row["file"] for row in csv.DictReader(table)}
    assert {name for name, _ in EXPECTED} <= named
    assert named <= {path.name for path in cases.iterdir()}


def test_each_ends_with_a_record_or_a_clear_error(cases: Path, guarded: Guarded) -> None:
    for path in sorted(cases.iterdir()):
        if path.suffix not in SCRIPTS:
            record = Prediction.from_dict(guarded(predicted, path))
            assert record.error is None or record.error[1].count("\n") == 0


@pytest.mark.parametrize(("name", "wanted"), EXPECTED)
def test_what_the_list_expects(cases: Path, guarded: Guarded, name: str, wanted: Expected) -> None:
    record = guarded(predicted, cases / name, *(wanted.part or ()))
    assert record["error"] is None
    evidence = record["evidence"]
    for found, value in (
        (record["start_seconds"], wanted.start),
        (record["stop_seconds"], wanted.stop),
        (evidence["speech_seconds"], wanted.speech),
    ):
        assert value is None or found == pytest.approx(value, abs=0.06)
    assert wanted.windows in {None, record["windows"]}
    assert wanted.people in {None, evidence["people"]}
    if wanted.faces is not None:
        assert wanted.faces[0] <= evidence["face_frames"] <= wanted.faces[1]
    if wanted.mended is not None:
        assert (record["damage"]["mended_stamps"] > 0) == wanted.mended
    assert wanted.missing is None or record["missing"] == wanted.missing
    if wanted.twin is not None:
        twin = guarded(predicted, cases / wanted.twin)
        assert record["emotion"] == twin["emotion"]
        assert record["scores"] == pytest.approx(twin["scores"], abs=wanted.close)


@pytest.mark.parametrize(
    ("name", "rows", "stop"),
    [
        ("far_video.mkv", 1, 1.67),
        ("gap5h.mkv", 12, 18_003.76),
        ("one_bad_audio_stamp.ts", 2, 5.25),
        ("one_bad_video_back.ts", 2, 5.25),
        ("stamps_stuck.mkv", 2, 3.79),
        ("joined_clamped.mkv", 6, 9.06),
        ("joined.ts", 6, 9.06),
        ("pts_wraps.ts", 2, 1.77),
        ("header_says_0.1s.flv", 6, 7.08),
        ("chained_rates.ogg", 6, 7.53),
    ],
)
def test_timelines_and_live_windows(
    cases: Path, guarded: Guarded, name: str, rows: int, stop: float
) -> None:
    of_file = guarded(windowed, cases / name)
    assert len(of_file[0]) <= of_file[1] <= rows
    assert of_file[0][-1][1] == pytest.approx(stop, abs=0.06)
    of_live = guarded(lived, cases / name)
    assert [stop for _, stop in of_live[0]] == pytest.approx([s for _, s in of_file[0]], abs=0.03)
    assert of_live[2] == of_file[2]
