"""The page's HTTP server: static files, the stream of events, acts, control. For this machine's browser only."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.playground.event_stream import Eyes
from bot.playground.page_api import Machine, PageApi, Wish
from bot.playground.server.actions.people import Attached, NotPossibleError
from bot.playground.server.fault_switches import Troubles
from bot.playground.server.local import LOOPBACK, LocalDiscord
from bot.playground.server.world.json_types import Json

STATIC = Path(__file__).parent / "static"
MAX_ACT = 32 * 2**20
"""Bytes of one act with its files; the guild's own limit is below that."""
KEEP_ALIVE = 15.0
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_SHOWN_INLINE = {"image/png", "image/jpeg", "image/gif", "image/webp"}
"""Other uploads are only ever downloaded: an SVG or HTML file would run in the page's name."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Page:
    """Serves the page on 127.0.0.1 for one local Discord."""

    def __init__(self, site: LocalDiscord, machine: Machine, static: Path = STATIC) -> None:
        self._site = site
        self._machine = machine
        self._static = static
        self._troubles = Troubles(site, *machine.troubles)
        self._api = PageApi(site, machine, self._troubles)
        self._streams: set[asyncio.Queue[tuple[str, Json]]] = set()
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, port: int = 0) -> int:
        """Listen; raises OSError where the port is taken."""
        app = web.Application(middlewares=[self._guard], client_max_size=MAX_ACT)
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/static/{path:.+}", self._file),
                web.get("/cdn/{path:.+}", self._upload),
                web.get("/play/events", self._events),
                web.post("/play/act", self._act),
                web.post("/play/control", self._control),
                web.get("/play/sent", self._sent),
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
        return self.port

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def tell_state(self) -> None:
        """Bot or engine have changed: every page hears of it."""
        self._tell("bot_state", self._machine.state())

    def _tell(self, name: str, data: Json) -> None:
        for stream in self._streams:
            stream.put_nowait((name, data))

    # -- who may ask --------------------------------------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse names that are not ours (DNS rebinding) and requests that other sites caused; harden every answer."""
        try:
            self._check(request)
            response = await handler(request)
        except NotPossibleError as error:
            response = _json({"error": _sentence(error)}, 400)
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=error.text)
        if not response.prepared:
            response.headers.update({key: value for key, value in HEADERS.items() if key not in response.headers})
        return response

    def _check(self, request: web.Request) -> None:
        names = {f"{LOOPBACK}:{self.port}", f"localhost:{self.port}"}
        if request.host not in names:
            raise web.HTTPMisdirectedRequest(text="not a name of the playground")
        origin = request.headers.get("Origin")
        own = origin in {f"http://{name}" for name in names}
        asked_by_us = own if origin is not None or request.method != "GET" else True
        if not asked_by_us or request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            raise web.HTTPForbidden(text="only the playground's own page may ask for this")

    # -- files --------------------------------------------------------------------------------------------------------

    async def _index(self, request: web.Request) -> web.StreamResponse:
        return self._static_file(self._static / "index.html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        return self._static_file((self._static / request.match_info["path"]).resolve())

    def _static_file(self, path: Path) -> web.Response:
        if not path.is_relative_to(self._static) or path.suffix not in _TYPES or not path.is_file():
            raise web.HTTPNotFound(text="no such file")
        return web.Response(body=path.read_bytes(), content_type=_TYPES[path.suffix], charset="utf-8")

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        file = self._site.files.find(f"/{request.match_info['path']}")
        if file is None:
            raise web.HTTPNotFound(text="This content is no longer available.")
        if file.content_type in _SHOWN_INLINE:
            return web.Response(body=file.data, content_type=file.content_type)
        headers = {"Content-Disposition": "attachment", "Content-Security-Policy": "sandbox; default-src 'none'"}
        return web.Response(body=file.data, content_type="application/octet-stream", headers=headers)

    # -- the page's interface -----------------------------------------------------------------------------------------

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """The stream of one person; it begins with a snapshot, also after every reconnection."""
        eyes = Eyes(self._site, self._person(request))
        leave = self._site.hub.subscribe(eyes)
        self._streams.add(eyes.news)
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            await self._pour(response, eyes)
        except ConnectionError:
            pass  # the browser has gone
        finally:
            leave()
            self._streams.discard(eyes.news)
        return response

    async def _pour(self, response: web.StreamResponse, eyes: Eyes) -> None:
        await response.write(_event("snapshot", self._snapshot(eyes)))
        while True:
            try:
                name, data = await asyncio.wait_for(eyes.news.get(), KEEP_ALIVE)
            except TimeoutError:
                await response.write(b": still here\n\n")
                continue
            if name == "places":  # channels or rights have changed: everything is shown anew
                name, data = "snapshot", self._snapshot(eyes)
            await response.write(_event(name, data))

    def _snapshot(self, eyes: Eyes) -> Json:
        state = self._machine.state()
        return {**eyes.snapshot(self._troubles), "bot": {"online": state["online"]}, "engine": state["engine"]}

    async def _act(self, request: web.Request) -> web.StreamResponse:
        user = self._person(request)
        form = await request.post()
        files = {
            key.removeprefix("file:"): Attached(part.filename, part.file.read())
            for key, part in form.items()
            if isinstance(part, web.FileField) and key.startswith("file:")
        }
        return _json(await self._api.act(Wish(user, _parsed(form.get("json")), files)))

    async def _control(self, request: web.Request) -> web.StreamResponse:
        answer = await self._api.control(_parsed(await request.text()))
        self._tell("troubles", {"troubles": self._troubles.listed()})
        return _json(answer)

    async def _sent(self, request: web.Request) -> web.StreamResponse:
        after = request.query.get("after", "0")
        return _json(self._api.sent(int(after) if after.isdigit() else 0))

    def _person(self, request: web.Request) -> int:
        """The acting person; the first one where none is named."""
        people = [user.id for user in self._site.world.users.values() if not user.bot]
        given = request.query.get("user", "")
        if given and (not given.isdigit() or int(given) not in people):
            raise NotPossibleError(f"there is nobody with the id {given!r} here")
        return int(given) if given else people[0]


def _parsed(text: Any) -> Json:
    try:
        body = json.loads(text)
    except (TypeError, ValueError) as error:
        raise NotPossibleError("the request is not JSON") from error
    if not isinstance(body, dict):
        raise NotPossibleError("the request is not an object")
    return body


def _event(name: str, data: Json) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def _json(data: Json, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json.dumps(data).encode(), content_type="application/json")


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}." if text and text[-1] not in ".!?" else text
