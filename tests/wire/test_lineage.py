"""Lineage: the tree of a result by button and command, how often it was remixed, credit and cost."""

from __future__ import annotations

import io
import json
import zipfile

from bot.playground.server.world.entities import Overwrite
from bot.playground.server.world.permissions import Permission
from engine.images.opening import open_own
from tests.wire.looks import child_of, dreamt, is_result, job_id, link, whispered
from tests.wire.people import Person
from tests.wire.test_words import said
from tests.wire.world import World


async def test_the_tree_names_authors_and_the_parent_counts_its_remixes(world: World, max_: Person, mo: Person) -> None:
    parent = await dreamt(max_, "an owl")
    await mo.submit(await mo.click(parent, "Remix"), prompt="a fox")
    child = await child_of(mo, parent)
    await max_.click(child, "Upscale")
    await child_of(max_, child)
    await world.restart_bot()

    opened = await mo.click(child, "Info")
    info = await said(mo, opened)
    assert "Made into others: 1 time by 1 person" in info.text
    tree = await said(mo, await mo.click(info, "Lineage"))

    assert f"**1.** {max_.mention} · [open]({link(world, parent)}) · an owl" in tree.text
    assert f"**2.** {mo.mention} · remix · [open]({link(world, child)}) · a fox" in tree.text
    assert f"**3.** {max_.mention} · upscaled" in tree.text
    assert 480 == open_own(tree.files["lineage.png"]).width
    jobs = await world.jobs_of(mo)
    assert [("remix", 1)] == [(job.origin.kind, len(job.pictures)) for job in jobs]
    assert jobs[0].cost > 0  # the remixer pays

    asked = await said(max_, await max_.slash("lineage", link=link(world, parent)))
    assert "**3.**" in asked.text
    assert "**2.**" in (await said(mo, await mo.slash("lineage"))).text


async def test_a_picture_without_relatives_says_so(max_: Person, mo: Person) -> None:
    assert "You have no finished picture yet." in whispered(await mo.slash("lineage"))
    message = await dreamt(max_, "an owl")
    assert "not made from another one" in whispered(await max_.slash("lineage"))
    info = await said(max_, await max_.click(message, "Info"))
    assert "Lineage" not in info.buttons
    assert "Made into others" not in info.text


async def test_an_ancestor_in_a_hidden_channel_is_a_box_without_text(world: World, max_: Person, mo: Person) -> None:
    parent = await dreamt(mo, "an owl", channel="gallery")
    answer = await mo.slash("blend", links=job_id(parent), prompt="a fox")
    child = await mo.wait_for(answer.message, is_result)
    hidden, me = world.channel("gallery"), world.site.world.app.id
    guild = hidden.guild_id or 0
    hidden.overwrites[guild] = Overwrite(guild, 0, deny=Permission.VIEW_CHANNEL)
    hidden.overwrites[me] = Overwrite(me, 1, allow=Permission.VIEW_CHANNEL)
    world.site.channel_changed(hidden)
    await world.until(lambda: not hidden_from(world, max_))

    tree = await said(max_, await max_.slash("lineage", link=link(world, child)))

    assert "Grey boxes are private" in tree.text
    assert "an owl" not in tree.text.replace("the picture", "")
    assert "**2.**" not in tree.text
    assert "an owl" in (await said(mo, await mo.slash("lineage", link=link(world, child)))).text


def hidden_from(world: World, person: Person) -> bool:
    """Whether the bot still believes that everybody sees the gallery."""
    channel = world.bot.get_channel(world.channel("gallery").id)
    return bool(channel.permissions_for(channel.guild.default_role).view_channel)


async def test_mydata_tells_how_pictures_were_made(world: World, max_: Person) -> None:
    parent = await dreamt(max_, "an owl")
    await max_.click(parent, "Variation")
    child = await child_of(max_, parent)

    copy = await said(max_, await max_.slash("mydata"))
    with zipfile.ZipFile(io.BytesIO(copy.files["dreambot-mydata.zip"])) as archive:
        made = json.loads(archive.read("data.json"))["made_from"]
    assert [{"job": job_id(child), "parent": job_id(parent), "image": 0, "how": "variation"}] == made
