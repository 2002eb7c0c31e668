"""Route templates, as in the docs ("/channels/{channel}/messages"), and their handlers."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.playground.server.actions.message_body import Body, Upload
from bot.playground.server.rest.site import Site
from bot.playground.server.validation.errors import malformed
from bot.playground.server.world.json_types import Json


@dataclass
class Call:
    """One request, parsed."""

    site: Site
    method: str
    path: str
    params: dict[str, str]
    query: dict[str, str]
    body: Any = None
    uploads: list[Upload] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    """Probable mistakes that Discord accepts; the record of exchanges shows them."""

    def id(self, name: str) -> int:
        """A path parameter that is a snowflake."""
        return int(self.params[name])

    @property
    def json(self) -> Json:
        """The body, which must be a JSON object."""
        if not isinstance(self.body, dict):
            raise malformed("An object is expected.")
        return self.body

    @property
    def message_body(self) -> Body:
        """The JSON object with the uploads, as the message rules read it."""
        return Body(self.json, self.uploads, self.findings)


@dataclass(frozen=True)
class Reply:
    """A response: JSON with a status, or 204 without a body."""

    body: Any = None
    status: int = 200


NO_CONTENT = Reply(status=204)
Handler = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True)
class Route:
    """A template and its handler."""

    method: str
    template: str
    handler: Handler
    by_token: bool = False
    """Authenticated by the token in the path (interactions and their webhooks) instead of the bot's token."""
    pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        named = re.sub(r"\{(\w+)\}", lambda m: f"(?P<{m[1]}>{_shape(m[1])})", self.template)
        object.__setattr__(self, "pattern", re.compile(named + "/?"))


def _shape(parameter: str) -> str:
    return r"[^/]+" if parameter in ("token", "emoji", "code") else r"\d{1,20}"


class Routes:
    """The routes of one resource; `find` tries those with fewer parameters first ("@original" before "{message}")."""

    def __init__(self) -> None:
        self._routes: list[Route] = []

    def add(self, method: str, template: str, *, by_token: bool = False) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self._routes.append(Route(method, template, handler, by_token))
            return handler

        return register

    def include(self, *others: "Routes") -> "Routes":
        for other in others:
            self._routes += other._routes
        self._routes.sort(key=lambda route: route.template.count("{"))
        return self

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        for route in self._routes:
            match = route.pattern.fullmatch(path) if route.method == method else None
            if match:
                return route, match.groupdict()
        return None
