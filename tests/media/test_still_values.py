"""Pictures of every type and range of values look like their 8-bit twin, or are refused."""

import io
import logging
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from facevoice import media
from facevoice.errors import MediaUnreadableError, MissingDependencyError
from facevoice.media import pixels, stills

RAMP = np.tile(np.linspace(0, 1, 64), (48, 1))
COLOURS = np.stack([RAMP, RAMP[:, ::-1], np.full_like(RAMP, 0.5)], axis=2)
INTEGER, SIGNED, FLOAT = 1, 2, 3


def write_tiff(path: Path, values: Any, sample_format: int, photometric: int = 1) -> Path:
    """An uncompressed TIFF of values (H, W) or (H, W, 3), as any program might write it."""
    height, width = values.shape[:2]
    channels = 1 if values.ndim == 2 else values.shape[2]
    data = values.astype(values.dtype.newbyteorder("<")).tobytes()
    repeated = {258: values.dtype.itemsize * 8, 339: sample_format}
    entries = {
        256: width, 257: height, 258: None, 259: 1, 262: photometric if channels == 1 else 2,
        273: 8, 277: channels, 278: height, 279: len(data), 339: None,
    }  # fmt: skip
    after = 8 + len(data) + 2 + 12 * len(entries) + 4
    table = further = b""
    for tag, value in entries.items():
        if value is not None:
            table += struct.pack("<HHII", tag, 4, 1, value)
        elif channels == 1:
            table += struct.pack("<HHIHH", tag, 3, 1, repeated[tag], 0)
        else:
            table += struct.pack("<HHII", tag, 3, channels, after + len(further))
            further += struct.pack(f"<{channels}H", *[repeated[tag]] * channels)
    head = struct.pack("<2sHI", b"II", 42, 8 + len(data))
    path.write_bytes(head + data + struct.pack("<H", len(entries)) + table + bytes(4) + further)
    return path


def seen(path: Path) -> Any:
    (frame,) = media.iter_frames(path)
    return frame.image.astype(float)


def test_pictures_that_pillow_cannot_read_are_stills(tmp_path: Path) -> None:
    """As a film of one picture, a face would be seen for too short."""
    path = write_tiff(tmp_path / "a.tif", COLOURS.astype("f4"), FLOAT)
    info = media.probe(path)
    assert (info.kind, info.width, info.height) == ("image", 64, 48)
    (tmp_path / "a.pam").write_bytes(
        b"P7\nWIDTH 64\nHEIGHT 48\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n"
        + (COLOURS * 255).astype("u1").tobytes()
    )
    assert media.probe(tmp_path / "a.pam").kind == "image"
    assert looks_like(tmp_path / "a.pam", COLOURS)


def test_sizes_are_checked_before_pictures_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tiff(tmp_path / "a.tif", COLOURS.astype("f4"), FLOAT)
    monkeypatch.setattr(pixels, "MAX_SIDE", 60)
    monkeypatch.setattr(stills, "Converter", None)
    monkeypatch.setattr(stills, "VideoFrame", None)  # of which one would be decoded
    for read in (media.probe, seen):
        with pytest.raises(MediaUnreadableError, match="picture is 64x48, the limit is"):
            read(path)


def looks_like(path: Path, twin: Any) -> bool:
    twin = twin if twin.ndim == 3 else twin[..., None]
    return bool(np.abs(seen(path) - 255 * twin).max() <= 3)


@pytest.mark.parametrize(
    ("kind", "white", "sample_format"),
    [
        ("f4", 1, FLOAT),
        ("f4", 255, FLOAT),
        ("f4", 65535, FLOAT),
        ("u1", 255, INTEGER),
        ("u2", 65535, INTEGER),
        ("u2", 4095, INTEGER),
        ("u2", 1023, INTEGER),
        ("u2", 255, INTEGER),
        ("i2", 32767, SIGNED),
        ("u4", 2**32 - 1, INTEGER),
        ("i4", 2**31 - 1, SIGNED),
        ("i4", 65535, SIGNED),
        ("i4", 255, SIGNED),
        ("i1", 127, SIGNED),
    ],
)
def test_grey_tiffs(tmp_path: Path, kind: str, white: int, sample_format: int) -> None:
    path = write_tiff(tmp_path / "a.tif", (RAMP * white).astype(kind), sample_format)
    assert looks_like(path, RAMP)


def test_floats_that_a_filter_has_moved_beyond_their_range(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", (RAMP * 1.1 - 0.05).astype("f4"), FLOAT)
    assert looks_like(path, np.clip(RAMP * 1.1 - 0.05, 0, 1))


@pytest.mark.parametrize(
    ("white", "highlight"), [(1, 3), (1, 310), (1, 1e9), (255, 310), (255, 2e5)]
)
@pytest.mark.parametrize("twin", [RAMP, COLOURS])
def test_floats_with_highlights_are_clipped(
    tmp_path: Path, twin: Any, white: float, highlight: float
) -> None:
    values = (twin * white).astype("f4")
    values[10:13, 10:13] = highlight
    bright = twin.copy()
    bright[10:13, 10:13] = 1
    assert looks_like(write_tiff(tmp_path / "a.tif", values, FLOAT), bright)


def test_a_tiff_whose_white_is_zero(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", ((1 - RAMP) * 65535).astype("u2"), INTEGER, photometric=0)
    assert looks_like(path, RAMP)


@pytest.mark.parametrize(("kind", "white"), [("f4", 1), ("f4", 255), ("u2", 65535), ("u1", 255)])
def test_coloured_tiffs(tmp_path: Path, kind: str, white: int) -> None:
    sample_format = FLOAT if kind == "f4" else INTEGER
    path = write_tiff(tmp_path / "a.tif", (COLOURS * white).astype(kind), sample_format)
    assert looks_like(path, COLOURS)


@pytest.mark.parametrize(
    ("values", "sample_format"),
    [
        ((RAMP * 2 - 1).astype("f4"), FLOAT),
        (np.where(RAMP > 0.5, np.nan, RAMP).astype("f4"), FLOAT),
        ((RAMP * 1e9).astype("f4"), FLOAT),
        (RAMP.astype("f2"), FLOAT),
        (RAMP.astype("f8"), FLOAT),
        (COLOURS.astype("f2"), FLOAT),
        (((RAMP * 2 - 1) * 32767).astype("i2"), SIGNED),
        ((COLOURS * 4095).astype("u2"), INTEGER),
    ],
)
def test_values_without_a_scale_are_refused(
    tmp_path: Path, values: Any, sample_format: int
) -> None:
    with pytest.raises(MediaUnreadableError, match=r"a\.tif: its values"):
        seen(write_tiff(tmp_path / "a.tif", values, sample_format))


def test_other_formats_of_wide_values(tmp_path: Path) -> None:
    wide = (RAMP * 65535).astype("u2")
    for name in ("a.png", "a.jp2"):
        Image.fromarray(wide).save(tmp_path / name)
        assert looks_like(tmp_path / name, RAMP)
    maps = {
        "a.pgm": (b"P5 64 48 65535\n", wide.astype(">u2"), RAMP),
        "b.pgm": (b"P5 64 48 4095\n", (RAMP * 4095).astype(">u2"), RAMP),
        "a.ppm": (b"P6 64 48 65535\n", (COLOURS * 65535).astype(">u2"), COLOURS),
        "a.pfm": (b"Pf\n64 48\n-1.0\n", RAMP.astype("<f4"), RAMP),
        "b.pfm": (b"PF\n64 48\n-1.0\n", (COLOURS * 255).astype("<f4"), COLOURS),
    }
    for name, (head, values, twin) in maps.items():
        (tmp_path / name).write_bytes(head + values.tobytes())
        assert looks_like(tmp_path / name, twin), name


def test_pictures_without_colour_may_stay_grey(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", (RAMP * 65535).astype("u2"), INTEGER)
    grey = stills.read_still(path, keep_grey=True)
    assert grey is not None
    assert grey.shape == RAMP.shape
    assert np.array_equal(grey, seen(path)[..., 0])


def photograph() -> Image.Image:
    return Image.fromarray((COLOURS * 255).astype(np.uint8))


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif_is_read_by_pillow(tmp_path: Path) -> None:
    photograph().save(tmp_path / "a.avif", quality=95)
    info = media.probe(tmp_path / "a.avif")
    assert (info.kind, info.width, info.height) == ("image", 64, 48)
    assert np.abs(seen(tmp_path / "a.avif") - 255 * COLOURS).mean() < 4


def test_heic_is_read_with_the_extra(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="extra heic")
    heif.register_heif_opener()
    photograph().save(tmp_path / "a.heic", format="HEIF", quality=95)
    info = media.probe(tmp_path / "a.heic")
    assert (info.kind, info.width, info.height) == ("image", 64, 48)
    assert np.abs(seen(tmp_path / "a.heic") - 255 * COLOURS).mean() < 4


def test_heic_without_the_extra_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(_name: str) -> None:
        raise ImportError

    stills._heif_opener.cache_clear()
    monkeypatch.setattr(stills.importlib, "import_module", absent)
    for brand in (b"heic", b"mif1", b"hevc"):
        path = tmp_path / "a.heic"
        path.write_bytes(struct.pack(">I4s4sI4s4s", 24, b"ftyp", brand, 0, b"mif1", b"heic"))
        with pytest.raises(MissingDependencyError, match=r"a\.heic.*--extra heic"):
            media.probe(path)


def test_nothing_of_pillow_reaches_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    palette = photograph().quantize(16)
    palette.info["transparency"] = bytes(range(16))
    palette.save(tmp_path / "a.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    photograph().save(stream, "JPEG", exif=exif.tobytes()[:-4])
    (tmp_path / "a.jpg").write_bytes(stream.getvalue())
    path = write_tiff(tmp_path / "a.tif", (RAMP * 255).astype("u1"), INTEGER)
    rows, odd_type = struct.pack("<HHI", 278, 4, 1), struct.pack("<HHI", 278, 12, 2)
    path.write_bytes(path.read_bytes().replace(rows, odd_type))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("a.png", "a.jpg", "a.tif"):
            media.probe(tmp_path / name)
            seen(tmp_path / name)
    logging.getLogger("PIL.TiffImagePlugin").warning("a remark about a tag")
    assert capfd.readouterr() == ("", "")
