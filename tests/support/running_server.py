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

    def request(self, method, path, body=None, headers=None, *, token=True, timeout=60):
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

    def finished(self, job_id, seconds=60):
        """A job's record once it is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            record = json.loads(self.get(f"/v1/jobs/{job_id}")[2])
            if record["state"] in {"done", "failed"}:
                return record
            time.sleep(0.1)
        raise TimeoutError

    def left(self):
        """The files of uploads and results that are on disk."""
        return [each for each in self.folder.rglob("*") if each.is_file() and each.name != "lock"]


def form(content, name="clip.mp4", field="file"):
    """A form with one file, and its type."""
    disposition = f'form-data; name="{field}"; filename="{name}"'
    head = f"--{_BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n"
    tail = f"\r\n--{_BOUNDARY}--\r\n"
    body = head.encode("utf-8", "surrogateescape") + content + tail.encode()
    return body, f"multipart/form-data; boundary={_BOUNDARY}"


@contextmanager
def running(bundle, folder, *options, token=None, ready=True):
    """Start a server on a free port and end it."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.parent / f"{folder.name}.log"
    given = ["serve", "--port", "0", "--bundle", str(bundle), "--folder", str(folder)]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "facevoice", *given, "--threads", "1", *map(str, options)],
            stdout=stream,
            stderr=stream,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        server = Server(process, _port(process, log), folder, log, token)
        while ready and server.get("/readyz")[0] != 200:
            time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()


def _port(process, log):
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r"serving at http://\S+?:(\d+)/", log.read_text())
        if found:
            return int(found[1])
        time.sleep(0.05)
    raise RuntimeError(log.read_text())
