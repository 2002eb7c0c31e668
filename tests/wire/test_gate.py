"""Blocked people take no part in what a server does together, and requests that cost CPU time have one cooldown."""

from __future__ import annotations

import pytest

from bot.interactions.handlers import COMMANDS
from tests.bot.core import count
from tests.wire.looks import deleted, dreamt, link, whispered
from tests.wire.people import Answer, Person
from tests.wire.test_votes import vote_on
from tests.wire.world import World

REFUSED = "A moderator has blocked you in this server"
COMMANDS_OF_ALL = [
    ("find", {"words": "owl"}),
    ("describe", {"link": "x"}),
    ("explain", {"link": "x"}),
    ("gallery", {}),
    ("favorites", {}),
    ("insights", {}),
    ("lineage", {}),
    ("style list", {}),
    ("challenge list", {}),
    ("challenge enter", {"prompt": "an owl"}),
    ("compare", {"prompt": "an owl", "first": "draft", "second": "usual"}),
]


async def test_a_blocked_person_takes_no_part(world: World, olive: Person, max_: Person, mo: Person) -> None:
    mine, owl, sheet = await dreamt(max_, "a cat"), await dreamt(mo, "an owl"), await dreamt(mo, "a fox", count=2)
    vote = await vote_on(mo, sheet)
    await olive.slash("admin block", user=max_.id, reason="floods")

    refused: list[Answer] = [await max_.slash(name, **options) for name, options in COMMANDS_OF_ALL]  # type: ignore[arg-type]
    refused += [await max_.use_on(owl, name) for name in ("Describe", "Explain", "More like this", "Use as start")]
    refused += [await max_.click(owl, button) for button in ("Star", "More like this", "Remix", "Upscale")]
    refused += [
        await max_.click(owl, "Show as a pattern"),
        await max_.click(vote, "A"),
        await max_.click(sheet, "Vote"),
    ]
    assert [REFUSED] * len(refused) == [whispered(answer)[: len(REFUSED)] for answer in refused]
    max_.react(owl, "⭐")
    await max_.wait_for_message(lambda m: REFUSED in m.text, channel="dm")

    store = world.bot.store
    assert [0, 0, 0] == [await count(store, table) for table in ("stars", "ballots", "searches")]
    for name in ("history", "quota", "help words", "mydata"):
        assert REFUSED not in whispered(await max_.slash(name))
    assert "a cat" in whispered(await max_.click(mine, "Info"))
    await deleted(max_, mine)
    await max_.wait_for(mine, lambda m: m.gone)


async def test_a_blocked_person_can_take_a_star_back(world: World, olive: Person, max_: Person, mo: Person) -> None:
    owl = await dreamt(mo, "an owl")
    starred = (await max_.click(owl, "Star")).message
    await olive.slash("admin block", user=max_.id, reason="floods")

    assert "Your star is removed" in whispered(await max_.click(starred, "Unstar"))


async def test_a_reaction_that_was_missed_is_not_refused_again_and_again(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    owl = await dreamt(mo, "an owl")
    await olive.slash("admin block", user=max_.id, reason="floods")
    max_.react(owl, "⭐")
    await max_.wait_for_message(lambda m: REFUSED in m.text, channel="dm")

    await world.restart_bot()
    mo.react(owl, "⭐")
    await world.until(lambda: world.services.handlers._idle.is_set())
    await dreamt(mo, "a cat")

    assert 1 == len([m for m in max_.sees("dm") if REFUSED in m.text])


@pytest.mark.bot(queue={"costly_seconds": 60.0})
async def test_costly_commands_share_one_cooldown(
    world: World, max_: Person, mo: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    owl = await dreamt(mo, "an owl")
    now = world.site.clock.now()
    monkeypatch.setattr(world.services.gate, "_clock", lambda: now)
    for act in (max_.slash("find", words="owl"), max_.click(owl, "Show as a pattern"), max_.use_on(owl, "Describe")):
        assert "Please wait" not in whispered(await act)

    answers = [await max_.slash("gallery"), await max_.slash("explain", link=link(world, owl))]
    answers += [await max_.slash("history"), await max_.use_on(owl, "More like this")]
    assert ["Please wait 60 seconds before you ask again."] * 4 == [answer.message.text for answer in answers]
    assert "Starred" in whispered(await max_.click(owl, "Star"))
    assert "by words" in whispered(await mo.slash("find", words="owl"))

    now += 60
    assert "by words" in whispered(await max_.slash("find", words="owl"))


async def test_the_gate_names_commands_that_exist(world: World) -> None:
    known = {command.name for command in world.bot.tree.walk_commands()} | {
        command.name for command in world.bot.tree.get_commands()
    }

    assert set() == set(COMMANDS) - known
