"""Work on many units in several processes: threads pinned, interruption clean, deaths survived.

A process holds one unit at a time, so that if it dies (killed for want of memory, or a decoder
crashed it) it is known at what; the others go on.
"""

from facevoice.workers.crew import Crew, cores, run, threads_each
from facevoice.workers.process import Opening, Outcome, Worker

__all__ = ["Crew", "Opening", "Outcome", "Worker", "cores", "run", "threads_each"]
