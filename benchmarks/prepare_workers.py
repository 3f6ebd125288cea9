"""How much a second worker speeds a preparation up.

    python benchmarks/prepare_workers.py [--clips 48] [--rounds 2]

Prepares clips of ``$FACEVOICE_DATA/javanese_av`` with one worker of one thread, one worker of all
threads, and two workers, in turn, each in a process and a folder of its own; prints the least time
of each and the ratios.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

WAYS: Final = {
    "1 worker, 1 thread": ("--workers", "1", "--threads", "1"),
    "1 worker, all threads": ("--workers", "1"),
    "2 workers": ("--workers", "2"),
}


def seconds(way: tuple[str, ...], root: Path, clips: int) -> float:
    """Wall time of a whole preparation, starting of processes included."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        command = ["prepare", "manifest", "--root", str(root), "-o", folder, "--limit", str(clips)]
        subprocess.run(
            [sys.executable, "-m", "facevoice", *command, *way], check=True, capture_output=True
        )
        return time.perf_counter() - started


def main() -> None:
    """Measure all ways and print them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    if "FACEVOICE_DATA" not in os.environ:
        parser.error("FACEVOICE_DATA names no folder of real data")
    root = Path(os.environ["FACEVOICE_DATA"]) / "javanese_av"
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(options.rounds):
        for name, way in WAYS.items():
            found[name].append(seconds(way, root, options.clips))
    best = {name: min(times) for name, times in found.items()}
    for name, least in best.items():
        rate = options.clips / least
        print(f"{name:22} {least:6.1f} s  {rate:.2f} clips/s  load {os.getloadavg()[0]:.1f}")
    one, every, two = best.values()
    print(f"2 workers against 1 of 1 thread: {one / two:.2f}x; of all threads: {every / two:.2f}x")


if __name__ == "__main__":
    main()
