"""Data classes that hold arrays and mappings: compared by value, copied and pickled."""

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

import numpy as np


class Value:
    """Base of the frozen data classes that hold arrays or mappings; declare them with eq=False.

    Two of them are equal if all fields are: arrays by value and dtype, and NaN equals NaN. A copy,
    also one in another process, is made by the constructor, which checks it and makes its arrays
    and mappings read-only again.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        names = [each.name for each in fields(self) if each.compare]  # type: ignore[arg-type]
        return all(_same(getattr(self, name), getattr(other, name)) for name in names)

    def __hash__(self) -> int:
        raise TypeError(f"{type(self).__name__} holds arrays or mappings, which have no hash")

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _made, (type(self), {name: _plain(value) for name, value in _values(self).items()})


def _made(kind: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    return kind(**values)


def _values(instance: Any) -> dict[str, Any]:
    return {each.name: getattr(instance, each.name) for each in fields(instance)}


def _plain(value: Any) -> Any:
    """A value that can be pickled: read-only views of dictionaries cannot."""
    return dict(value) if isinstance(value, MappingProxyType) else value


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(two, np.ndarray):
        inexact = one.dtype.kind == two.dtype.kind == "f"
        return one.dtype == two.dtype and np.array_equal(one, two, equal_nan=inexact)
    if isinstance(one, np.ndarray) or isinstance(two, np.ndarray):
        return False
    if isinstance(one, float) and isinstance(two, float):
        return one == two or (math.isnan(one) and math.isnan(two))
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        return one.keys() == two.keys() and all(_same(each, two[key]) for key, each in one.items())
    return bool(one == two)
