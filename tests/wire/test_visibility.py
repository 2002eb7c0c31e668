"""Every custom id that names a job, forged in every place: it works only for a person who can see the picture there."""

from __future__ import annotations

import pytest

from bot.views.discovery import BUTTONS, MODALS
from bot.views.menus import MoreMenu
from tests.wire.looks import dreamt
from tests.wire.people import Answer, Person, Shown
from tests.wire.test_elsewhere import second_server
from tests.wire.test_hostile import ANYWHERE, FORMS_WITHOUT_JOB, HIDDEN, forged, forged_choice
from tests.wire.world import World

PLACES = ("own private", "own public", "public", "private of another", "another server", "age-restricted")
VISIBLE = {"own private", "own public", "public"}
REPLACING = "refresh", "votefor"
"""Actions that replace the message under which they are pressed; the last one leaves no buttons."""


async def picture_in(world: World, place: str) -> str:
    """The id of a picture by Max (Mo for the own ones) that was asked for in *place*, of two images."""
    owner = world.mo if place.startswith("own") else world.max
    channel = {
        "own private": str(world.dm(world.mo).id),
        "private of another": str(world.dm(world.max).id),
        "age-restricted": "late-night",
    }.get(place, "studio")
    if place == "another server":
        channel = await second_server(world)
    await dreamt(owner, "a nude robot" if place == "age-restricted" else "a secret owl", channel=channel, count=2)
    return str((await world.jobs_of(owner))[0].id)


async def tried(world: World, mo: Person, mine: Shown, job: str) -> dict[str, str]:
    """Every button, menu entry and modal for that job → what Mo is told in the studio."""
    told: dict[str, str] = {}

    async def note(name: str, answer: Answer) -> None:
        told[name] = answer.message.text if answer.messages and answer.message.ephemeral else ""

    for menu, value in (("pick", "0"), ("enlarge", "0"), *(("more", name) for name in MoreMenu.kinds)):
        await note(f"{menu} {value}", await forged_choice(world, mo, mine, menu, job, value))
    for action in sorted(MODALS.keys() - FORMS_WITHOUT_JOB):
        opened = await mo.click(mine, "Remix")
        opened.modal["custom_id"] = f"dream:{action}:{job}"
        if action != "erase":
            await note(f"modal {action}", await mo.submit(opened))
    kinds = {kind.action for kind in BUTTONS} - ANYWHERE - {"delete", "cancel"}
    for action in (*sorted(kinds - {*REPLACING}), *REPLACING):
        await note(action, await forged(world, mo, mine, f"dream:{action}:{job}:0"))
    return told


@pytest.mark.bot(queue={"per_user": 40, "total": 80}, quota={"units": 0.0})
@pytest.mark.parametrize("place", PLACES)
async def test_a_custom_id_works_only_where_the_picture_can_be_seen(
    world: World, max_: Person, mo: Person, place: str
) -> None:
    job = await picture_in(world, place)
    mine = await dreamt(mo, "an owl")
    before = await world.jobs_of(max_)

    told = await tried(world, mo, mine, job)

    hidden = {name for name, text in told.items() if text.startswith(HIDDEN)}
    assert not [name for name, text in told.items() if "Something went wrong" in text]
    assert (set() if place in VISIBLE else set(told)) == hidden
    if place not in VISIBLE:
        assert [job.id for job in before] == [job.id for job in await world.jobs_of(max_)]
        assert 1 == len(await world.jobs_of(mo))


@pytest.mark.bot(queue={"per_user": 40}, quota={"units": 0.0})
async def test_ones_own_adult_picture_is_not_shown_in_an_unrestricted_channel(world: World, mo: Person) -> None:
    await dreamt(mo, "a nude robot", channel="late-night", count=2)
    [job] = await world.jobs_of(mo)
    mine = await dreamt(mo, "an owl")
    before = [message.id for message in mo.sees()]

    told = await tried(world, mo, mine, job.id)

    for name in ("up", "again", "vary", "post", "pick 0", "enlarge 0", "more again"):
        assert "18+ channels" in told[name] or "age-restricted" in told[name], (name, told[name])
    assert not [
        message
        for message in mo.sees()
        if message.id not in before and not message.ephemeral and "nude" in message.text
    ]
