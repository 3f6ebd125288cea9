"""Damped Newton's method, for the small convex fits of this package."""

from collections.abc import Callable

import numpy as np

from facevoice.types import Float64Array

_SMALLEST_STEP = 1e-10


def minimise(
    start: Float64Array,
    loss: Callable[[Float64Array], float],
    derivatives: Callable[[Float64Array], tuple[Float64Array, Float64Array]],
    *,
    promise: float,
    rounds: int = 100,
) -> Float64Array:
    """The point of least loss from a start (P,); each step is halved until it gains enough.

    derivatives: point -> gradient (P,), Hessian (P, P).
    promise: stop where a step promises to gain less than this.
    """
    point = start
    for _ in range(rounds):
        gradient, hessian = derivatives(point)
        move = np.linalg.solve(hessian, gradient)
        gain, here, length = float(gradient @ move), loss(point), 1.0
        if gain < promise:
            break
        while loss(point - length * move) > here - 1e-4 * length * gain:
            length /= 2
            if length < _SMALLEST_STEP:
                return point
        point = point - length * move
    return point
