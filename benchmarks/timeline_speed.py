"""How fast a timeline is, where the time goes, and how much memory an hour takes.

A film of one talking person at 25 pictures a second (``--size``, 640x360) is made of a clip
(``--clip``, by default the shipped sample), looped. It is timed as a user runs it, people followed
in a process of their own; then all in one process: as it is, with a stop-watch on each stage, and
with a full detection at every sampled picture, which is what following saves. Seconds of processor
time stand beside wall time: on a shared machine they are the steadier figure. Memory is the sum of
both processes' peaks. Run:
``python benchmarks/timeline_speed.py [--clip FILE] [--size 1920x1080] [--seconds 120] [--hour]``.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from peak_memory import peak_kb

from facevoice.samples import SAMPLE

RATE = 25


def looped(clip: Path, seconds: float, output: Path, size: tuple[int, int] = (640, 360)) -> Path:
    """The clip again and again in a size, 25 pictures a second, until it lasts so long."""
    with av.open(str(output), "w") as target:
        picture: Any = target.add_stream("libx264", rate=RATE)
        picture.width, picture.height, picture.pix_fmt = *size, "yuv420p"
        picture.options = {"preset": "veryfast"}
        sound: Any = target.add_stream("pcm_s16le", rate=16_000, layout="mono")
        resampler = av.AudioResampler("s16", "mono", 16_000)
        shown = heard = 0
        while shown < seconds * RATE:
            began = shown
            with av.open(str(clip)) as source:
                for frame in source.decode(video=0, audio=0):
                    if isinstance(frame, av.VideoFrame):
                        time_shown = frame.time or 0.0  # reformat may give the frame itself back
                        # pictures are repeated or left out so that the clip keeps its length
                        while (shown - began) / RATE <= time_shown:
                            image = frame.reformat(*size, format="yuv420p")
                            image.pts, image.time_base = shown, Fraction(1, RATE)
                            image.pict_type = av.video.frame.PictureType.NONE
                            shown += 1
                            target.mux(picture.encode(image))
                    elif isinstance(frame, av.AudioFrame):
                        frame.pts = None
                        for piece in resampler.resample(frame):
                            piece.pts, piece.time_base = heard, Fraction(1, 16_000)
                            heard += piece.samples
                            target.mux(sound.encode(piece))
        target.mux(picture.encode(None))
        target.mux(sound.encode(None))
    return output


@contextmanager
def stopwatch(spent: dict[str, float]) -> Iterator[None]:
    """Count the seconds that each stage takes while the block runs."""
    from stages import replaced, timed

    from facevoice.evidence import follow, prefetch

    def prefetched(items: Any, depth: int) -> Any:
        return prefetch.prefetched(_timed_items(items, spent), depth)

    stages = timed(spent, time.perf_counter)
    with replaced([*stages, (follow, "prefetched", prefetched)]):
        yield


def _timed_items(items: Any, spent: dict[str, float]) -> Generator[Any, None, None]:
    while True:
        started = time.perf_counter()
        item = next(items, None)
        spent["decode pictures (own thread)"] += time.perf_counter() - started
        if item is None:
            return
        yield item


def child(film: str, mode: str) -> None:
    """Run once in a process of its own and print figures as JSON."""
    from facevoice.bundle import load_bundle
    from facevoice.evidence import read
    from facevoice.faces.find import FaceFinder
    from facevoice.timeline import timeline

    bundle = load_bundle("base", threads=1)  # as the command does
    spent: dict[str, float] = defaultdict(float)
    if mode != "plain":
        setattr(read, "is_worth_a_process", lambda seconds: False)  # noqa: ARG005, B010
    if mode == "detect":
        FaceFinder._is_due = lambda self, time_seconds: True  # type: ignore[method-assign] # noqa: ARG005, SLF001
    wall, processor = time.perf_counter(), time.process_time()
    if mode == "stages":
        with stopwatch(spent):
            result = timeline(film, bundle)
    else:
        result = timeline(film, bundle)
    wall = time.perf_counter() - wall
    own = time.process_time() - processor
    other = resource.getrusage(resource.RUSAGE_CHILDREN)  # of the process that followed people
    peaks = peak_kb(), other.ru_maxrss
    figures = {
        "film": result.stop_seconds - result.start_seconds,
        "wall": wall,
        "processor": own + other.ru_utime + other.ru_stime,
        "peak_mb": sum(peaks) / 1024,
        "people": len(result.people),
        "stages": spent,
    }
    print(json.dumps(figures))


def run_child(film: Path, mode: str) -> dict[str, Any]:
    """Figures of one run."""
    command = [sys.executable, __file__, "--child", mode, "--film", str(film)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, Any] = json.loads(result.stdout)
    return figures


def line(name: str, figures: dict[str, Any]) -> str:
    """One line of the report."""
    film = figures["film"]
    return (
        f"{name:28} {film:7.0f} s of film: {film / figures['wall']:5.1f} x real time"
        f" ({film / figures['processor']:5.1f} x by processor time),"
        f" peak {figures['peak_mb']:.0f} MB, {figures['people']} people"
    )


def _size(text: str) -> tuple[int, int]:
    width, height = text.split("x")
    return int(width), int(height)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--clip", type=Path, default=SAMPLE)
    options.add_argument("--size", type=_size, default=(640, 360), help="such as 1920x1080")
    options.add_argument("--seconds", type=float, default=120.0)
    options.add_argument("--hour", action="store_true", help="an hour of film, for its memory")
    options.add_argument("--child", choices=("plain", "together", "stages", "detect"))
    options.add_argument("--film")
    chosen = options.parse_args()
    if chosen.child is not None:
        child(chosen.film, chosen.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        film = looped(chosen.clip, chosen.seconds, Path(folder) / "film.mkv", chosen.size)
        print(line("timeline", run_child(film, "plain")), flush=True)
        print(line("in one process", run_child(film, "together")), flush=True)
        every = run_child(film, "stages")
        for stage, seconds in sorted(every["stages"].items(), key=lambda item: -item[1]):
            print(f"  {stage:30} {1000 * seconds / every['film']:6.1f} ms a second of film")
        print(line("detecting at every picture", run_child(film, "detect")), flush=True)
        if chosen.hour:
            hour = looped(chosen.clip, 3600, Path(folder) / "hour.mkv", chosen.size)
            print(line("an hour", run_child(hour, "plain")))


if __name__ == "__main__":
    main()
