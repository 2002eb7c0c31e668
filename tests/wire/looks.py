"""What to look for in dreambot's messages."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.wire.people import Answer, Person, Shown
from tests.wire.world import World


def is_result(message: Shown) -> bool:
    """A finished picture, with its buttons."""
    return ("Info" in message.buttons or "Info" in message.options) and len(message.pictures) == 1


def is_begun(message: Shown) -> bool:
    """The engine has the job, but nothing can be seen yet."""
    return "Getting ready" in message.text


def is_painting(message: Shown) -> bool:
    """A picture on its way: bar, snapshot, and a way to stop it."""
    return "▰" in message.text and "Cancel" in message.buttons and len(message.pictures) == 1


def is_enlarged(message: Shown) -> bool:
    """A finished picture that was made from another one."""
    return is_result(message) and "Upscaled" in message.text


def is_over(message: Shown) -> bool:
    """Whatever became of it, nothing more will."""
    return bool(message.buttons) and "Cancel" not in message.buttons


async def dreamt(person: Person, prompt: str, **options: Any) -> Shown:
    """`/dream`, and the picture that comes of it."""
    answer = await person.slash("dream", prompt=prompt, **options)
    return await person.wait_for(answer.message, is_result, what=f"the picture of “{prompt}”")


async def begun(person: Person, prompt: str, **options: Any) -> Shown:
    """`/dream`, and the message when the engine has taken the job."""
    answer = await person.slash("dream", prompt=prompt, **options)
    return await person.wait_for(answer.message, is_begun, what=f"“{prompt}” to begin")


async def child_of(person: Person, parent: Shown) -> Shown:
    """The finished picture in a message younger than *parent*."""
    return await person.wait_for_message(lambda message: message.id > parent.id and is_result(message))


async def deleted(person: Person, message: Shown) -> str:
    """Press Delete and confirm; what the person is told."""
    answer = await person.submit(await person.click(message, "Delete"))
    await person.world.until(lambda: answer.messages, what="words about a deletion")
    return answer.messages[0].text


def whispered(answer: Answer) -> str:
    """What the answer says to nobody else."""
    assert answer.message.ephemeral, f"everybody can read {answer.message}"
    return answer.message.text


def link(world: World, message: Shown) -> str:
    """The address of a message in the studio."""
    return f"https://discord.com/channels/{world.channel('studio').guild_id}/{world.channel('studio').id}/{message.id}"


def job_id(message: Shown) -> str:
    """The job that a message shows, by its file's name."""
    return next(iter(message.files)).partition(".")[0]


async def nothing_is_owed(world: World, seconds: float = 60.0) -> None:
    """Wait until the outbox is empty."""
    async with asyncio.timeout(seconds):
        while await world.bot.store.deliveries.pending():
            await asyncio.sleep(0.02)
