"""What is done to each file: the same code in every process and on every machine."""

import hashlib
import json
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from facevoice import __version__
from facevoice.errors import BundleError
from facevoice.session import Device

_RECORD: Final = 3  # raised when the same bytes would give another record
_PIECE: Final = 1 << 20  # bytes read at a time


@dataclass(frozen=True, slots=True)
class Unit:
    """A file to predict.

    key: identifies its bytes and the settings; None if it could not be read.
    """

    number: int
    path: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Scoring:
    """The settings for all files.

    bundle: its folder, or the name of a shipped one. bundle_sha256: of its bundle.json.
    folder: where relative paths start.
    start_seconds, stop_seconds: the part to analyse; None: from the start, to the end.
    audio_track: number of the sound track; None: the main one.
    """

    bundle: str
    bundle_sha256: str
    folder: str
    device: Device = "cpu"
    start_seconds: float | None = None
    stop_seconds: float | None = None
    audio_track: int | None = None

    def key_of(self, path: str) -> str | None:
        """A name for a file's record, made from its bytes and the settings; None if unreadable.

        The suffix counts too, since decoders use it, and so does the version of facevoice.
        """
        digest = hashlib.sha256()
        try:
            if not Path(path).is_file():  # reading a pipe would wait forever
                return None
            with Path(path).open("rb") as stream:
                while piece := stream.read(_PIECE):
                    digest.update(piece)
        except OSError:
            return None
        settings = (
            _RECORD,
            __version__,
            self.bundle_sha256,
            self.device,
            self.start_seconds,
            self.stop_seconds,
            self.audio_track,
            Path(path).suffix.lower(),
        )
        digest.update(repr(settings).encode())
        return digest.hexdigest()

    def open(self) -> Callable[[Unit], str]:
        """Load the bundle; returns the function that gives a file's exact record as JSON.

        A file that cannot be read gives a record with the error.

        Raises:
            BundleError: the bundle is absent, inconsistent, or not the one asked for.
        """
        # only processes that score load the networks' libraries
        from facevoice.predict import load  # noqa: PLC0415

        with suppress(OSError):  # another machine may lack it; paths may be absolute
            os.chdir(self.folder)
        predictor = load(self.bundle, device=self.device)
        if predictor.bundle.sha256 != self.bundle_sha256:
            raise BundleError(
                f"the bundle {self.bundle} on {platform.node()} is not the one asked for: install"
                " the same bundle on each machine"
            )

        def score(unit: Unit) -> str:
            (prediction,) = predictor.predict_many(
                [unit.path],
                start_seconds=self.start_seconds,
                stop_seconds=self.stop_seconds,
                audio_track=self.audio_track,
            )
            return json.dumps(prediction.to_dict(exact=True))

        return score
