"""Predict thousands of damaged copies of real clips: none may crash, hang or end without a record.

The clips are cut short without encoding them anew, and kept in several containers. Copy number N is
the same on every machine (``--seed``): flipped bits, a cut, lost packets, exchanged time stamps, or
edited headers. Each is predicted in a worker process, which is killed after ``--limit`` seconds.
Results are JSON lines; a second run with the same bundle, clips, ``--seed`` and ``--seconds`` goes
on where the first one ended.
Run: ``python benchmarks/mutate_clips.py --data FOLDER -o mutations.jsonl [--count 5000]``.
"""

import argparse
import hashlib
import json
import multiprocessing
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError

SEED, SECONDS = 1, 3.0
SUFFIXES = (".mp4", ".mov", ".flv", ".mpg", ".mkv", ".ts", ".avi")
CONTAINERS = (".ts", ".mkv", ".flv")
"""Into which the first packets of MP4 clips are copied as well, where that is possible."""
TAGS = (
    *(b"mvhd", b"mdhd", b"tkhd", b"elst", b"stts", b"ctts", b"stsc", b"stsz", b"stsd", b"avcC"),
    *(b"esds", b"\x44\x89", b"\x2a\xd7\xb1", b"duration", b"avih", b"strh", b"strf", b"idx1"),
)
"""In front of what headers state: durations, rates, tables, sizes."""

PES_WITH_STAMP = rb"\x00\x00\x01[\xc0-\xef]..[\x80-\x8f][\x80\xc0]."

Generator = np.random.Generator
Mutation = Callable[[bytearray, Generator], bytearray]


def cut_short(clip: Path, output: Path, seconds: float) -> bool:
    """Copy the packets of the first seconds; False if the container cannot hold them."""
    try:
        with av.open(str(clip)) as source, av.open(str(output), "w") as target:
            found = [source.streams.best(kind) for kind in ("video", "audio")]
            streams = {s.index: target.add_stream_from_template(s) for s in found if s is not None}
            first: dict[int, float] = {}
            for packet in source.demux([source.streams[index] for index in streams]):
                if packet.dts is None or packet.time_base is None:
                    continue
                index, at = packet.stream.index, float(packet.dts * packet.time_base)
                if at - first.setdefault(index, at) > seconds:
                    continue
                packet.stream = streams[index]
                target.mux(packet)
    except (FFmpegError, ValueError):
        output.unlink(missing_ok=True)
        return False
    return output.stat().st_size > 0


def prepared(data: Path, folder: Path, seconds: float) -> list[Path]:
    """The clips, cut short, in their own and in other containers."""
    folder.mkdir(parents=True, exist_ok=True)
    for clip in sorted((data / "clips").iterdir()):
        others = CONTAINERS if clip.suffix == ".mp4" else ()
        for suffix in (clip.suffix, *others):
            output = folder / f"{clip.stem}{suffix}"
            if clip.suffix in SUFFIXES and not output.exists():
                cut_short(clip, output, seconds)
    return sorted(path for path in folder.iterdir() if path.stat().st_size > 0)


def flip_bits(content: bytearray, generator: Generator) -> bytearray:
    """Turn over 1 to 200 bits anywhere."""
    for place in generator.integers(0, len(content), int(10 ** generator.uniform(0, 2.3))):
        content[place] ^= 1 << int(generator.integers(8))
    return content


def cut_off(content: bytearray, generator: Generator) -> bytearray:
    """Keep a part from the start; now and then one from the middle."""
    stop = int(generator.integers(1, len(content)))
    start = int(generator.integers(stop)) if generator.random() < 0.2 else 0
    return content[start:stop]


def lose_packets(content: bytearray, generator: Generator) -> bytearray:
    """Take out, or blank, 1 to 20 pieces of up to 4 kB, in MPEG-TS whole packets."""
    unit = 188 if content[0] == 0x47 else 1
    for _ in range(int(generator.integers(1, 21))):
        start = int(generator.integers(len(content))) // unit * unit
        stop = start + max(unit, int(generator.integers(4096)) // unit * unit)
        if generator.random() < 0.5 and len(content) > 2 * (stop - start):
            del content[start:stop]
        else:
            content[start:stop] = bytes(len(content[start:stop]))
    return content


def exchange_stamps(content: bytearray, generator: Generator) -> bytearray:
    """Exchange, repeat or move the stamps of packets in MPEG-TS, or of tags in FLV."""
    places = [found.end() for found in re.finditer(PES_WITH_STAMP, content, re.DOTALL)]
    size = 5
    if content[:3] == b"FLV":
        places, at, size = [], 13, 3
        while at + 15 <= len(content):
            places.append(at + 4)
            at += 15 + int.from_bytes(content[at + 1 : at + 4], "big")
    if len(places) < 2:
        return flip_bits(content, generator)
    for _ in range(int(generator.integers(1, 6))):
        one, other = (places[index] for index in generator.integers(0, len(places), 2))
        first, second = content[one : one + size], content[other : other + size]
        action = generator.integers(3)
        content[one : one + size] = second
        if action == 0:
            content[other : other + size] = first
        elif action == 1:  # all from here on stand still
            for place in places:
                if place >= other and generator.random() < 0.9:
                    content[place : place + size] = second
        else:
            content[one + 1] ^= 1 << int(generator.integers(1, 8))
    return content


def edit_header(content: bytearray, generator: Generator) -> bytearray:
    """Overwrite bytes behind a known tag, or among the first ones."""
    tags = [tag for tag in TAGS if tag in content]
    for _ in range(int(generator.integers(1, 5))):
        at = int(generator.integers(min(4096, len(content))))
        if tags and generator.random() < 0.8:
            tag = tags[int(generator.integers(len(tags)))]
            # an edit before may have overwritten it
            at = max(0, content.find(tag)) + len(tag) + int(generator.integers(32))
        size = int(generator.choice([1, 2, 4, 8]))
        value = generator.choice(["zero", "ones", "random"])
        new = {"zero": bytes(size), "ones": b"\xff" * size}.get(value) or generator.bytes(size)
        content[at : at + size] = new[: max(0, len(content) - at)]
    return content


MUTATIONS: dict[str, Mutation] = {
    "flipped bits": flip_bits,
    "cut off": cut_off,
    "lost packets": lose_packets,
    "exchanged stamps": exchange_stamps,
    "edited header": edit_header,
}


def mutated(clips: list[Path], number: int, seed: int) -> tuple[Path, str, bytes]:
    """The clip, the kind and the content of a copy."""
    generator = np.random.default_rng([seed, number])
    kind = list(MUTATIONS)[number % len(MUTATIONS)]
    suitable = clips
    if kind == "exchanged stamps":
        suitable = [clip for clip in clips if clip.suffix in {".ts", ".flv", ".mpg"}]
    clip = suitable[int(generator.integers(len(suitable)))]
    return clip, kind, bytes(MUTATIONS[kind](bytearray(clip.read_bytes()), generator))


def work(pipe: Connection, bundle: str) -> None:
    """In the worker: answer each path with what came of it."""
    import facevoice

    predictor = facevoice.load(bundle, threads=1)
    pipe.send({"sha256": predictor.bundle.sha256})
    while (path := pipe.recv()) is not None:
        try:
            (prediction,) = predictor.predict_many([path])
            record = prediction.to_dict()
            answer = {
                "outcome": "record" if record["error"] is None else "record of an error",
                "error": record["error"] and record["error"]["kind"],
                "emotion": record["emotion"],
                "seconds_read": (record["stop_seconds"] or 0) - (record["start_seconds"] or 0),
                "windows": record["windows"],
                "damage": record["damage"],
            }
        except BaseException:  # noqa: BLE001 - any of them is a finding
            answer = {"outcome": "raised", "error": traceback.format_exc()}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        pipe.send({**answer, "peak_mb": round(peak)})


class Worker:
    """A process that predicts, and is replaced when it dies or hangs."""

    def __init__(self, bundle: str) -> None:
        self._bundle = bundle
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, self._bundle), daemon=False)
        self._process.start()
        theirs.close()
        self.sha256: str = self._pipe.recv()["sha256"]

    def __call__(self, path: Path, limit: float) -> dict[str, Any]:
        """What came of a file, in so many seconds."""
        self._pipe.send(str(path))
        try:
            if self._pipe.poll(limit):
                answer: dict[str, Any] = self._pipe.recv()
                return answer
            found: dict[str, Any] = {"outcome": "hang"}
        except (EOFError, ConnectionError):
            self._process.join()
            found = {"outcome": "crash", "error": f"exit code {self._process.exitcode}"}
        self.close()
        self._start()
        return found

    def close(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def setting_of(options: argparse.Namespace, clips: list[Path], bundle: str) -> dict[str, Any]:
    """What results depend on, beside the number of the copy; bundle: its SHA-256."""
    listed = "\n".join(f"{clip.name} {clip.stat().st_size}" for clip in clips)
    digest = hashlib.sha256(listed.encode()).hexdigest()[:16]
    return {"seed": options.seed, "seconds": options.seconds, "bundle": bundle, "clips": digest}


def results(lines: Path, setting: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The results of a setting that a file holds; a line that was cut off is left out.

    Lines that older versions wrote name no setting: they count where its seed and seconds are
    the usual ones.
    """
    usual = {"seed": SEED, "seconds": SECONDS}
    for line in lines.read_text(encoding="utf-8").splitlines() if lines.exists() else ():
        try:
            result = json.loads(line)
        except json.JSONDecodeError:
            continue
        if {**setting, **usual, **result}.items() >= setting.items():
            yield result


def run(options: argparse.Namespace, clips: list[Path]) -> str:
    """Predict the copies that the result file does not hold; the summary of all."""
    worker = Worker(options.bundle)
    setting = setting_of(options, clips, worker.sha256)
    known = {result["number"] for result in results(options.output, setting)}
    chosen = [options.only] if options.only is not None else range(options.count)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            options.output.open("a", encoding="utf-8") as output,
        ):
            for number in chosen:
                if number in known:
                    continue
                clip, kind, content = mutated(clips, number, options.seed)
                copy = Path(folder) / f"{number:05d}{clip.suffix}"
                copy.write_bytes(content)
                started = time.monotonic()
                found = worker(copy, options.limit)
                took = round(time.monotonic() - started, 2)
                line = {"number": number, "clip": clip.name, "kind": kind, "took": took}
                line |= {**setting, **found}
                print(json.dumps(line), file=output, flush=True)
                if found["outcome"] in {"hang", "crash", "raised"}:
                    print(f"{number} {kind} of {clip.name}: {found['outcome']}", file=sys.stderr)
                    if options.keep:
                        options.keep.mkdir(parents=True, exist_ok=True)
                        shutil.copy(copy, options.keep)
                copy.unlink()
    finally:
        worker.close()
    return summary(list(results(options.output, setting)))


def summary(found: list[dict[str, Any]]) -> str:
    """Outcomes by kind of damage, the longest run and the most memory."""
    outcomes = sorted({result["outcome"] for result in found})
    table = Counter((result["kind"], result["outcome"]) for result in found)
    rows = [f"{'':20}" + "".join(f"{outcome:>20}" for outcome in outcomes)]
    rows += [
        f"{kind:20}" + "".join(f"{table[kind, name]:20}" for name in outcomes) for kind in MUTATIONS
    ]
    took = max((result["took"] for result in found), default=0.0)
    peak = max((result.get("peak_mb", 0) for result in found), default=0)
    damaged = sum(any(result.get("damage", {}).values()) for result in found)
    rows.append(
        f"{len(found)} copies; longest {took:.1f} s; most memory {peak} MB;"
        f" {damaged} records count damage"
    )
    return "\n".join(rows)


def main() -> None:
    """Parse the options, predict and print the summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds clips/")
    parser.add_argument("-o", "--output", type=Path, required=True, help="JSON lines")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--only", type=int, help="one copy alone, by its number")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of the clips")
    parser.add_argument("--limit", type=float, default=20.0, help="seconds per copy")
    parser.add_argument("--bundle", default="base")
    parser.add_argument("--keep", type=Path, help="folder for the copies that fail")
    parser.add_argument("--cuts", type=Path, help="folder for the clips cut short")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(run(options, prepared(options.data, options.cuts or Path(folder), options.seconds)))


if __name__ == "__main__":
    main()
