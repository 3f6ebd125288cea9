"""The page: self-contained, safe with hostile names, gaps shown, in step with the film."""

import base64
import hashlib
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from facevoice.output.html.colours import colours_of
from facevoice.output.timeline import film as film_module
from facevoice.output.timeline import page, write
from facevoice.output.timeline.curves import curves, points_of
from facevoice.output.timeline.spans import cells, seen
from facevoice.output.timeline.webvtt import to_vtt
from facevoice.timeline import Person
from support.media_files import steady, tone, write_media
from support.written_timelines import make_talk, make_timeline, row, with_personal

HOSTILE = ("<script>alert(1)</script>", "</script>&amp;", 'quo"te', "naïve")
VOID = {"meta", "input", "br", "img"}


class Document(HTMLParser):
    """Elements with their attributes; fails where tags do not match."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.content = [], [], {}
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.content.setdefault(self.open[-1], []).append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    return make_talk(tmp_path_factory.mktemp("media"), "my #1 talk & more.mp4")


def page_of(timeline, source, folder):
    (path,) = write(timeline, folder, ["html"], source)
    return path, path.read_text(encoding="utf-8")


def test_the_page_loads_nothing_and_runs_only_its_script(talk, tmp_path):
    _, text = page_of(make_timeline(), talk, tmp_path)
    document = Document(text)
    (policy,) = [a["content"] for a in document.all("meta") if "http-equiv" in a]
    script = document.content["script"][-1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "media-src data:;" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1]
    for _, attributes in document.elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("src", "data:").startswith("data:")
    assert not re.findall(r"https?://", re.sub(r'src="data:[^"]*"', "", text))


def test_a_small_film_is_in_the_page_and_a_large_one_beside_it(talk, tmp_path, monkeypatch):
    _, text = page_of(make_timeline(), talk, tmp_path)
    (film,) = Document(text).all("video")
    kind, content = film["src"].split(";base64,")
    assert kind == "data:video/mp4"
    assert base64.b64decode(content) == talk.read_bytes()
    monkeypatch.setattr(film_module, "MOST_EMBEDDED", 1)
    path, text = page_of(make_timeline(), talk, tmp_path / "deep" / "er")
    (film,) = Document(text).all("video")
    assert "#" not in film["src"]
    assert (path.parent / unquote(film["src"])).resolve() == talk.resolve()
    assert "media-src 'self' file:;" in text
    assert str(talk.parent.resolve()) not in unquote(text)


def test_hostile_names_stay_text(tmp_path):
    source = make_talk(tmp_path, "<img src=x>.mp4", times=steady(5), sound=tone(0.2, 16_000))
    _, text = page_of(make_timeline(labels=HOSTILE), source, tmp_path / "out")
    document = Document(text)
    assert not document.all("img")
    assert len(document.all("script")) == 2
    data = json.loads(document.content["script"][0])
    assert data[0]["segments"][0][2].startswith(HOSTILE[0])


def test_the_script_knows_who_shows_and_says_what(talk, tmp_path):
    document = Document(page_of(make_timeline(), talk, tmp_path)[1])
    first, second, nobody = json.loads(document.content["script"][0])
    assert first["segments"][0] == [0.0, 5.0, "angry 60%"]
    assert first["seen"] == [[0.0, 4.875], [5.875, 9.875]]
    assert first["speaks"] == [[0.0, 4.0]]
    assert second["segments"] == [[4.0, 10.0, "disgust"]]
    assert nobody["seen"] is None
    people = [a for a in document.all("article") if a.get("class") == "person"]
    lines = [a for a in document.all("p") if a.get("class") == "now"]
    assert len(people) == len(lines) == 3


def test_personal_curves_are_dashed_below_the_plain_ones(talk, tmp_path):
    text = page_of(with_personal(make_timeline()), talk, tmp_path)[1]
    document = Document(text)
    first, second, nobody = json.loads(document.content["script"][0])
    assert first["personal"] == [[3.0, 9.123, "happy 50%"]]
    assert second["personal"] == nobody["personal"] == []
    drawn = [a["class"] for a in document.all("svg")]
    assert drawn == ["curves", "curves personal", "curves", "curves"]
    names = re.findall(r'<p class="which">(\w+)</p>', text)
    assert names == ["plain", "personal"]
    assert "personal: the same scores, read against how this person usually looks" in text
    assert "Personal: happy 100%." in text
    assert "No personal curves: too little of this person is seen and heard, about 8 s are" in text
    assert "stroke-dasharray: 7 3" in text
    plain = page_of(make_timeline(), talk, tmp_path / "plain")[1]
    assert "Personal" not in plain
    assert 'class="which"' not in plain


def test_undecided_segments_are_striped(talk, tmp_path):
    timeline = make_timeline()
    first, *others = timeline.segments
    unclear = replace(timeline, segments=(replace(first, undecided="sad"), *others))
    text = page_of(unclear, talk, tmp_path)[1]
    document = Document(text)
    shown = json.loads(document.content["script"][0])[0]
    assert shown["segments"][0] == [0.0, 5.0, "undecided between angry and sad"]
    striped = [a for a in document.all("span") if "undecided" in a.get("class", "")]
    assert [a["title"] for a in striped] == ["angry or sad", "disgust or angry"]
    assert "--d:var(--e5)" in striped[0]["style"]
    assert "<td>angry</td><td>60%</td><td>sad</td>" in text
    assert "person 0: undecided between angry and sad\n" in to_vtt(unclear)


def test_times_are_the_players(tmp_path):
    for name, start in (("late.ts", 0.0), ("late.mp4", 7.0)):  # a stream's clock is arbitrary
        late = make_talk(tmp_path, name, times=steady(250, start=7.0), sound=None)
        document = Document(page_of(make_timeline(origin=7.0), late, tmp_path)[1])
        (slider,) = document.all("input")
        assert (float(slider["min"]), float(slider["max"])) == (start, start + 10)
        data = json.loads(document.content["script"][0])
        assert data[1]["segments"] == [[start + 4, start + 10, "disgust"]]


def test_gaps_are_gaps():
    timeline = make_timeline()
    labels, rows = timeline.labels, timeline.rows_of(1)
    without = [each for each in rows if each.start_seconds != 5]
    points = points_of(without, cells(timeline))
    assert [values is None for _, values in points] == [
        True, True, True, False, False, True, False, False,
    ]  # fmt: skip
    colours = colours_of(labels)
    drawn = curves(points, labels, colours, (0.0, 10.0), timeline.cuts)
    assert drawn.count("<rect") == 2
    assert drawn.count("M400.0 ") == len(labels) + 1  # each line begins with the cell, and the cut
    assert drawn.count("M700.0 ") == len(labels)
    assert 'd="M400.0 0v100"' in drawn


def test_people_are_shown_by_their_faces(talk, tmp_path):
    timeline = make_timeline()
    first, second = timeline.people
    red = np.full((96, 96, 3), (200, 30, 30), np.uint8)
    named = replace(timeline, people=(replace(first, portrait=red), second))
    document = Document(page_of(named, talk, tmp_path)[1])
    large, small = document.all("img")
    assert large["alt"] == small["alt"] == "Face of person 0"
    picture = Image.open(io.BytesIO(base64.b64decode(large["src"].split(",")[1])))
    assert picture.size == (96, 96)
    assert np.abs(np.asarray(picture.convert("RGB"), int) - red).max() < 12


def test_curves_stop_where_the_person_is_not_seen():
    timeline = make_timeline()
    rows, places = timeline.rows_of(0), cells(timeline)
    there = [(0.0, 4.875), (5.875, 9.875)]
    points = points_of(rows, places, there)
    shown = [span for span, values in points if values is not None]
    assert all(any(a <= start and stop <= b for a, b in there) for start, stop in shown)
    assert sum(stop - start for start, stop in shown) == pytest.approx(8.875)
    assert sum(stop - start for (start, stop), _ in points) == pytest.approx(10)
    drawn = curves(points, timeline.labels, colours_of(timeline.labels), (0.0, 10.0), timeline.cuts)
    assert drawn.count("<rect") == 2
    assert "L487.5 " in drawn
    unframed = make_timeline(with_frames=False)
    assert seen(unframed, 0)[-1][1] <= unframed.people[0].last_seen_seconds


def test_hours_are_thinned_and_keep_their_gaps():
    timeline = make_timeline(with_frames=False)
    hours = replace(
        timeline,
        stop_seconds=7200.0,
        rows=tuple(
            row(start, 0 if start % 4000 > 60 else None, timeline.labels, 1, voice=start > 3000)
            for start in range(7198)
        ),
        people=timeline.people[:1],
    )
    points = points_of(hours.rows_of(0), cells(hours))
    assert len(points) <= 1500
    assert points[0][1] is None
    assert points[-1][0][1] == 7200.0
    assert sum(values is None for _, values in points) == 24


@pytest.mark.parametrize("most", [1500, 4])
def test_curves_break_at_a_gap_in_the_film(monkeypatch, most):
    monkeypatch.setattr("facevoice.output.timeline.curves._MOST_POINTS", most)
    timeline = make_timeline(with_frames=False)
    heard = [row(start, None, timeline.labels, 0, voice=True) for start in (7, 600, 601)]
    gapped = replace(timeline, rows=(*timeline.rows, *heard), stop_seconds=604.0)
    points = points_of(gapped.rows_of(None), cells(gapped))
    assert ((10.0, 600.0), True) in [(span, values is None) for span, values in points]


def test_crowds_get_curves_for_those_seen_longest(talk, tmp_path):
    timeline = make_timeline(with_frames=False)
    crowd = range(40)
    timeline = replace(
        timeline,
        rows=tuple(row(0, person, timeline.labels, 0) for person in crowd),
        people=tuple(Person(person, 0.0, 1.0, person + 1.0, 0.0, {}) for person in crowd),
        segments=(),
    )
    document = Document(page_of(timeline, talk, tmp_path)[1])
    assert len(json.loads(document.content["script"][0])) == page.MOST_DRAWN
    assert "Person 39" in document.content["h3"]
    assert "Person 3" not in document.content["h3"]
    assert "20 more people" in document.content["summary"]
    assert "person 3" in document.content["th"]
    assert "all but 16 of them" in "".join(document.content["p"])


def test_sound_alone_and_nobody(tmp_path):
    source = write_media(tmp_path / "voice.wav", sound=tone(10.0, 16_000))
    timeline = make_timeline(with_frames=False)
    rows = tuple(row(start, None, timeline.labels, 0, voice=True) for start in range(8))
    alone = replace(timeline, rows=rows, people=(), segments=(), cuts=np.zeros(0))
    document = Document(page_of(alone, source, tmp_path)[1])
    assert len(document.all("audio")) == 1
    assert not document.all("video")
    assert document.content["h3"] == ["The voice"]
    assert "seen" not in "".join(document.content["p"])
    assert "Who" not in document.content.get("th", [])
    old = write_media(tmp_path / "old.avi", times=steady(25), codec="mpeg4")
    unplayed = Document(page_of(make_timeline(), old, tmp_path)[1])
    assert not unplayed.all("video")
    assert "Browsers do not play this kind of file" in "".join(unplayed.content["p"])
    silent = replace(alone, rows=())
    assert not json.loads(Document(page_of(silent, source, tmp_path)[1]).content["script"][0])


@pytest.mark.slow
def test_a_browser_runs_it(talk, tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs Chromium")
    path, _ = page_of(make_timeline(), talk, tmp_path)
    result = subprocess.run(
        [
            browser,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=4000",
            "--dump-dom",
            Path(path).as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert 'class="ready"' in result.stdout
    assert re.search(r'<output id="clock"[^>]*>0:00\.0</output>', result.stdout)
    assert '<p class="now">angry 60%, speaks</p>' in result.stdout
    assert '<p class="now">not seen here</p>' in result.stdout
