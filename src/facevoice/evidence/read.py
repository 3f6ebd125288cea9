"""Read files and arrays into windows of evidence, without ever holding a whole film."""

import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, TypeVar

from numpy.typing import NDArray

from facevoice import media
from facevoice.evidence.arrays import checked_arrays
from facevoice.evidence.damage import with_damage
from facevoice.evidence.follow import Followed, Follower, follow_file
from facevoice.evidence.follow_process import (
    PICTURES_AHEAD,
    in_another_process,
    is_worth_a_process,
)
from facevoice.evidence.plan import WHOLE_CLIP_SECONDS, Plan, clip_plan, nothing_between, of_length
from facevoice.evidence.prefetch import prefetched
from facevoice.evidence.speaker import MouthVoice
from facevoice.evidence.window import EvidenceWindow
from facevoice.evidence.windows import WindowMaker
from facevoice.faces.mtcnn import Mtcnn
from facevoice.session import Device
from facevoice.speech.voice import SPEECH_RATE_HZ, SileroVoice
from facevoice.types import Damage, Evidence, Float64Array, Frame, UInt8Array, Waveform

Item = TypeVar("Item", Followed, Waveform)

_PIECE_SECONDS: Final = 0.5  # length of the pieces in which sound is read


class EvidenceReader:
    """Reads files into evidence; it holds the detectors, so reuse one reader for many files.

    device, threads: of the face detector's networks; threads=None: all cores.
    """

    def __init__(self, *, device: Device = "cpu", threads: int | None = None) -> None:
        self._new_detector = partial(Mtcnn, device=device, threads=threads)
        self._device = device

    @cached_property
    def _detector(self) -> Mtcnn:
        return self._new_detector()

    @cached_property
    def _voice(self) -> SileroVoice:
        return SileroVoice()

    def clip(
        self,
        path: Path,
        *,
        start_seconds: float | None = None,
        stop_seconds: float | None = None,
        audio_track: int | None = None,
        info: media.MediaInfo | None = None,
    ) -> Iterator[Evidence]:
        """Yield the main person's face and all speech of a file, window by window.

        A clip of up to 10 s is a single window; see ``plan.clip_plan``.

        start_seconds, stop_seconds: the part to read, in presentation time; None: the file's own
            start or end.
        audio_track: number of the sound track, from 0; None: the main one.
        info: of the file and this track, if it has been probed already.

        Raises:
            FacevoiceError: the file cannot be read (see ``media``), or the part is empty.
        """
        info = info if info is not None else media.probe(path, audio_track)
        if info.kind == "image":
            (frame,) = media.iter_frames(path)
            yield self._in_memory([frame], None, math.inf)
            return
        plan = clip_plan(info, start_seconds, stop_seconds)
        for window in self._clip_windows(path, plan):
            yield window.evidence(window.main_person)

    def _clip_windows(self, path: Path, plan: Plan) -> Iterator[EvidenceWindow]:
        """The windows of a clip; one that turns out to be longer than planned is read again.

        A plan goes by what the header or the packets say of the length: what decodes is what
        counts.
        """
        windows = self.film(path, plan, main_only=True)
        if plan.is_one_window:
            first = next(windows)
            seconds = 0.0
            for window in windows:
                seconds = window.stop_seconds - plan.start
                if seconds > WHOLE_CLIP_SECONDS:
                    break
            windows.close()
            if not seconds:
                yield first
                return
            windows = self.film(path, of_length(plan, seconds), main_only=True)
        yield from windows

    def film(
        self, path: Path, plan: Plan, *, main_only: bool = False, attribute: bool = False
    ) -> Generator[EvidenceWindow, None, None]:
        """Yield all windows of a file, each of which depends on itself and the past alone.

        In a film of 20 s or more, a thread makes the next window meanwhile.

        main_only: keep only the aligned pictures that the main person may need.
        attribute: attribute the speech to people.

        Raises:
            InvalidInputError: a part was asked for in which there is neither picture nor sound.
            WorkerError: the process that follows people was killed.
            FacevoiceError: the file cannot be read.
        """
        windows = self._windows(path, plan, main_only=main_only, attribute=attribute)
        return prefetched(windows, 1) if is_worth_a_process(plan.seconds) else windows

    def _windows(
        self, path: Path, plan: Plan, *, main_only: bool, attribute: bool
    ) -> Generator[EvidenceWindow, None, None]:
        maker = self.maker(plan, main_only=main_only, attribute=attribute)
        pictures: Iterator[Followed | Damage] = iter(())
        sound: Iterator[Waveform | Damage] = iter(())
        with ExitStack() as stack:
            if plan.has_video:
                followed = self._followed(path, plan, with_mouths=attribute and plan.has_audio)
                pictures = stack.enter_context(closing(followed))
            if plan.has_audio:
                pieces = partial(
                    media.iter_waveform,
                    path,
                    rate_hz=SPEECH_RATE_HZ,
                    window_seconds=_PIECE_SECONDS,
                    start_seconds=plan.start,
                    stop_seconds=plan.asked_stop,
                    origin_seconds=plan.start,
                    audio_track=plan.audio_track,
                )
                heard = with_damage(lambda damaged: pieces(damaged=damaged))
                sound = stack.enter_context(closing(heard))
            for window in _in_order(maker, pictures, sound):
                if maker.found_nothing and (plan.asked_start, plan.asked_stop) != (None, None):
                    span = media.measured_span(path, plan.audio_track) or (plan.start, None)
                    raise nothing_between(path, plan.asked_start, plan.asked_stop, span)
                yield window

    def maker(
        self,
        plan: Plan,
        *,
        follow: bool = False,
        main_only: bool = False,
        attribute: bool = False,
        rate_hz: float | None = None,
    ) -> WindowMaker:
        """Return a maker of windows, for pictures and sound from any source.

        follow: let the maker follow the pictures. For the other options see ``film``.
        rate_hz: sampled instants per second; None: the plan's.
        """
        with_mouths = attribute and plan.has_audio
        return WindowMaker(
            plan,
            self._voice,
            mouth_voice=MouthVoice.load() if with_mouths else None,
            follower=Follower(self._detector, with_mouths=with_mouths) if follow else None,
            main_only=main_only,
            rate_hz=rate_hz,
        )

    def of_arrays(
        self,
        frames: Sequence[UInt8Array] | UInt8Array | None,
        times_seconds: Sequence[float] | Float64Array | None,
        audio: NDArray[Any] | None,
        rate_hz: int | None,
    ) -> Evidence:
        """Turn pictures and sound in memory into evidence, as one window.

        frames: (T, H, W, 3) uint8 RGB, or a sequence of (H, W, 3); None or empty: no pictures.
        times_seconds: (T,) presentation times, strictly increasing.
        audio: (N,) or (N, channels), starting at time 0; see ``media.waveform_of``. None: no sound.
        rate_hz: samples of ``audio`` per second.

        Raises:
            InvalidInputError: a wrong shape, type, order or unit, or neither frames nor audio.
        """
        given = checked_arrays(frames, times_seconds, audio, rate_hz)
        return self._in_memory(given.frames, given.waveform, given.rate_hz)

    def _in_memory(
        self, frames: Sequence[Frame], waveform: Waveform | None, rate_hz: float
    ) -> Evidence:
        """Make one window of everything; every picture is searched for faces."""
        starts = [frame.time_seconds for frame in frames[:1]]
        stops = [frame.time_seconds for frame in frames[-1:]]
        if waveform is not None:
            starts.append(waveform.start_seconds)
            stops.append(waveform.stop_seconds)
        length = max(1.0, 2 * (max(stops) - min(starts)))
        plan = Plan(min(starts), length, length, bool(frames), waveform is not None)
        maker = self.maker(plan, follow=True, main_only=True, rate_hz=rate_hz)
        for view in media.views_of(frames, rate_hz if math.isfinite(rate_hz) else None):
            maker.add_view(view)
        if waveform is not None:
            maker.add_sound(waveform)
        maker.end_pictures()
        maker.end_sound()
        (window,) = maker.ready()
        return window.evidence(window.main_person)

    def _followed(
        self, path: Path, plan: Plan, *, with_mouths: bool
    ) -> Generator[Followed | Damage, None, None]:
        """Follow people in parallel to the windows: it needs no sound, as windows do."""
        make = partial(follow_file, path, plan, with_mouths=with_mouths)
        if self._device == "cpu" and is_worth_a_process(plan.seconds):
            return in_another_process(partial(make, self._new_detector))
        return prefetched(make(lambda: self._detector), PICTURES_AHEAD)


def _in_order(
    maker: WindowMaker,
    pictures: Iterator[Followed | Damage],
    sound: Iterator[Waveform | Damage],
) -> Iterator[EvidenceWindow]:
    """Feed a maker in order of time: always the stream that is behind."""
    last = maker.plan.start
    picture, piece = _next(maker, pictures), _next(maker, sound)
    while True:
        if picture is None:
            maker.end_pictures()
        if piece is None:
            maker.end_sound()
        yield from maker.ready()
        if picture is not None and picture.time_seconds - last > maker.plan.patience_seconds:
            maker.no_pictures_before(picture.time_seconds)
            yield from maker.ready()
        if picture is not None and (piece is None or picture.time_seconds <= piece.start_seconds):
            if piece is not None:
                maker.no_sound_before(piece.start_seconds)
            maker.add_picture(picture)
            last = picture.time_seconds
            picture = _next(maker, pictures)
        elif piece is not None:
            maker.add_sound(piece)
            piece = _next(maker, sound)
        else:
            return


def _next(maker: WindowMaker, items: Iterator[Item | Damage]) -> Item | None:
    """The next item of a stream, None at its end; the maker is told the damage before it."""
    for item in items:
        if not isinstance(item, Damage):
            return item
        maker.add_damage(item)
    return None
