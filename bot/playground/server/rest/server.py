"""The REST server: faults, authentication, rate limits, body, handler, answer, record; in this order."""

import json
import time
import traceback
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.playground.server.rest.bodies import MAX_REQUEST, read_body
from bot.playground.server.rest.faults import Faults, Injected
from bot.playground.server.rest.rate_limits import RateLimitResult
from bot.playground.server.rest.routes import all_routes
from bot.playground.server.rest.routing import Call, Reply, Route
from bot.playground.server.rest.site import Site
from bot.playground.server.validation.errors import ApiError, unauthorized
from bot.playground.server.world.record import Exchange, Record, redacted

PREFIXES = ("/api/v10", "/api/v9", "/api")
VIA = {"Via": "1.1 local"}
"""Real responses pass a proxy. discord.py treats a 429 without Via as a ban of its IP address."""


class Rest:
    """Answers everything below https://discord.com/api."""

    def __init__(self, site: Site, record: Record, faults: Faults) -> None:
        self._site = site
        self._record = record
        self._faults = faults
        self._routes = all_routes()

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request and add it to the record."""
        started = time.perf_counter()
        path = _without_prefix(request.path)
        found = self._routes.find(request.method, path)
        exchange = Exchange(
            self._record.number(), self._site.clock.now(), request.method, redacted(path),
            found[0].template if found else "", dict(request.query), request.content_type, None, (),
        )  # fmt: skip
        if request.content_type == "application/octet-stream":
            exchange.content_type = ""
        response = await self._answer(request, path, found, exchange)
        exchange.status, exchange.seconds = response.status, time.perf_counter() - started
        self._site.limits.note(response.status, shared=response.headers.get("X-RateLimit-Scope") == "shared")
        self._record.add(exchange)
        return response

    async def _answer(
        self, request: web.Request, path: str, found: tuple[Route, dict[str, str]] | None, exchange: Exchange
    ) -> web.Response:
        line = redacted(path)
        if self._site.limits.banned:
            # The proxy answers: no JSON and no Via ("Invalid Request Limit").
            return web.Response(status=429, text="error code: 1015", headers={"Retry-After": "600"})
        try:
            body, uploads = await read_body(request, self._request_limit())
        except ApiError as refusal:
            return _json(refusal.status, refusal.body(), exchange)
        exchange.body = body
        exchange.files = tuple((upload.field, upload.filename, len(upload.data)) for upload in uploads)
        injected = await self._faults.before(request.method, line)
        if injected:
            return _injected(injected, exchange)
        if found is None:
            # 501 instead of a default response, so that a missing route is noticed.
            return _json(
                501, {"message": f"{request.method} {line} is not implemented by the local server", "code": 0}, exchange
            )
        route, params = found
        call = Call(
            self._site,
            request.method,
            path,
            params,
            dict(request.query),
            body,
            uploads,
            request.headers,
            exchange.findings,
        )
        limit = self._site.limits.take(route.method, route.template, params, by_token=route.by_token)
        response = await self._checked(route, call, limit, exchange)
        lost = await self._faults.after(request.method, line)
        return _injected(lost, exchange) if lost else response

    async def _checked(self, route: Route, call: Call, limit: RateLimitResult, exchange: Exchange) -> web.Response:
        try:
            self._check_sender(route, call)
            if not limit.passed:
                raise _rate_limited(limit)
            reply = await route.handler(call)
        except (TypeError, AttributeError, KeyError, ValueError) as error:
            # The handlers do not check the types in a body; a wrong one raises inside. The finding names the place.
            exchange.findings.append(f"the body has a wrong type: {type(error).__name__}: {error} ({_place(error)})")
            refusal = ApiError(400, 50035, "Invalid Form Body")
            return _json(refusal.status, refusal.body(), exchange, limit.headers)
        except ApiError as refusal:
            return _json(refusal.status, refusal.body(), exchange, {**limit.headers, **refusal.headers})
        return _replied(reply, exchange, limit.headers)

    def _check_sender(self, route: Route, call: Call) -> None:
        """Checks the bot's token and its User-Agent (reference.mdx, "User Agent")."""
        if route.by_token:
            return
        if call.headers.get("Authorization") != f"Bot {self._site.world.app.token}":
            raise unauthorized()
        if not call.headers.get("User-Agent", "").startswith("DiscordBot ("):
            raise ApiError(403, 40333, "internal network error")

    def _request_limit(self) -> int:
        highest = max((guild.premium_tier for guild in self._site.world.guilds.values()), default=0)
        return MAX_REQUEST if highest < 2 else 10 * MAX_REQUEST


def _without_prefix(path: str) -> str:
    for prefix in PREFIXES:
        if path.startswith(prefix + "/"):
            return path.removeprefix(prefix)
    return path


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _rate_limited(limit: RateLimitResult) -> ApiError:
    body: dict[str, Any] = {"retry_after": round(limit.retry_after, 3), "global": limit.everywhere}
    headers = {"Retry-After": f"{max(1, round(limit.retry_after))}"}
    return ApiError(429, 0, "You are being rate limited.", headers=headers, extra=body)


def _replied(reply: Reply, exchange: Exchange, headers: dict[str, str]) -> web.Response:
    if reply.status == 204:
        return web.Response(status=204, headers={**VIA, **headers})
    return _json(reply.status, reply.body, exchange, headers)


def _injected(fault: Injected, exchange: Exchange) -> web.Response:
    """A text stands for the page of a proxy."""
    exchange.injected = True
    if isinstance(fault.body, str):
        exchange.answer = fault.body
        return web.Response(status=fault.status, text=fault.body, content_type="text/html", headers=fault.headers)
    return _json(fault.status, fault.body, exchange, fault.headers)


def _json(status: int, body: Any, exchange: Exchange, headers: dict[str, str] | None = None) -> web.Response:
    """The type is exactly "application/json"; with a charset discord.py reads the body as plain text."""
    exchange.answer = body
    data = json.dumps(body).encode()
    return web.Response(
        status=status, body=data, headers={**VIA, **(headers or {}), "Content-Type": "application/json"}
    )
