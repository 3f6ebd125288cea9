"""A real server process, and what clients send to it."""

import http.client
import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_BOUNDARY = "----a-boundary"


@dataclass
class Server:
    """A server that has been started; folder: for its uploads."""

    process: subprocess.Popen
    port: int
    folder: Path
    log: Path
    token: str | None = None
    headers: dict = field(default_factory=dict)

    def request(self, method, path, body=None, headers=None, *, token=True, timeout=120):
        """The status, the headers and the body of an answer."""
        sent = dict(headers or {})
        if self.token is not None and token:
            sent["Authorization"] = f"Bearer {self.token}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def send(self, path, content, name="clip.mp4", headers=None, **options):
        """Post a file as a form."""
        body, kind = form(content, name)
        return self.request(
            "POST", path, body, {"Content-Type": kind, **(headers or {})}, **options
        )

    def finished(self, job_id, seconds=120):
        """A job's record once it is over."""
        until(lambda: self.record(job_id)["state"] in {"done", "failed"}, seconds)
        return self.record(job_id)

    def record(self, job_id):
        return json.loads(self.get(f"/v1/jobs/{job_id}")[2])

    def left(self):
        """The files of uploads and results that are on disk."""
        return [each for each in self.folder.rglob("*") if each.is_file() and each.name != "lock"]


def until(holds, seconds):
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.05)


def form(content, name="clip.mp4", field="file"):
    """A form with one file, and its type."""
    disposition = f'form-data; name="{field}"; filename="{name}"'
    head = f"--{_BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n"
    tail = f"\r\n--{_BOUNDARY}--\r\n"
    body = head.encode("utf-8", "surrogateescape") + content + tail.encode()
    return body, f"multipart/form-data; boundary={_BOUNDARY}"


@contextmanager
def running(bundle, folder, *options, token=None, ready=True, program=("-m", "facevoice")):
    """Start a server on a free port and end it; program: given to Python."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.parent / f"{folder.name}.log"
    given = ["serve", "--port", "0", "--bundle", str(bundle), "--folder", str(folder)]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, *program, *given, "--threads", "1", *map(str, options)],
            stdout=stream,
            stderr=stream,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    try:
        server = Server(process, _port(process, log), folder, log, token)
        if ready:
            until(lambda: server.get("/readyz")[0] == 200, 120)
        yield server
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()


def _port(process, log):
    def said():
        return re.search(r"serving at http://\S+?:(\d+)/", log.read_text())

    until(lambda: said() or process.poll() is not None, 120)
    assert said(), log.read_text()
    return int(said()[1])
