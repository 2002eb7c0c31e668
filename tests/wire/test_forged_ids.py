"""Custom ids and choices that name no job, forged: they reach nothing of other people, servers or channels."""

from __future__ import annotations

import pytest

from tests.wire.looks import begun, child_of, dreamt, is_result, whispered
from tests.wire.people import Person, Shown, upload
from tests.wire.test_challenges import start
from tests.wire.test_elsewhere import second_server
from tests.wire.test_hostile import HIDDEN, forged, forged_choice
from tests.wire.test_message_commands import picture, posted, questions
from tests.wire.world import World


async def forged_form(person: Person, message: Shown, custom_id: str, **values: str) -> str:
    """Submit a form under an id that it never had; what the person is told."""
    opened = await person.click(message, "Remix")
    opened.modal["custom_id"] = custom_id
    return whispered(await person.submit(opened, **values))


async def test_a_form_gives_no_one_the_picture_that_another_person_holds(
    world: World, max_: Person, mo: Person
) -> None:
    mine = await dreamt(mo, "an owl")
    await max_.use_on(posted(world, max_, upload(picture())), "Use as start")
    [held] = await questions(world, max_)

    for action in ("startheld", "targetheld", "explainheld"):
        said = await forged_form(mo, mine, f"dream:{action}:{held.id}")
        assert said.startswith("Only the person who opened this form can send it."), action
        unknown = await forged_form(mo, mine, f"dream:{action}:zzzzzzzzzz")
        assert "opened more than ten minutes ago" in unknown, action
    assert "Only the person who asked" in whispered(await forged(world, mo, mine, f"dream:yes:{held.id}"))
    info = (await mo.click(mine, "Info")).message
    await forged(world, mo, info, f"dream:no:{held.id}")
    assert 1 == len(await world.jobs_of(mo))
    assert [] == await world.jobs_of(max_)
    assert [""] == [one.answer for one in await questions(world, max_)]


async def test_ids_of_another_servers_style_challenge_and_board_reach_nothing(
    world: World, max_: Person, olive: Person
) -> None:
    annex = await second_server(world)
    await olive.slash("style save", name="wash", template="{prompt}, a secret wash", channel=annex)
    await olive.slash("challenge start", theme="secret owls", deadline="24h", channel=annex)
    server = world.channel(annex).guild_id
    [style] = [one for one in await world.services.styles.all(server) if not one.starter]
    challenge = await world.bot.store.challenges.open_in(server)
    await max_.slash("leaderboard", join=True, channel=annex)
    mine = await dreamt(max_, "an owl")
    said: dict[str, str] = {}

    async def tries() -> None:
        for action in ("stylepaint", "stylestar", "styledelete"):
            said[action] = whispered(await forged(world, max_, mine, f"dream:{action}:{style.id}"))
        said["styleform"] = await forged_form(max_, mine, f"dream:styleform:{style.id}")
        said["challenge"] = whispered(await forged(world, max_, mine, f"dream:challenge:{challenge.id}"))
        said["entryform"] = await forged_form(max_, mine, f"dream:entryform:{challenge.id}")
        said["leaders"] = whispered(await forged(world, max_, mine, f"dream:leaders:{challenge.id}"))

    await tries()
    for action in ("stylepaint", "stylestar", "styledelete", "styleform"):
        assert said[action].startswith("This style was deleted."), action
    assert said["challenge"] == "No challenge takes entries in this server right now."
    assert said["entryform"].startswith("No challenge takes entries in this server right now.")
    assert "The list is empty" in said["leaders"]
    await start(olive, "cats")
    await tries()
    assert said["challenge"] == "The entries of this challenge are closed."
    assert said["entryform"].startswith("The entries of this challenge are closed.")
    assert not any("secret" in text for text in said.values())
    assert 1 == len(await world.jobs_of(max_))
    assert [] == await world.bot.store.challenges.entries(challenge.id)
    assert 0 == (await world.services.styles.by_id(server, style.id)).stars


async def test_pages_and_searches_that_were_never_shown_are_answered_in_words(
    world: World, max_: Person, mo: Person
) -> None:
    owl = await dreamt(mo, "an owl")
    await max_.slash("find", words="secret")
    async with world.bot.store.database.reading() as session:
        [search] = await session.all("SELECT id FROM searches")

    for custom_id in (
        f"dream:gallery:g:n:{'9' * 20}:0:",
        f"dream:gallery:g:s:{'9' * 20}:9999:a",
        "dream:gallery:g:n::9999:owl\x00",
        'dream:gallery:f:s::0:"* OR NEAR(',
        f"dream:found:{search['id']}:0",
        f"dream:found:{search['id']}:99",
        f"dream:logolder:{'9' * 18}:here:{'9' * 20}:",
    ):
        info = (await mo.click(owl, "Info")).message
        text = whispered(await forged(world, mo, info, custom_id))
        assert "Something went wrong" not in text, custom_id
        assert "database" not in text, custom_id
        assert "secret" not in text, custom_id
    assert "Nothing found" in whispered(await mo.slash("find", words="secret\x00"))
    too_long = "https://discord.com/channels/1/99999999999999999999/99999999999999999999"
    for command in ("lineage", "describe", "explain"):
        assert "I cannot find a picture" in whispered(await mo.slash(command, link=too_long))
    assert "I cannot find a picture" in whispered(await mo.slash("blend", prompt="a fox", links=too_long))


@pytest.mark.bot(queue={"per_user": 9})
async def test_choices_that_were_never_offered_are_answered_in_words(world: World, max_: Person, mo: Person) -> None:
    await dreamt(max_, "a secret owl", channel=str(world.dm(max_).id), count=2)
    [secret] = await world.jobs_of(max_)
    mine = await dreamt(mo, "an owl")
    await mo.click(mine, "Upscale")
    await child_of(mo, mine)
    large, owl = await world.jobs_of(mo)
    await begun(mo, "hang on")
    [running, *_] = await world.jobs_of(mo)
    jobs = len(await world.jobs_of(mo))

    for value in ("left", "up", "zoom", "square", "tile", "0"):
        assert HIDDEN == whispered(await forged_choice(world, mo, mine, "edges", secret.id, value)), value
        for job in (large, running):
            if (job, value) != (large, "tile"):
                text = whispered(await forged_choice(world, mo, mine, "edges", job.id, value))
                assert "Something went wrong" not in text, value
    for value in ("0", "99", "-1", "²", "9" * 90, ""):
        assert HIDDEN == whispered(await forged_choice(world, mo, mine, "stars", secret.id, value)), value
        for job in (owl, running):
            text = whispered(await forged_choice(world, mo, mine, "stars", job.id, value))
            assert "Something went wrong" not in text, value
    for action in ("start", "target"):
        opened = await mo.use_on(mine, "Use as start")
        opened.modal["custom_id"] = f"dream:{action}:{running.id}"
        assert "Something went wrong" not in whispered(await mo.submit(opened, prompt="a fox"))
    assert jobs == len(await world.jobs_of(mo))
    assert not [message for message in mo.sees() if is_result(message) and "secret" in message.text]
