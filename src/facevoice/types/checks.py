"""Array types and validation shared by the data classes."""

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from facevoice.errors import InvalidInputError

UInt8Array = NDArray[np.uint8]
Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]


def require(condition: bool | np.bool_, message: str) -> None:  # noqa: FBT001 - as an assertion
    """Raise InvalidInputError with the message unless the condition holds."""
    if not condition:
        raise InvalidInputError(message)


def is_finite(value: object) -> bool:
    """Whether a value is a number (of Python or numpy) that is neither NaN nor infinite."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number and math.isfinite(value)  # type: ignore[arg-type]


def is_count(value: object) -> bool:
    """Whether a value is a whole number of at least 1."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    return whole and value >= 1  # type: ignore[operator]


def describe(value: object) -> str:
    """A value for a message; an array by its shape and dtype."""
    if isinstance(value, np.ndarray):
        return f"{type(value).__name__} of shape {value.shape}, dtype {value.dtype}"
    return f"{value!r}"


def frozen_array(array: NDArray[Any]) -> NDArray[Any]:
    """A read-only view of an array, for a field of a frozen dataclass."""
    view = array.view()
    view.flags.writeable = False
    return view


def set_field(instance: object, name: str, value: object) -> None:
    """Set a field of a frozen dataclass in its ``__post_init__``."""
    object.__setattr__(instance, name, value)


def freeze_array(
    instance: object,
    name: str,
    shape: tuple[int | None, ...],
    wanted: str,
    dtype: DTypeLike | None = None,
) -> None:
    """Check an array field in ``__post_init__`` and make it read-only.

    shape: its length along each axis; None: any. dtype: None: any. wanted: both, for the message.
    """
    array = getattr(instance, name)
    fits = (
        isinstance(array, np.ndarray)
        and array.ndim == len(shape)
        and all(length in {None, found} for length, found in zip(shape, array.shape, strict=True))
        and (dtype is None or array.dtype == dtype)
    )
    if not fits:  # the message takes longer than the check
        owner = type(instance).__name__
        raise InvalidInputError(f"{owner}.{name} must be {wanted}, got {describe(array)}")
    set_field(instance, name, frozen_array(array))
