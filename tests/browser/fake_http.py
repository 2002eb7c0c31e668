"""The fake server over HTTP: the page, its files, and the page's API.

`python -m tests.browser.fake_http` serves it for a look by hand.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from aiohttp import web

from tests.browser.fake_data import PEOPLE, Json
from tests.browser.fake_server import FakeServer

STATIC = Path(__file__).parents[2] / "bot" / "playground" / "static"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self'; "
    "connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def make_app(world: FakeServer) -> web.Application:
    """The page, its files, and the page's HTTP interface over *world*."""

    async def page(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(STATIC / "index.html")

    async def static(request: web.Request) -> web.StreamResponse:
        path = (STATIC / request.match_info["path"]).resolve()
        if not (path.is_relative_to(STATIC) and path.is_file()):
            raise web.HTTPNotFound
        return web.FileResponse(path)

    async def cdn(request: web.Request) -> web.StreamResponse:
        data = world.pictures.get(request.match_info["key"])
        if data is None:
            raise web.HTTPNotFound
        return web.Response(body=data, content_type="image/png")

    async def events(request: web.Request) -> web.StreamResponse:
        return await _stream(world, request)

    async def act(request: web.Request) -> web.StreamResponse:
        form = await request.post()
        body = json.loads(str(form["json"]))
        names = {key: part.filename for key, part in form.items() if isinstance(part, web.FileField)}
        return await _answer(world.act(request.query.get("user") or "101", {**body, "files": names}))

    async def control(request: web.Request) -> web.StreamResponse:
        return await _answer(world.control(await request.json()))

    async def sent(request: web.Request) -> web.StreamResponse:
        after = int(request.query.get("after", "0"))
        return web.json_response({"entries": world.sent[after:], "last": len(world.sent)})

    app = web.Application(middlewares=[_headers])
    app.add_routes(
        [
            web.get("/", page),
            web.get("/static/{path:.+}", static),
            web.get("/cdn/attachments/{key:.+}", cdn),
            web.get("/api/events", events),
            web.post("/api/act", act),
            web.post("/api/control", control),
            web.get("/api/requests", sent),
        ]
    )
    return app


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    if not response.prepared:
        kept = "max-age=3600" if request.path.startswith("/static/") else "no-store"
        response.headers.update(
            {"Content-Security-Policy": CSP, "X-Content-Type-Options": "nosniff", "Cache-Control": kept}
        )
    return response


async def _answer(work: Awaitable[Json]) -> web.Response:
    try:
        return web.json_response(await work)
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)


async def _stream(world: FakeServer, request: web.Request) -> web.StreamResponse:
    user = request.query.get("user") or "101"
    if user not in {person["id"] for person in PEOPLE}:
        raise web.HTTPBadRequest(text="nobody has this id")
    queue: asyncio.Queue[tuple[str, Json]] = asyncio.Queue()
    queue.put_nowait(("snapshot", world.snapshot(user)))
    world.listeners[queue] = user
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    try:
        while True:
            event, data = await queue.get()
            if not event:
                break
            await response.write(f"event: {event}\ndata: {json.dumps(data)}\n\n".encode())
    except (ConnectionResetError, asyncio.CancelledError):
        pass
    finally:
        world.listeners.pop(queue, None)
    return response


@asynccontextmanager
async def serve(world: FakeServer, port: int = 0) -> AsyncIterator[str]:
    """Serve *world* on loopback and yield its address."""
    runner = web.AppRunner(make_app(world), handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        world.stop()
        await runner.cleanup()


async def _main() -> None:
    async with serve(FakeServer(step=0.5), 8765) as address:
        print(address, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_main())
