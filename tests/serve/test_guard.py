"""Who is let in: names, origins, tokens; what is logged and counted."""

import asyncio
import logging

import pytest

pytest.importorskip("fastapi")

from facevoice.serve.guard import Guard
from facevoice.serve.measured import Measured
from facevoice.serve.settings import Settings

SECRET = "a-secret-of-many-letters"  # noqa: S105
FRIEND = "https://friend.example"


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})


def asked(settings, path="/v1/models", method="GET", **headers):
    """Status and headers of the answer to a request."""
    given = {"host": "localhost", **{name.replace("_", "-"): v for name, v in headers.items()}}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
    }
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    guard = Guard(app, settings, Measured(), "for an hour")
    asyncio.run(guard(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found


def test_a_named_origin_is_shared_with_and_no_other():
    settings = Settings(origins=(FRIEND,), token=SECRET)
    status, headers = asked(settings, method="OPTIONS", origin=FRIEND)
    assert (status, headers["access-control-allow-origin"]) == (204, FRIEND)
    assert headers["access-control-allow-headers"] == "authorization"
    bearer = f"Bearer {SECRET}"
    status, headers = asked(settings, "/v1/predict", "POST", origin=FRIEND, authorization=bearer)
    assert (status, headers["access-control-allow-origin"]) == (200, FRIEND)
    assert asked(settings, "/v1/predict", "POST", origin=FRIEND)[0] == 401
    status, headers = asked(settings, origin="https://other.example", authorization=bearer)
    assert status == 403
    assert "access-control-allow-origin" not in headers
    assert asked(settings, method="OPTIONS", origin="https://other.example")[0] == 403


def test_further_names_are_let_in():
    assert asked(Settings(), host="studio.example")[0] == 421
    assert asked(Settings(hosts=("studio.example",)), host="Studio.example:443")[0] == 200


@pytest.mark.parametrize(
    "given", ["", SECRET, f"Basic {SECRET}", "Bearer", f"Bearer {SECRET}x", "Bearer \xe9"]
)
def test_a_token_is_sent_as_it_should_be(given):
    status, headers = asked(Settings(token=SECRET), authorization=given)
    assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="facevoice"')
    assert asked(Settings(token=SECRET), authorization=f"bearer {SECRET}")[0] == 200


def test_the_log_holds_nothing_that_a_client_made_up(caplog):
    logging.getLogger("facevoice.serve").propagate = True
    with caplog.at_level(logging.INFO, "facevoice.serve"):
        asked(Settings(), "/v1/secret\n\x1b[31m", method="EVIL\n")
    (record,) = caplog.records
    assert record.getMessage().startswith("OTHER (none) 200 ")
