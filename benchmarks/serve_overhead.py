"""What the server adds to a prediction: warm /v1/predict against the predictor, in one run.

    python benchmarks/serve_overhead.py [CLIP] [--rounds N] [--threads N]

Both take turns on the same clip with the same threads, the predictor in this process, the server
with one worker in its own. Prints the medians in seconds and their ratio, as JSON.
"""

import argparse
import http.client
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from facevoice.predict import load
from facevoice.samples import SAMPLE

_BOUNDARY = "----facevoice"


def started(threads: int, folder: Path) -> tuple[subprocess.Popen[str], int]:
    """A server on a free port, once a worker is ready."""
    options = ["--port", "0", "--workers", "1", "--threads", str(threads), "--folder", str(folder)]
    command = [sys.executable, "-m", "facevoice", "serve", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    found = re.search(r":(\d+)/", process.stderr.readline())
    assert found is not None
    port = int(found[1])
    while asked(port, "GET", "/readyz")[0] != 200:
        time.sleep(0.2)
    return process, port


def asked(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    kind = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"} if body else {}
    connection.request(method, path, body, kind)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", nargs="?", type=Path, default=SAMPLE)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    disposition = f'form-data; name="file"; filename="{options.clip.name}"'
    head = f"--{_BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
    body = head + options.clip.read_bytes() + f"\r\n--{_BOUNDARY}--\r\n".encode()
    predictor = load("base", threads=options.threads)
    own, served = [], []
    with tempfile.TemporaryDirectory() as folder:
        process, port = started(options.threads, Path(folder) / "uploads")
        try:
            for number in range(options.rounds + 2):
                began = time.perf_counter()
                predictor(options.clip)
                middle = time.perf_counter()
                status, answer = asked(port, "POST", "/v1/predict", body)
                end = time.perf_counter()
                assert status == 200, answer
                if number >= 2:  # both are warm
                    own.append(middle - began)
                    served.append(end - middle)
        finally:
            process.terminate()
            process.wait(30)
    predicted, answered = statistics.median(own), statistics.median(served)
    found = {"clip": options.clip.name, "threads": options.threads, "rounds": options.rounds}
    found |= {"predictor": round(predicted, 4), "server": round(answered, 4)}
    print(json.dumps(found | {"ratio": round(answered / predicted, 3)}))


if __name__ == "__main__":
    main()
