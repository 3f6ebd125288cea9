"""What the nouns share: array types, and checks at birth."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facevoice.errors import InvalidInputError

UInt8Array = NDArray[np.uint8]
Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]


def require(condition: bool, message: str) -> None:  # noqa: FBT001 - reads as an assertion
    """Raise InvalidInputError with the message unless the condition holds."""
    if not condition:
        raise InvalidInputError(message)


def describe(value: object) -> str:
    """A value for a message: an array by shape and dtype."""
    if isinstance(value, np.ndarray):
        return f"{type(value).__name__} of shape {value.shape}, dtype {value.dtype}"
    return f"{value!r}"


def frozen_array(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view: a frozen dataclass must not have writable insides."""
    view = array.view()
    view.flags.writeable = False
    return view


def set_field(instance: object, name: str, value: object) -> None:
    """Set a field of a frozen dataclass while it is being born."""
    object.__setattr__(instance, name, value)
