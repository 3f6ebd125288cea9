"""Each corpus in miniature: the true layout, a few files, and what an adapter must find in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from facevoice.types import EMOTIONS


@dataclass(frozen=True)
class Expected:
    """What an adapter must find: id -> (label, split, group), and counts of what it drops."""

    samples: dict[str, tuple[str, str, str]]
    dropped: dict[str, int] = field(default_factory=dict)
    labels: tuple[str, ...] = EMOTIONS


def touch(root: Path, *names: str) -> None:
    """Files that hold their own name: all different."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def picture(root: Path, name: str, side: int = 48, seed: int = 0) -> None:
    """A picture of noise."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8)
    Image.fromarray(pixels).save(path)


def table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def afew(root: Path) -> Expected:
    touch(root, "Train_AFEW/Angry/000046280.avi", "Train_AFEW/Happy/000126920.avi")
    touch(root, "Val_AFEW/Sad/000149120.avi", "Test_AFEW/000000001.avi")
    touch(root, "Train_AFEW/Angry/._000046280.avi", "Train_AFEW/readme.txt")
    return Expected(
        {
            "train/000046280": ("angry", "train", "train/000046280"),
            "train/000126920": ("happy", "train", "train/000126920"),
            "val/000149120": ("sad", "val", "val/000149120"),
        },
        {"no label (test set of the challenge)": 1},
    )


def afew_faces(root: Path) -> Expected:
    touch(root, "Train_AFEW/Angry/000046280.avi", "Val_AFEW/Sad/000149120.avi")
    faces = "AlignedFaces_LBPTOP_Points"
    for frame in range(3):
        picture(root, f"Train_AFEW/{faces}/Faces/000046280/{frame:03d}.jpg", 128, frame)
        picture(root, f"Train_AFEW/{faces}/Faces/000099999/{frame:03d}.jpg", 128, 10 + frame)
        picture(root, f"Val_AFEW/{faces}_Val/Faces/000149120/{frame:03d}.jpg", 128, 20 + frame)
        picture(root, f"Val_AFEW/{faces}_Val/Faces/Fear/000149200/{frame:03d}.jpg", 128, 30 + frame)
    return Expected(
        {
            "train/000046280": ("angry", "train", "train/000046280"),
            "val/000149120": ("sad", "val", "val/000149120"),
            "val/000149200": ("fear", "val", "val/000149200"),
        },
        {"no <Emotion>/<clip>.avi gives the label": 1},
    )


AFFECTNET_COLUMNS = (
    "subDirectory_filePath", "face_x", "face_y", "face_width", "face_height",
    "facial_landmarks", "expression", "valence", "arousal",
)  # fmt: skip


def affectnet(root: Path) -> Expected:
    rows = [(f"{code}/{code}abc.jpg", 10, 12, 30, 30, "1;2", code, 0.1, 0.2) for code in range(11)]
    for number, row in enumerate(rows):
        picture(root / "Manually_Annotated_Images", str(row[0]), 64, number)
    rows.append(("9/gone.jpg", 0, 0, 1, 1, "1;2", 1, 0, 0))
    table(root / "training.csv", AFFECTNET_COLUMNS, rows)
    picture(root / "Manually_Annotated_Images", "77/v.jpg", 64, 77)
    table(
        root / "validation.csv",
        AFFECTNET_COLUMNS,
        [("77/v.jpg", "NULL", "NULL", "NULL", "NULL", "1;2", 6, 0, 0)],
    )
    names = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry")
    found = {
        f"train/{code}/{code}abc.jpg": (name, "train", f"train/{code}/{code}abc.jpg")
        for code, name in enumerate(names)
    }
    found["val/77/v.jpg"] = ("angry", "val", "val/77/v.jpg")
    return Expected(
        found,
        {
            "file of the table is absent": 1,
            "label contempt": 1,
            "label no face": 1,
            "label none": 1,
            "label uncertain": 1,
        },
    )


def affectnet_annotations(root: Path) -> Expected:
    for number, (part, code) in enumerate((("train_set", 1), ("train_set", 7), ("val_set", 6))):
        picture(root, f"{part}/images/{number}.jpg", 224, number)
        notes = root / part / "annotations"
        notes.mkdir(parents=True, exist_ok=True)
        np.save(notes / f"{number}_exp.npy", str(code))  # AffectNet stores text
    picture(root, "val_set/images/9.jpg", 224, 9)
    return Expected(
        {
            "train/images/0": ("happy", "train", "train/images/0"),
            "val/images/2": ("angry", "val", "val/images/2"),
        },
        {"label contempt": 1, "label no annotation": 1},
    )


def affectnet_folders(root: Path) -> Expected:
    picture(root, "train/0/x.jpg", 96, 0)
    picture(root, "train/7/x.jpg", 96, 1)
    picture(root, "val/Anger/x.jpg", 96, 2)
    return Expected(
        {
            "train/0/x": ("neutral", "train", "train/0/x"),
            "val/Anger/x": ("angry", "val", "val/Anger/x"),
        },
        {"label contempt": 1},
    )


def fer2013(root: Path) -> Expected:
    for number, name in enumerate(("train/angry/a.jpg", "train/happy/b.png", "test/sad/a.jpg")):
        picture(root, name, seed=number)
    touch(root, "train/angry/notes.txt", "train/contempt/c.jpg")
    return Expected(
        {
            "train/angry/a.jpg": ("angry", "train", "train/angry/a.jpg"),
            "train/happy/b.png": ("happy", "train", "train/happy/b.png"),
            "test/sad/a.jpg": ("sad", "test", "test/sad/a.jpg"),
        },
        {"folder angry, suffix .txt": 1, "folder contempt, suffix .jpg": 1},
    )


def ferplus(root: Path) -> Expected:
    fer2013(root)
    columns = ("file", *(f"v_{name}" for name in EMOTIONS), "v_contempt", "v_unknown", "v_NF")
    rows = [
        ("train/angry/a.jpg", 6, 0, 0, 0, 4, 0, 0, 0, 0, 0),
        ("train/happy/b.png", 0, 0, 0, 5, 0, 0, 1, 4, 0, 0),
        ("test/sad/a.jpg", 0, 0, 0, 0, 9, 1, 0, 0, 0, 0),
    ]
    table(root / "ferplus.csv", columns, rows)
    return Expected(
        {
            "train/angry/a.jpg": ("angry", "train", "train/angry/a.jpg"),
            "test/sad/a.jpg": ("neutral", "test", "test/sad/a.jpg"),
        },
        {"no clear majority": 1, "folder angry, suffix .txt": 1, "folder contempt, suffix .jpg": 1},
    )


def ferplus_rows(root: Path) -> Expected:
    fer2013_rows(root)
    names = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")
    columns = ("Usage", "Image name", *names, "contempt", "unknown", "NF")
    rows = [
        ("Training", "fer0000000.png", 0, 0, 0, 0, 6, 0, 4, 0, 0, 0),
        ("Training", "", 0, 0, 0, 0, 0, 0, 0, 0, 0, 10),
        ("PublicTest", "fer0028638.png", 0, 10, 0, 0, 0, 0, 0, 0, 0, 0),
        ("PrivateTest", "fer0032220.png", 5, 0, 5, 0, 0, 0, 0, 0, 0, 0),
    ]
    table(root / "fer2013new.csv", columns, rows)
    samples = {
        "train/00001": ("angry", "train", "train/00001"),
        "val/00003": ("happy", "val", "val/00003"),
    }
    return Expected(samples, {"no clear majority": 2, "row of emotion 9, usage Training": 1})


def fer2013_rows(root: Path, *, icml: bool = False) -> Expected:
    rng = np.random.default_rng(0)
    rows = []
    usages = ("Training", "Training", "PublicTest", "PrivateTest")
    for code, usage in zip((0, 6, 3, 5), usages, strict=True):
        pixels = " ".join(map(str, rng.integers(0, 256, 48 * 48)))
        rows.append((code, usage, pixels) if icml else (code, pixels, usage))
    columns = ("emotion", " Usage", " pixels") if icml else ("emotion", "pixels", "Usage")
    table(root / ("icml_face_data.csv" if icml else "fer2013.csv"), columns, rows)
    with (root / ("icml_face_data.csv" if icml else "fer2013.csv")).open("a") as stream:
        stream.write("9,Training,1 2\n" if icml else "9,1 2,Training\n")
    labels = ("angry", "neutral", "happy", "surprise")
    splits = ("train", "train", "val", "test")
    return Expected(
        {
            f"{split}/{number:05d}": (label, split, f"{split}/{number:05d}")
            for number, (label, split) in enumerate(zip(labels, splits, strict=True), start=1)
        },
        {"row of emotion 9, usage Training": 1},
    )


def ravdess(root: Path) -> Expected:
    touch(root, "Actor_01/01-01-03-01-01-01-01.mp4", "Actor_01/02-01-03-01-01-01-01.mp4")
    touch(root, "Actor_02/02-01-08-01-01-01-02.mp4", "Actor_02/01-02-05-01-01-01-02.mp4")
    touch(root, "Actor_02/01-01-02-01-01-01-02.mp4", "Actor_02/trailer.mp4")
    return Expected(
        {
            "01-01-03-01-01-01-01": ("happy", "train", "RAV01"),
            "02-01-08-01-01-01-02": ("surprise", "train", "RAV02"),
        },
        {
            "label calm": 1,
            "not a RAVDESS file name": 1,
            "picture-only copy of a recording with sound": 1,
            "song": 1,
        },
    )


def ravdess_speech(root: Path) -> Expected:
    touch(root, "Actor_24/03-01-07-02-02-02-24.wav", "Actor_24/03-02-05-01-01-01-24.wav")
    touch(root, "03-01-02-01-01-01-03.flac", "labels.csv")
    return Expected(
        {"03-01-07-02-02-02-24": ("disgust", "train", "RAV24")}, {"label calm": 1, "song": 1}
    )


def ravdess_crops(root: Path) -> Expected:
    touch(root, "facecrop_01-01-05-01-01-01-01.mp4", "hd_01-01-05-01-01-01-01.mp4")
    return Expected(
        {"facecrop_01-01-05-01-01-01-01": ("angry", "train", "RAV01")},
        {"not a RAVDESS file name": 1},
    )


def crema_d(root: Path, suffix: str, folder: str) -> Expected:
    touch(root, f"{folder}/1001_DFA_ANG_XX.{suffix}", f"{folder}/1091_WSI_NEU_XX.{suffix}")
    touch(root, f"{folder}/1002_IEO_SAD_HI.{suffix}", f"{folder}/test.{suffix}")
    return Expected(
        {
            "1001_DFA_ANG_XX": ("angry", "train", "CREMA1001"),
            "1091_WSI_NEU_XX": ("neutral", "train", "CREMA1091"),
            "1002_IEO_SAD_HI": ("sad", "train", "CREMA1002"),
        },
        {"not a CREMA-D file name": 1},
    )


def emodb(root: Path) -> Expected:
    codes = {"W": "angry", "E": "disgust", "A": "fear", "F": "happy", "N": "neutral", "T": "sad"}
    touch(root, *(f"wav/03a01{letter}a.wav" for letter in codes), "wav/16b10Lb.wav", "wav/x.wav")
    return Expected(
        {f"03a01{letter}a": (label, "train", "ED03") for letter, label in codes.items()},
        {"label boredom": 1, "not an EMO-DB file name": 1},
    )


def speech_world(root: Path) -> Expected:
    touch(root, "pl_1.opus", "am_1.opus", "de_1.opus", "ko_1.opus")
    columns = ("file", "emotion", "speaker", "language", "licence", "note")
    table(
        root / "labels.csv",
        columns,
        [
            ("pl_1.opus", "surprise", "NEMO_A", "pl", "CC BY-NC-SA 4.0", ""),
            ("am_1.opus", "fear", "ASED_05", "am", "none stated", "emotion_specific_sentence"),
            ("de_1.opus", "disgust", "ED08", "de", "free", "whole"),
            ("ko_1.opus", "boredom", "S_1", "ko", "CC BY-NC-SA 4.0", "plain_text"),
            ("ko_2.opus", "happy", "S_1", "ko", "CC BY-NC-SA 4.0", "plain_text"),
        ],
    )
    return Expected(
        {
            "pl_1.opus": ("surprise", "train", "NEMO_A"),
            "am_1.opus": ("fear", "train", "ASED_05"),
            "de_1.opus": ("disgust", "train", "ED08"),
        },
        {"label boredom": 1, "file of the table is absent": 1},
    )


MELD_COLUMNS = ("Sr No.", "Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")


def meld(root: Path) -> Expected:
    parts = (
        ("train/train_splits", "train/train_sent_emo.csv", "joy"),
        ("dev/dev_splits_complete", "dev_sent_emo.csv", "anger"),
        ("test/output_repeated_splits_test", "test_sent_emo.csv", "neutral"),
    )
    for folder, name, emotion in parts:
        rows = [(1, '"Hi, there"', "Joey", emotion, 0, 0), (2, "Yes", "Ross", "surprise", 0, 1)]
        table(root / name, MELD_COLUMNS, rows)
        touch(root, f"{folder}/dia0_utt0.mp4", f"{folder}/dia0_utt1.mp4")
    touch(root, "test/output_repeated_splits_test/final_videos_testdia0_utt0.mp4")
    (root / "dev/dev_splits_complete/dia0_utt1.mp4").unlink()
    return Expected(
        {
            "train/dia0_utt0": ("happy", "train", "train/dia0"),
            "train/dia0_utt1": ("surprise", "train", "train/dia0"),
            "val/dia0_utt0": ("angry", "val", "val/dia0"),
            "test/dia0_utt0": ("neutral", "test", "test/dia0"),
            "test/dia0_utt1": ("surprise", "test", "test/dia0"),
        },
        {"file of the table is absent": 1},
    )


def dfew(root: Path, fold: int) -> Expected:
    touch(root, *(f"Clip/original/part_1/{number}.mp4" for number in range(1, 8)))
    names = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")
    samples = {}
    for other in range(1, 6):
        for split in ("train", "test"):
            rows = [
                (f"{code:05d}", code)
                for code in range(1, 8)
                if (code % 5 + 1 == other) == (split == "test")
            ]
            if other == fold:
                samples.update({str(code): (names[code - 1], split, str(code)) for _, code in rows})
            place = root / "EmoLabel_DataSplit" / f"{split}(single-labeled)"
            table(place / f"set_{other}.csv", ("video_name", "label"), rows)
    return Expected(samples)


def caer(root: Path) -> Expected:
    touch(root, "train/Anger/0001.avi", "validation/Anger/0001.avi", "test/Sad/0001.avi")
    touch(root, "train/Other/0001.avi")
    return Expected(
        {
            "train/Anger/0001": ("angry", "train", "train/Anger/0001"),
            "val/Anger/0001": ("angry", "val", "val/Anger/0001"),
            "test/Sad/0001": ("sad", "test", "test/Sad/0001"),
        },
        {"folder Other is not an emotion": 1},
    )


def manifest(root: Path) -> Expected:
    touch(root, "a.mp4", "deep/b.mp4", "c.mp4")
    rows = [
        ("a.mp4", "Anger", "train", "ann"),
        ("deep/b.mp4", "joy", "dev", "bob"),
        ("c.mp4", "", "test", "cy"),
        ("gone.mp4", "joy", "test", "cy"),
    ]
    table(root / "manifest.csv", ("file", "label", "split", "group"), rows)
    return Expected(
        {"a.mp4": ("angry", "train", "ann"), "deep/b.mp4": ("happy", "val", "bob")},
        {"file of the table is absent": 1, "no label": 1},
    )


def manifest_own_labels(root: Path) -> Expected:
    touch(root, "a.mp4", "b.wav")
    rows = [("a.mp4", "Calm & quiet", "ann"), ("b.wav", "happy", "bob")]
    table(root / "labels.csv", ("file", "emotion", "speaker"), rows)
    return Expected(
        {"a.mp4": ("Calm & quiet", "train", "ann"), "b.wav": ("happy", "train", "bob")},
        labels=("Calm & quiet", "happy"),
    )


def folders(root: Path) -> Expected:
    touch(root, "train/bored/x.mp4", "train/awake/y.mp4", "Test/bored/deep/x.mp4")
    return Expected(
        {
            name: (label, split, name)
            for name, label, split in (
                ("Test/bored/deep/x.mp4", "bored", "test"),
                ("train/awake/y.mp4", "awake", "train"),
                ("train/bored/x.mp4", "bored", "train"),
            )
        },
        labels=("awake", "bored"),
    )


def folders_unsplit(root: Path) -> Expected:
    touch(root, "Happiness/x.mp4", "Anger/y.mp4")
    return Expected(
        {
            "Anger/y.mp4": ("angry", "train", "Anger/y.mp4"),
            "Happiness/x.mp4": ("happy", "train", "Happiness/x.mp4"),
        }
    )


Maker = Callable[[Path], Expected]

MINIATURES: dict[str, list[Maker]] = {
    "afew": [afew],
    "afew-faces": [afew_faces],
    "affectnet": [affectnet, affectnet_annotations, affectnet_folders],
    "fer2013": [fer2013, fer2013_rows, partial(fer2013_rows, icml=True)],
    "ferplus": [ferplus, ferplus_rows],
    "ravdess": [ravdess],
    "ravdess-speech": [ravdess_speech],
    "ravdess-facecrops": [ravdess_crops],
    "crema-d": [partial(crema_d, suffix="flv", folder="VideoFlash")],
    "crema-d-speech": [partial(crema_d, suffix="wav", folder="AudioWAV")],
    "emodb": [emodb],
    "speech-world": [speech_world],
    "meld": [meld],
    "dfew": [partial(dfew, fold=1)],
    **{f"dfew-fold{fold}": [partial(dfew, fold=fold)] for fold in (2, 3, 4, 5)},
    "caer": [caer],
    "manifest": [manifest, manifest_own_labels],
    "folders": [folders, folders_unsplit],
}
