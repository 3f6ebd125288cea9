"""What every machine on utterance features gives once it is fitted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facevoice.types import Float32Array, Float64Array

Report = Callable[[dict[str, Any]], None]
"""Called with each line of the log."""
Scoring = Callable[[Float32Array], Float64Array]
"""Features (N, D) -> distributions (N, K)."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted machine.

    scores: its own. held_out: those of a machine that has not learnt from the validation rows.
    write: writes it as ONNX. line: what the last line of the log says. facts: for ``run.json``.
    """

    scores: Scoring
    held_out: Scoring
    write: Callable[[Path], None]
    line: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)
