"""The Lineage button under Info and the answer of `/lineage`: the family tree of a result."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import discord

from bot.community.lineage.drawing import WORDS, family_tree
from bot.community.lineage.family import Family, Relative
from bot.errors import Refused
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.models.job import JobRow, JobState, parts_of
from bot.text import link, mention, message_link, plain, shorten, show_prompts
from bot.views.base import JobButton, Press
from engine.requests.request import DreamRequest

FILE = "lineage.png"
COLOUR = 0xF0B541
DETAILS = ((120, True), (60, True), (24, True), (24, False))
"""Characters of a prompt in the list, and whether it has links: the first that fits into an embed is used."""
MOST_TEXT = 4096
"""Characters of an embed's description."""
ALONE = "This picture was not made from another one, and nothing has been made from it yet."


class LineageButton(JobButton, action="lineage", label="Lineage", private=True, access=Access.COSTLY):
    """Shows what a result was made from, and what was made from it."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        await answer_lineage(press, job)


async def answer_lineage(press: Press, job: JobRow) -> None:
    """Send the tree to the presser alone. Raises Refused for a result without relatives."""
    if job.state is not JobState.DONE:
        raise Refused("This job has no finished picture.")
    services = press.services
    family = await services.families.of(job, press.caller)
    if await services.message_check.gone(_messages(family)):
        family = await services.families.of(await press.job(job.id), press.caller)
    if len(family.members) == 1:
        raise Refused(ALONE)
    shown = {one.key: small for one in family.members if (small := await _thumbnail(press, one)) is not None}
    names = {one.key: one.job.origin.user_name for one in family.numbered if one.job}
    tree = await asyncio.to_thread(family_tree, family, shown, names)
    await press.responder.send_private_payload(lineage_payload(family, tree))


def lineage_payload(family: Family, tree: bytes) -> EphemeralPayload:
    """The tree, and its members by number."""
    texts = ("\n".join(_lines(family, *details)) for details in DETAILS)
    text = next(text for text in texts if len(text) <= MOST_TEXT)
    embed = discord.Embed(title="Lineage", colour=COLOUR, description=text)
    embed.set_image(url=f"attachment://{FILE}")
    return EphemeralPayload("", (embed,), ((FILE, tree),))


def _lines(family: Family, most: int, links: bool) -> Iterator[str]:
    """One line per member, with *most* characters of its prompt."""
    for number, member in enumerate(family.numbered, 1):
        job = member.job
        assert job is not None
        words = show_prompts(request.prompts) if (request := _dream(member)) else ""
        shown = links and job.message_id and job.origin.guild_id
        name = f"**{number}.** {mention(job.origin.user_id)}"
        how = f" · {WORDS.get(member.relation, member.relation)}" if member.relation else ""
        where = f" · {link('open', message_link(job.origin.guild_id, job.origin.channel_id, job.message_id or 0))}"
        yield f"{name}{how}{where if shown else ''}{f' · {shorten(words, most)}' if words else ''}"
    hidden = sum(one.look == "private" for one in family.members)
    if hidden:
        yield plain("Grey boxes are private or come from places that you cannot see here.")


def _messages(family: Family) -> list[tuple[int, int]]:
    """(channel id, message id) of the messages that the list links to."""
    jobs = [one.job for one in family.numbered if one.job and one.job.origin.guild_id]
    return [(job.origin.channel_id, job.message_id) for job in jobs if job.message_id]


def _dream(member: Relative) -> DreamRequest | None:
    parts = parts_of(member.job.request) if member.job else ()
    request = parts[member.index if 0 < member.index < len(parts) else 0].request if parts else None
    return request if isinstance(request, DreamRequest) else None


async def _thumbnail(press: Press, member: Relative) -> bytes | None:
    """The small picture of a member that is shown, if its file is left."""
    if member.job is None or member.look != "shown":
        return None
    picture = member.job.picture(member.index)
    return await press.services.thumbnails.of(picture.path, picture.sha256) if picture else None
