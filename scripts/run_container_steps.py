"""Run the steps of the Dockerfile in a fresh virtual environment, where there is no docker.

    python scripts/run_container_steps.py

COPY and RUN of its first stage are done in a temporary folder; then the entry point is started with
the health check as its judge. What only a container has (users, read-only files) is not checked.
Ends with status 1 if a step fails.
"""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
_READY_SECONDS: Final = 180.0


class Step(NamedTuple):
    """An instruction of a Dockerfile: its name, and what follows it."""

    name: str
    rest: str


def stages(text: str) -> Iterator[list[Step]]:
    """The instructions of each stage."""
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    steps = [Step(*line.split(maxsplit=1)) for line in lines if line and not line.startswith("#")]
    starts = [number for number, step in enumerate(steps) if step.name == "FROM"]
    for start, stop in zip(starts, [*starts[1:], len(steps)], strict=True):
        yield steps[start + 1 : stop]


def build(steps: list[Step], folder: Path, environment: dict[str, str]) -> None:
    """Do COPY and RUN in a folder."""
    for step in steps:
        print(f"{step.name} {step.rest}", flush=True)
        if step.name == "COPY":
            *sources, target = shlex.split(step.rest)
            for source in sources:
                _copy(ROOT / source, folder / target)
        elif step.name == "RUN":
            subprocess.run(step.rest, shell=True, cwd=folder, env=environment, check=True)  # noqa: S602


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def start(steps: list[Step], folder: Path, environment: dict[str, str]) -> None:
    """Start the entry point on a free port, and wait until the health check passes."""
    found = {step.name: step.rest for step in steps}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = json.loads(found["ENTRYPOINT"]) + json.loads(found["CMD"]) + ["--port", port]
    check = json.loads(found["HEALTHCHECK"].partition("CMD ")[2].replace("8765", port))
    paths = f"{folder / '.venv' / 'bin'}{os.pathsep}{environment['PATH']}"
    inside = {**environment, "PATH": paths}
    program = shutil.which(command[0], path=paths)
    if program is None:
        sys.exit(f"{command[0]} is not installed by the steps")
    server = subprocess.Popen([program, *command[1:]], cwd=folder, env=inside)
    try:
        end = time.monotonic() + _READY_SECONDS
        python = str(folder / ".venv" / "bin" / check[0])
        while subprocess.run([python, *check[1:]], capture_output=True, check=False).returncode:
            if server.poll() is not None or time.monotonic() > end:
                sys.exit("the server does not become ready")
            time.sleep(1)
    finally:
        server.terminate()
        server.wait(30)
    print("the health check passes")


def main() -> None:
    """Run all steps."""
    first, last = stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        folder, python = Path(scratch) / "app", Path(scratch) / "python"
        folder.mkdir()
        subprocess.run([sys.executable, "-m", "venv", str(python)], check=True)
        paths = f"{python / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": paths, "UV_PYTHON": str(python / "bin" / "python")}
        for name in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "PYTHONPATH"):
            environment.pop(name, None)
        build(first, folder, environment)
        start(last, folder, environment)


if __name__ == "__main__":
    main()
