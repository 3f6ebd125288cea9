"""Workers behind a queue: deadlines, deaths, clients that give up."""

import asyncio
import os
import sys
import time

import pytest

pytest.importorskip("fastapi")

from facevoice.serve.crew import Crew
from facevoice.serve.problems import RefusedError


class Riddle:
    """An answer that cannot be read."""

    def __reduce__(self):
        return int, ("no number",)


def open_worker():
    def work(unit):
        if unit == "die":
            os._exit(11)
        if unit == "raise":
            raise ValueError("a fault")
        if unit == "riddle":
            return Riddle()
        if unit == "grow":
            held = [bytearray(1_000_000) for _ in range(400)]
            time.sleep(60 * len(held))
        if isinstance(unit, float):
            time.sleep(unit)
        return os.getpid(), unit

    return work


def broken():
    raise ValueError("no bundle")


@pytest.fixture(scope="module")
def crew():
    crew = Crew(open_worker, workers=1, threads=1, waiting=1, most_bytes=300_000_000)
    crew.start()
    yield crew
    crew.close()


def code_of(coroutine):
    with pytest.raises(RefusedError) as refused:
        asyncio.run(coroutine)
    return refused.value.status, refused.value.code


def test_work_is_done_by_a_process_that_stays(crew):
    first, _ = asyncio.run(crew.run("a", 60))
    assert first != os.getpid()
    assert asyncio.run(crew.run("b", 60)) == (first, "b")


@pytest.mark.parametrize("unit", ["die", pytest.param("riddle", marks=pytest.mark.slow)])
def test_a_death_costs_one_request(crew, unit):
    assert code_of(crew.run(unit, 60)) == (500, "worker")
    assert asyncio.run(crew.run("a", 60))[1] == "a"


def test_a_fault_keeps_the_worker(crew):
    before, _ = asyncio.run(crew.run("a", 60))
    with pytest.raises(ValueError, match="a fault"):
        asyncio.run(crew.run("raise", 60))
    assert asyncio.run(crew.run("a", 60))[0] == before


@pytest.mark.slow
def test_a_deadline_ends_the_process(crew):
    before, _ = asyncio.run(crew.run("a", 60))
    assert code_of(crew.run(60.0, 0.1)) == (422, "deadline")
    assert asyncio.run(crew.run("a", 60))[0] != before


@pytest.mark.slow
def test_too_much_memory_ends_the_process(crew):
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux says how much memory a process holds")
    assert code_of(crew.run("grow", 60)) == (422, "too_much_memory")
    assert asyncio.run(crew.run("a", 60))[1] == "a"


@pytest.mark.slow
def test_work_that_nobody_waits_for_is_given_up(crew):
    async def give_up():
        started = asyncio.Event()
        task = asyncio.create_task(crew.run(60.0, 60, started))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await crew.run("a", 60)

    before, _ = asyncio.run(crew.run("a", 60))
    after, _ = asyncio.run(give_up())
    assert after != before


def test_places_are_bounded(crew):
    with crew.place(), crew.place():
        with pytest.raises(RefusedError) as refused, crew.place():
            pass
        assert refused.value.status == 429
        assert int(refused.value.headers["Retry-After"]) >= 1
    with crew.place():
        assert crew.inside == 1


@pytest.mark.slow
def test_nobody_waits_for_a_worker_that_cannot_be_opened(caplog):
    crew = Crew(broken, workers=1, threads=1, waiting=1, most_bytes=300_000_000)
    crew.start()
    try:
        assert code_of(crew.run("a", 60)) == (503, "not_ready")
        assert "ValueError" in str(crew.failure)
        assert len([each for each in caplog.records if each.name == "facevoice.serve"]) == 1
        assert crew.ready == 0
    finally:
        crew.close()
