from multiprocessing import Pipe
from threading import Thread

import numpy as np
import pytest

from facevoice.workers.messages import receive, send


def test_arrays_arrive_as_they_were_sent():
    random = np.random.default_rng(0)
    large = random.integers(0, 256, (300, 256, 3), dtype=np.uint8)
    message = {
        "large": large,
        "columns": np.asfortranarray(random.normal(size=(200, 300))),
        "every other": large[::2],
        "small": np.arange(5.0),
        "the same": [large, "text"],
    }
    here, there = Pipe()
    sender = Thread(target=lambda: (send(there, message), send(there, "next")))
    sender.start()
    found = receive(here)
    assert receive(here) == "next"
    sender.join()
    assert found.keys() == message.keys()
    for name in ("large", "columns", "every other", "small"):
        assert found[name].dtype == message[name].dtype
        assert (found[name] == message[name]).all()
    assert found["the same"][0] is found["large"]


def test_a_message_that_breaks_off_is_an_end():
    here, there = Pipe()
    there.send((b"", 1))  # an array is announced
    there.close()
    with pytest.raises(EOFError):
        receive(here)
