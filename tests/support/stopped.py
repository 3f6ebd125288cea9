"""Commands that a signal stops once they have come so far, however loaded the machine is."""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass

_SCRIPT = """
import json, multiprocessing, os, pkgutil, runpy, sys
owner, name, calls, number, group = json.loads(sys.argv.pop(1))
owner = pkgutil.resolve_name(owner)
original = getattr(owner, name)
left = [None] * calls

def counting(*arguments):
    outcome = original(*arguments)
    left.pop()
    if not left:
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        (os.killpg if group else os.kill)(os.getpid(), number)
    return outcome

setattr(owner, name, counting)
runpy.run_module("facevoice", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Stopped:
    """How a command ended: its status, what it said, and the processes that it had started."""

    status: int
    said: str
    children: tuple[int, ...]


def stopped_after(
    calls: int, place: str, arguments: list[str], how: signal.Signals, *, group: bool
) -> Stopped:
    """Run ``facevoice``; it is sent a signal when a method has returned for the so-manieth time.

    place: "module:Class.method". group: the signal reaches its processes as well, as Ctrl-C in a
    terminal does.
    """
    owner, _, name = place.rpartition(".")
    plan = json.dumps([owner, name, calls, how, group])
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, plan, *arguments],
        capture_output=True, text=True, check=False, start_new_session=True, timeout=240,
    )  # fmt: skip
    return Stopped(done.returncode, done.stderr, tuple(map(int, done.stdout.split())))
