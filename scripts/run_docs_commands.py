r"""Run the commands of the documentation as they stand, with small inputs in place of the reader's.

    python scripts/run_docs_commands.py [PAGE ...] [--keep FOLDER] [--list]

Every page has a folder of its own with the files that its commands name, made from the clip that
ships; ``SUBSTITUTIONS`` says which parts of commands are replaced, and why. Blocks whose commands
cannot run here are preceded by a comment with the reason, see ``docs_commands``. Ends with status 1
if a command fails.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
from docs_commands import PAGES, ROOT, Block, blocks, blocks_of_commands

from facevoice.media.encode import paint_video
from facevoice.samples import SAMPLE
from facevoice.types import UInt8Array

_SMALL: Final = " ".join(
    f"--set {each}"
    for each in (
        *("width=4", "input_size=32", "initial=", "grey=true", "normalise=unit", "feature_dim=0"),
        *("epochs=1", "draws=1", "frames=4", "blstm_width=4", "blstm_epochs=1"),
        "precision=32-true",
    )
)
SUBSTITUTIONS: Final = (
    # the environment at hand has it all
    (r"^uv sync .*|^uv tool install .*|^pip install uv$", "true"),
    (r"\buv run (--no-dev |--(group|extra) \w+ )*", ""),
    # it serves until it is interrupted
    (r"\bfacevoice serve\b.*", "facevoice serve --help"),
    # there is no camera
    (r"\blive 0\b", "live talk.mkv"),
    (r"rtsp://\S+", "talk.mkv"),
    # the film has four seconds
    (r"--start 1:00 --stop 1:15", "--start 1 --stop 0:02"),
    # it has one sound track
    (r"--audio-track 1\b", "--audio-track 0"),
    # no run was interrupted
    (r"(-o )table(.parquet --workers 2 --resume)", r"\1resumed\2"),
    # minutes, and weights that would be downloaded
    (r"\btrain resnet18_blstm\b", f"train resnet18_blstm {_SMALL}"),
    (r"\badapt base\b", "adapt base --views 1 --temporal moments"),
    (r"--step 0.02\b", "--step 0.25"),
    (r"--search nested\b", "--search nested --step 0.25"),
    (r" --data prepared/more\b", ""),
    # what an earlier page or block has made is there already
    (r"\bfacevoice (adapt|bundle|fuse|quantize|reweigh|score) ", r"facevoice \1 --overwrite "),
)
"""Pattern in a command -> what is run in its place, and in comments why."""

SPEAKERS: Final = {
    **dict.fromkeys(("anna", "ben", "carl"), "train"),
    **dict.fromkeys(("dora", "eve"), "val"),
    **dict.fromkeys(("fay", "gus"), "test"),
}
_FIRST: Final = ROOT / "docs" / "train.md"
_KEPT: Final = ("prepared", "bundles", "scores.parquet", "weights.json")
"""What the page on training makes, and other pages use."""
_SECONDS: Final = 600.0
"""For one command."""


def main() -> int:
    """Run what was asked for; the exit status."""
    parser = argparse.ArgumentParser(description="Run the commands of the documentation.")
    parser.add_argument("pages", nargs="*", type=Path, help="only these (default: all)")
    parser.add_argument("--keep", type=Path, help="a folder for the files, which then stay")
    parser.add_argument("--list", action="store_true", help="say what would not be run, and why")
    options = parser.parse_args()
    if options.list:
        for block in blocks_of_commands():
            print(f"{_place(block)}: {block.reason or '; '.join(map(substituted, block.commands))}")
        return 0
    wanted = [path.resolve() for path in options.pages] or list(PAGES)
    if options.keep is not None:
        if options.keep.exists():
            parser.error(f"{options.keep} exists: name a new folder")
        return run_pages(wanted, options.keep.resolve())
    with tempfile.TemporaryDirectory(prefix="facevoice-docs-") as folder:
        return run_pages(wanted, Path(folder))


def run_pages(pages: Sequence[Path], scratch: Path) -> int:
    """Run the page on training first: others use what it makes. Then the others, two at a time."""
    stage = scratch / "stage"
    make_stage(stage)
    failures = run_page(_FIRST, scratch, stage)
    for name in _KEPT:
        made = _folder(_FIRST, scratch) / name
        if made.is_dir():
            shutil.copytree(made, stage / name)
        elif made.exists():
            shutil.copy(made, stage / name)
    named = [block.page for block in blocks_of_commands() if not block.reason]
    others = [page for page in dict.fromkeys(named) if page in pages and page != _FIRST]
    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(lambda page: run_page(page, scratch, stage), others):
            failures += found
    for failure in failures:
        print(f"\nFAILED {failure}", file=sys.stderr)
    return 1 if failures else 0


def run_page(page: Path, scratch: Path, stage: Path) -> list[str]:
    """Run a page's commands one after the other; what failed, in words."""
    folder = _folder(page, scratch)
    shutil.copytree(stage, folder)
    failures = []
    for block in blocks(page):
        for command in block.commands if not block.reason else ():
            began, line = time.monotonic(), substituted(command)
            status, output = run_command(line, folder)
            seconds = time.monotonic() - began
            print(f"{seconds:5.1f} s  {_place(block)}  {line}", flush=True)
            if status:
                failures.append(f"{_place(block)}: {line}\nstatus {status}\n{output}")
    return failures


def _folder(page: Path, scratch: Path) -> Path:
    """Of a page's own, beside those of other pages of its name."""
    return scratch / page.relative_to(ROOT).with_suffix("").as_posix().replace("/", "-")


def substituted(command: str) -> str:
    """A command as it is run here."""
    for pattern, other in SUBSTITUTIONS:
        command = re.sub(pattern, other, command)
    return command


def _place(block: Block) -> str:
    return f"{block.page.relative_to(ROOT)}:{block.line}"


def run_command(command: str, folder: Path, seconds: float = _SECONDS) -> tuple[int, str]:
    """Run a command in a folder for at most so long; its status and the end of its output."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    with subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its children, too, which hold the pipe
            output, _ = process.communicate()
            return -1, f"not done after {seconds:g} s\n{output[-4000:]}"
    return process.returncode, output[-4000:]


def make_stage(folder: Path) -> None:
    """The files that commands name: clips, tables of labels, recipes and trees."""
    folder.mkdir(parents=True)
    (folder / "clips").mkdir()
    (folder / "interviews").mkdir()
    (folder / "corpus").mkdir()
    for name in ("clip", "new_clip", "calm", "interview"):
        shutil.copy(SAMPLE, folder / f"{name}.mp4")
    for name in ("more.mov", "film.mkv", "talk.mkv"):
        shutil.copy(SAMPLE, folder / name)
    _write_labelled(folder / "my_clips")
    for number, path in enumerate(sorted((folder / "my_clips").glob("*/*.mp4"))[:6]):
        place = ("clips", "interviews", "corpus")[number % 3]
        shutil.copy(path, folder / place / f"{path.parent.name}_{path.name}")
    (folder / "anna").mkdir()
    for number, path in enumerate(sorted((folder / "my_clips").glob("*/*.mp4"))[:3], start=1):
        shutil.copy(path, folder / "anna" / f"{number}.mp4")
    shown = [f"clips/{path.name},anna" for path in sorted((folder / "clips").iterdir())]
    (folder / "people.csv").write_text("\n".join(["file,person", *shown]) + "\n", encoding="utf-8")
    table = (folder / "my_clips" / "manifest.csv").read_text(encoding="utf-8")
    (folder / "labels.csv").write_text(re.sub("^(?=.*mp4)", "my_clips/", table, flags=re.MULTILINE))
    recipe = ROOT / "recipes" / "is10_svm.toml"
    (folder / "my_recipe.toml").write_text(recipe.read_text(encoding="utf-8"))
    tree = next(block.text for block in blocks(_FIRST) if block.text.startswith('name = "mine"'))
    (folder / "my_tree.toml").write_text(tree, encoding="utf-8")


def _write_labelled(folder: Path) -> None:
    """Two clips of each speaker, all different: parts of the clip that ships, in other light."""
    lines = ["file,label,speaker,split"]
    for number, (speaker, split) in enumerate(SPEAKERS.items()):
        for label in ("happy", "sad"):
            path = folder / speaker / f"{label}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            start = number * 0.3 + (0.15 if label == "sad" else 0.0)
            light = 0.7 if label == "sad" else 1.0

            def dim(picture: UInt8Array, _seconds: float, light: float = light) -> None:
                np.multiply(picture, light, out=picture, casting="unsafe")

            paint_video(SAMPLE, path, dim, start_seconds=start, stop_seconds=start + 1.4,
                        shift_seconds=start)  # fmt: skip
            lines.append(f"{speaker}/{label}.mp4,{label},{speaker},{split}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
