"""The paper's system at full size, from a file to fused scores: plain PyTorch beside a bundle.

VGG-Face, ResNet-18 and DenseNet-121, each with a two-layer BLSTM, on 16, 16 and 4 faces; VGG-16,
whose 16 faces vote; VGG-19 on the spectrogram; support vector machines on IS09 and IS10; all from
``recipes/``, with random weights: what they score means nothing, what they cost is the same as if
they had learnt.

"eager" is what a straightforward researcher writes in PyTorch (``eager``): facenet-pytorch finds
the face in the 16 frames that are needed, noisereduce and Silero clean the speech, the networks run
as ``torch.nn.Module`` on all frames at once. The same weights go into a bundle by our exporters,
and that into int8 by ``facevoice.train.export.quantize`` without its limits, since random networks
are closer to a tie than trained ones. Ranges come from a few clips of another folder.

Each is measured in processes of its own, in turns: cold, from the start of the process to the first
scores, and warm, the least of several clips; seconds of processor time, the steadier figure on a
busy machine; and the peak of its memory. The limit is the clip's
multiply-adds at the best rate that a large convolution or product reaches in onnxruntime, measured
in the same run. On a shared machine only the ratios mean anything.

Run: ``python benchmarks/paper_system.py CLIP --ranges FOLDER [--work FOLDER] [--rounds 2]``, where
FOLDER has clips and a table of labels (``facevoice prepare manifest``); the work folder keeps the
bundles (4 GB) for another run.
"""

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from peak_memory import peak_kb

from facevoice.train.prepare.folder import Prepared, open_prepared
from facevoice.types import EMOTIONS

RECIPES: Final = (
    "vggface_blstm", "resnet18_blstm", "densenet121_blstm", "vgg_affectnet", "spectrogram_vgg19",
    "is09_svm", "is10_svm",
)  # fmt: skip
WEIGHTS: Final = {
    "vggface": 0.88, "resnet18": 0.34, "densenet121": 0.22, "vgg_affectnet": 0.06, "audio": 0.30,
}  # fmt: skip
TRAIN_CLIPS: Final = 773  # AFEW's
MODES: Final = ("eager", "fp32", "int8")

Scorer = Callable[[], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Places:
    """Files of a benchmark: runs hold what eager reads, bundles what facevoice reads."""

    work: Path

    @property
    def runs(self) -> Path:  # noqa: D102
        return self.work / "runs"

    def bundle(self, mode: str) -> Path:  # noqa: D102
        return self.work / mode


# --- making the networks -------------------------------------------------------------------------


def make_runs(places: Places, data: Prepared) -> int:
    """Write a run folder per recipe, as if it were trained; multiply-adds of one clip."""
    import torch

    from facevoice.speech.functionals import functionals
    from facevoice.train.nets import multiply_adds
    from facevoice.train.nets.build import build_blstm, build_net
    from facevoice.train.recipe import FaceSequenceRecipe, load_recipe

    torch.manual_seed(0)
    total = 0
    for name in RECIPES:
        recipe: Any = load_recipe(name, ())
        folder = places.runs / recipe.name
        folder.mkdir(parents=True, exist_ok=True)
        facts: dict[str, Any] = {
            "recipe": recipe.to_dict(),
            "labels": list(EMOTIONS),
            "corpus": {"corpus": "none", "licence": "random weights"},
            "rows": {},
        }
        if name.endswith("_svm"):
            speech = data.speech(int(np.flatnonzero(data.has("voice"))[0]))
            assert speech is not None
            facts["parity"] = _fit_machine(folder, functionals(speech, recipe.feature_set))
        else:
            net: Any = build_net(recipe, len(EMOTIONS))
            shape = (3, 224, 224)
            facts["input_shape"] = shape
            frames = 1 if name.startswith("spectrogram") else recipe.frames
            total += frames * multiply_adds(net, shape)
            state = net.state_dict()
            if isinstance(recipe, FaceSequenceRecipe):
                blstm = build_blstm(recipe, net, len(EMOTIONS))
                total += multiply_adds(blstm, (frames, net.feature_dim))
                state = {f"net.{key}": value for key, value in state.items()}
                state |= {f"blstm.{key}": value for key, value in blstm.state_dict().items()}
            torch.save(state, folder / "model.pt")
        (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    return total


def _fit_machine(folder: Path, like: NDArray[np.float32]) -> float:
    """A support vector machine on noise around some features; its difference from ONNX."""
    from facevoice.session import Session
    from facevoice.train.voice.svm_model import fit_svm, write_onnx

    rng = np.random.default_rng(0)
    noise = rng.normal(1, 0.1, (TRAIN_CLIPS, len(like)))
    features = (like * noise + rng.normal(0, 1e-3, noise.shape)).astype(np.float32)
    y = rng.integers(0, len(EMOTIONS), TRAIN_CLIPS)
    machine = fit_svm(features, y, len(EMOTIONS), cost=1.0, kernel="rbf")
    write_onnx(machine, folder / "model.onnx")
    (folder / "model.pkl").write_bytes(pickle.dumps(machine))
    found = Session(folder / "model.onnx").run(features[:8])[-1]
    return float(np.abs(found - machine.scores(features[:8])).max())


def facevoice_command(*words: str | Path) -> None:
    """Run a command of facevoice in a process of its own."""
    subprocess.run([sys.executable, "-m", "facevoice", *map(str, words)], check=True)


def make_bundles(places: Places, data: Prepared) -> None:
    """Export the runs, and put the bundle into int8."""
    from facevoice.train.export.quantize import quantize

    plain, small = places.bundle("fp32"), places.bundle("int8")
    if not plain.exists():
        facevoice_command("bundle", *sorted(places.runs.iterdir()), "--tree", "system", "-o", plain)
    outcomes = quantize(plain, data, small, clips=4, limits=(1.0, 0.0))
    for each in outcomes:
        print(
            f"int8 of {each.name}: {each.reason or 'all'}; mean change of scores {each.change:.4f},"
            f" same label in {each.same:.0%} of {each.clips} clips (random weights)"
        )


# --- what is measured ----------------------------------------------------------------------------


def eager(clip: Path, places: Places) -> Scorer:
    """Load everything in PyTorch; what it returns goes from the file to the fused scores."""
    import av
    import noisereduce
    import opensmile
    import torch
    from facenet_pytorch import MTCNN
    from PIL import Image
    from silero_vad import get_speech_timestamps, load_silero_vad

    from facevoice.train.export.onnx_files import Run

    runs = {run.recipe.name: run for run in map(Run.open, sorted(places.runs.iterdir()))}
    nets: dict[str, Any] = {
        name: run.net(run.recipe)  # type: ignore[arg-type]
        for name, run in runs.items()
        if (run.folder / "model.pt").exists()
    }
    machines = {
        name: pickle.loads((runs[name].folder / "model.pkl").read_bytes())  # noqa: S301
        for name in ("is09", "is10")
    }
    smiles = {
        name: opensmile.Smile(getattr(opensmile.FeatureSet, name.upper())) for name in machines
    }
    detector = MTCNN(image_size=256, margin=40, post_process=False)
    listener = load_silero_vad()
    torch.set_num_threads(os.cpu_count() or 1)  # importing silero_vad leaves torch with one

    def frames_and_sound() -> tuple[list[NDArray[np.uint8]], NDArray[np.float32]]:
        with av.open(str(clip)) as container:
            frames: list[Any] = [
                frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)
            ]
        resampler = av.AudioResampler("flt", "mono", 16000)
        with av.open(str(clip)) as container:
            pieces = [
                piece.to_ndarray()[0]
                for frame in container.decode(audio=0)
                for piece in resampler.resample(frame)
            ]
        return frames, np.concatenate(pieces)

    def face_scores(frames: list[NDArray[np.uint8]]) -> dict[str, Any]:
        chosen = np.linspace(0, len(frames) - 1, 16).round().astype(int)
        crops = [detector(Image.fromarray(frames[index])) for index in chosen]
        faces = torch.stack([crop for crop in crops if crop is not None])[:, :, 16:240, 16:240]
        pictures = faces / 255
        mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
        std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
        pictures = (pictures - mean) / std
        scores = {}
        for name in ("vggface", "resnet18", "densenet121"):
            some = pictures[:: len(pictures) // 4][:4] if name == "densenet121" else pictures
            features = nets[name].net.features(some)
            scores[name] = torch.softmax(nets[name].blstm(features[None]), 1)[0].numpy()
        votes = nets["vgg_affectnet"](pictures).argmax(dim=1)
        scores["vgg_affectnet"] = np.bincount(votes.numpy(), minlength=7) / len(votes)
        return scores

    def voice_scores(sound: NDArray[np.float32]) -> Any:
        clean = noisereduce.reduce_noise(sound, 16000)
        spans = get_speech_timestamps(torch.from_numpy(clean), listener, sampling_rate=16000)
        speech = np.concatenate([clean[span["start"] : span["end"]] for span in spans] or [clean])
        spectrum = torch.stft(
            torch.from_numpy(speech), 400, 160, window=torch.hann_window(400), return_complex=True
        )
        picture = torch.log(spectrum.abs() + 1e-6)[None, None]
        picture = torch.nn.functional.interpolate(picture, (224, 224), mode="bilinear")
        scores = [torch.softmax(nets["spectrogram"](picture.repeat(1, 3, 1, 1)), 1)[0].numpy()]
        for name, machine in machines.items():
            features = smiles[name].process_signal(speech, 16000).to_numpy()
            scores.append(machine.scores(features)[0])
        return np.mean(scores, axis=0)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def score() -> NDArray[np.float64]:
        frames, sound = frames_and_sound()
        parts = face_scores(frames) | {"audio": voice_scores(sound)}
        fused = sum(weight * parts[name] for name, weight in WEIGHTS.items())
        return np.asarray(fused, np.float64) / sum(WEIGHTS.values())

    return score


def ours(clip: Path, bundle: Path) -> Scorer:
    """Load a bundle; what it returns goes from the file to the fused scores."""
    import facevoice

    model = facevoice.load(bundle)

    def score() -> NDArray[np.float64]:
        scores = model(clip).scores
        assert scores is not None
        return scores.values

    return score


def network_seconds(spent: dict[str, float]) -> None:
    """Add up what onnxruntime takes from here on."""
    from facevoice.session import Session

    run = Session.run

    def timed(self: Session, *arrays: NDArray[Any]) -> Any:
        began = time.perf_counter()
        found = run(self, *arrays)
        spent["networks"] = spent.get("networks", 0.0) + time.perf_counter() - began
        return found

    Session.run = timed  # type: ignore[method-assign]


def child(mode: str, clip: Path, places: Places, repeats: int, started: float) -> None:
    """Measure one way in this process; print figures as JSON."""
    spent: dict[str, float] = {}
    if mode != "eager":
        network_seconds(spent)
    score = eager(clip, places) if mode == "eager" else ours(clip, places.bundle(mode))
    scores = score()
    cold = time.time() - started
    warm, networks, processor = np.inf, 0.0, np.inf
    for _ in range(repeats):
        spent["networks"] = 0.0
        began, busy = time.perf_counter(), time.process_time()
        score()
        seconds = time.perf_counter() - began
        processor = min(processor, time.process_time() - busy)
        if seconds < warm:
            warm, networks = seconds, spent["networks"]
    peak = peak_kb() / 1024
    print(json.dumps({"cold": cold, "warm": warm, "networks": networks,
                      "processor": processor, "peak_mb": peak,
                      "scores": scores.tolist()}))  # fmt: skip


# --- the limit -----------------------------------------------------------------------------------


def ceiling() -> None:
    """Print the best rate of a large product and a large convolution, fp32 and int8, as JSON."""
    from onnx import helper
    from products import product_networks

    from facevoice.session import Session

    rng = np.random.default_rng(0)
    rates: dict[str, float] = defaultdict(float)
    kinds: tuple[tuple[str, tuple[int, ...], tuple[int, ...], int, dict[str, Any]], ...] = (
        ("Gemm", (2048, 2048), (2048, 2048), 2048**3, {}),
        ("Conv", (4, 256, 56, 56), (256, 256, 3, 3), 4 * 56 * 56 * 256 * 256 * 9,
         {"pads": [1, 1, 1, 1]}),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as work:
        for kind, shape, weights, products, facts in kinds:
            array = rng.normal(0, 0.05, weights).astype(np.float32)
            # the product's own output in 8 bits too, as in the middle of a network
            nodes = [helper.make_node(kind, ["x", "w"], ["y"], **facts),
                     helper.make_node("Relu", ["y"], ["z"])]  # fmt: skip
            values = rng.normal(0, 1, shape).astype(np.float32)
            plain, small = product_networks(Path(work), nodes, values, array)
            for name, session in {"fp32": Session(plain), "int8": Session(small)}.items():
                for _ in range(6):
                    began, busy = time.perf_counter(), time.process_time()
                    session.run(values)
                    seconds, busy = time.perf_counter() - began, time.process_time() - busy
                    rates[name] = max(rates[name], 2 * products / seconds / 1e9)
                    processor = f"{name} processor"
                    rates[processor] = max(rates[processor], 2 * products / busy / 1e9)
    print(json.dumps(rates))


# --- the run -------------------------------------------------------------------------------------


def run_child(mode: str, *words: str) -> dict[str, Any]:
    """What a process of its own prints."""
    command = [sys.executable, __file__, *words, "--child", mode, "--started", str(time.time())]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Make what is missing, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--ranges", type=Path, help="clips to find the ranges of int8 on")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--child", choices=(*MODES, "ceiling"), help=argparse.SUPPRESS)
    parser.add_argument("--started", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child == "ceiling":
        ceiling()
        return
    if options.child:
        places = Places(options.work)
        child(options.child, options.clip, places, options.repeats, options.started)
        return
    if options.work is not None:
        whole(options, options.work)
        return
    with tempfile.TemporaryDirectory(prefix="facevoice-paper-") as work:
        whole(options, Path(work))


def whole(options: argparse.Namespace, work: Path) -> None:
    """The benchmark in a work folder."""
    places, counted = Places(work), work / "multiply_adds.json"
    if not places.bundle("int8").exists():
        work.mkdir(parents=True, exist_ok=True)
        prepared = work / "ranges"
        facevoice_command(
            "prepare", "manifest", "--root", options.ranges, "-o", prepared, "--limit", "8"
        )
        data = open_prepared(prepared)
        if not counted.exists():
            counted.write_text(json.dumps(make_runs(places, data)), encoding="utf-8")
        make_bundles(places, data)
    total = json.loads(counted.read_text(encoding="utf-8"))
    words = (str(options.clip), "--work", str(work), "--repeats", str(options.repeats))
    best: dict[str, dict[str, Any]] = {}
    rates: dict[str, float] = defaultdict(float)
    for _ in range(options.rounds):  # in turns: the load of the machine changes
        for mode in MODES:
            found, before = run_child(mode, *words), best.get(mode)
            if before is not None:
                for key in ("cold", "processor"):
                    found[key] = min(found[key], before[key])
                found["peak_mb"] = max(found["peak_mb"], before["peak_mb"])
                if before["warm"] < found["warm"]:
                    found |= {key: before[key] for key in ("warm", "networks")}
            best[mode] = found
        for name, rate in run_child("ceiling", *words).items():
            rates[name] = max(rates[name], rate)
    show(best, rates, total)


def show(best: dict[str, dict[str, Any]], rates: dict[str, float], total: int) -> None:
    """Print figures, ratios and what int8 does to the scores."""
    eager_ = best["eager"]
    print(f"multiply-adds of one clip: {total / 1e9:.0f} G")
    for mode, each in best.items():
        print(
            f"{mode:6} cold {each['cold']:6.1f} s ({eager_['cold'] / each['cold']:.1f} x)  warm"
            f" {each['warm']:6.2f} s ({eager_['warm'] / each['warm']:.1f} x)  networks"
            f" {each['networks']:6.2f} s  processor {each['processor']:6.2f} s"
            f" ({eager_['processor'] / each['processor']:.1f} x)  peak {each['peak_mb']:5.0f} MB"
            f" ({each['peak_mb'] / eager_['peak_mb']:.2f} of eager)"
        )
    for mode in ("fp32", "int8"):
        limit, busy = (2 * total / 1e9 / rates[name] for name in (mode, f"{mode} processor"))
        each = best[mode]
        print(
            f"limit  {mode}: {rates[mode]:.0f} G/s -> {limit:.2f} s; networks"
            f" {each['networks'] / limit:.2f} x, the clip {each['warm'] / limit:.2f} x; of the"
            f" processor {busy:.2f} s, the clip {each['processor'] / busy:.2f} x"
        )
    change = np.abs(np.array(best["int8"]["scores"]) - np.array(best["fp32"]["scores"]))
    print(
        f"int8 changes fused scores by {change.mean():.4f} on average, {change.max():.4f} at most"
    )


if __name__ == "__main__":
    main()
