"""Damaged pictures and packets: left out, counted, and the same every time."""

from concurrent.futures import ThreadPoolExecutor

import av
import pytest
from av.error import InvalidDataError

from facevoice import media
from facevoice.media import decoding, parallel
from facevoice.media.container import packets
from facevoice.types import UNDAMAGED, Damage
from support.damage import SUFFIXES, flagged, overwritten, write_pictures
from support.media_files import steady, tone, write_media

HZ = 8.0


def viewed(path, **options):
    """The views of a file without what is not compared, and its damage."""
    found = []
    views = [
        (view.time_seconds, view.until, view.thumbnail.tobytes(), view.image is not None)
        for view in media.iter_views(path, rate_hz=HZ, damaged=found.append, **options)
    ]
    return views, sum(found, UNDAMAGED)


def times_of(views):
    return [time for time, until, *_ in views if until is None]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("film") / "film.mp4")


@pytest.fixture(scope="module")
def broken(film):
    """Ten pictures in a row are damaged, more than two sampled instants."""
    return overwritten(film, film.with_name("broken.mp4"), range(20, 30))


def test_a_whole_film_has_no_damage(film):
    views, damage = viewed(film)
    assert damage == UNDAMAGED
    assert times_of(views) == pytest.approx(flagged(film)[0])


def test_corrupt_pictures_are_counted_and_not_viewed(film, broken):
    whole, corrupt = flagged(broken)
    assert len(corrupt) >= 8
    views, damage = viewed(broken)
    assert damage == Damage(corrupt_pictures=len(corrupt))
    assert times_of(views) == pytest.approx(whole)
    twin = {time: rest for time, *rest in viewed(film)[0]}
    for time, *rest in views:  # before the damage, both are the same to the last bit
        if time < min(corrupt) - 1.5 / HZ:
            assert twin[time] == rest


def test_the_picture_before_does_not_stand_in_for_corrupt_ones(broken):
    _, corrupt = flagged(broken)
    lost = min(corrupt), max(corrupt)
    assert lost[1] - lost[0] > 2 / HZ
    views, _ = viewed(broken)
    assert not [time for time, *_ in views if lost[0] <= time <= lost[1]]
    assert all(until is None or until <= lost[0] or time > lost[1] for time, until, *_ in views)


def test_corrupt_pictures_are_no_frames_either(broken):
    whole, _ = flagged(broken)
    assert [frame.time_seconds for frame in media.iter_frames(broken)] == pytest.approx(whole)


def test_only_the_damage_of_the_span_is_counted(broken):
    _, corrupt = flagged(broken)
    middle = corrupt[4] - 0.01
    before, after = viewed(broken, stop_seconds=middle), viewed(broken, start_seconds=middle)
    assert before[1] == Damage(corrupt_pictures=4)
    assert after[1] == Damage(corrupt_pictures=len(corrupt) - 4)
    assert viewed(broken, start_seconds=corrupt[-1] + 0.01)[1] == UNDAMAGED


@pytest.mark.parametrize("codec", SUFFIXES)
def test_damage_is_the_same_every_time(codec, tmp_path):
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    film = write_pictures(tmp_path / f"film{SUFFIXES[codec]}", codec, 50)
    assert viewed(film)[1] == UNDAMAGED
    copy = overwritten(film, film.with_stem("damaged"), [9, 17, 18, 31])
    with ThreadPoolExecutor(4) as several:  # under load, too
        found = list(several.map(viewed, [copy] * 4))
    assert all(each == found[0] for each in found)
    assert found[0][0]
    if codec not in {"libx265", "libvpx-vp9", "mjpeg"}:  # whose decoders rarely notice
        assert found[0][1]


@pytest.mark.parametrize("reordered", [0, 3])
def test_what_is_decoded_in_parallel_equals_what_one_thread_decodes(
    reordered, tmp_path, monkeypatch
):
    film = write_pictures(tmp_path / "film.mp4", reordered=reordered)
    copies = [overwritten(film, tmp_path / f"{n}.mp4", [n, n + 11]) for n in (7, 15, 23, 40)]
    alone = [viewed(path) for path in (film, *copies)]
    monkeypatch.setattr(parallel, "PARALLEL_PIXELS", 0)
    assert [viewed(path) for path in (film, *copies)] == alone
    assert [viewed(path) for path in (film, *copies)] == alone
    assert all(damage for _, damage in alone[1:])


def test_places_that_cannot_be_read_are_counted_once(broken, monkeypatch):
    """Also if the pictures are decoded in parallel first, and again by one thread."""

    def failing(*given, failed):
        for number, packet in enumerate(packets(*given, failed=failed)):
            if number in {5, 45}:  # before and after the damaged pictures
                failed(InvalidDataError(0, "damaged"), 1)
            yield packet

    monkeypatch.setattr(decoding, "packets", failing)
    alone = viewed(broken)
    monkeypatch.setattr(parallel, "PARALLEL_PIXELS", 0)
    assert viewed(broken) == alone
    assert alone[1].lost_packets == 2


def test_lost_packets_are_counted(tmp_path):
    film = write_media(
        tmp_path / "film.mp4",
        times=steady(50),
        sound=tone(2.0, 48_000),
        sound_codec="aac",
        sound_rate=48_000,
    )
    copy = overwritten(film, tmp_path / "copy.mp4", [6, 7, 8], "audio", whole=True)

    def heard(path):
        found = []
        pieces = media.iter_waveform(path, rate_hz=16_000, window_seconds=0.5, damaged=found.append)
        return sum(len(piece.samples) for piece in pieces), sum(found, UNDAMAGED)

    length, none = heard(film)
    assert none == UNDAMAGED
    assert viewed(copy)[1] == UNDAMAGED  # the pictures are whole
    assert heard(copy)[0] == pytest.approx(length, abs=2000)
    assert heard(copy)[1].lost_packets >= 1
    assert heard(copy) == heard(copy)


def test_pictures_of_incomplete_packets_are_corrupt(tmp_path):
    film = write_pictures(tmp_path / "film.ts")
    content = film.read_bytes()
    lost = 188 * (len(content) // 188 // 2)
    copy = tmp_path / "copy.ts"
    copy.write_bytes(content[:lost] + content[lost + 188 :])
    assert viewed(film)[1] == UNDAMAGED
    assert 1 <= viewed(copy)[1].corrupt_pictures <= 3


def test_recordings_that_were_joined_are_whole(tmp_path):
    one, two = (
        write_pictures(tmp_path / f"{first}.ts", count=30, first=first) for first in (0, 30)
    )
    film = tmp_path / "joined.ts"
    film.write_bytes(one.read_bytes() + two.read_bytes())
    views, damage = viewed(film)
    assert damage == UNDAMAGED
    assert len(times_of(views)) == 60


def test_a_stream_that_appears_midway_does_no_harm(film):
    """PyAV raises IndexError at the first packet of a stream that it did not know."""
    with av.open(str(film)) as whole:
        wanted = [packet.pts for packet in whole.demux(whole.streams.video[0])]

    class Container:
        def __init__(self):
            self.container = av.open(str(film))
            self.asked = 0

        def demux(self, streams):
            self.asked += 1
            for number, packet in enumerate(self.container.demux(streams)):
                yield packet
                if self.asked == 1 and number == 9:
                    raise IndexError

    source = Container()
    found = list(packets(source, source.container.streams.video[0]))
    assert [packet.pts for packet in found] == wanted


def test_packets_that_the_index_lists_and_the_file_lacks_are_lost(film, tmp_path):
    content = bytearray(film.read_bytes())
    sizes = content.index(b"stsz") + 16  # one number of 4 bytes for each packet
    content[sizes + 4 * 20 : sizes + 4 * 21] = b"\x00\x7f\xff\x00"
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(content)
    views, damage = viewed(copy)
    assert times_of(views) == pytest.approx(flagged(film)[0][:20])
    assert damage == Damage(lost_packets=40)


def test_a_place_that_cannot_be_read_is_counted_once(film, monkeypatch):
    def broken(container, *streams, failed):
        for number, packet in enumerate(packets(container, *streams)):
            if number in {7, 8, 20}:
                failed(av.error.InvalidDataError(0, "unreadable"), 2 if number == 8 else 1)
            yield packet

    monkeypatch.setattr("facevoice.media.decoding.packets", broken)
    assert viewed(film)[1] == Damage(lost_packets=2)
