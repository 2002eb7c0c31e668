"""The page's HTTP server on loopback: static files, uploads, the event stream, and the page's API."""

import asyncio
import html
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from bot.playground.event_stream import RELOAD, PersonStream
from bot.playground.page_access import PARAMETER, PageAccess
from bot.playground.page_api import PageApi, ProcessControl
from bot.playground.page_requests import read_act, read_control, read_id
from bot.playground.server.actions.people import AttachedFile, NotPossibleError
from bot.playground.server.fault_switches import FaultSwitches
from bot.playground.server.local import LOOPBACK, LocalDiscord
from bot.playground.server.rest.bodies import UNREADABLE
from bot.playground.server.world.json_types import Json

STATIC = Path(__file__).parent / "static"
MAX_BODY = 32 * 2**20
"""Bytes of one request with its files; a guild's limit per file is lower."""
KEEP_ALIVE = 15.0
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self'; "
        "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_INLINE = {"image/png", "image/jpeg", "image/gif", "image/webp", "video/mp4"}
"""Other uploads are served for download only: an SVG or HTML file could run scripts as the page."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Page:
    """Serves the page of one local Discord."""

    def __init__(self, site: LocalDiscord, processes: ProcessControl, static: Path = STATIC) -> None:
        self._site = site
        self._processes = processes
        self._static = static
        self._faults = FaultSwitches(site, *processes.faults)
        self._api = PageApi(site, processes, self._faults)
        self._access = PageAccess()
        self._streams: set[asyncio.Queue[tuple[str, Json]]] = set()
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, port: int = 0) -> int:
        """Listen; raises OSError where the port is taken."""
        app = web.Application(middlewares=[self._guard], client_max_size=MAX_BODY)
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/static/{path:.+}", self._file),
                web.get("/cdn/{path:.+}", self._upload),
                web.get("/api/events", self._events),
                web.post("/api/act", self._act),
                web.post("/api/control", self._control),
                web.get("/api/requests", self._requests),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, LOOPBACK, port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]
        self._access.listen_on(LOOPBACK, self.port)
        return self.port

    @property
    def url(self) -> str:
        """The address to open, with the secret."""
        return f"http://{LOOPBACK}:{self.port}/?{PARAMETER}={self._access.secret}"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def send_state(self) -> None:
        """Send the state of bot and engine to every page."""
        self._send("bot_state", self._processes.state())

    def _send(self, name: str, data: Json) -> None:
        for stream in self._streams:
            stream.put_nowait((name, data))

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check the access, turn errors into sentences, add the strict headers."""
        try:
            self._access.check(request)
            response = await handler(request)
        except NotPossibleError as error:
            response = _refusal(request, 400, _sentence(error))
        except web.HTTPException as error:
            standard = (error.text or "").startswith(f"{error.status}:")
            sentence = _SENTENCES.get(error.status, error.reason) if standard else error.text
            response = _refusal(request, error.status, sentence or error.reason)
        if not response.prepared:
            response.headers.update({key: value for key, value in HEADERS.items() if key not in response.headers})
        return response

    async def _index(self, request: web.Request) -> web.StreamResponse:
        response = self._static_file("index.html")
        self._access.grant(request, response)
        return response

    async def _file(self, request: web.Request) -> web.StreamResponse:
        return self._static_file(request.match_info["path"])

    def _static_file(self, path: str) -> web.Response:
        """A file of the page by its path below the folder; the folder is small, so it is listed each time."""
        files = {file.relative_to(self._static).as_posix(): file for file in self._static.rglob("*")}
        file = files.get(path)
        if file is None or file.suffix not in _TYPES:
            raise web.HTTPNotFound(text="There is no such file.")
        return web.Response(body=file.read_bytes(), content_type=_TYPES[file.suffix], charset="utf-8")

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        file = self._site.files.find(f"/{request.match_info['path']}")
        if file is None:
            raise web.HTTPNotFound(text="This content is no longer available.")
        if file.content_type in _INLINE:
            return web.Response(body=file.data, content_type=file.content_type)
        headers = {"Content-Disposition": "attachment", "Content-Security-Policy": "sandbox; default-src 'none'"}
        return web.Response(body=file.data, content_type="application/octet-stream", headers=headers)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """The event stream of one person; each connection begins with a snapshot."""
        stream = PersonStream(self._site, self._person(request))
        unsubscribe = self._site.hub.subscribe(stream)
        self._streams.add(stream.queue)
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            await self._write_events(response, stream)
        except ConnectionError:
            pass  # the browser has closed the page
        finally:
            unsubscribe()
            self._streams.discard(stream.queue)
        return response

    async def _write_events(self, response: web.StreamResponse, stream: PersonStream) -> None:
        await response.write(_event("snapshot", self._snapshot(stream)))
        while True:
            try:
                name, data = await asyncio.wait_for(stream.queue.get(), KEEP_ALIVE)
            except TimeoutError:
                await response.write(b": keep-alive\n\n")
                continue
            if name == RELOAD:
                name, data = "snapshot", self._snapshot(stream)
            await response.write(_event(name, data))

    def _snapshot(self, stream: PersonStream) -> Json:
        state = self._processes.state()
        return {**stream.snapshot(self._faults), "bot": {"online": state["online"]}, "engine": state["engine"]}

    async def _act(self, request: web.Request) -> web.StreamResponse:
        user = self._person(request)
        body, files = await _form(request)
        return _json(await self._api.act(user, read_act(body), files))

    async def _control(self, request: web.Request) -> web.StreamResponse:
        answer = await self._api.control(read_control(await request.read()))
        self._send("faults", {"faults": self._faults.listed()})
        return _json(answer)

    async def _requests(self, request: web.Request) -> web.StreamResponse:
        return _json(self._api.requests(read_id(request.query.get("after", "0"))))

    def _person(self, request: web.Request) -> int:
        """The acting person; the first one where the request names none."""
        people = [user.id for user in self._site.world.users.values() if not user.bot]
        given = request.query.get("user", "")
        if given and read_id(given) not in people:
            raise NotPossibleError(f"no person has the id {given[:40]!r}")
        return read_id(given) if given else people[0]


_REFUSED = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>dreambot playground</title>
<h1>dreambot playground</h1>
<p>{sentence}</p>
</html>
"""
_SENTENCES = {
    404: "There is no such address.",
    405: "This address does not take such a request.",
    413: f"The request is larger than {MAX_BODY // 2**20} MiB.",
}


async def _form(request: web.Request) -> tuple[str, dict[str, AttachedFile]]:
    """The field "json" and the fields "file:NAME" of a form."""
    try:
        form = await request.post()
    except UNREADABLE as error:
        raise NotPossibleError("the form cannot be read") from error
    files = {
        key.removeprefix("file:"): AttachedFile(part.filename, part.file.read())
        for key, part in form.items()
        if isinstance(part, web.FileField) and key.startswith("file:")
    }
    body = form.get("json")
    if not isinstance(body, str):
        raise NotPossibleError("the request must be a form with a field “json”")
    return body, files


def _event(name: str, data: Json) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def _json(data: Json, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json.dumps(data).encode(), content_type="application/json")


def _refusal(request: web.Request, status: int, sentence: str) -> web.Response:
    """JSON for the page's API, HTML for the page, text for all else."""
    if request.path.startswith("/api/"):
        return _json({"error": sentence}, status)
    if request.path == "/":
        body = _REFUSED.format(sentence=html.escape(sentence))
        return web.Response(status=status, text=body, content_type="text/html")
    return web.Response(status=status, text=sentence)


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}." if text and text[-1] not in ".!?" else text
