"""Films from the start of their job until nothing of them is left."""

import asyncio
from contextlib import ExitStack, suppress

import pytest

pytest.importorskip("fastapi")

from facevoice.serve.jobs import Job, Jobs
from facevoice.serve.problems import RefusedError
from facevoice.serve.settings import Limits
from facevoice.serve.storage import Storage
from facevoice.serve.tasks import Answer, Task


class Crew:
    """Stands for the workers; answer: what comes of any task, or the error."""

    def __init__(self, answer):
        self.answer = answer

    async def run(self, task, seconds, started):
        started.set()
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        (task.path.parent / "timeline.json").write_text("{}")
        return self.answer


def made(storage, crew, limits):
    """A job that has just been started, and all jobs."""
    desk = storage.desk()
    desk.open(".mp4").close()
    jobs, job = Jobs(crew, limits), Job("film.mp4", desk)
    jobs.start(job, Task("timeline", desk.path, "film.mp4"), ExitStack())
    return jobs, job


def test_results_are_kept_for_a_time(tmp_path):
    async def life(storage):
        jobs, job = made(storage, Crew(Answer()), Limits(keep_seconds=0.2))
        await job.task
        record = job.record(0.2)
        assert (record["state"], list(record["results"])) == ("done", ["json"])
        assert not job.desk.path.exists()
        assert storage.used_bytes == 2
        expiry = asyncio.create_task(jobs.expire())
        async with asyncio.timeout(30):
            while job.desk.folder.exists():  # noqa: ASYNC110 - there is nothing to wait for but this
                await asyncio.sleep(0.01)
        expiry.cancel()
        with suppress(asyncio.CancelledError):
            await expiry
        with pytest.raises(RefusedError, match="no such job"):
            jobs.find(job.id)
        assert storage.used_bytes == 0

    with Storage(tmp_path, 1000) as storage:
        asyncio.run(life(storage))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(problem=(422, "too_long", "it lasts long")), (422, "too_long")),
        (RefusedError(500, "worker", "ended"), (500, "worker")),
        (RuntimeError("a fault"), (500, "error")),
    ],
)
def test_what_goes_wrong_is_in_the_record(tmp_path, answer, expected):
    async def life(storage):
        _, job = made(storage, Crew(answer), Limits())
        await job.task
        record = job.record(60)
        assert record["state"] == "failed"
        assert (record["problem"]["status"], record["problem"]["kind"]) == expected

    with Storage(tmp_path, 1000) as storage:
        asyncio.run(life(storage))


def test_so_many_films_are_kept_and_no_more(tmp_path):
    async def life(storage):
        jobs, job = made(storage, Crew(Answer()), Limits(max_jobs=1))
        with pytest.raises(RefusedError, match="delete some"):
            jobs.check_room()
        await jobs.delete(job)
        jobs.check_room()

    with Storage(tmp_path, 1000) as storage:
        asyncio.run(life(storage))
