"""Where the commands are registered: in one place only, whatever `[discord] test_guild` has named before."""

from __future__ import annotations

from collections import Counter
from typing import Any

import discord

from bot.config.settings import Config
from tests.wire.looks import dreamt
from tests.wire.people import Person
from tests.wire.world import World


def shown(world: World) -> Counter[str]:
    """How often each command is offered in the server."""
    (guild,) = world.site.world.guilds
    return Counter(command["name"] for command in world.site.commands.usable(guild))


def standing(world: World) -> tuple[bool, bool]:
    """Whether there are commands everywhere, and in the server."""
    (guild,) = world.site.world.guilds
    return bool(world.site.commands.all()), bool(world.site.commands.all(guild))


async def restarted(world: World, test_guild: int) -> None:
    """The bot, started anew with that setting, once its commands stand where they should."""
    config: Config = world.bot.config
    make, world.make_bot = world.make_bot, lambda w, connector: _with(make(w, connector), config, test_guild)
    await world.restart_bot()
    world.make_bot = make
    await world.bot._registering


def _with(bot: Any, config: Config, test_guild: int) -> discord.Client:
    section = config.discord.model_copy(update={"test_guild": test_guild})
    bot.config = config.model_copy(update={"discord": section})
    client: discord.Client = bot
    return client


async def test_commands_move_to_the_named_server_and_back_and_are_never_doubled(world: World, max_: Person) -> None:
    (guild,) = world.site.world.guilds
    before = shown(world)
    assert (True, False) == standing(world)

    await restarted(world, guild)
    assert (False, True) == standing(world)
    assert before == shown(world)
    await dreamt(max_, "an owl")

    await restarted(world, 0)
    assert (True, False) == standing(world)
    assert before == shown(world)


async def test_a_place_is_emptied_once(world: World, max_: Person) -> None:
    (guild,) = world.site.world.guilds
    await restarted(world, guild)
    world.site.record.exchanges.clear()

    await restarted(world, guild)

    assert [] == [e.path for e in world.site.record.exchanges if e.method == "PUT" and e.path.endswith("/commands")]


async def test_a_server_that_the_bot_has_left_needs_no_emptying(world: World, max_: Person) -> None:
    await world.bot.store.settings.put("bot", "", "commands_places", [0, 7])
    world.allow("guilds/7/commands → 403")

    await restarted(world, 0)

    assert [0] == (await world.bot.store.settings.all("bot"))["commands_places"]
