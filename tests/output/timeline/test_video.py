"""The annotated video, decoded back: times, sound, boxes."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

import facevoice.output.html
from facevoice import media
from facevoice.errors import InvalidInputError, MediaUnreadableError, OutputError
from facevoice.media.encode import paint_video
from facevoice.output.timeline import write
from facevoice.output.timeline.overlay import PALETTE, place_label, squeeze_label
from facevoice.output.timeline.video import Painter
from support.media_files import CELL, number_in, numbered, steady, tone, write_media
from support.written_timelines import make_talk, make_timeline

QUARTER_TURN = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
RATE = 16_000


def nothing(image, time):
    """Leave the picture as it is."""


def burst(seconds, at, rate=RATE):
    """Silence with a tone in [at, at + 0.2)."""
    sound = tone(seconds, rate)
    sound[: round(at * rate)] = 0
    sound[round((at + 0.2) * rate) :] = 0
    return sound


def heard_at(path):
    """When the tone begins, presentation time."""
    wave = media.read_waveform(path, rate_hz=RATE)
    return wave.start_seconds + float(np.argmax(np.abs(wave.samples) > 0.2)) / RATE


def frames_of(path):
    return list(media.iter_frames(path))


def assert_in_step(source, copy):
    """The same pictures at the same times, the same sound at the same time, the same length."""
    before, after = frames_of(source), frames_of(copy)
    times = [[frame.time_seconds for frame in each] for each in (before, after)]
    assert len(times[0]) == len(times[1])
    assert times[1] == pytest.approx(times[0], abs=1e-4)
    numbers = [[number_in(frame.image) for frame in each] for each in (before, after)]
    assert numbers[0] == numbers[1]
    assert heard_at(copy) == pytest.approx(heard_at(source), abs=2e-3)
    wave, last = media.read_waveform(source, rate_hz=RATE), 2 * times[0][-1] - times[0][-2]
    start, stop = min(times[0][0], wave.start_seconds), max(last, wave.stop_seconds)
    assert media.probe(copy).start_seconds == pytest.approx(start, abs=1e-3)
    assert media.probe(copy).duration_seconds == pytest.approx(stop - start, abs=1 / 25)


UNEVEN = np.cumsum([0.04, 0.04, 0.2, 0.02, 0.1, 0.3, 0.04] * 6).tolist()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain.mp4", {}),
        ("late.mp4", {"times": steady(50, start=100.0), "sound_start": 100.0}),
        ("late.mkv", {"times": steady(50, start=3.6), "sound_start": 3.6}),
        ("uneven.mkv", {"times": UNEVEN}),
        ("uneven_late.mp4", {"times": [7 + t for t in UNEVEN], "sound_start": 7.0}),
        ("sound_later.mkv", {"sound_start": 0.5}),
        ("picture_later.mp4", {"times": steady(50, start=0.5)}),
        ("pcm.mkv", {"sound_codec": "pcm_s16le"}),
        ("high_rate.mkv", {"sound_rate": 44_100, "sound": burst(2.0, 0.7, 44_100)}),
        ("odd_rate.mkv", {"sound_codec": "pcm_s16le", "sound_rate": 15_000}),
        ("stereo.mkv", {"sound": np.stack([burst(2.0, 0.7)] * 2), "sound_layout": "stereo"}),
        ("59_94.mp4", {"times": steady(120, rate=60000 / 1001)}),
    ],
)
def test_pictures_and_sound_keep_their_times(name, options, tmp_path):
    usual = {"times": steady(50), "sound": burst(2.0, 0.7), "sound_codec": "aac"}
    if options.get("sound_rate") == 15_000:
        usual["sound"] = burst(2.0, 0.7, 15_000)
    source = write_media(tmp_path / name, **(usual | options))
    copy = tmp_path / "copy.mp4"
    paint_video(source, copy, nothing)
    assert_in_step(source, copy)


def test_a_gap_in_the_sound_stays_a_gap(tmp_path):
    source = write_media(
        tmp_path / "gap.mkv",
        times=steady(75),
        sound=burst(3.0, 2.5, 15_000),
        sound_rate=15_000,  # which AAC does not have: packets and blocks of the encoder differ
        skip=range(10, 30),
    )
    copy = tmp_path / "copy.mp4"
    paint_video(source, copy, nothing)
    assert heard_at(source) == pytest.approx(2.5, abs=2e-3)
    assert_in_step(source, copy)
    with av.open(str(copy)) as container:  # silence is sound too: players need not wait
        blocks = [(frame.time, frame.samples / 48_000) for frame in container.decode(audio=0)]
    for (time, length), (following, _) in pairwise(blocks):
        assert following == pytest.approx(time + length, abs=1e-4)


def test_a_part_is_cut_out_and_moved(tmp_path):
    source = write_media(
        tmp_path / "long.mp4", times=steady(150), sound=burst(6.0, 3.0), sound_codec="aac"
    )
    copy = tmp_path / "part.mp4"
    options = {"start_seconds": 2.0, "stop_seconds": 4.0}
    paint_video(source, copy, nothing, **options)
    assert [number_in(frame.image) for frame in frames_of(copy)] == list(range(50, 100))
    assert frames_of(copy)[0].time_seconds == pytest.approx(2.0, abs=1e-4)
    paint_video(source, copy, nothing, shift_seconds=2.0, **options)
    assert frames_of(copy)[0].time_seconds == pytest.approx(0.0, abs=1e-4)
    assert heard_at(copy) == pytest.approx(1.0, abs=2e-3)
    assert media.probe(copy).duration_seconds == pytest.approx(2.0, abs=0.04)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"size": (129, 49), "codec": "ffv1"}, (50, 130)),
        ({"matrix": QUARTER_TURN}, (128, 48)),
        ({"matrix": QUARTER_TURN, "size": (128, 50)}, (128, 50)),
    ],
)
def test_odd_and_turned_pictures_come_out_upright(options, shape, tmp_path):
    name = "odd.mkv" if "codec" in options else "turned.mp4"
    source = write_media(tmp_path / name, times=steady(5), **options)
    copy = tmp_path / "copy.mp4"
    paint_video(source, copy, nothing)
    before, after = frames_of(source), frames_of(copy)
    assert after[0].image.shape[:2] == shape
    height, width = before[0].image.shape[:2]
    for one, two in zip(before, after, strict=True):
        off = np.abs(one.image.astype(int) - two.image[:height, :width])
        assert off.mean() < 12  # a coded picture: colours of half resolution
    with av.open(str(copy)) as container:
        assert not any(frame.rotation for frame in container.decode(video=0))


def test_what_is_painted_is_there_in_its_colour(tmp_path):
    source = write_media(tmp_path / "plain.mp4", times=steady(10), size=(160, 96))

    def paint(image, time):
        image[:32] = (210, 80, 42) if time > 0.19 else (20, 30, 200)

    copy = tmp_path / "copy.mp4"
    paint_video(source, copy, paint)
    for number, frame in enumerate(frames_of(copy)):
        wanted = (20, 30, 200) if number < 5 else (210, 80, 42)
        assert frame.image[8:24, 8:-8].mean(axis=(0, 1)) == pytest.approx(wanted, abs=5)


def test_without_h264_mpeg4_takes_its_place(tmp_path, monkeypatch):
    source = write_media(tmp_path / "uneven.mkv", times=UNEVEN, sound=burst(2.0, 0.7))
    monkeypatch.setattr(av, "codecs_available", {"mpeg4", "aac"})
    copy = tmp_path / "copy.mp4"
    paint_video(source, copy, nothing)
    with av.open(str(copy)) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert_in_step(source, copy)


def test_a_video_without_sound_stays_without(tmp_path):
    copy = tmp_path / "copy.mp4"
    paint_video(write_media(tmp_path / "mute.mp4", times=steady(3)), copy, nothing)
    assert not media.probe(copy).has_audio
    assert media.probe(copy).duration_seconds == pytest.approx(0.12, abs=1e-3)


def test_failures_leave_what_was_there(tmp_path):
    copy = tmp_path / "copy.mp4"
    copy.write_text("before")
    sound = write_media(tmp_path / "sound.wav", sound=tone(1.0, RATE))
    with pytest.raises(InvalidInputError, match="no picture"):
        paint_video(sound, copy, nothing)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nonsense" * 100)
    with pytest.raises(MediaUnreadableError):
        paint_video(broken, copy, nothing)
    assert copy.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "broken.mp4",
        "copy.mp4",
        "sound.wav",
    ]
    with pytest.raises(OutputError):
        paint_video(write_media(tmp_path / "a.mp4", times=steady(3)), copy / "x.mp4", nothing)


def framed(image, box):
    """Whether a frame is drawn around a box: both upright edges stand out in the dark."""
    left, top, right, bottom = box
    edges = image[top + 6 : bottom - 6, [left + 1, right - 1]].astype(int)
    inside = image[top + 6 : bottom - 6, left + 8 : right - 8].astype(int)
    return bool(edges.max(axis=2).mean() > 90 > inside.max(axis=2).mean())


BOXES = {0: (8, 8, 28, 32), 1: (68, 8, 88, 32)}


@pytest.fixture(scope="module")
def dark(tmp_path_factory):
    """Ten dark seconds, 320x180."""
    path = tmp_path_factory.mktemp("dark") / "dark.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for _ in range(250):
            image = np.zeros((180, 320, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_boxes_stand_where_and_when_faces_were_seen(dark, tmp_path):
    (path,) = write(make_timeline(), tmp_path, ["mp4"], dark)
    assert path.name == "dark.annotated.mp4"
    shown = {
        person: [
            frame.time_seconds for frame in media.iter_frames(path) if framed(frame.image, box)
        ]
        for person, box in BOXES.items()
    }
    seen = np.arange(250) / 25
    lost = (seen >= 4.875) & (seen < 5.875)
    assert shown[0] == pytest.approx(seen[~lost & (seen < 9.875)].tolist(), abs=1e-3)
    assert shown[1] == pytest.approx(seen[(seen >= 4.0) & (seen < 9.875)].tolist(), abs=1e-3)


def test_a_box_glides_between_instants_but_not_over_a_cut():
    timeline = make_timeline()
    frames = timeline.frames
    moving = frames.boxes + np.float32(40) * (frames.times_seconds[:, None] % 1)
    moved = replace(frames, boxes=moving.astype(np.float32))
    painter = Painter(replace(timeline, frames=moved, cuts=np.array([0.6])), moved)

    def left(time):
        image = np.zeros((180, 320, 3), np.uint8)
        painter(image, time)
        return int(np.flatnonzero(image[40].max(axis=1) > 90)[0])

    assert left(0.25) == 8 + 10
    assert left(0.375) == 8 + 15
    assert left(0.59) == 8 + 20  # the instant 0.5 holds up to the cut
    assert left(0.6) == 8 + 30  # from the cut on that at 0.75


def test_a_box_lies_where_it_was_in_a_picture_of_another_size():
    timeline = make_timeline()
    image = np.zeros((360, 640, 3), np.uint8)
    Painter(timeline, timeline.frames)(image, 0.1)
    assert int(np.flatnonzero(image[40].max(axis=1) > 90)[0]) == 2 * 8


def test_crowds_get_names_alone_and_hostile_labels_are_drawn():
    timeline = make_timeline(labels=("<&>\n", "naïve" * 20, "\u7b11"))
    image = np.zeros((90, 160, 3), np.uint8)
    Painter(timeline, timeline.frames)(image, 4.5)
    assert image.any()
    tiny = np.zeros((8, 8, 3), np.uint8)
    Painter(timeline, timeline.frames)(tiny, 4.5)


def covers(area, other):
    across = area[0] < other[2] and other[0] < area[2]
    return across and area[1] < other[3] and other[1] < area[3]


def test_a_label_covers_no_other_face_where_there_is_room():
    picture, label = (320, 180), (70, 30)
    row = [(left, 60, left + 40, 110) for left in (0, 45, 90, 135, 180, 225, 270)]
    taken = list(row)
    for box in row:  # neither right nor left of any is room
        area = place_label(label, box, picture, taken)
        if area is None:
            area = squeeze_label(label, box, picture, taken)
        else:
            assert not any(covers(area, other) for other in taken)
            assert abs(area[0] - box[0]) < 80
            taken.append(area)
        assert not any(covers(area, other) for other in row if other != box)
        assert area[0] >= 0 <= area[1]
        assert area[2] <= 320
        assert area[3] <= 180
    assert len(taken) >= len(row) + 4


def test_where_there_is_no_room_a_label_lies_on_its_own_face():
    box, other = (0, 0, 100, 100), (100, 0, 200, 100)
    area = squeeze_label((60, 20), box, (200, 100), [box, other])
    assert area == (0, 80, 60, 100)


def test_the_palette_is_that_of_the_page():
    style = Path(facevoice.output.html.__file__).with_name("style.css").read_text(encoding="utf-8")
    dark = style[style.index("prefers-color-scheme: dark") :]
    assert re.findall(r"--e\d+: #(\w+);", dark)[: len(PALETTE)] == list(PALETTE)


def test_frames_are_needed(dark, tmp_path):
    with pytest.raises(InvalidInputError, match="--frames"):
        write(make_timeline(with_frames=False), tmp_path, ["mp4"], dark)
    assert not list(tmp_path.iterdir())


def test_of_a_part_only_that_is_written(tmp_path):
    source = make_talk(tmp_path)
    timeline = make_timeline(origin=0.0)
    part = replace(timeline, start_seconds=2.0, stop_seconds=6.0)
    (path,) = write(part, tmp_path, ["mp4"], source)
    found = frames_of(path)
    assert len(found) == 100
    assert found[0].time_seconds == pytest.approx(0.0, abs=1e-4)
    assert numbered(50).shape == (3 * CELL, 8 * CELL, 3)
