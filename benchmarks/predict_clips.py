"""What a user waits for: import, a cold start, a warm prediction, and memory on a long film.

Every figure is printed beside what it is judged by. The clips are made from the shipped sample
(``--clip`` takes another), looped.
Run: ``python benchmarks/predict_clips.py [--clip FILE] [--long-seconds 600]``.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av

from facevoice.samples import SAMPLE

_ROUNDS = 5


def looped(clip: Path, seconds: float, output: Path) -> Path:
    """The clip again and again, encoded anew, until it lasts so long."""
    with av.open(str(clip)) as source:
        length = (source.duration or 0) / 1_000_000
        size = source.streams.video[0].width, source.streams.video[0].height
    with av.open(str(output), "w") as target:
        picture = target.add_stream("mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt = *size, "yuv420p"
        picture.bit_rate = 1_000_000
        sound = target.add_stream("pcm_s16le", rate=16_000, layout="mono")
        resampler = av.AudioResampler("s16", "mono", 16_000)
        shown = heard = 0
        for _ in range(max(1, round(seconds / length))):
            with av.open(str(clip)) as source:
                for frame in source.decode(video=0, audio=0):
                    if isinstance(frame, av.VideoFrame):
                        frame.pts, frame.time_base = shown, Fraction(1, 25)
                        frame.pict_type = av.video.frame.PictureType.NONE
                        shown += 1
                        target.mux(picture.encode(frame))
                    if not isinstance(frame, av.AudioFrame):
                        continue
                    frame.pts = None
                    for piece in resampler.resample(frame):
                        piece.pts, piece.time_base = heard, Fraction(1, 16_000)
                        heard += piece.samples
                        target.mux(sound.encode(piece))
        target.mux(picture.encode(None))
    return output


def wall(command: list[str]) -> float:
    """Least wall seconds of several runs of a command."""
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return min(times)


def peak_megabytes(clip: Path) -> float:
    """Peak resident memory of a process that predicts one clip."""
    code = (
        "import sys, resource, facevoice; facevoice.load()(sys.argv[1]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(clip)], check=True, capture_output=True, text=True
    )
    per_megabyte = 1024 if sys.platform != "darwin" else 1024**2
    return int(result.stdout) / per_megabyte


def warm_ratio(clip: Path) -> float:
    """Seconds of film per second of work, median, models loaded and warm."""
    import facevoice

    predictor = facevoice.load()
    predictor(clip)
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        prediction = predictor(clip)
        times.append(time.perf_counter() - started)
    return (prediction.duration_seconds or 0.0) / statistics.median(times)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--clip", type=Path, default=SAMPLE)
    options.add_argument("--long-seconds", type=float, default=600.0)
    chosen = options.parse_args()
    bare = wall([sys.executable, "-c", "pass"])
    imported = wall([sys.executable, "-c", "import facevoice"])
    print(f"import facevoice                 {imported - bare:6.3f} s (aim: 0.3)")
    command = [sys.executable, "-m", "facevoice", "predict", str(chosen.clip)]
    print(f"cold prediction, whole process   {wall(command):6.2f} s (aim: 3)")
    print(f"warm prediction                  {warm_ratio(chosen.clip):6.1f} x real time (aim: 5)")
    with tempfile.TemporaryDirectory() as folder:
        short = looped(chosen.clip, chosen.long_seconds / 10, Path(folder) / "short.mkv")
        long = looped(chosen.clip, chosen.long_seconds, Path(folder) / "long.mkv")
        peaks = peak_megabytes(short), peak_megabytes(long)
    print(
        f"peak memory, {chosen.long_seconds / 10:.0f} s and {chosen.long_seconds:.0f} s of film"
        f"   {peaks[0]:.0f} and {peaks[1]:.0f} MB: {peaks[1] - peaks[0]:+.0f} MB (aim: 100)"
    )


if __name__ == "__main__":
    main()
