"""REST v10 by resource; `all_routes` puts them together."""

from ..routing import Routes
from . import applications, channels, guilds, interactions, messages, reactions, users, webhooks

_RESOURCES = (applications, channels, guilds, interactions, messages, reactions, users, webhooks)


def all_routes() -> Routes:
    return Routes().include(*(resource.routes for resource in _RESOURCES))
