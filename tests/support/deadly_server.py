"""A server whose decoder dies of certain files, as of a fault in its code.

python -c "from support.deadly_server import main; main()" serve ...
"""

import os
import signal
import sys

from facevoice import media
from facevoice.serve import app
from facevoice.serve.probing import Probing
from facevoice.serve.work import Work

DEADLY = b"a deadly file"
"""How such files begin."""

_probe = media.probe


def _deadly_probe(path, *rest):
    if path.read_bytes().startswith(DEADLY):
        os.kill(os.getpid(), signal.SIGSEGV)
    return _probe(path, *rest)


class DeadlyProbing(Probing):
    def open(self):
        media.probe = _deadly_probe
        return Probing.open(self)


class DeadlyWork(Work):
    def open(self):
        media.probe = _deadly_probe
        return Work.open(self)


def main():
    """The command line, with such decoders in its workers."""
    from facevoice.cli import main as command

    app.Probing, app.Work = DeadlyProbing, DeadlyWork
    sys.exit(command())
