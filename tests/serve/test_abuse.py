"""What a server meets: too much, too slow, too large, too many, killed, gone."""

import json
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

from facevoice.samples import SAMPLE
from support.running_server import form, running, until

pytest.importorskip("fastapi")
pytestmark = pytest.mark.slow

DEADLY = b"a deadly file"  # as in support.deadly_server
PROGRAM = ("-c", "from support.deadly_server import main; main()")

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def server(toy_bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server") / "uploads"
    with running(toy_bundle, folder, "--workers", 2, "--max-mb", 20) as started:
        yield started


@pytest.fixture(scope="module")
def sample():
    return SAMPLE.read_bytes()


@pytest.fixture(autouse=True)
def _well_afterwards(server, sample):
    """Whatever was done to it, the server serves the next client and keeps nothing."""
    yield
    assert server.send("/v1/predict", sample)[0] == 200
    assert server.left() == []


def opened(server, *lines):
    """A connection to the server, on which the beginning of a request has been sent."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    head = "\r\n".join(["POST /v1/predict HTTP/1.1", "Host: localhost", *lines, "", ""])
    connection.sendall(head.encode())
    return connection


def status_of(connection):
    with connection:
        first = connection.makefile("rb").readline().split()
    return int(first[1]) if first else None


def kind_of(answer):
    return answer[0], json.loads(answer[2])["kind"]


@pytest.mark.parametrize("expect", [[], ["Expect: 100-continue"]])
def test_ten_gigabytes_announced_are_refused_at_once(server, expect):
    kind = form(b"")[1]
    began = time.monotonic()
    connection = opened(server, "Content-Length: 10000000000", f"Content-Type: {kind}", *expect)
    assert status_of(connection) == 413
    assert time.monotonic() - began < 10


def test_a_body_without_end_is_cut_off(server):
    body, kind = form(bytes(MEGABYTE))
    sent = 0

    def endless():
        nonlocal sent
        yield body[:-20]
        for _ in range(2000):
            sent += 1
            yield bytes(MEGABYTE)

    try:
        headers = {"Content-Type": kind, "Transfer-Encoding": "chunked"}
        answer = server.request("POST", "/v1/predict", endless(), headers)
        assert kind_of(answer) == (413, "too_large")
    except (BrokenPipeError, ConnectionResetError):
        pass  # it was closed before all was sent
    assert sent < 100


def test_slow_senders_are_cut_off(server, sample):
    body, kind = form(sample)
    length = f"Content-Length: {len(body)}"
    silent = opened(server, length, f"Content-Type: {kind}")
    silent.sendall(body[:1000])
    headers = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    headers.sendall(b"POST /v1/predict HTTP/1.1\r\nHost:")
    idle = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    dripping = opened(server, length, f"Content-Type: {kind}")

    def drip():
        for at in range(0, 3000, 100):
            try:
                dripping.sendall(body[at : at + 100])
            except OSError:
                return
            time.sleep(1)

    threading.Thread(target=drip, daemon=True).start()
    began = time.monotonic()
    assert status_of(silent) == 408
    assert status_of(headers) is None
    assert status_of(idle) is None
    assert status_of(dripping) == 408
    assert time.monotonic() - began < 40


def test_a_client_that_goes_away_leaves_nothing(server, sample):
    body, kind = form(sample)
    with opened(server, f"Content-Length: {len(body)}", f"Content-Type: {kind}") as half:
        half.sendall(body[: len(body) // 2])
        time.sleep(0.3)
        assert server.left() != []
    with opened(server, f"Content-Length: {len(body)}", f"Content-Type: {kind}") as whole:
        whole.sendall(body)
    until(lambda: server.left() == [], 20)


def huge_png(side):
    """A white picture of so many pixels a side, in some kilobytes."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    row = b"\0" + b"\xff" * (side // 8)
    pressed = zlib.compressobj(9)
    pixels = b"".join(pressed.compress(row) for _ in range(side)) + pressed.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def film_of_pictures(path, picture):
    """A film whose header says that its pictures have 64 pixels a side."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "monob"
        for number in range(3):
            packet = av.Packet(picture)
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = number
            packet.duration, packet.is_keyframe = 1, True
            container.mux(packet)
    return path.read_bytes()


def long_film(path, hours, **options):
    """Black, with a picture every half minute."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for number in range(120 * hours):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            frame.pts = 30 * 25 * number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


def test_bombs_of_pixels(server, tmp_path):
    picture = huge_png(20_000)
    assert len(picture) < MEGABYTE
    film = film_of_pictures(tmp_path / "film.mov", picture)
    for content, name in ((picture, "a.png"), (film, "a.mov")):
        status, kind = kind_of(server.send("/v1/predict", content, name))
        assert (status, kind) in {(422, "unreadable"), (422, "too_many_pixels")}
    smaller = huge_png(12_000)  # within what this decoder takes, beyond the server's limit
    assert server.send("/v1/predict", smaller, "a.png")[0] == 422
    assert memory(server) < 1200


@pytest.mark.parametrize("options", [{}, {"live": "1"}], ids=["stated", "unstated"])
def test_bombs_of_seconds(server, tmp_path, options):
    content = long_film(tmp_path / "long.mkv", 10, **options)
    assert len(content) < 300_000
    began = time.monotonic()
    assert kind_of(server.send("/v1/predict", content, "a.mkv")) == (422, "too_long")
    answer = server.send("/v1/jobs", content, "a.mkv")
    if answer[0] == 202:  # the header does not say it: the decoder finds out
        job = json.loads(answer[2])["id"]
        assert server.finished(job)["problem"]["kind"] == "too_long"
        server.request("DELETE", f"/v1/jobs/{job}")
    else:
        assert kind_of(answer) == (422, "too_long")
    assert (answer[0] == 202) == bool(options)
    assert time.monotonic() - began < 60


def memory(server):
    """Megabytes that the server and its workers hold of their own."""
    tree = [server.process.pid]
    tree += [each.pid for each in psutil.Process(server.process.pid).children(recursive=True)]
    return sum(psutil.Process(pid).memory_full_info().uss for pid in tree) / MEGABYTE


def test_a_hundred_at_once_are_all_answered(tmp_path, sample):
    with running("base", tmp_path / "uploads", "--workers", 2) as server:
        _send_a_hundred(server, sample)
        assert server.send("/v1/predict", sample)[0] == 200
        assert server.left() == []


def _send_a_hundred(server, sample):
    peak = 0.0
    with ThreadPoolExecutor(100) as pool:
        answers = [pool.submit(server.send, "/v1/predict", sample, timeout=400) for _ in range(100)]
        while not all(answer.done() for answer in answers):
            peak = max(peak, memory(server))
            time.sleep(0.2)
    counts = Counter(answer.result()[0] for answer in answers)
    assert set(counts) == {200, 429}
    assert counts[200] >= 18  # two workers, sixteen waiting
    assert peak < 1200, peak
    refused = [answer.result() for answer in answers if answer.result()[0] == 429]
    assert all(int(headers["retry-after"]) >= 1 for _, headers, _ in refused)


def long_sample(path):
    """The sample fifteen times, every 5 seconds."""
    with av.open(str(SAMPLE)) as first, av.open(str(path), "w") as film:
        streams = [film.add_stream_from_template(stream) for stream in first.streams]
        for turn in range(15):
            with av.open(str(SAMPLE)) as clip:
                for packet in clip.demux():
                    if packet.dts is None:
                        continue
                    later = round(5 * turn / packet.time_base)
                    packet.pts, packet.dts = packet.pts + later, packet.dts + later
                    packet.stream = streams[packet.stream.index]
                    film.mux(packet)
    return path.read_bytes()


def at_work(server):
    """The processes of a server that have an upload open."""

    def reads(process):
        return any(server.folder in Path(file.path).parents for file in process.open_files())

    return [each for each in psutil.Process(server.process.pid).children() if reads(each)]


def begun(server, content, count):
    """Films that are being worked on, by id, and the processes that do so."""
    jobs = [json.loads(server.send("/v1/jobs", content)[2])["id"] for _ in range(count)]

    def under_way():
        done = [server.record(job)["progress"]["done_seconds"] for job in jobs]
        return all(done) and len(at_work(server)) >= count

    until(under_way, 60)
    return jobs, at_work(server)


def test_a_killed_worker_costs_its_own_request(server, tmp_path):
    jobs, workers = begun(server, long_sample(tmp_path / "long.mp4"), 2)
    workers[0].kill()
    records = sorted((server.finished(job) for job in jobs), key=lambda each: each["state"])
    assert [each["state"] for each in records] == ["done", "failed"]
    assert records[1]["problem"]["kind"] == "worker"
    for job in jobs:
        server.request("DELETE", f"/v1/jobs/{job}")


def test_a_killed_server_leaves_nothing_after_the_next_start(toy_bundle, tmp_path):
    folder = tmp_path / "uploads"
    with running(toy_bundle, folder, "--workers", 1) as first:
        begun(first, long_sample(tmp_path / "long.mp4"), 1)
        children = psutil.Process(first.process.pid).children()
        first.process.kill()
        first.process.wait()
    assert first.left() != []
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    with running(toy_bundle, folder, "--workers", 1, ready=False) as second:
        assert second.left() == []


def test_a_file_that_kills_its_decoder_costs_its_own_request(toy_bundle, tmp_path):
    content = long_sample(tmp_path / "long.mp4")
    with running(toy_bundle, tmp_path / "uploads", "--workers", 2, program=PROGRAM) as server:
        (job,), _ = begun(server, content, 1)
        for route in ("/v1/predict", "/v1/jobs"):
            assert kind_of(server.send(route, DEADLY)) == (500, "worker")
        assert server.finished(job)["state"] == "done"
        assert server.send("/v1/jobs", SAMPLE.read_bytes())[0] == 202
