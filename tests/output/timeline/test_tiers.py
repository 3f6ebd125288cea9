"""Subtitles, ELAN and Praat, opened by independent readers."""

import re
from dataclasses import replace
from itertools import pairwise

import av
import numpy as np
import pympi
import pytest
import tgt

from facevoice.errors import MediaNotFoundError
from facevoice.output.timeline import write
from facevoice.output.timeline.spans import NOBODY, cells, runs, seen, shots, spacing, speaking
from facevoice.timeline import Segment
from support.media_files import steady
from support.written_timelines import CUT, make_talk, make_timeline, row, with_personal

HOSTILE = ('say "no"', "<&> -->", "naïve\nline", "c\x00ontrol")


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    return make_talk(tmp_path_factory.mktemp("media"), "my talk & more.mp4")


@pytest.fixture(scope="module")
def late_talk(tmp_path_factory):
    """The same, but its clock starts at 100 s."""
    folder = tmp_path_factory.mktemp("late")
    return make_talk(folder, "late.ts", times=steady(250, start=100.0), sound_start=100.0)


def cues(text):
    """What the grammar of WebVTT finds: (start, stop, text) in seconds."""
    head, *blocks = text.rstrip("\n").split("\n\n")
    assert head == "WEBVTT"
    found = []
    for block in blocks:
        times, *lines = block.split("\n")
        match = re.fullmatch(
            r"(\d\d+):([0-5]\d):([0-5]\d\.\d{3}) --> (\d\d+):([0-5]\d):([0-5]\d\.\d{3})", times
        )
        assert match, times
        one, two, three, four, five, six = map(float, match.groups())
        start, stop = 3600 * one + 60 * two + three, 3600 * four + 60 * five + six
        assert stop > start
        payload = "\n".join(lines)
        assert payload
        assert re.fullmatch(r"<v [^<>&]+>([^<>&]|&(amp|lt|gt);)*", payload), payload
        found.append((start, stop, payload))
    assert found == sorted(found, key=lambda each: each[:2])
    return found


def test_subtitles_say_who_shows_what(talk, tmp_path):
    (path,) = write(make_timeline(), tmp_path, ["vtt"], talk)
    found = cues(path.read_text(encoding="utf-8"))
    assert found[0] == (0.0, 5.0, "<v person 0>person 0: angry 60%")
    assert found[1] == (4.0, 10.0, "<v person 1>person 1: disgust")
    assert found[2][1] == 9.123
    assert found[3][2] == f"<v {NOBODY}>{NOBODY}: angry 50%"
    with av.open(str(path)) as container:  # ffmpeg reads it too
        packets = [packet for packet in container.demux() if packet.size]
        assert [float(p.pts * p.time_base) for p in packets] == [each[0] for each in found]


def test_personal_answers_have_tiers_of_their_own_and_stand_in_cues(talk, tmp_path):
    timeline = with_personal(make_timeline())
    vtt, eaf, grid = write(timeline, tmp_path, ["vtt", "eaf", "textgrid"], talk)
    texts = [text for _, _, text in cues(vtt.read_text(encoding="utf-8"))]
    assert texts[0] == "<v person 0>person 0: angry 60% (personal: happy)"
    assert texts[1] == "<v person 1>person 1: disgust"
    plain = pympi.Elan.Eaf(write(make_timeline(), tmp_path / "plain", ["eaf"], talk)[0])
    found = pympi.Elan.Eaf(eaf)
    own = {f"person {number} personal emotion" for number in (0, 1)}
    assert set(found.get_tier_names()) == set(plain.get_tier_names()) | own
    name = "person 0 personal emotion"
    assert found.get_annotation_data_for_tier(name) == [(3000, 9123, "happy")]
    assert found.get_parameters_for_tier(name)["PARTICIPANT"] == "person 0"
    kind = found.get_parameters_for_tier(name)["LINGUISTIC_TYPE_REF"]
    types = {each: found.get_parameters_for_linguistic_type(each) for each in (kind, "emotion")}
    assert {each["CONTROLLED_VOCABULARY_REF"] for each in types.values()} == {"emotions"}
    assert found.get_annotation_data_for_tier("person 1 personal emotion") == []
    marks = tgt.io.read_textgrid(grid).get_tier_by_name(name).annotations
    assert [mark.text for mark in marks] == ["happy"]


def test_subtitles_survive_hostile_labels_and_empty_spans(talk, tmp_path):
    timeline = make_timeline(labels=HOSTILE)
    odd = [Segment(None, 7.0 + n, 7.0 + n, label, 0.5) for n, label in enumerate(HOSTILE[:3])]
    (path,) = write(replace(timeline, segments=tuple(odd)), tmp_path, ["vtt"], talk)
    texts = [text for _, _, text in cues(path.read_text(encoding="utf-8"))]
    assert texts[1].endswith("&lt;&amp;&gt; --&gt; 50%")


def test_every_format_counts_as_players_do(late_talk, tmp_path):
    """A stream whose clock starts at 100 s starts at 0 in every player; a film in MP4 does not."""
    timeline = make_timeline(origin=100.0)
    vtt, eaf, grid = write(timeline, tmp_path, ["vtt", "eaf", "textgrid"], late_talk)
    first = cues(vtt.read_text(encoding="utf-8"))[0]
    assert first[:2] == pytest.approx((0.0, 5.0), abs=0.07)  # AAC starts 64 ms early
    spans = pympi.Elan.Eaf(eaf).get_annotation_data_for_tier("person 0 emotion")
    assert spans[0][1] == pytest.approx(5000, abs=70)
    assert spans[0][0] == pytest.approx(0, abs=70)
    marks = tgt.io.read_textgrid(grid).get_tier_by_name("person 0 emotion").annotations
    assert float(marks[0].end_time) == pytest.approx(5.0, abs=0.07)
    film = make_talk(tmp_path, "late.mp4", times=steady(250, start=100.0), sound_start=100.0)
    vtt, grid = write(timeline, tmp_path, ["vtt", "textgrid"], film)
    assert cues(vtt.read_text(encoding="utf-8"))[0][:2] == (100.0, 105.0)
    marks = tgt.io.read_textgrid(grid).get_tier_by_name("person 0 emotion").annotations
    assert float(marks[0].end_time) == pytest.approx(5.0, abs=0.07)  # Praat has only the sound


def test_elan_gets_tiers_per_person_and_the_film_beside_it(talk, tmp_path):
    folder = tmp_path / "out"
    (path,) = write(make_timeline(), folder, ["eaf"], talk)
    eaf = pympi.Elan.Eaf(path)
    tiers = set(eaf.get_tier_names())
    kinds = ("emotion", "speaking", "seen")
    wanted = {f"person {number} {kind}" for number in (0, 1) for kind in kinds}
    assert tiers == wanted | {f"{NOBODY} emotion", f"{NOBODY} speaking", "shots"}
    assert eaf.get_annotation_data_for_tier("person 0 emotion") == [
        (0, 5000, "angry"),
        (5000, 9123, "disgust"),
    ]
    assert eaf.get_annotation_data_for_tier("shots") == [
        (0, 4000, "shot 1"),
        (4000, 10000, "shot 2"),
    ]
    assert eaf.get_annotation_data_for_tier("person 0 speaking") == [(0, 4000, "speaking")]
    (media,) = eaf.get_linked_files()
    assert (folder / media["RELATIVE_MEDIA_URL"]).resolve() == talk.resolve()
    assert str(talk.parent.resolve()) not in path.read_text(encoding="utf-8")
    assert media["MIME_TYPE"] == "video/mp4"
    vocabulary = eaf.get_cv_entries("emotions")
    assert [value for value, *_ in (v[0] for v in (e[0] for e in vocabulary.values()))][:2] == [
        "angry",
        "disgust",
    ]
    ids = list(eaf.timeslots.values())
    assert ids == sorted(ids)


@pytest.mark.parametrize("origin", [0.0, 100.0])
def test_praat_gets_tiers_without_gaps(origin, talk, late_talk, tmp_path):
    timeline = make_timeline(origin=origin)
    (path,) = write(timeline, tmp_path, ["textgrid"], talk if origin == 0 else late_talk)
    grid = tgt.io.read_textgrid(path, include_empty_intervals=True)
    assert "person 1 seen" in grid.get_tier_names()
    for tier in grid.tiers:
        edges = [(mark.start_time, mark.end_time) for mark in tier.annotations]
        assert edges[0][0] == 0
        assert edges[-1][1] == grid.end_time
        for (_, stop), (start, _) in pairwise(edges):
            assert start == stop
        assert all(stop > start for start, stop in edges)
    if origin == 0:
        texts = [mark.text for mark in grid.get_tier_by_name("person 0 seen").annotations]
        assert texts == ["seen", "", "seen", ""]


def test_praat_and_elan_survive_hostile_labels(talk, tmp_path):
    timeline = make_timeline(labels=HOSTILE)
    eaf, grid = write(timeline, tmp_path, ["eaf", "textgrid"], talk)
    first = 'say "no"'
    assert pympi.Elan.Eaf(eaf).get_annotation_data_for_tier("person 0 emotion")[0][2] == first
    assert tgt.io.read_textgrid(grid).get_tier_by_name("person 0 emotion")[0].text == first
    assert 'text = "say ""no"""' in grid.read_text(encoding="utf-8")


def test_marks_of_one_tier_never_overlap(talk, tmp_path):
    timeline = make_timeline()
    overlapping = tuple(Segment(0, n, n + 2.5, timeline.labels[n], 0.5) for n in range(4))
    timeline = replace(timeline, segments=overlapping)
    eaf, grid = write(timeline, tmp_path, ["eaf", "textgrid"], talk)
    spans = pympi.Elan.Eaf(eaf).get_annotation_data_for_tier("person 0 emotion")
    assert [each[:2] for each in spans] == [(0, 2500), (2500, 3500), (3500, 4500), (4500, 5500)]
    marks = tgt.io.read_textgrid(grid).get_tier_by_name("person 0 emotion").annotations
    assert [float(mark.end_time) for mark in marks] == [2.5, 3.5, 4.5, 5.5]


def test_the_media_file_must_be_there(tmp_path):
    for form in ("vtt", "eaf", "textgrid"):
        with pytest.raises(MediaNotFoundError, match=r"absent\.mp4"):
            write(make_timeline(), tmp_path, [form], tmp_path / "absent.mp4")
    assert not list(tmp_path.iterdir())


def test_cells_cover_the_timeline_once():
    spans = list(cells(make_timeline()).values())
    assert spans[0] == (0.0, 2.0)
    assert spans[-1] == (8.0, 10.0)
    assert all(one[1] == two[0] for one, two in pairwise(spans))


def test_cells_and_speech_end_before_a_gap_in_the_film():
    timeline = make_timeline()
    heard = [row(start, None, timeline.labels, 0, voice=True) for start in (7, 600, 601)]
    gapped = replace(timeline, rows=(*timeline.rows, *heard), stop_seconds=604.0)
    spans = cells(gapped)
    assert spans[7.0][1] == 10.0
    assert spans[600.0][0] == 600.0
    assert speaking(gapped, None) == [(7.0, 10.0), (600.0, 604.0)]


def test_losses_and_cuts_end_what_is_seen():
    timeline = make_timeline()
    assert spacing(timeline.frames) == 0.25
    assert seen(timeline, 0) == [(0.0, 4.875), (5.875, 9.875)]
    assert runs(np.arange(8) / 4, 0.25, np.array([1.0])) == [(0, 4), (4, 8)]
    assert runs(np.array([0.0, 0.25, 1.0]), 0.25, np.zeros(0)) == [(0, 2), (2, 3)]
    assert runs(np.zeros(0), 0.25, np.zeros(0)) == []
    assert seen(timeline, 1) == [(4.0, 9.875)]
    assert shots(timeline) == [(0.0, 4.0), (4.0, 10.0)]
    assert speaking(timeline, None) == [(7.0, 8.0)]
    assert speaking(timeline, 1) == []
    assert speaking(timeline, 0) == [(0.0, 4.0)]  # whole cells where nothing better is known
    heard = replace(timeline, speech_spans=np.array([[0.5, 1.5], [1.75, 4.5], [7.25, 7.5]]))
    assert speaking(heard, 0) == [(0.5, 1.5), (1.75, 4.0)]
    assert speaking(heard, None) == [(7.25, 7.5)]


def test_a_person_is_not_held_over_a_cut():
    timeline = make_timeline()
    late = replace(timeline, cuts=np.array([3.8]))  # between the instants 3.75 and 4.0
    assert seen(late, 1) == [(3.8, 9.875)]
    early = replace(timeline, cuts=np.array([3.5]))
    assert seen(early, 1) == [(3.875, 9.875)]
    unframed = make_timeline(with_frames=False)
    gone = replace(unframed.people[0], last_seen_seconds=CUT)  # the cell goes on
    assert seen(replace(unframed, people=(gone, unframed.people[1])), 0) == [(0.0, CUT)]
