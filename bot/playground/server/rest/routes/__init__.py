"""REST v10 by resource; `all_routes` puts them together."""

from bot.playground.server.rest.routes import (
    applications,
    channels,
    guilds,
    interactions,
    messages,
    reactions,
    users,
    webhooks,
)
from bot.playground.server.rest.routing import Routes

_RESOURCES = (applications, channels, guilds, interactions, messages, reactions, users, webhooks)


def all_routes() -> Routes:
    return Routes().include(*(resource.routes for resource in _RESOURCES))
