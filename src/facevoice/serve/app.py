"""The API: routes, and what they do with uploads."""

import asyncio
import importlib.util
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from facevoice import __version__
from facevoice.bundle import bundle_folder, read_card
from facevoice.errors import MissingDependencyError
from facevoice.messages import near
from facevoice.output.html.colours import colours_of
from facevoice.output.html.page import STYLE
from facevoice.output.person import FEW_SHOWN, REASONS_IN_FILMS
from facevoice.output.timeline import FORMATS, check_formats
from facevoice.output.wording import duration
from facevoice.serve.body import FIELD, Body, ClientGoneError, discard, receive_upload
from facevoice.serve.crew import UNOPENED, Crew
from facevoice.serve.guard import NOTICE, App, Guard, headers_of
from facevoice.serve.jobs import Job, Jobs
from facevoice.serve.measured import CONTENT_TYPE, Measured
from facevoice.serve.probing import Probing
from facevoice.serve.problems import PROBLEM_TYPE, RefusedError, problem
from facevoice.serve.reference import reference_page
from facevoice.serve.settings import Settings
from facevoice.serve.storage import Desk, Storage
from facevoice.serve.tasks import Answer, Task
from facevoice.serve.work import Work, result_names
from facevoice.session import hash_of
from facevoice.types import UNDECIDED_MARGIN
from facevoice.workers import threads_each

PAGE: Final = Path(__file__).with_name("page")

_PROBE_SECONDS: Final = 30.0
_LOG: Final = logging.getLogger("facevoice.serve")
_PAGE_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".html": "text/html"}
_RESULT_TYPES: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "eaf": "application/xml",
    "TextGrid": "text/plain; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "mp4": "video/mp4",
    "parquet": "application/vnd.apache.parquet",
}
_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {FIELD: {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    "default": {"description": "A problem document (RFC 9457)", "content": {PROBLEM_TYPE: {}}}
}

Seconds = Annotated[float | None, Query(ge=-1e9, le=1e9)]
Track = Annotated[int | None, Query(ge=0, le=1000)]


class Service:
    """What the routes share, from the start of the server to its end."""

    def __init__(self, settings: Settings, storage: Storage) -> None:
        limits = settings.limits
        threads = settings.threads or threads_each(settings.workers)
        work = Work(settings.bundle, settings.device, threads, limits)
        self.settings, self.limits, self.measured = settings, limits, Measured()
        folder = bundle_folder(settings.bundle)
        card = read_card(folder)
        self.model = {
            "name": card["name"],
            "sha256": hash_of(folder / "bundle.json"),
            "labels": list(card["labels"]),
        }
        self.colours = colours_of(card["labels"])
        self.crew: Crew[Task, Answer] = Crew(
            work.open,
            workers=settings.workers,
            threads=threads,
            waiting=limits.waiting,
            most_bytes=limits.worker_bytes,
        )
        self.prober: Crew[Task, Answer] = Crew(
            Probing(limits).open,
            workers=1,
            threads=1,
            waiting=limits.waiting,
            most_bytes=limits.worker_bytes,
        )
        self.jobs = Jobs(self.crew, limits)
        self.storage = storage
        watch = self.measured.watch
        watch("requests_under_way", "Uploading, waiting or worked on", lambda: self.crew.inside)
        watch("workers_ready", "Workers that are alive", lambda: self.crew.ready)
        watch("jobs", "Films under way or kept", lambda: len(self.jobs))
        watch("disk_bytes", "Bytes of uploads and results", lambda: self.storage.used_bytes)

    @asynccontextmanager
    async def running(self, _: FastAPI) -> AsyncIterator[None]:
        """From the start of the server to its end."""
        crews = self.crew, self.prober
        for crew in crews:
            crew.start()
        expiry = asyncio.create_task(self.jobs.expire())
        try:
            yield
        finally:
            expiry.cancel()
            await asyncio.gather(*(asyncio.to_thread(crew.close) for crew in crews))

    @asynccontextmanager
    async def upload(self, request: Request) -> AsyncIterator["Arrival"]:
        """Take a place in the queue and receive a file; both are given up unless they are kept."""
        async with AsyncExitStack() as refusing:
            body = Body(request.receive)
            refusing.push_async_exit(_discarding(request, body))
            with ExitStack() as place, ExitStack() as removal:
                place.enter_context(self.crew.place())
                desk = self.storage.desk()
                removal.callback(desk.remove)
                headers = headers_of(request.scope)
                upload = await receive_upload(headers, body, desk, self.limits)
                request.scope["facevoice.size"] = upload.size
                self.measured.uploaded(upload.size)
                assert desk.path is not None  # noqa: S101 - it has been written
                yield Arrival(upload.name, desk, desk.path, place, removal)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that has arrived, with its place in the queue; name: what the client calls it."""

    name: str
    desk: Desk
    path: Path
    place: ExitStack
    removal: ExitStack

    def keep(self) -> ExitStack:
        """Keep the file beyond the request; returns the place, to be given up later."""
        self.removal.pop_all()
        return self.place.pop_all()


def _discarding(request: Request, body: Body) -> Callable[..., Awaitable[bool]]:
    """Let the client finish what it sends before it is refused."""

    async def leave(_: object, error: object, __: object) -> bool:
        if isinstance(error, RefusedError):
            await discard(headers_of(request.scope), body)
        return False

    return leave


def make_app(settings: Settings, storage: Storage) -> App:
    """The whole application; storage: for uploads and results.

    Raises:
        BundleError: the bundle is absent or inconsistent.
    """
    service = Service(settings, storage)
    app = FastAPI(
        title="facevoice",
        version=__version__,
        description=f"Emotion in face and voice; the model runs on this computer. {NOTICE}",
        docs_url=None,
        redoc_url=None,
        lifespan=service.running,
        dependencies=[Depends(_check_names)],
        responses=_PROBLEMS,
    )
    app.state.service = service
    _add_handlers(app, service)
    _add_state(app, service)
    _add_predict(app, service)
    _add_jobs(app, service)
    _add_results(app, service)
    _add_pages(app)
    kept = duration(settings.limits.keep_seconds)
    keeps = f"uploads: until they are analysed; results of films: {kept} or until deleted"
    return Guard(app, settings, service.measured, keeps)


def _answer(service: Service, error: RefusedError) -> Response:
    service.measured.refused(error.code)
    headers = dict(error.headers)
    if error.status in {408, 413, 429}:
        headers["Connection"] = "close"
    content = problem(error.status, error.code, str(error))
    return JSONResponse(content, error.status, headers, PROBLEM_TYPE)


def _add_handlers(app: FastAPI, service: Service) -> None:
    """Errors become problem documents."""

    @app.exception_handler(RefusedError)
    def _refused(_: Request, error: RefusedError) -> Response:
        return _answer(service, error)

    @app.exception_handler(ClientGoneError)
    def _gone(_: Request, __: ClientGoneError) -> Response:
        return _answer(service, RefusedError(499, "gone", "the client closed the connection"))

    @app.exception_handler(RequestValidationError)
    def _invalid(_: Request, error: RequestValidationError) -> Response:
        found = [f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in error.errors()]
        return _answer(service, RefusedError(422, "invalid_input", "; ".join(found)))

    @app.exception_handler(HTTPException)
    def _http(_: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "wrong_method"}.get(error.status_code, "error")
        found = RefusedError(error.status_code, code, str(error.detail), error.headers)
        return _answer(service, found)

    @app.exception_handler(OSError)
    def _disk(_: Request, error: OSError) -> Response:
        _LOG.error("disk: %s", error.strerror)
        return _answer(service, RefusedError(507, "full", "the file cannot be stored"))

    @app.exception_handler(Exception)
    def _fault(_: Request, error: Exception) -> Response:
        _LOG.error("a fault: %s", type(error).__name__)
        return _answer(service, RefusedError(500, "error", "a fault of the server"))


def _add_state(app: FastAPI, service: Service) -> None:
    """Whether it runs, what with, and how it does."""

    @app.get("/livez", tags=["state"])
    async def livez() -> dict[str, str]:
        """Whether the server answers."""
        return {"status": "alive"}

    @app.get("/readyz", tags=["state"])
    async def readyz() -> dict[str, Any]:
        """Whether a worker is alive and has loaded the model."""
        if not service.crew.ready:
            detail = "no worker is ready yet" if service.crew.failure is None else UNOPENED
            raise RefusedError(503, "not_ready", detail, {"Retry-After": "2"})
        return {"status": "ready", "workers": service.crew.ready}

    @app.get("/metrics", tags=["state"], response_class=Response)
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(service.measured.text(), media_type=CONTENT_TYPE)

    @app.get("/v1/models", tags=["state"])
    async def models() -> dict[str, Any]:
        """The model and the limits."""
        limits = service.limits
        return {
            "models": [service.model],
            "limits": {
                "max_bytes": limits.max_bytes,
                "clip_seconds": limits.clip_seconds,
                "max_seconds": limits.max_seconds,
                "max_pixels": limits.max_pixels,
                "keep_seconds": limits.keep_seconds,
            },
            "formats": _formats(),
            "colours": service.colours,
            "undecided_margin": UNDECIDED_MARGIN,
            "personal_reasons": {**REASONS_IN_FILMS, "unchanged": FEW_SHOWN},
            "notice": NOTICE,
            "version": __version__,
        }


def _add_predict(app: FastAPI, service: Service) -> None:
    @app.post("/v1/predict", tags=["emotion"], openapi_extra=_FORM, response_class=Response)
    async def predict(
        request: Request, start: Seconds = None, stop: Seconds = None, audio_track: Track = None
    ) -> Response:
        """Predict a clip, a sound file or a picture; the record is that of predict --json.

        start, stop: the part to predict, in seconds. audio_track: the number of a sound track.
        """
        _check_span(start, stop)
        async with service.upload(request) as found:
            task = Task("predict", found.path, found.name, start, stop, audio_track)
            answer = await _unless_gone(
                request, service.crew.run(task, service.limits.clip_deadline_seconds)
            )
        if answer.problem is not None:
            raise RefusedError(*answer.problem)
        return Response(answer.body, media_type="application/json")


async def _unless_gone(request: Request, work: Any) -> Answer:
    """The answer; the work is given up when the client closes the connection."""
    working: asyncio.Task[Answer] = asyncio.ensure_future(work)
    watching = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
            raise ClientGoneError
        return working.result()
    finally:
        watching.cancel()
        if not working.done():
            working.cancel()
            with suppress(asyncio.CancelledError, RefusedError):
                await working


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _add_jobs(app: FastAPI, service: Service) -> None:
    @app.post("/v1/jobs", tags=["films"], openapi_extra=_FORM, status_code=202)
    async def start(  # noqa: PLR0913 - one per option
        request: Request,
        start: Seconds = None,
        stop: Seconds = None,
        audio_track: Track = None,
        window: Annotated[float, Query(ge=0.5, le=60)] = 3.0,
        hop: Annotated[float, Query(ge=0.25, le=60)] = 1.0,
        people: Literal["all", "main"] = "all",
        *,
        frames: bool = False,
        personal: bool = False,
        formats: str | None = None,
    ) -> Response:
        """Begin the timeline of a film: who shows which emotion, and when.

        Answers as soon as the film has arrived and its header has been read, with the job's record,
        whose address is in Location. The options are those of the command timeline. formats:
        separated by commas; by default all but mp4.
        """
        _check_span(start, stop)
        if hop > window:
            raise RefusedError(422, "invalid_input", "hop: it is longer than the window")
        wanted = _wanted(formats)
        service.jobs.check_room()
        async with service.upload(request) as found:
            task = Task(
                kind="timeline",
                path=found.path,
                name=found.name,
                start=start,
                stop=stop,
                audio_track=audio_track,
                window=window,
                hop=hop,
                people=people,
                frames=frames,
                personal=personal,
                formats=wanted,
            )
            probed = await _unless_gone(request, service.prober.run(task, _PROBE_SECONDS))
            if probed.problem is not None:
                raise RefusedError(*probed.problem)
            job = Job(found.name, found.desk)
            service.jobs.start(job, task, found.keep())
        record = job.record(service.limits.keep_seconds)
        return JSONResponse(record, 202, {"Location": f"/v1/jobs/{job.id}"})

    @app.get("/v1/jobs/{job_id}", tags=["films"])
    async def state(job_id: str) -> dict[str, Any]:
        """How far a job is, and where its results are."""
        return service.jobs.find(job_id).record(service.limits.keep_seconds)

    @app.delete("/v1/jobs/{job_id}", tags=["films"], status_code=204, response_class=Response)
    async def delete(job_id: str) -> Response:
        """End a job and remove everything of it."""
        await service.jobs.delete(service.jobs.find(job_id))
        return Response(status_code=204)


def _add_results(app: FastAPI, service: Service) -> None:
    @app.get("/v1/jobs/{job_id}/events", tags=["films"], response_class=StreamingResponse)
    async def events(job_id: str) -> StreamingResponse:
        """The job's record as server-sent events whenever it changes; the last is named end."""
        job = service.jobs.find(job_id)
        headers = {"X-Accel-Buffering": "no"}  # proxies pass them on at once
        found = service.jobs.events(job)
        return StreamingResponse(found, headers=headers, media_type="text/event-stream")

    @app.get("/v1/jobs/{job_id}/timeline.{name}", tags=["films"], response_class=FileResponse)
    async def result(job_id: str, name: str) -> FileResponse:
        """One result, such as timeline.json, timeline.vtt or timeline.TextGrid."""
        job = service.jobs.find(job_id)
        if job.state != "done":
            raise RefusedError(409, "not_ready", f"the job is {job.state}")
        path = _named(result_names(job.desk.folder), name)
        kind = _RESULT_TYPES.get(path.suffix.removeprefix("."), "application/octet-stream")
        headers = {"Content-Security-Policy": "sandbox", "Connection": "keep-alive"}
        return FileResponse(path, media_type=kind, filename=path.name, headers=headers)


def _named(found: dict[str, Path], name: str) -> Path:
    """The result of a name; "csv" and "parquet" alone are those of the windows."""
    path = found.get(name, found.get(f"windows.{name}"))
    if path is None:
        raise RefusedError(404, "not_found", f"the results are: {', '.join(found)}")
    return path


def _add_pages(app: FastAPI) -> None:
    """The page, its files and the reference."""

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse((PAGE / "index.html").read_text(encoding="utf-8"))

    @app.get("/page/{name}", include_in_schema=False)
    async def file(name: str) -> Response:
        known = {path.name: path for path in (STYLE, *PAGE.iterdir())}
        path = known.get(name)
        if path is None or path.suffix not in _PAGE_TYPES:
            raise RefusedError(404, "not_found", "there is no such file")
        return Response(path.read_bytes(), media_type=f"{_PAGE_TYPES[path.suffix]}; charset=utf-8")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(reference_page(app.openapi()))


def _check_names(request: Request) -> None:
    """Refuse parameters that the route does not know, or that are given twice.

    Raises:
        RefusedError: a misspelt one would be left out without a word.
    """
    known = [each.alias for each in request.scope["route"].dependant.query_params]
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in known:
            takes = f"choose from {', '.join(known)}" if known else "nothing is taken here"
            takes += near(name, known)
            raise RefusedError(422, "invalid_input", f"{name}: unknown, {takes}")
        if given.count(name) > 1:
            raise RefusedError(422, "invalid_input", f"{name}: given more than once")


def _check_span(start: float | None, stop: float | None) -> None:
    if start is not None and stop is not None and start >= stop:
        raise RefusedError(422, "invalid_input", "start: it is not before stop")


def _formats() -> list[str]:
    """The formats of timelines that can be made here."""
    has_parquet = importlib.util.find_spec("pyarrow") is not None
    return [name for name in FORMATS if name != "parquet" or has_parquet]


def _wanted(formats: str | None) -> tuple[str, ...]:
    known = _formats()
    if formats is None:
        return tuple(name for name in known if name != "mp4")
    names = tuple(dict.fromkeys(filter(None, formats.split(","))))
    unknown = next((name for name in names if name not in FORMATS), "")
    if unknown or not names:
        choices = f"choose from {', '.join(known)}, separated by commas{near(unknown, known)}"
        raise RefusedError(422, "invalid_input", f"formats: {choices}")
    try:
        check_formats(names)
    except MissingDependencyError as error:
        raise RefusedError(501, error.kind, str(error)) from error
    return names
