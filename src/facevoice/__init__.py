"""facevoice: what a face and a voice say together.

>>> import facevoice
>>> predictor = facevoice.load()
>>> predictor("clip.mp4").emotion  # doctest: +SKIP
'happy'
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from facevoice.branches import Blend, Branch
    from facevoice.errors import FacevoiceError
    from facevoice.output.predictions.columns import to_frame
    from facevoice.person import Baseline, Personal
    from facevoice.predict import Predictor, load
    from facevoice.predict.prediction import Prediction
    from facevoice.timeline.live import LiveWindow, live
    from facevoice.types import EMOTIONS, Evidence, FaceTrack, Frame, Scores, Waveform

    __version__: str

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # onnxruntime 1.29 and later report their use

_HOME: Final = {  # imported on first use, so that importing facevoice is cheap
    "EMOTIONS": "types",
    "Baseline": "person",
    "Blend": "branches",
    "Branch": "branches",
    "Evidence": "types",
    "FaceTrack": "types",
    "FacevoiceError": "errors",
    "Frame": "types",
    "LiveWindow": "timeline.live",
    "Personal": "person",
    "Prediction": "predict",
    "Predictor": "predict",
    "Scores": "types",
    "Waveform": "types",
    "live": "timeline.live",
    "load": "predict",
    "to_frame": "output.predictions.columns",
}

__all__ = [
    "EMOTIONS",
    "Baseline",
    "Blend",
    "Branch",
    "Evidence",
    "FaceTrack",
    "FacevoiceError",
    "Frame",
    "LiveWindow",
    "Personal",
    "Prediction",
    "Predictor",
    "Scores",
    "Waveform",
    "live",
    "load",
    "to_frame",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":  # the list of packages takes longer than all that is above
        return import_module("importlib.metadata").version("facevoice")
    if name not in _HOME:
        raise AttributeError(f"module 'facevoice' has no attribute {name!r}")
    return getattr(import_module(f"facevoice.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME, "__version__"])
