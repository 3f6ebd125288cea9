"""Films under way and their results, which are removed after a time."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from facevoice.serve.crew import Crew
from facevoice.serve.problems import RefusedError, problem
from facevoice.serve.settings import Limits
from facevoice.serve.storage import Desk
from facevoice.serve.tasks import Answer, Task
from facevoice.serve.work import read_progress, result_names

State = Literal["queued", "running", "done", "failed"]

_EVENT_SECONDS: Final = 0.5  # between looks at progress
_BEAT_SECONDS: Final = 15.0  # after which a comment keeps the connection open


@dataclass(slots=True, eq=False)
class Job:
    """One film: its state, and what has been made of it.

    finished: when it was done or failed, on the clock of ``time.monotonic``.
    """

    name: str
    desk: Desk
    id: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    state: State = "queued"
    began: float | None = None
    finished: float | None = None
    problem: dict[str, Any] | None = None
    task: "asyncio.Task[None] | None" = None

    def record(self, keep_seconds: float) -> dict[str, Any]:
        """What clients are told of it."""
        place = f"/v1/jobs/{self.id}"
        names = list(result_names(self.desk.folder)) if self.state == "done" else []
        kept = None
        if self.finished is not None:
            kept = max(0, round(self.finished + keep_seconds - time.monotonic()))
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "progress": self._progress(),
            "problem": self.problem,
            "results": {name: f"{place}/timeline.{name}" for name in names},
            "deleted_in_seconds": kept,
        }

    def _progress(self) -> dict[str, float | None]:
        done, total = read_progress(self.desk.folder) or (0.0, None)
        left = None
        if self.state == "running" and self.began is not None and total and total > done > 0:
            left = round((time.monotonic() - self.began) * (total - done) / done, 1)
        if self.state == "done":
            left = 0.0
        return {"done_seconds": done, "total_seconds": total, "seconds_left": left}


class Jobs:
    """All films, by id."""

    def __init__(self, crew: Crew[Task, Answer], limits: Limits) -> None:
        self._crew, self._limits = crew, limits
        self._jobs: dict[str, Job] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def check_room(self) -> None:
        """Check that one more can be kept.

        Raises:
            RefusedError: there are too many.
        """
        if len(self._jobs) >= self._limits.max_jobs:
            raise RefusedError(
                429,
                "busy",
                f"the results of {len(self._jobs)} films are kept: delete some, or wait",
                {"Retry-After": "60"},
            )

    def start(self, job: Job, task: Task, place: ExitStack) -> None:
        """Begin a film; place: in the queue, which is given up once it is over."""
        self._jobs[job.id] = job
        job.task = asyncio.create_task(self._work(job, task))
        job.task.add_done_callback(lambda _: place.close())

    def find(self, job_id: str) -> Job:
        """The job with an id.

        Raises:
            RefusedError: there is none, or it has been deleted.
        """
        job = self._jobs.get(job_id)
        if job is None:
            raise RefusedError(404, "not_found", "no such job: results are deleted after a time")
        return job

    async def delete(self, job: Job) -> None:
        """End a job and remove everything of it."""
        self._jobs.pop(job.id, None)
        if job.task is not None:
            job.task.cancel()
            await asyncio.wait([job.task])
        job.desk.remove()

    async def expire(self) -> None:
        """Remove what has been kept long enough, from now on."""
        while True:
            await asyncio.sleep(min(5.0, self._limits.keep_seconds / 4))
            now = time.monotonic()
            for job in list(self._jobs.values()):
                if job.finished is not None and now - job.finished > self._limits.keep_seconds:
                    await self.delete(job)

    async def events(self, job: Job) -> AsyncIterator[bytes]:
        """Server-sent events: the job's record whenever it changes, until the job is over."""
        last, sent = "", time.monotonic()
        while True:
            gone = self._jobs.get(job.id) is not job
            record = job.record(self._limits.keep_seconds)
            text = json.dumps(record, ensure_ascii=True)
            over = gone or job.state in {"done", "failed"}
            if text != last or over:
                yield f"event: {'end' if over else 'progress'}\ndata: {text}\n\n".encode()
                last, sent = text, time.monotonic()
            elif time.monotonic() - sent > _BEAT_SECONDS:
                yield b": still here\n\n"
                sent = time.monotonic()
            if over:
                return
            await asyncio.sleep(_EVENT_SECONDS)

    async def _work(self, job: Job, task: Task) -> None:
        started = asyncio.Event()
        watch = asyncio.create_task(self._begun(job, started))
        try:
            answer = await self._crew.run(task, self._limits.deadline_seconds, started)
            found = answer.problem
        except RefusedError as error:
            found = error.status, error.code, str(error)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a fault costs this job alone
            found = 500, "error", f"a fault of the server, {type(error).__name__}"
        finally:
            watch.cancel()
            job.finished = time.monotonic()
            job.desk.drop_upload()
        job.problem = None if found is None else problem(*found)
        job.state = "done" if found is None else "failed"

    async def _begun(self, job: Job, started: asyncio.Event) -> None:
        await started.wait()
        job.state, job.began = "running", time.monotonic()
