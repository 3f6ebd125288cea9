"""Bodies as they arrive: any pieces, any content; what is wrong is refused early."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.running_server import form

pytest.importorskip("fastapi")

from facevoice.serve.body import (
    Body,
    ClientGoneError,
    clean_name,
    discard,
    receive_upload,
    suffix_of,
)
from facevoice.serve.problems import RefusedError
from facevoice.serve.settings import Limits
from facevoice.serve.storage import Storage

LIMITS = Limits(max_bytes=100_000, disk_bytes=150_000, idle_seconds=0.1)


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    with Storage(tmp_path_factory.mktemp("storage") / "uploads", 150_000) as storage:
        yield storage


def sender(pieces, *, ends=True, delay=0.0):
    """What ASGI gives for pieces of a body; asked counts how often."""
    pieces = list(pieces)

    async def receive():
        receive.asked += 1
        await asyncio.sleep(delay)
        if not pieces:
            if ends:
                return {"type": "http.disconnect"}
            await asyncio.sleep(60)
        body = pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(pieces) or not ends}

    receive.asked = 0
    return receive


def received(storage, receive, kind, limits=LIMITS, **headers):
    desk = storage.desk()
    try:
        given = {"content-type": kind, **headers}
        upload = asyncio.run(receive_upload(given, Body(receive), desk, limits))
        return upload, desk.path.read_bytes(), desk.path.name
    finally:
        desk.remove()


def refused(storage, receive, kind, limits=LIMITS, **headers):
    with pytest.raises(RefusedError) as found:
        received(storage, receive, kind, limits, **headers)
    return found.value.status, found.value.code


@given(st.binary(min_size=1, max_size=300), st.lists(st.integers(1, 60), max_size=30))
def test_the_pieces_do_not_matter(storage, content, sizes):
    body, kind = form(content + b"\r\n--" + content)
    pieces, at = [], 0
    for size in sizes:
        pieces.append(body[at : at + size])
        at += size
    upload, written, name = received(storage, sender([*pieces, body[at:]]), kind)
    assert written == content + b"\r\n--" + content
    assert (upload.size, name) == (len(written), "film.mp4")
    assert storage.used_bytes == 0


def test_what_is_announced_as_too_large_is_not_read(storage):
    receive = sender([b"x"])
    length = {"content-length": "10000000000"}
    assert refused(storage, receive, form(b"")[1], **length) == (413, "too_large")
    assert receive.asked == 0


def test_what_turns_out_too_large_is_cut_off(storage):
    body, kind = form(bytes(200_000))
    pieces = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    receive = sender(pieces)
    assert refused(storage, receive, kind) == (413, "too_large")
    assert receive.asked < 105


def test_the_disk_may_be_full(storage):
    body, kind = form(bytes(90_000))
    other = storage.desk()
    other.take(100_000)
    assert refused(storage, sender([body]), kind) == (507, "full")
    other.remove()
    assert received(storage, sender([body]), kind)[0].size == 90_000


def test_silence_and_slowness(storage):
    body, kind = form(bytes(1000))
    assert refused(storage, sender([body[:500]], ends=False), kind) == (408, "too_slow")
    drops = [body[at : at + 10] for at in range(0, len(body), 10)]
    assert refused(storage, sender(drops, delay=0.02), kind) == (408, "too_slow")


def test_a_client_that_goes_away(storage):
    with pytest.raises(ClientGoneError):
        received(storage, _gone, form(b"a")[1])


async def _gone():
    return {"type": "http.disconnect"}


def test_a_refused_body_is_discarded_within_limits():
    receive = sender([bytes(1000)] * 3)
    body = Body(receive)
    for _ in range(2):  # nothing is asked for once it has ended
        asyncio.run(discard({}, body))
        assert receive.asked == 3
    waiting = sender([bytes(1000)])
    asyncio.run(discard({"expect": "100-continue"}, Body(waiting)))
    assert waiting.asked == 0


@pytest.mark.parametrize(
    ("name", "shown", "suffix"),
    [
        ("clip.mp4", "clip.mp4", ".mp4"),
        ("CLIP.MOV", "CLIP.MOV", ".mov"),
        ("/etc/passwd", "passwd", ""),
        ("..\\..\\a.wav", "a.wav", ".wav"),
        ("a\x00\x1b[2J\u202e.mp4", "a[2J.mp4", ".mp4"),
        ("script.py", "script.py", ""),
        ("", "upload", ""),
        ("..", "upload", ""),
        ("x" * 400 + ".mp4", "x" * 200 + ".mp4", ".mp4"),
        ("\udcff.mp4", "?.mp4", ".mp4"),
    ],
)
def test_names(name, shown, suffix):
    assert clean_name(name) == shown
    assert suffix_of(clean_name(name)) == suffix
