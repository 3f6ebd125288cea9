import json
import math
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import onnxruntime
import pytest
from PIL import Image

import facevoice
from facevoice import media
from facevoice.errors import (
    InvalidInputError,
    MediaNotFoundError,
    MediaPermissionError,
    MediaUnreadableError,
)
from facevoice.evidence import plan
from facevoice.output.predictions.text import render
from facevoice.samples import SAMPLE
from support.joined_clips import SOUND_RATE, write_film
from support.media_files import damaged, steady, tone, write_media, write_tracks
from support.places import PREDICTION_SCHEMA


@pytest.fixture(scope="module")
def predictor(toy_bundle):
    return facevoice.load(toy_bundle)


@pytest.fixture(scope="module")
def sample(predictor):
    return predictor(SAMPLE)


def test_a_clip_with_face_and_voice_is_scored_by_both(sample, predictor):
    assert sample.missing == {}
    assert sample.windows == 1
    assert sample.emotion in predictor.bundle.labels
    assert set(sample.scores.parts) == {"face", "voice"}
    assert set(sample.scores.parts["face"].parts) == {"expression", "sequence"}
    halves = [sample.scores.parts[name].values for name in ("face", "voice")]
    np.testing.assert_allclose(sample.scores.values, np.mean(halves, axis=0))
    assert sample.evidence.people == 1
    assert 12 <= sample.evidence.face_frames <= 20
    assert sample.evidence.face_seconds == pytest.approx(4.0, abs=0.5)
    assert 2.0 < sample.evidence.speech_seconds < 4.0
    left, top, right, bottom = sample.evidence.box
    assert 0 < left < right < 640
    assert 0 < top < bottom < 360


def test_its_record_matches_the_schema(sample):
    record = json.loads(json.dumps(sample.to_dict(), allow_nan=False))
    jsonschema.validate(record, PREDICTION_SCHEMA)
    assert record["path"] == str(SAMPLE)
    assert math.fsum(record["scores"].values()) == pytest.approx(1, abs=1e-5)
    assert record["parts"]["face"]["parts"]["expression"]["parts"] == {}


@pytest.fixture(scope="module")
def cautious(toy_bundle, sample, tmp_path_factory):
    """The toy bundle with a threshold just above, or just at, the sample's highest score."""

    def load(above):
        folder = tmp_path_factory.mktemp("cautious") / "bundle"
        shutil.copytree(toy_bundle, folder)
        card = json.loads((folder / "bundle.json").read_text())
        card["abstain_below"] = sample.confidence + above
        (folder / "bundle.json").write_text(json.dumps(card))
        return facevoice.load(folder)

    return load


def test_a_guess_below_the_threshold_of_the_bundle_is_marked(cautious, sample):
    predictor = cautious(1e-6)
    unsure = predictor(SAMPLE)
    assert unsure.abstained
    assert unsure.emotion == sample.emotion  # the best guess stays
    assert repr(unsure).count("unsure") == 1
    record = json.loads(json.dumps(unsure.to_dict()))
    assert record["abstained"] is True
    jsonschema.validate(record, PREDICTION_SCHEMA)
    text = render(unsure, predictor.bundle.tree)
    assert f"unsure: {sample.emotion} " in text.splitlines()[2]
    assert text.count("unsure") == 2  # at the root of the tree alone, and its explanation
    assert "below this model's threshold" in text
    assert not cautious(0.0)(SAMPLE).abstained  # exactly at the threshold it is not marked


def test_without_a_threshold_or_scores_nothing_is_marked(sample, cautious, tmp_path):
    assert sample.to_dict()["abstained"] is False
    (failed,) = cautious(1e-6).predict_many([tmp_path / "gone.mp4"])
    assert not failed.abstained
    nothing = cautious(1e-6).score(None, None, np.zeros(16000, np.float32), 16000)
    assert (nothing.scores, nothing.abstained) == (None, False)


def test_the_same_clip_gives_the_same_record(sample, predictor):
    assert predictor(SAMPLE).to_dict() == sample.to_dict()


def test_arrays_give_the_scores_of_the_file(sample, predictor):
    rate = 16 / 4.0
    frames = list(media.iter_frames(SAMPLE, rate_hz=rate))
    sound = media.read_waveform(SAMPLE, rate_hz=48000)
    padded = np.concatenate(
        [np.zeros(round(sound.start_seconds * 48000), np.float32), sound.samples]
    )
    stereo = np.stack([padded, padded], axis=1)
    times = [frame.time_seconds for frame in frames]
    images = [frame.image for frame in frames]
    from_arrays = predictor.score(images, times, stereo, 48000)
    assert from_arrays.path is None
    for name in ("face", "voice"):
        np.testing.assert_allclose(
            from_arrays.scores.parts[name].values, sample.scores.parts[name].values, atol=0.02
        )
    jsonschema.validate(from_arrays.to_dict(), PREDICTION_SCHEMA)


def test_arrays_may_lack_a_modality(predictor):
    frames = [frame.image for frame in media.iter_frames(SAMPLE, rate_hz=2)]
    silent = predictor.score(frames, [0.5 * number for number in range(len(frames))], None, None)
    assert silent.missing == {"voice": "no_audio_stream"}
    np.testing.assert_array_equal(silent.scores.values, silent.scores.parts["face"].values)
    deaf = predictor.score(None, None, np.zeros(16000, np.int16), 16000)
    assert deaf.missing == {"face": "no_video_stream", "voice": "silent"}
    assert deaf.scores is None
    assert deaf.emotion is None
    assert deaf.confidence is None
    jsonschema.validate(deaf.to_dict(), PREDICTION_SCHEMA)


BLACK = np.zeros((48, 64, 3), np.uint8)


@pytest.mark.parametrize(
    "arguments",
    [
        (None, None, None, None),
        ([BLACK], [], None, None),
        ([BLACK, BLACK], [1.0, 1.0], None, None),
        ([BLACK, BLACK], [0.0, np.nan], None, None),
        ([BLACK, BLACK], [0.0, np.inf], None, None),
        ([BLACK], [np.nan], None, None),
        ([BLACK[..., 0]], [0.0], None, None),
        ([BLACK.astype(float)], [0.0], None, None),
        (None, None, np.zeros(100, np.float32), None),
        (None, None, np.zeros((2, 100), np.float32), 16000),
        (None, None, np.array([np.nan] * 100), 16000),
        (None, None, np.array(["a"] * 100), 16000),
    ],
)
def test_invalid_arrays_are_rejected(predictor, arguments):
    with pytest.raises(InvalidInputError):
        predictor.score(*arguments)


def test_a_long_clip_is_scored_in_windows_and_averaged(predictor, sample, monkeypatch):
    monkeypatch.setattr(plan, "WHOLE_CLIP_SECONDS", 2.0)
    monkeypatch.setattr(plan, "WINDOW_SECONDS", 1.0)
    windows = list(predictor.trace(SAMPLE))
    assert [round(evidence.start_seconds, 3) for evidence, _ in windows] == [0, 1, 2, 3]
    assert windows[-1][0].stop_seconds == pytest.approx(sample.stop_seconds)
    whole = predictor(SAMPLE)
    assert whole.windows == 4
    for leaf in ("expression", "sequence"):
        weights = [e.face_seconds * e.faces.quality.mean() for e, _ in windows]
        values = [scores.parts["face"].parts[leaf].values for _, scores in windows]
        expected = np.average(values, axis=0, weights=weights)
        np.testing.assert_allclose(whole.scores.parts["face"].parts[leaf].values, expected)
    face = whole.scores.parts["face"]
    parts = face.parts["expression"].values, face.parts["sequence"].values
    np.testing.assert_allclose(face.values, (parts[0] + 0.5 * parts[1]) / 1.5)
    assert whole.evidence.speech_seconds == pytest.approx(
        sum(evidence.speech_seconds for evidence, _ in windows)
    )
    jsonschema.validate(whole.to_dict(), PREDICTION_SCHEMA)


def test_a_part_of_a_clip_is_predicted_alone(predictor):
    part = predictor(SAMPLE, start_seconds=1.0, stop_seconds=2.0)
    assert (part.start_seconds, part.stop_seconds) == (1.0, 2.0)
    assert part.evidence.face_seconds == pytest.approx(1.0, abs=0.1)
    assert part.evidence.speech_seconds <= 1.0
    with pytest.raises(InvalidInputError, match="nothing lies between 9"):
        predictor(SAMPLE, start_seconds=9.0)
    with pytest.raises(InvalidInputError, match="nothing lies between"):
        predictor(SAMPLE, start_seconds=2.0, stop_seconds=1.0)


def test_a_missing_modality_has_a_reason(predictor, tmp_path):
    blank = write_media(tmp_path / "blank.mkv", times=steady(25), sound=tone(1.0, 16000))
    assert predictor(blank).missing == {"face": "no_face", "voice": "no_speech"}
    mute = write_media(tmp_path / "mute.mkv", times=steady(25))
    assert predictor(mute).missing == {"face": "no_face", "voice": "no_audio_stream"}
    silent = write_media(tmp_path / "silent.mkv", sound=np.zeros(16000, np.float32))
    assert predictor(silent).missing == {"face": "no_video_stream", "voice": "silent"}


def test_a_picture_and_a_sound_file_are_inputs_too(predictor, tmp_path):
    from PIL import Image

    frame = next(iter(media.iter_frames(SAMPLE)))
    Image.fromarray(frame.image).save(tmp_path / "face.png")
    picture = predictor(tmp_path / "face.png")
    assert picture.missing == {"voice": "no_audio_stream"}
    assert picture.evidence.face_frames == 1
    assert picture.duration_seconds == 0
    jsonschema.validate(picture.to_dict(), PREDICTION_SCHEMA)
    sound = media.read_waveform(SAMPLE, rate_hz=16000)
    write_media(tmp_path / "voice.wav", sound=sound.samples)
    voice = predictor(tmp_path / "voice.wav")
    assert voice.missing == {"face": "no_video_stream"}
    jsonschema.validate(voice.to_dict(), PREDICTION_SCHEMA)


def test_unreadable_inputs_raise_a_one_line_error(predictor, tmp_path):
    with pytest.raises(MediaNotFoundError):
        predictor(tmp_path / "absent.mp4")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("This is no film.\n" * 99)
    (tmp_path / "cut.mp4").write_bytes(SAMPLE.read_bytes()[:1000])
    for name in ("empty.mp4", "text.mp4", "cut.mp4"):
        with pytest.raises(MediaUnreadableError) as caught:
            predictor(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_an_unreadable_input_does_not_stop_the_others(predictor, tmp_path):
    (tmp_path / "empty.mp4").touch()
    records = list(predictor.predict_many([tmp_path / "empty.mp4", SAMPLE, tmp_path / "gone.mov"]))
    assert [record.error and record.error[0] for record in records] == [
        "unreadable",
        None,
        "not_found",
    ]
    assert records[1].emotion is not None
    for record in records:
        jsonschema.validate(record.to_dict(), PREDICTION_SCHEMA)


def test_a_file_without_read_permission_is_an_error(predictor, tmp_path, monkeypatch):
    path = tmp_path / "secret.mp4"
    path.write_bytes(SAMPLE.read_bytes())
    real_open = Path.open

    def refuse(self, *arguments, **options):
        if self == path:
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises((MediaPermissionError, MediaUnreadableError)):
        predictor(path)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_never_crash(predictor, tmp_path, seed):
    copy = damaged(SAMPLE, tmp_path / "damaged.mp4", flips=60, seed=seed)
    (record,) = predictor.predict_many([copy])
    jsonschema.validate(record.to_dict(), PREDICTION_SCHEMA)


def test_the_intact_part_of_a_truncated_file_is_predicted(predictor, tmp_path):
    path = tmp_path / "half.mkv"
    full = write_media(tmp_path / "full.mkv", times=steady(75), sound=tone(3.0, 16000))
    path.write_bytes(full.read_bytes()[: full.stat().st_size // 2])
    assert predictor(path).missing["face"] == "no_face"


@pytest.mark.parametrize("seconds", [4.0, 12.0])
def test_a_cover_picture_beside_sound_is_too_little_of_a_face(predictor, tmp_path, seconds):
    """Stored as a film of one picture, not flagged as a cover."""
    (cover, *_) = media.iter_frames(SAMPLE, stop_seconds=0.1)
    sound = tone(seconds, SOUND_RATE)
    prediction = predictor(write_film(tmp_path / "cover.mkv", [cover.image], [0.0], sound))
    assert prediction.missing == {"face": "too_little", "voice": "no_speech"}
    assert prediction.scores is None
    jsonschema.validate(prediction.to_dict(), PREDICTION_SCHEMA)


@pytest.mark.parametrize("name", ["cover_as_video.m4a", "low_rate_1.001s.mp4"])
def test_recordings_of_few_pictures(predictor, data_folder, name):
    prediction = predictor(data_folder / "cases" / name)
    if name.startswith("cover"):
        assert prediction.missing == {"face": "too_little"}
    else:
        assert (prediction.evidence.face_frames, prediction.evidence.people) == (4, 1)


def test_a_four_class_bundle_works_through_the_whole_path(four_class_bundle):
    prediction = facevoice.load(four_class_bundle)(SAMPLE)
    assert prediction.scores.labels == ("calm", "contempt", "pain", "joy & <tears>")
    jsonschema.validate(prediction.to_dict(), PREDICTION_SCHEMA)


def test_face_crops_need_no_video(predictor):
    from facevoice import Evidence, FaceTrack

    images = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), np.uint8)
    evidence = Evidence(
        FaceTrack.of_images(images), None, 0.0, 2.0, missing={"voice": "no_audio_stream"}
    )
    prediction = predictor.of_evidence(evidence)
    assert prediction.missing == {"voice": "no_audio_stream"}
    assert prediction.evidence.face_frames == 2


@pytest.mark.parametrize("content", ["sound", "picture"])
def test_networks_that_are_not_used_are_not_loaded(tmp_path, monkeypatch, content):
    loaded = []
    load = onnxruntime.InferenceSession

    def noted(path, **options):
        loaded.append(Path(path).stem)
        return load(path, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", noted)
    predictor = facevoice.load()
    assert loaded == []
    if content == "sound":
        path = write_tracks(
            tmp_path / "sound.mka", media.read_waveform(SAMPLE, rate_hz=16_000).samples
        )
    else:
        path = tmp_path / "picture.png"
        Image.fromarray(next(media.iter_frames(SAMPLE)).image).save(path)
    assert predictor(path).scores is not None
    face = {"pnet", "rnet", "onet", "expression_int8", "mini_xception"}
    voice = {"silero_vad_16k_sequence", "speech_encoder", "moonshine_encoder", "speech"}
    needed, other = (voice, face) if content == "sound" else (face, voice)
    assert needed <= set(loaded)
    assert not other & set(loaded)
