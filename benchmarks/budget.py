"""What a second of film costs at least, and what each stage takes: the tables of BUDGET.md.

Two films of one talking person (``--clip``), looped, at 640x360 and at 1920x1080, both of 25
pictures a second. For each, in one run and on one thread: decoding alone (PyAV, no conversion of
colours); every network that a timeline uses, its multiplications counted from its own shapes and
divided by what a large matrix product reaches here, in onnxruntime, in the same run, in float32 or
in int8 as the network does it; and what must be copied to draw aligned faces. Their sum is the
floor. Beside it stands what each stage of the timeline takes, as seconds of processor time of its
own thread, which is steadier on a shared machine than wall time.
Run: ``python benchmarks/budget.py [--clip FILE] [--seconds 60] -o benchmarks/BUDGET.md``.
"""

import argparse
import os
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from operator import truediv
from pathlib import Path
from typing import Any, Self

import av
import numpy as np
import onnx
import onnxruntime
from onnx import helper
from products import product_networks
from stages import Replacement, replaced, timed
from timeline_speed import looped

from facevoice.bundle import load_bundle
from facevoice.evidence import read
from facevoice.samples import SAMPLE
from facevoice.session import Session
from facevoice.timeline import timeline

SIZES = ((640, 360), (1920, 1080))
_PRODUCT = 1024  # side of the matrices whose product is the ceiling
_TIMES = 7

_PAGE = f"""# Budget

Written by `{{}}`:
processor time on one thread. Load average at the start {{:.1f}}; ceiling {{:.0f}} GFLOP/s in
float32 and {{:.0f}} in int8: a MatMul of {_PRODUCT}x{_PRODUCT}, onnxruntime {{}}, one thread.

The floor of a network is its multiplications at that ceiling; small matrices, pooling and
activations count as nothing. Decoding is its own floor. The reading of sound, start-up, and passing
data between threads and processes are in neither table.
"""

Spent = dict[str, float]
Rates = tuple[float, float]
"""Operations, or operations per second: in float32, in int8."""


def ceilings() -> Rates:
    """Operations per second of a large MatMul in onnxruntime, on one thread."""
    shape = (_PRODUCT, _PRODUCT)
    values, weights = np.random.default_rng(0).normal(0, 1, (2, *shape)).astype(np.float32)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        for path in product_networks(Path(folder), [node], values, weights):
            session = Session(path, threads=1)
            rates.append(2 * _PRODUCT**3 / least(partial(session.run, values)))
    return rates[0], rates[1]


def least(work: Callable[[], Any]) -> float:
    """The least processor time of several runs in this thread, in seconds."""
    times = []
    for _ in range(_TIMES):
        started = time.thread_time()
        work()
        times.append(time.thread_time() - started)
    return min(times)


class Operations:
    """Counts the operations of networks: of their convolutions and matrix products."""

    def __init__(self) -> None:
        self._models: dict[Path, tuple[onnxruntime.InferenceSession, list[Any]]] = {}
        self._known: dict[tuple[Any, ...], Rates] = {}

    def of(self, path: Path, arrays: tuple[Any, ...]) -> Rates:
        """Operations of one run on these inputs, in float32 and in int8."""
        key = path, *(array.shape for array in arrays)
        if key not in self._known:
            self._known[key] = self._count(path, arrays)
        return self._known[key]

    def _count(self, path: Path, arrays: tuple[Any, ...]) -> Rates:
        if path not in self._models:
            self._models[path] = _opened(path)
        session, nodes = self._models[path]
        names = [item.name for item in session.get_inputs()]
        outputs = [item.name for item in session.get_outputs()]
        made = session.run(None, dict(zip(names, arrays, strict=True)))
        sizes = {name: np.shape(array) for name, array in zip(outputs, made, strict=True)}
        totals = [0.0, 0.0]
        for kind, left, right, output, in_int8 in nodes:
            size = float(np.prod(sizes[output]))
            inner = np.prod(sizes[right][1:]) if kind == "Conv" else sizes[left][-1]
            totals[in_int8] += 2 * size * float(inner)
        return totals[0], totals[1]


def _opened(path: Path) -> tuple[onnxruntime.InferenceSession, list[Any]]:
    """A network that also returns all that its convolutions and products read and write."""
    model = onnx.load(str(path))
    stored = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    nodes = [
        (node.op_type, *node.input[:2], node.output[0], stored.issuperset(node.input[:2]))
        for node in model.graph.node
        if node.op_type in {"Conv", "MatMul", "Gemm"}
    ]
    known = {item.name for item in model.graph.output}
    for name in {name for node in nodes for name in node[1:4]} - known:
        model.graph.output.append(helper.make_empty_tensor_value_info(name))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options), nodes


class Watched:
    """Counts what each stage takes while the block runs, and what its networks would take."""

    def __init__(self, per_second: Rates) -> None:
        self.measured: Spent = defaultdict(float)
        self.networks: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._per_second, self._operations = per_second, Operations()
        self._aside = threading.local()
        self._block = ExitStack()

    def __enter__(self) -> Self:
        stages = timed(self.measured, self._clock)
        others: list[Replacement] = [
            (Session, "run", self._run(Session.run)),
            (read, "is_worth_a_process", lambda _: False),
        ]
        self._block.enter_context(replaced([*stages, *others]))
        return self

    def __exit__(self, *_: object) -> None:
        self._block.close()

    def _clock(self) -> float:
        """Processor time of this thread, without what the counting of multiplications took."""
        return time.thread_time() - getattr(self._aside, "seconds", 0.0)

    def _run(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def measured(session: Session, *arrays: Any) -> Any:
            started = time.thread_time()
            result = run(session, *arrays)
            stopped = time.thread_time()
            found = self.networks[session.path.stem]
            found[0] += stopped - started
            operations = self._operations.of(session.path, arrays)
            found[1] += sum(map(truediv, operations, self._per_second))
            counted = time.thread_time() - stopped
            self._aside.seconds = getattr(self._aside, "seconds", 0.0) + counted
            return result

        return measured


def decoding(film: Path) -> float:
    """Seconds of processor time to decode a film, pictures and sound, on one thread."""
    started = time.thread_time()
    with av.open(str(film)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for _ in container.decode(video=0, audio=0):
            pass
    return time.thread_time() - started


def copying(faces_per_second: float) -> float:
    """Seconds per second of film to draw aligned faces: as many bytes, read and written once."""
    picture = np.zeros((256, 256, 3), np.uint8)
    return faces_per_second * least(lambda: np.copyto(np.empty_like(picture), picture))


def table(film: Path, size: tuple[int, int], per_second: Rates) -> str:
    """The table of one film."""
    alone = decoding(film)
    bundle = load_bundle("base", threads=1)
    with Watched(per_second) as watched:
        result = timeline(film, bundle, frames=False, threads=1)
    seconds = result.stop_seconds - result.start_seconds
    copied = copying(16 / 3) * seconds
    rows = [("decode (PyAV alone; no conversion)", alone, alone)]
    rows += [
        (f"network {name}", spent, floor)
        for name, (spent, floor) in sorted(watched.networks.items(), key=lambda item: -item[1][0])
    ]
    networks = sum(spent for spent, _ in watched.networks.values())
    floor = alone + copied + sum(least for _, least in watched.networks.values())
    whole = alone + sum(watched.measured.values())
    lines = [
        f"## {size[0]}x{size[1]}, {seconds:.0f} s",
        "",
        "| ms per second of film | takes | floor | ratio |",
        "|---|---|---|---|",
        *(_row(name, spent, least, seconds) for name, spent, least in rows),
        _row("draw aligned faces (copies)", watched.measured["align faces"], copied, seconds),
        f"| **floor** | | **{1000 * floor / seconds:.1f}** | |",
        "",
        "| stage, its networks included | ms per second of film |",
        "|---|---|",
        *(
            f"| {stage} | {1000 * spent / seconds:.1f} |"
            for stage, spent in sorted(watched.measured.items(), key=lambda item: -item[1])
        ),
        f"| all stages and decoding | {1000 * whole / seconds:.1f} |",
        f"| ... by the floor | {whole / floor:.2f} |",
        f"| of it networks | {1000 * networks / seconds:.1f} |",
        "",
    ]
    return "\n".join(lines)


def _row(name: str, spent: float, floor: float, seconds: float) -> str:
    ratio = spent / floor if floor > 0 else float("nan")
    return f"| {name} | {1000 * spent / seconds:.1f} | {1000 * floor / seconds:.1f} | {ratio:.1f} |"


def main() -> None:
    """Measure both films and write the page."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--clip", type=Path, default=SAMPLE)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("-o", "--output", type=Path, default=Path("benchmarks/BUDGET.md"))
    chosen = options.parse_args()
    per_second = ceilings()
    command = f"python benchmarks/budget.py --clip {chosen.clip.name} --seconds {chosen.seconds:g}"
    rates = (rate / 1e9 for rate in per_second)
    text = [_PAGE.format(command, os.getloadavg()[0], *rates, onnxruntime.__version__)]
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            film = looped(chosen.clip, chosen.seconds, Path(folder) / f"{size[1]}.mkv", size)
            text.append(table(film, size, per_second))
    chosen.output.write_text("\n".join(text), encoding="utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    main()
