"""Files that end the process that opens them, as a fault in a decoder does."""

import os
from collections.abc import Callable
from dataclasses import astuple, dataclass

from facevoice.batch import Engine, Scoring, Unit


@dataclass(frozen=True, slots=True)
class Deadly(Scoring):
    """Ends its process at files that are called deadly; raises at those called faulty."""

    def open(self) -> Callable[[Unit], str]:
        score = Scoring.open(self)

        def deadly(unit: Unit) -> str:
            if "deadly" in unit.path:
                os._exit(11)
            if "faulty" in unit.path:
                raise IndexError("a fault in the code")
            return score(unit)

        return deadly


@dataclass(frozen=True)
class Dangerous:
    """An engine that meets such files."""

    engine: Engine

    def run(self, scoring, units):
        return self.engine.run(Deadly(*astuple(scoring)), units)
