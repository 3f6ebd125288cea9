"""The whole page: well-formed, self-contained, honest about what is missing, safe to open."""

import base64
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import facevoice
from facevoice.branches import Blend
from facevoice.bundle import Bundle
from facevoice.errors import MediaNotFoundError, OutputError
from facevoice.output.clip import clip_page, write_clip_page
from facevoice.output.clip.content import look_at
from facevoice.output.clip.document import document
from facevoice.output.clip.nodes import Node
from facevoice.output.clip.stills import MOST_STILLS
from facevoice.output.clip.words import verdict
from facevoice.output.predictions.text import render
from facevoice.predict import Predictor
from facevoice.types import EMOTIONS, Evidence, FaceTrack, MissingCode, Modality, Scores, Waveform
from support.media_files import steady, tone, write_media
from support.toy_bundle import make_toy_bundle

EMPTY_TAGS = {"meta", "img", "path", "rect", "use", "br"}
LARGEST_PAGE = 400_000


class Parsed(HTMLParser):
    """A page's text, attributes and pictures; fails on a tag that is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(page)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in EMPTY_TAGS:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag not in EMPTY_TAGS:
            assert self.open, f"</{tag}> without <{tag}>"
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def pictures(self) -> list[str]:
        return [value for tag, name, value in self.attributes if (tag, name) == ("img", "src")]


class Told(Predictor):
    """A predictor whose evidence was made up: its bundle gives preset scores."""

    def __init__(self, bundle: Bundle, windows: Sequence[Evidence]) -> None:
        super().__init__(bundle, threads=1)
        self.windows = windows

    def trace(self, *_: Any, **__: Any) -> Iterator[tuple[Evidence, Scores | None]]:
        for evidence in self.windows:
            yield evidence, self.bundle.tree.score(evidence)


def faces(count: int, start: float = 0.0, seconds: float = 3.0, seed: int = 0) -> FaceTrack:
    images = np.random.default_rng(seed).integers(0, 255, (count, 8, 8, 3), np.uint8)
    times = start + seconds * np.arange(count) / count
    return FaceTrack(
        images=images.repeat(32, axis=1).repeat(32, axis=2),
        times_seconds=times,
        boxes=np.tile(np.array([0, 0, 100, 120], np.float32), (count, 1)),
        quality=np.ones(count, np.float32),
        seconds=seconds,
    )


def window(
    start: float, *, face: bool = True, voice: bool = True, seconds: float = 3.0, count: int = 16
) -> Evidence:
    missing: dict[Modality, MissingCode] = {} if face else {"face": "no_face"}
    if not voice:
        missing["voice"] = "no_speech"
    return Evidence(
        faces=faces(count, start, seconds, seed=int(start)) if face else None,
        speech=Waveform(tone(1.0, 16_000), 16_000, start) if voice else None,
        start_seconds=start,
        stop_seconds=start + seconds,
        speech_spans=np.array([[start, start + 1.0]]) if voice else np.zeros((0, 2)),
        missing=missing,
        people=int(face),
    )


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = make_toy_bundle(tmp_path_factory.mktemp("toy") / "toy")
    return facevoice.load(folder, threads=1)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("media") / "clip.mp4"
    sound = tone(3.0, 16_000)
    return write_media(path, times=steady(75), sound=sound, sound_codec="aac")


def check(page: str) -> Parsed:
    """What holds for every page."""
    parsed = Parsed(page)
    for tag, name, value in parsed.attributes:
        if name in {"src", "href", "xlink:href", "action", "data", "poster", "srcset"}:
            assert value.startswith(("data:image/", "data:video/", "data:audio/", "#")), (
                tag,
                name,
                value[:80],
            )
        assert not name.startswith("on"), (tag, name)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(parsed.tags)
    assert not re.search(r"url\((?!#)|@import", page)
    ids = [value for _, name, value in parsed.attributes if name == "id"]
    assert len(set(ids)) == len(ids)
    alts = [value for tag, name, value in parsed.attributes if (tag, name) == ("img", "alt")]
    assert len(alts) == len(parsed.pictures)
    assert all(alts)
    assert parsed.tags.count("h1") == 1
    assert "Article 5(1)(f)" in parsed.text
    assert f"facevoice {facevoice.__version__}" in parsed.text
    assert len(page.encode()) < LARGEST_PAGE
    return parsed


def test_a_clip_with_face_and_voice_shows_verdict_branches_faces_and_sound(
    predictor: Predictor, clip: Path
) -> None:
    told = Told(predictor.bundle, [window(0.0)])
    prediction, page = clip_page(told, clip)
    parsed = check(page)
    assert f"“{prediction.emotion}”" in parsed.text
    assert "the face looks and the voice sounds" in parsed.text
    for name in ("face", "expression", "sequence", "voice", "spectrogram", "toy 0", *EMOTIONS):
        assert name in parsed.text
    assert sum(address.startswith("data:image/jpeg") for address in parsed.pictures) == 16
    assert sum(address.startswith("data:image/png") for address in parsed.pictures) == 1
    assert "1 stretch of speech, 1.0 s in all" in parsed.text
    assert predictor.bundle.sha256[:12] in parsed.text
    assert "Over time" not in parsed.text
    (film,) = [value for tag, name, value in parsed.attributes if (tag, name) == ("video", "src")]
    assert base64.b64decode(film.split(",")[1]) == clip.read_bytes()


def test_the_prediction_is_that_of_the_predictor(predictor: Predictor, clip: Path) -> None:
    prediction, _ = clip_page(predictor, clip, start_seconds=0.5, stop_seconds=2.0)
    plain = predictor(clip, start_seconds=0.5, stop_seconds=2.0)
    assert prediction.to_dict() == plain.to_dict()
    assert prediction.timings["total"] > 0


def test_a_long_clip_shows_its_course_and_at_most_16_faces(
    predictor: Predictor, clip: Path
) -> None:
    windows = [
        window(3.0 * number, face=number % 4 > 0, voice=number != 5, count=2)
        for number in range(200)
    ]
    prediction, page = clip_page(Told(predictor.bundle, windows), clip)
    parsed = check(page)
    assert prediction.windows == 200
    assert "Over time" in parsed.text
    assert "analysed in 200 consecutive windows" in parsed.text
    assert "(here the mean of several)" in parsed.text
    assert "In 50 of 200 windows no face was found" in parsed.text
    assert "In 1 of 200 windows no speech was found" in parsed.text
    assert sum(address.startswith("data:image/jpeg") for address in parsed.pictures) == 16
    assert parsed.tags.count("tr") < 200


def test_nothing_found_is_said_in_plain_words(predictor: Predictor, clip: Path) -> None:
    prediction, page = clip_page(predictor, clip)
    parsed = check(page)
    assert prediction.scores is None
    assert "No answer" in parsed.text
    assert "No face was found in the picture." in parsed.text
    assert "no speech was found in it." in parsed.text
    assert "no_face" in parsed.text
    assert "no_speech" in parsed.text
    assert not any(address.startswith("data:image/jpeg") for address in parsed.pictures)


def test_a_long_clip_without_an_answer_has_no_course(predictor: Predictor, clip: Path) -> None:
    windows = [window(3.0 * number, face=False, voice=False) for number in range(5)]
    prediction, page = clip_page(Told(predictor.bundle, windows), clip)
    parsed = check(page)
    assert prediction.windows == 5
    assert "No answer" in parsed.text
    assert "Over time" not in parsed.text


@pytest.mark.parametrize(
    ("code", "modality", "words"),
    [
        ("no_video_stream", "face", "The file has no picture"),
        ("no_face", "face", "No face was found"),
        ("no_audio_stream", "voice", "The file has no sound"),
        ("silent", "voice", "The sound is silent"),
        ("no_speech", "voice", "no speech was found"),
        ("too_short", "voice", "is too short"),
    ],
)
def test_each_reason_has_a_sentence(
    predictor: Predictor, clip: Path, code: MissingCode, modality: Modality, words: str
) -> None:
    there = window(0.0)
    kept = {"faces": there.faces, "speech": there.speech}
    kept["faces" if modality == "face" else "speech"] = None
    evidence = replace(there, missing={modality: code}, **kept)  # type: ignore[arg-type]
    told = Told(predictor.bundle, [evidence])
    prediction, page = clip_page(told, clip)
    parsed = check(page)
    assert prediction.missing == {modality: code}
    assert words in parsed.text
    assert code in parsed.text


def test_sound_alone(predictor: Predictor, tmp_path: Path) -> None:
    path = write_media(tmp_path / "tone.wav", sound=tone(1.5, 16_000))
    _, page = clip_page(predictor, path)
    parsed = check(page)
    assert "sound without picture" in parsed.text
    assert "The file has no picture" in parsed.text
    assert "Waveform" in parsed.text
    assert "Main person" not in parsed.text


def test_a_picture_alone(predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    Image.new("RGB", (80, 60), "grey").save(path)
    _, page = clip_page(predictor, path)
    parsed = check(page)
    assert "A picture has no sound" in parsed.text
    assert "80 x 60" in parsed.text
    assert "Waveform" not in parsed.text
    assert "Duration" not in parsed.text


def test_a_picture_with_a_face_shows_no_times(predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    Image.new("RGB", (80, 60), "grey").save(path)
    still = replace(
        window(0.0), faces=faces(1), speech=None, stop_seconds=0.0, missing={"voice": "silent"}
    )
    _, page = clip_page(Told(predictor.bundle, [still]), path)
    parsed = check(page)
    assert "The face Faces of" in parsed.text
    assert "0.00 s" not in parsed.text


def test_other_label_sets_and_hostile_names_are_escaped(tmp_path: Path) -> None:
    labels = ('<img src=x onerror="1">', "'><script>", "a&b", "fröhlich")
    folder = make_toy_bundle(tmp_path / "four", labels)
    bundle = facevoice.load(folder, threads=1).bundle
    card = {
        **bundle.card,
        "description": "<b>bold</b>",
        "licences": {"<i>": "</dd>"},
        "figures": {"<u>": {"WAR": 0.512345, "note": "</style>"}, "folds": [0.25, 0.75]},
    }
    path = write_media(tmp_path / "a<b onload='x'>&\".wav", sound=tone(1.0, 16_000))
    told = Told(replace(bundle, card=card), [window(0.0), window(3.0)])
    _, page = clip_page(told, path, note="<script>alert(1)</script>")
    parsed = check(page)
    for text in (*labels, path.name, "<b>bold</b>", "</style>", "<script>alert(1)</script>"):
        assert text in parsed.text
    assert "WAR: 0.512" in parsed.text
    assert "0.25, 0.75" in parsed.text
    assert "A blind guess among the 4 labels would give each 25%" in parsed.text


def test_a_name_that_is_not_utf8_does_not_break_the_page(
    predictor: Predictor, tmp_path: Path
) -> None:
    try:
        path = write_media(tmp_path / "a.wav", sound=tone(1.0, 16_000)).rename(
            tmp_path / os.fsdecode(b"sp\xe9cial.wav")
        )
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    write_clip_page(predictor, path, tmp_path / "page.html")
    assert "sp\ufffdcial.wav" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_title_replaces_the_name_and_a_note_stands_below(
    predictor: Predictor, clip: Path
) -> None:
    _, page = clip_page(predictor, clip, title="Demo", note="A remark.")
    assert "<h1>Demo</h1>" in page
    assert '<p class="note">A remark.</p>' in page


def test_a_member_of_weight_0_and_a_tree_of_one_leaf(predictor: Predictor, clip: Path) -> None:
    tree = predictor.bundle.tree
    assert isinstance(tree, Blend)
    face, voice = tree.members
    weighted = Blend("system", [face, voice], [0.0, 1.0])
    _, page = clip_page(Told(replace(predictor.bundle, tree=weighted), [window(0.0)]), clip)
    parsed = check(page)
    assert "Shown only: its weight is 0." in parsed.text
    assert "To the model, the voice sounds" in parsed.text
    assert isinstance(voice, Blend)
    leaf = voice.members[0]
    _, page = clip_page(Told(replace(predictor.bundle, tree=leaf), [window(0.0)]), clip)
    parsed = check(page)
    assert "What the voice sounds like to the model" in parsed.text
    assert "Below each" not in parsed.text  # no branch that looks at single faces
    assert sum(address.startswith("data:image/jpeg") for address in parsed.pictures) == 16


def test_writing_is_atomic(predictor: Predictor, clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "deep" / "page.html"
    prediction = write_clip_page(predictor, clip, output)
    assert prediction.path == str(clip)
    before = output.read_bytes()
    check(before.decode("utf-8"))
    with pytest.raises(MediaNotFoundError):
        write_clip_page(predictor, tmp_path / "absent.mp4", output)
    assert output.read_bytes() == before
    assert list(output.parent.iterdir()) == [output]
    with pytest.raises(OutputError):
        write_clip_page(predictor, clip, output.parent)  # a folder is there


def test_a_single_label_and_a_tie_are_put_into_words() -> None:
    def root(labels: tuple[str, ...], values: list[float]) -> Node:
        scores = Scores(labels, np.array(values))
        return Node("leaf", frozenset({"face"}), scores, 1.0, counted=True)

    assert "the only label" in verdict(root(("a",), [1.0]))[0]
    assert "undecided" in verdict(root(("a", "b"), [0.5, 0.5]))[0]
    assert "clearly like “b”" in verdict(root(("a", "b"), [0.1, 0.9]))[0]
    assert "mostly like “b”" in verdict(root(("a", "b", "c"), [0.2, 0.6, 0.2]))[0]
    assert "unsure" in verdict(root(("a", "b", "c"), [0.28, 0.44, 0.28]))[0]


@pytest.mark.parametrize(
    ("highest", "shown"), [((0.29, 0.24), "undecided"), ((0.34, 0.19), "angry")]
)
def test_an_undecided_verdict_is_shown_as_undecided_first(
    predictor: Predictor, clip: Path, highest: tuple[float, float], shown: str
) -> None:
    told = Told(predictor.bundle, [window(0.0)])
    scores = Scores(EMOTIONS, np.array([*highest, *np.full(5, 0.47 / 5)]))
    root = Node("system", frozenset({"face"}), scores, 1.0, counted=True)
    looked = look_at(told, clip)
    page = document(replace(looked, root=root), title=None, note=None)
    (answer,) = re.findall(r'<p class="answer[^"]*">([^<]*)</p>', page)
    assert answer == shown
    assert ("between angry and disgust" in page) == (shown == "undecided")
    printed = render(replace(looked.prediction, scores=scores), predictor.bundle.tree)
    assert printed.splitlines()[2].split()[1] == shown  # the terminal says the same
    assert ("between angry and disgust" in printed) == (shown == "undecided")


def test_a_page_shows_whose_face_it_is_about_where_there_are_several(
    predictor: Predictor, clip: Path
) -> None:
    crowd = replace(window(0.0), people=5)
    several = check(clip_page(Told(predictor.bundle, [crowd]), clip)[1])
    assert "Up to 5 people are in view at once. The answer is about this one" in several.text
    alone = check(clip_page(Told(predictor.bundle, [window(0.0)]), clip)[1])
    assert "The answer is about this one" not in alone.text


def test_a_film_that_browsers_do_not_play_is_shown_in_pictures(
    predictor: Predictor, tmp_path: Path
) -> None:
    path = write_media(tmp_path / "old.avi", times=steady(50), codec="mpeg4")
    _, page = clip_page(Told(predictor.bundle, [window(0.0, seconds=2.0)]), path)
    assert "<video" not in page
    assert page.count('alt="Picture at') == MOST_STILLS
    assert "Browsers do not play this kind of file" in check(page).text


def test_a_page_says_that_the_model_is_unsure_and_still_shows_its_guess(
    predictor: Predictor, clip: Path
) -> None:
    sure, page = clip_page(Told(predictor.bundle, [window(0.0)]), clip)
    assert "unsure:" not in check(page).text
    careful = replace(predictor.bundle, abstain_below=0.999)
    unsure, page = clip_page(Told(careful, [window(0.0)]), clip)
    assert (sure.abstained, unsure.abstained) == (False, True)
    text = check(page).text
    assert f"unsure: {sure.emotion} " in text
    assert "The model is unsure: it gives an answer only at a score of 100% or more." in text
