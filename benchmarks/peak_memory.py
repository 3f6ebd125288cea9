"""How much memory a process took: shared by paper_system.py and timeline_speed.py."""

import resource
from pathlib import Path


def peak_kb() -> int:
    """The most memory that this process has held, without what its parent held at the start."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmHWM"].split()[0])
