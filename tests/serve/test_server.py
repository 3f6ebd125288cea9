"""The server as a process of its own: the API, who may call it, and what is left on disk."""

import json
import signal
import sys

import jsonschema
import pytest
from PIL import Image

from facevoice.cli import main
from facevoice.output.wording import json_line
from facevoice.predict import load
from facevoice.samples import SAMPLE
from facevoice.serve.problems import RefusedError
from support.media_files import numbered, steady, tone, write_media
from support.places import PREDICTION_SCHEMA, TIMELINE_SCHEMA
from support.running_server import form, running

for package in ("fastapi", "uvicorn", "prometheus_client", "python_multipart"):
    pytest.importorskip(package)

TOKEN = "a-secret-of-many-letters"  # noqa: S105


@pytest.fixture(scope="module")
def server(toy_bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server") / "uploads"
    token = folder.parent / "token.txt"
    token.write_text(f"{TOKEN}\n")
    limits = ("--max-mb", "2", "--clip-seconds", "8", "--max-seconds", "20")
    options = ("--workers", "1", "--token-file", token, *limits)
    with running(toy_bundle, folder, *options, token=TOKEN) as started:
        yield started


@pytest.fixture(scope="module")
def sample():
    return SAMPLE.read_bytes()


def kind_of(answer):
    status, headers, body = answer
    assert headers["content-type"] == "application/problem+json"
    found = json.loads(body)
    assert found["status"] == status
    return status, found["kind"]


def test_a_clip_gives_the_record_of_the_command(server, sample, toy_bundle, capsys):
    status, headers, body = server.send("/v1/predict", sample, "my clip.mp4")
    assert (status, headers["content-type"]) == (200, "application/json")
    arguments = ["predict", str(SAMPLE), "--json", "--bundle", str(toy_bundle), "--threads", "1"]
    assert main(arguments) == 0
    expected = json.loads(capsys.readouterr().out) | {"path": "my clip.mp4"}
    assert body.decode() == json.dumps(expected, ensure_ascii=False) + "\n"
    jsonschema.validate(json.loads(body), PREDICTION_SCHEMA)
    assert server.left() == []


def test_a_part_of_a_clip(server, sample):
    _, _, body = server.send("/v1/predict?start=1&stop=2.5", sample)
    record = json.loads(body)
    assert (record["start_seconds"], record["stop_seconds"]) == (1.0, 2.5)
    assert kind_of(server.send("/v1/predict?start=2&stop=1", sample)) == (422, "invalid_input")
    assert kind_of(server.send("/v1/predict?start=a", sample)) == (422, "invalid_input")
    assert kind_of(server.send("/v1/predict?audio_track=7", sample)) == (422, "invalid_input")


@pytest.mark.parametrize("query", ["predict?strat=1", "predict?personal=true", "jobs?hop=1&hop=2"])
def test_a_parameter_is_never_left_out_without_a_word(server, sample, query):
    assert kind_of(server.send(f"/v1/{query}", sample)) == (422, "invalid_input")


def test_a_film_gives_every_format_and_is_deleted(server, sample):
    status, headers, body = server.send("/v1/jobs?frames=true&personal=true", sample, "film.mp4")
    assert status == 202
    address = headers["location"]
    record = server.finished(json.loads(body)["id"])
    assert record["state"] == "done", record
    assert {"json", "vtt", "eaf", "TextGrid", "html", "windows.csv"} <= set(record["results"])
    for name, place in record["results"].items():
        status, headers, content = server.get(place)
        assert (status, bool(content)) == (200, True), name
        assert "attachment" in headers["content-disposition"]
        assert b"/uploads/" not in content, f"{name} names a folder of the server"
        if name in {"eaf", "html"}:
            assert b"film.mp4" in content
            assert b"timeline.mp4" not in content
    timeline = json.loads(server.get(f"{address}/timeline.json")[2])
    jsonschema.validate(timeline, TIMELINE_SCHEMA)
    assert (timeline["path"], timeline["personal"]) == ("film.mp4", "whole")
    assert server.get(f"{address}/timeline.csv")[0] == 200
    assert kind_of(server.get(f"{address}/timeline.exe")) == (404, "not_found")
    assert not any(each.suffix == ".mp4" for each in server.left())
    assert all(each.stat().st_mode & 0o077 == 0 for each in server.left())
    assert server.request("DELETE", address)[0] == 204
    assert server.left() == []
    assert kind_of(server.get(address)) == (404, "not_found")
    assert kind_of(server.get("/v1/jobs")) == (405, "wrong_method")


def test_progress_is_sent_as_events(server, sample):
    _, headers, _ = server.send("/v1/jobs?formats=json", sample)
    status, found, body = server.get(f"{headers['location']}/events")
    assert (status, found["content-type"]) == (200, "text/event-stream; charset=utf-8")
    events = body.decode().strip().split("\n\n")
    assert events[-1].startswith("event: end\n")
    assert json.loads(events[-1].partition("data: ")[2])["state"] == "done"
    server.request("DELETE", headers["location"])


@pytest.mark.parametrize("route", ["/v1/predict", "/v1/jobs"])
@pytest.mark.parametrize("content", [b"no film at all", b""])
def test_what_is_not_media_is_refused_at_once(server, route, content):
    answer = server.send(route, content, "film.mp4")
    assert kind_of(answer) == (422, "unreadable")
    assert "uploads" not in answer[2].decode()
    assert server.left() == []


def test_what_is_missing_is_said_as_the_command_says_it(server, toy_bundle, tmp_path):
    sound = write_media(tmp_path / "sound.wav", sound=tone(1, 8000), sound_rate=8000)
    film = write_media(tmp_path / "film.mp4", times=steady(20))
    picture = tmp_path / "picture.png"
    Image.fromarray(numbered(3, (96, 96))).save(picture)
    predictor = load(toy_bundle, threads=1)
    for path in (sound, film, picture):
        status, _, body = server.send("/v1/predict", path.read_bytes(), path.name)
        expected = predictor(path).to_dict() | {"path": path.name}
        assert (status, body.decode()) == (200, json_line(expected) + "\n")
        assert "face" in expected["missing"]
    assert kind_of(server.send("/v1/jobs", picture.read_bytes(), "a.png")) == (422, "invalid_input")


def test_limits(server, tmp_path):
    assert kind_of(server.send("/v1/predict", bytes(2_100_000))) == (413, "too_large")
    long = write_media(tmp_path / "long.wav", sound=tone(25, 8000), sound_rate=8000).read_bytes()
    for route, part in (("/v1/predict", "stop=2"), ("/v1/jobs", "start=6&stop=26")):
        assert kind_of(server.send(route, long, "long.wav")) == (422, "too_long")
        status, headers, _ = server.send(f"{route}?{part}", long, "long.wav")
        assert status in {200, 202}
    address = headers["location"]
    assert server.finished(address.rpartition("/")[2])["state"] == "done"
    server.request("DELETE", address)
    assert server.left() == []


@pytest.mark.parametrize("path", ["/v1/models", "/docs", "/openapi.json", "/metrics", "/v1/jobs/x"])
def test_the_token_is_asked_for(server, path):
    assert kind_of(server.get(path, token=False)) == (401, "unauthorised")
    wrong = {"Authorization": "Bearer another-secret-entirely"}
    assert kind_of(server.get(path, token=False, headers=wrong)) == (401, "unauthorised")
    assert server.get(path)[0] in {200, 404}


def test_what_needs_no_token_holds_nothing_of_anyone(server, sample):
    for path in ("/", "/livez", "/readyz", "/page/app.js", "/page/style.css"):
        assert server.get(path, token=False)[0] == 200
    assert kind_of(server.send("/v1/predict", sample, token=False)) == (401, "unauthorised")
    assert server.get("/page/..%2Fapp.py")[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "a b"])
def test_a_foreign_name_is_refused(server, host):
    assert kind_of(server.get("/v1/models", headers={"Host": host})) == (421, "foreign_host")
    assert server.get("/v1/models", headers={"Host": "LOCALHOST:1"})[0] == 200
    assert server.get("/v1/models", headers={"Host": "[::1]:80"})[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_pages_of_other_sites_may_not_use_it(server, sample, headers):
    answer = server.send("/v1/predict", sample, headers=headers)
    assert kind_of(answer) == (403, "foreign_origin")
    assert "access-control-allow-origin" not in answer[1]


def test_its_own_page_may(server):
    own = f"127.0.0.1:{server.port}"
    for headers in ({"Origin": f"http://{own}", "Host": own}, {"Sec-Fetch-Site": "same-origin"}):
        assert server.get("/v1/models", headers=headers)[0] == 200
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert server.get("/", headers=link)[0] == 200


def test_every_answer_says_what_people_must_be_told(server):
    for path in ("/", "/livez", "/nowhere"):
        _, headers, _ = server.get(path)
        assert "Article 50(3)" in headers["facevoice-notice"]
        assert "1 h" in headers["facevoice-retention"]
        assert "'unsafe-inline'" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_only_a_form_with_one_file_is_taken(server, sample):
    body, kind = form(sample, field="path")
    refused = [
        (body, {"Content-Type": kind}),
        (b'{"path": "/etc/passwd"}', {"Content-Type": "application/json"}),
        (b"url=https://example.org", {"Content-Type": "application/x-www-form-urlencoded"}),
        (form(sample)[0] * 2, {"Content-Type": kind.replace("----", "--")}),
        (form(sample)[0][:5000], {"Content-Type": kind}),
        (b"", {}),
    ]
    for content, headers in refused:
        status, code = kind_of(server.request("POST", "/v1/predict", content, headers))
        assert (status in {400, 415}, code) == (True, "bad_body")
    assert server.left() == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd.mp4", "passwd.mp4"),
        ("a\tb\x1b[31m.mp4", "ab[31m.mp4"),
        ("café.mp4", "café.mp4"),
    ],
)
def test_names_do_not_matter(server, sample, name, shown):
    status, _, body = server.send("/v1/predict", sample, name)
    assert (status, json.loads(body)["path"]) == (200, shown)
    assert shown not in server.log.read_text()


def test_figures_and_the_model(server):
    text = server.get("/metrics")[2].decode()
    assert 'facevoice_requests_total{method="POST",route="/v1/predict",status="200"}' in text
    assert "facevoice_workers_ready 1.0" in text
    models = json.loads(server.get("/v1/models")[2])
    assert models["models"][0]["name"] == "toy"
    assert models["limits"]["max_bytes"] == 2_000_000


def test_a_format_that_needs_a_package_names_it(monkeypatch):
    from facevoice.serve.app import _wanted

    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RefusedError, match="needs the package pyarrow") as found:
        _wanted("json,parquet")
    assert (found.value.status, found.value.code) == (501, "missing_dependency")
    assert "parquet" not in _wanted(None)
    with pytest.raises(RefusedError, match="did you mean 'json'"):
        _wanted("jsn")


def test_the_reference_needs_nothing_from_elsewhere(server):
    page = server.get("/docs")[2].decode()
    assert "POST /v1/predict" in page
    assert page.count("curl -F file=@clip.mp4") == 2
    assert "<script" not in page
    assert "://" not in page
    paths = json.loads(server.get("/openapi.json")[2])["paths"]
    assert set(paths) >= {"/v1/predict", "/v1/jobs", "/v1/jobs/{job_id}/events"}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_ends_leaves_nothing(toy_bundle, tmp_path, number):
    with running(toy_bundle, tmp_path / "uploads", "--workers", "1", ready=False) as server:
        server.process.send_signal(number)
        server.process.wait(30)
    assert [each.name for each in (tmp_path / "uploads").iterdir()] == ["lock"]
