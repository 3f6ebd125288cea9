"""A file or arrays -> evidence, window by window: decoded, looked at and forgotten."""

import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice import media
from facevoice.errors import InvalidInputError
from facevoice.evidence.follow import Followed, Follower, follow_file
from facevoice.evidence.follow_process import (
    PICTURES_AHEAD,
    in_another_process,
    is_worth_a_process,
)
from facevoice.evidence.plan import Plan, clip_plan
from facevoice.evidence.prefetch import prefetched
from facevoice.evidence.speaker import MouthVoice
from facevoice.evidence.windows import EvidenceWindow, WindowMaker
from facevoice.faces.mtcnn import Mtcnn
from facevoice.session import Device
from facevoice.speech.voice import SPEECH_RATE_HZ, SileroVoice
from facevoice.types import Evidence, Float64Array, Frame, UInt8Array, Waveform

_SOUND_SECONDS: Final = 0.5  # of a piece of sound


class EvidenceReader:
    """Reads files into evidence; holds the detectors, so one object serves many files.

    device, threads: for the face detector's networks; None takes all cores.
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
        info: media.MediaInfo | None = None,
    ) -> Iterator[Evidence]:
        """The main person's face and all speech of a file, one window after another.

        A clip of up to ten seconds is a single window; see ``plan.clip_plan``.

        start_seconds, stop_seconds: the part to read, in presentation time; None is the end.
        info: of the file, if it was probed already.

        Raises:
            FacevoiceError: the file cannot be read (see ``media``), or the part is empty.
        """
        info = info if info is not None else media.probe(path)
        if info.kind == "image":
            (frame,) = media.iter_frames(path)
            yield self._in_memory([frame], None, math.inf)
            return
        plan = clip_plan(info, start_seconds, stop_seconds)
        for window in self.film(path, plan, main_only=True):
            yield window.evidence(window.main_person)

    def film(
        self, path: Path, plan: Plan, *, main_only: bool = False, attribute: bool = False
    ) -> Generator[EvidenceWindow, None, None]:
        """All windows of a file, each made of itself and the past alone.

        main_only: keep the pictures that the main person may need, not everyone's.
        attribute: say whose speech it is.

        Raises:
            WorkerError: the process that follows people was killed.
            FacevoiceError: the file cannot be read.
        """
        maker = self.maker(plan, main_only=main_only, attribute=attribute)
        with ExitStack() as stack:
            pictures = sound = None
            if plan.has_video:
                followed = self._followed(path, plan, with_light=attribute and plan.has_audio)
                pictures = stack.enter_context(closing(followed))
            if plan.has_audio:
                sound = stack.enter_context(closing(_sound(path, plan)))
            yield from _in_order(maker, pictures, sound)

    def maker(
        self,
        plan: Plan,
        *,
        follow: bool = False,
        main_only: bool = False,
        attribute: bool = False,
        rate_hz: float | None = None,
    ) -> WindowMaker:
        """What makes windows of pictures and sound that come from anywhere.

        follow: pictures come in as they are, not followed yet. For the rest see ``film``.
        """
        with_light = attribute and plan.has_audio
        return WindowMaker(
            plan,
            self._voice,
            mouth_voice=MouthVoice.load() if with_light else None,
            follower=Follower(self._detector, with_light=with_light) if follow else None,
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
        """Evidence of pictures and sound that are in memory already, as one window.

        frames: (T, H, W, 3) uint8 RGB, or a sequence of (H, W, 3); None or empty without.
        times_seconds: (T,) presentation times, strictly increasing.
        audio: (N,) or (N, channels), float in [-1, 1] or int16, from time 0 on; None without.
        rate_hz: samples of ``audio`` per second.

        Raises:
            InvalidInputError: a wrong shape, dtype or order, or nothing at all.
        """
        images = [] if frames is None else list(frames)
        times = [] if times_seconds is None else [float(time) for time in times_seconds]
        if len(images) != len(times):
            raise InvalidInputError(f"{len(images)} frames but {len(times)} times: give one each")
        if any(later <= earlier for earlier, later in pairwise(times)):
            raise InvalidInputError("times_seconds must increase strictly")
        if audio is not None and rate_hz is None:
            raise InvalidInputError("audio was given without rate_hz, its samples per second")
        if not images and audio is None:
            raise InvalidInputError("neither frames nor audio: there is nothing to score")
        waveform = None
        if audio is not None and rate_hz is not None:
            waveform = media.waveform_of(audio, rate_hz, SPEECH_RATE_HZ)
        spacing = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        stills = [Frame(np.asarray(image), time) for image, time in zip(images, times, strict=True)]
        return self._in_memory(stills, waveform, 1 / spacing if spacing > 0 else math.inf)

    def _in_memory(
        self, frames: Sequence[Frame], waveform: Waveform | None, rate_hz: float
    ) -> Evidence:
        """All of it as one window; every picture is searched for faces."""
        starts = [frame.time_seconds for frame in frames[:1]]
        stops = [frame.time_seconds for frame in frames[-1:]]
        if waveform is not None:
            starts.append(waveform.start_seconds)
            stops.append(waveform.stop_seconds)
        length = max(1.0, 2 * (max(stops) - min(starts)))
        plan = Plan(min(starts), length, length, bool(frames), waveform is not None)
        maker = self.maker(plan, follow=True, main_only=True, rate_hz=rate_hz)
        for view in media.views_of(frames):
            maker.picture(view)
        if waveform is not None:
            maker.sound(waveform)
        maker.end_pictures()
        maker.end_sound()
        (window,) = maker.ready()
        return window.evidence(window.main_person)

    def _followed(
        self, path: Path, plan: Plan, *, with_light: bool
    ) -> Generator[Followed, None, None]:
        """Pictures need no sound, so they are followed beside the windows, which do."""
        make = partial(follow_file, path, plan, with_light=with_light)
        if self._device == "cpu" and is_worth_a_process(plan.seconds):
            return in_another_process(partial(make, self._new_detector))
        return prefetched(make(lambda: self._detector), PICTURES_AHEAD)


def _sound(path: Path, plan: Plan) -> Generator[Waveform, None, None]:
    return media.iter_waveform(
        path,
        rate_hz=SPEECH_RATE_HZ,
        window_seconds=_SOUND_SECONDS,
        start_seconds=plan.start,
        stop_seconds=plan.asked_stop,
        origin_seconds=plan.start,
    )


def _in_order(
    maker: WindowMaker,
    pictures: Iterator[Followed] | None,
    sound: Iterator[Waveform] | None,
) -> Iterator[EvidenceWindow]:
    """Feed a maker, whichever of picture and sound is behind first."""
    last, patience = maker.plan.start, maker.plan.patience_seconds
    seen = None if pictures is None else next(pictures, None)
    piece = None if sound is None else next(sound, None)
    while seen is not None or piece is not None:
        if seen is not None and seen.time_seconds - last > patience:
            maker.no_pictures_before(seen.time_seconds)
            yield from maker.ready()
        if seen is not None and (piece is None or seen.time_seconds <= piece.start_seconds):
            if piece is not None:
                maker.no_sound_before(piece.start_seconds)
            maker.followed(seen)
            last = seen.time_seconds
            seen = None if pictures is None else next(pictures, None)
        elif piece is not None:
            maker.sound(piece)
            piece = None if sound is None else next(sound, None)
        if seen is None:
            maker.end_pictures()
        if piece is None:
            maker.end_sound()
        yield from maker.ready()
    maker.end_pictures()
    maker.end_sound()
    yield from maker.ready()
