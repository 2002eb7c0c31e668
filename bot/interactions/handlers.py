"""Runs the handlers of commands, presses and reactions: who may act now, which ones still run, what an error says.

A DreamError has a text for people; any other exception is logged under an id. Only the person who acted sees the text,
where Discord allows that.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import Flag
from typing import Protocol

import discord
from discord import app_commands

from bot.errors import Blocked, CoolingDown, ShuttingDown
from bot.interactions.context import Invocation
from bot.policy.server_rules import blocked_words
from bot.storage import Store
from bot.text import shorten
from engine.errors import DreamError, PromptError

log = logging.getLogger(__name__)
_REDELIVERED = 1000
"""Interactions that are recognised when they are delivered again."""


class Handlers:
    """Counts running handlers. At shutdown they finish before anything is closed."""

    def __init__(self) -> None:
        self._running = 0
        self._delivered: deque[int] = deque(maxlen=_REDELIVERED)
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False

    def is_repeated(self, interaction_id: int) -> bool:
        """Whether Discord delivers this interaction again, as it may after a lost connection. Its handler must end."""
        if interaction_id in self._delivered:
            log.info("interaction %d was delivered again", interaction_id)
            return True
        self._delivered.append(interaction_id)
        return False

    @contextmanager
    def running(self) -> Iterator[None]:
        """The body of one handler. Raises ShuttingDown once `close` was called."""
        if self._closing:
            raise ShuttingDown("The bot is about to restart; please try again in a minute.")
        self._running += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def close(self, seconds: float) -> None:
        """Refuse new handlers, and return when the others are done or after *seconds*."""
        self._closing = True
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            log.error("%d handlers did not finish within %.0f s; closing anyway", self._running, seconds)


LONGEST = 800
"""Most characters of an error text; Discord allows 2000 in total."""
_FORMATTED = re.compile(r"[\\*~<]|\|\|")
"""What Discord would format or hide in a text that was not written for it."""
WINDOW = 46
"""Characters of the prompt shown around a mistake, so that the caret stays under it on a narrow screen."""


class Listener(Protocol):
    async def send_private(self, words: str) -> None:
        """Send *words* to the person alone; never raises."""
        ...


@asynccontextmanager
async def report_errors(responder: Listener, doing: str = "a request") -> AsyncIterator[None]:
    """The error boundary of handlers without an error hook in discord.py: tells every error to the person who acted."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the error boundary
        await responder.send_private(describe_error(error, doing))


def describe_error(error: BaseException, doing: str = "a request") -> str:
    """A text for people; an exception that is no DreamError is logged with its traceback. *doing*: what failed."""
    error = getattr(error, "original", error)
    if isinstance(error, DreamError):
        text = shorten(str(error), LONGEST)
        if type(error).__module__ == DreamError.__module__:  # the engine writes for terminals
            text = _FORMATTED.sub(r"\\\g<0>", text)
        return f"{text}\n{_pointer(error)}" if isinstance(error, PromptError) else text
    if isinstance(error, app_commands.CommandSignatureMismatch | app_commands.CommandNotFound):
        return "This command has changed. Type it again; Discord may need a minute to update it."
    number = secrets.token_hex(3)
    log.error("%s failed (id %s)", doing, number, exc_info=error)
    return f"Something went wrong. The error is logged (id {number})."


def _pointer(error: PromptError) -> str:
    """A code block with the part of the prompt around the mistake, and a caret under the character."""
    source = "".join(" " if char.isspace() else char for char in error.source).replace("`", "ˋ")
    first = max(0, min(error.position - WINDOW // 2, len(source) - WINDOW))
    shown = source[first : first + WINDOW]
    start, end = "…" if first else "", "…" if first + WINDOW < len(source) else ""
    caret = " " * (len(start) + min(error.position, len(source)) - first) + "^"
    return f"```\n{start}{shown}{end}\n{caret}\n```"


_LONGEST = 200
"""Characters."""


def failure_text(error: BaseException) -> str:
    """One line of at most 200 characters; HTML pages, which proxies send, are left out."""
    if isinstance(error, discord.GatewayNotFound) and isinstance(error.__cause__, discord.HTTPException):
        error = error.__cause__
    if isinstance(error, discord.HTTPException):
        said = f" ({error.text})" if error.text and "<" not in error.text else ""
        text = f"HTTP {error.status} {error.response.reason or ''}".strip() + said
    elif isinstance(error, discord.ConnectionClosed):
        text = f"the gateway closed the connection with code {error.code}"
    else:
        text = str(error).partition(" ssl:")[0] or type(error).__name__
    return shorten(" ".join(text.split()), _LONGEST).rstrip(".")


BURST = 3
"""Costly requests that a person may make at once; then one per cooldown."""
REMEMBERED = 10_000
"""People whose requests are remembered, before those whose cooldown is over are forgotten."""


class Access(Flag):
    """What the gate asks about an act."""

    USUAL = 0
    OPEN = 1
    """Blocked people may do it too: it concerns their own data, takes something back, or is a moderator's."""
    COSTLY = 2
    """It decodes, embeds or draws, and creates no job that would be charged."""
    BLIND = 4
    """It shows neither prompt nor author of a picture, so it works while a blind vote hides them."""


COMMANDS = {
    **dict.fromkeys(
        ("admin", "engine", "forget", "help", "leaderboard", "mydata", "queue", "quota", "settings"), Access.OPEN
    ),
    "history": Access.OPEN | Access.COSTLY,
    **dict.fromkeys(("describe", "explain", "favorites", "find", "gallery", "lineage"), Access.COSTLY),
    **dict.fromkeys(("Describe", "Explain", "More like this", "Remix", "Use as start", "Use as target"), Access.COSTLY),
}
"""Name of a command or of a message command → its access; the others have `Access.USUAL`."""


class Gate:
    """One per bot. *seconds*: the cooldown; *hosts* have none. *clock* is unix seconds."""

    def __init__(self, store: Store, seconds: float, hosts: Collection[int], clock: Callable[[], float]) -> None:
        self._store = store
        self._seconds = seconds
        self._hosts = hosts
        self._clock = clock
        self._paid_until: dict[int, float] = {}

    async def admit(self, caller: Invocation, access: Access) -> None:
        """Raise Blocked or CoolingDown; a costly act that is admitted counts."""
        now = self._clock()
        if Access.OPEN not in access and (block := await self._store.blocks.find(caller.user_id, caller.guild_id, now)):
            raise Blocked(blocked_words(block))
        if Access.COSTLY in access and self._seconds and caller.user_id not in self._hosts:
            self._spend(caller.user_id, now)

    def _spend(self, user_id: int, now: float) -> None:
        """Each request pays for one cooldown, up to `BURST` of them in advance."""
        most = now + BURST * self._seconds
        paid = min(max(self._paid_until.get(user_id, now), now), most)  # a clock that was set back delays nothing
        if paid + self._seconds > most:
            ready = paid + self._seconds - (most - now)
            seconds = math.ceil(ready - now)
            raise CoolingDown(f"Please wait {seconds} second{'s' * (seconds != 1)} before you ask again.", ready)
        if len(self._paid_until) >= REMEMBERED:
            self._paid_until = {who: until for who, until in self._paid_until.items() if until > now}
        self._paid_until[user_id] = paid + self._seconds
