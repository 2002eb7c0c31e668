"""The argument of all route handlers."""

from dataclasses import dataclass

from bot.playground.server.actions.callbacks import Callbacks
from bot.playground.server.actions.command_registry import CommandRegistry
from bot.playground.server.actions.interactions import Interactions
from bot.playground.server.actions.posting import Posting
from bot.playground.server.actions.state import SiteState
from bot.playground.server.gateway.gateway import Gateway
from bot.playground.server.rest.rate_limits import RateLimits


@dataclass
class Site(SiteState):
    """The state with the actions, the gateway and the rate limits."""

    posting: Posting
    commands: CommandRegistry
    interactions: Interactions
    callbacks: Callbacks
    gateway: Gateway
    limits: RateLimits
