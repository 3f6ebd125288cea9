"""ONNX models behind one small class; the only module that imports onnxruntime."""

import hashlib
import json
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from facevoice.errors import BundleError, HashMismatchError, InvalidInputError
from facevoice.types.checks import is_count, require

Device = Literal["cpu", "cuda"]

_LARGE: Final = 64 * 2**20
_LOAD_ERRORS: Final = (  # they have no common base class of their own
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
)


def hash_of(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def available_devices() -> tuple[Device, ...]:
    """The devices that the installed onnxruntime can use."""
    providers = onnxruntime.get_available_providers()
    return ("cpu", "cuda") if "CUDAExecutionProvider" in providers else ("cpu",)


def shipped_model(folder: Path, name: str) -> Path:
    """A network in a folder of this package, checked against the folder's manifest.

    Raises:
        BundleError: the network or the manifest is missing, or the manifest lists no such network.
        HashMismatchError: the network is not the one that was shipped.
    """
    path = folder / name
    try:
        files = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
        found = hash_of(path)
    except FileNotFoundError as error:
        raise BundleError(f"{error.filename} is missing: reinstall facevoice") from error
    if name not in files:
        raise BundleError(f"{folder / 'manifest.json'} lists no {name}: reinstall facevoice")
    if found != files[name]["sha256"]:
        raise HashMismatchError(
            f"{path} has sha256 {found}, the manifest says {files[name]['sha256']}:"
            " reinstall facevoice"
        )
    return path


def _threads(asked: int | None) -> int:
    """Threads for onnxruntime, 0 for all cores; from the environment if none are asked for."""
    if asked is None:
        text = os.environ.get("FACEVOICE_THREADS", "0")
        known = text.isascii() and text.isdecimal()
        require(known, f"FACEVOICE_THREADS must be a whole number, got {text!r}")
        return int(text)
    require(is_count(asked), f"threads must be a whole number of at least 1, got {asked!r}")
    return int(asked)


class Session:
    """An ONNX model. It is loaded at its first use: a file without sound needs no voice networks.

    path: a .onnx file.
    device: "cpu" or "cuda" (cuda needs the package onnxruntime-gpu, and is untested).
    threads: processor threads per run; None: FACEVOICE_THREADS, or else all cores.

    Every use but the construction raises BundleError if onnxruntime cannot load the model.
    """

    def __init__(self, path: Path, *, device: Device = "cpu", threads: int | None = None) -> None:
        if device not in available_devices():
            raise InvalidInputError(
                f"device {device!r} was requested; this onnxruntime offers"
                f" {', '.join(available_devices())}: install onnxruntime-gpu, or use cpu"
            )
        self.path = path
        self._device = device
        self._threads = _threads(threads)

    @cached_property
    def _loaded(self) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; its warnings are about graph clean-up
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        # an arena never gives back what loading took, which large networks gain nothing by
        large = self.path.is_file() and self.path.stat().st_size > _LARGE
        options.enable_cpu_mem_arena = not large
        # spinning threads take a core away from the decoder or from another worker
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        provider = "CUDAExecutionProvider" if self._device == "cuda" else "CPUExecutionProvider"
        try:
            return onnxruntime.InferenceSession(
                str(self.path), sess_options=options, providers=[provider]
            )
        except _LOAD_ERRORS as error:
            raise BundleError(
                f"{self.path}: onnxruntime cannot load this model: {error}"
            ) from error

    def load(self) -> None:
        """Load the model now, to see whether that is possible."""
        self._loaded  # noqa: B018

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return tuple(item.name for item in self._loaded.get_inputs())

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return tuple(item.name for item in self._loaded.get_outputs())

    def run(self, *arrays: NDArray[Any]) -> Sequence[NDArray[np.float32]]:
        """Run the model on its inputs, in order; return all outputs, in order."""
        feed = dict(zip(self.inputs, arrays, strict=True))
        outputs: Sequence[NDArray[np.float32]] = self._loaded.run(None, feed)
        return outputs

    def __repr__(self) -> str:
        return f"Session({self.path.name}: {', '.join(self.inputs)} -> {', '.join(self.outputs)})"
