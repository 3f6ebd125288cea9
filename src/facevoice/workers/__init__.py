"""Work on many units in several processes, with pinned threads and clean interruption.

A process holds one unit at a time. If it dies (out of memory, or a decoder crashed), the unit is
known and the other processes continue.
"""

from facevoice.workers.crew import Crew, cores, run, threads_each
from facevoice.workers.process import Opening, Outcome, Worker, here, may_start

__all__ = [
    "Crew",
    "Opening",
    "Outcome",
    "Worker",
    "cores",
    "here",
    "may_start",
    "run",
    "threads_each",
]
