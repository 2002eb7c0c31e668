"""Fixtures for tests of the local Discord: a server without a bot, and a client that sends raw requests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.playground.server.local import LocalDiscord
from bot.playground.server.tls import Authority
from bot.playground.server.world.entities import Channel
from tests.wire import schemas
from tests.wire.raw import RawBot


@pytest.fixture
async def site(authority: Authority) -> AsyncIterator[LocalDiscord]:
    """Requests may be invalid on purpose; responses and events must match the schemas."""
    async with LocalDiscord(authority) as site:
        schemas.check(site.record)
        yield site
    answers = [text for exchange in site.record.exchanges for text in exchange.findings if text.startswith("answer")]
    assert [] == answers + [text for event in site.record.events for text in event.findings]


@pytest.fixture
async def raw(site: LocalDiscord) -> AsyncIterator[RawBot]:
    async with RawBot(site) as raw:
        yield raw


@pytest.fixture
def studio(site: LocalDiscord) -> Channel:
    return site.world.channel_named("studio")


@pytest.fixture
def max_id(site: LocalDiscord) -> int:
    """A member."""
    return next(user.id for user in site.world.users.values() if user.username == "max")


@pytest.fixture
def mo_id(site: LocalDiscord) -> int:
    """A moderator."""
    return next(user.id for user in site.world.users.values() if user.username == "mo")
