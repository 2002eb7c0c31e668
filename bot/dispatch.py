"""Between people and the engine: takes requests, keeps them durable, hands them over in fair order, books their ends.

Knows no Discord. Everything that a person would miss after a crash is one transaction: submission (job, reservation,
interaction), hand-over, each picture, the end (state, charge or refund, outbox). See `bot.queue` for the order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from bot.config import Config
from bot.jobs import JobRow, Origin, Place, Priority, Update
from bot.quota import Balance, Entry
from engine.messages import Progress, Request
from engine.requests import UpscaleRequest

if TYPE_CHECKING:
    from bot.store import Store
    from engine.client import Engine


class Dispatcher:
    """One per bot. *store* is open and *engine* is started and closed by whoever owns them; *clock* is unix seconds."""

    def __init__(
        self, config: Config, store: Store, engine: Engine, *, clock: Callable[[], float] = time.time
    ) -> None: ...

    async def start(self) -> None:
        """Recover what the last life left (orphans go back to the queue) and begin to work."""

    async def close(self, drain_seconds: float = 0.0) -> None:
        """Take nothing new, give running jobs *drain_seconds*, hand the rest back to the queue. Idempotent."""

    async def wait(self) -> None:
        """Return after `close`; raise what broke the dispatcher otherwise. The bot's main task awaits this."""

    async def submit(
        self,
        request: Request,
        origin: Origin,
        images: Mapping[str, bytes] | None = None,
        *,
        roles: Collection[int] = (),
        priority: Priority | None = None,
    ) -> JobRow:
        """Take a request: ONE transaction of job, reservation and interaction; durable when this returns.

        *images*: SHA-256 → bytes of attachments that the request names. Pictures of earlier jobs and attachments that
        are still kept need not come along. *roles* are the person's Discord roles; *priority* overrides theirs.

        Raises Refused (TooLarge, QueueFull, CoolingDown, QuotaUsedUp, ShuttingDown), ModelUnavailable, PictureGone
        (an image that nobody has) or InvalidRequest (bytes that are not what their name says).
        """
        raise NotImplementedError

    async def cancel(self, job_id: str, by: int, moderator: bool = False) -> JobRow:
        """End a queued or running job now, with its reservation given back; its row is returned.

        Raises NotAllowed (*by* is neither the owner nor a *moderator*) or NothingToCancel.
        """
        raise NotImplementedError

    async def discard(self, job_id: str, by: int, moderator: bool = False) -> JobRow:
        """The message is to go: cancel the job if it is not over, close its deliveries, forget its messages.

        Pictures stay in the owner's history. Raises NotAllowed or NothingToCancel (no such job).
        """
        raise NotImplementedError

    async def job(self, job_id: str) -> JobRow | None:
        """The job of that id, from the store."""
        raise NotImplementedError

    async def job_by_message(self, channel_id: int, message_id: int) -> JobRow | None:
        """The job that this message shows."""
        raise NotImplementedError

    async def history(self, user_id: int, limit: int = 10, before: float | None = None) -> list[JobRow]:
        """This person's jobs, newest first, created before *before* (unix seconds)."""
        raise NotImplementedError

    async def picture(self, job_id: str, index: int) -> bytes:
        """The PNG's bytes. Raises PictureGone."""
        raise NotImplementedError

    async def upscale_request(self, job_id: str, index: int, upscaler: str = "", scale: int = 0) -> UpscaleRequest:
        """The request that enlarges a stored picture (empty and 0: the request's defaults). Raises PictureGone."""
        raise NotImplementedError

    async def posted(self, job_id: str, channel_id: int, message_id: int) -> None:
        """Remember which message shows the job. Repeating it changes nothing; a later message replaces the link."""

    async def press(self, key: str) -> bool:
        """De-duplication: True exactly once per *key* within `delivery.press_seconds`, restarts included."""
        raise NotImplementedError

    def place(self, job_id: str) -> Place | None:
        """Where a waiting job stands; None if it does not wait."""
        raise NotImplementedError

    def progress(self, job_id: str) -> Progress | None:
        """The newest progress of a running job, with the newest snapshot of every picture."""
        raise NotImplementedError

    def queue(self) -> list[tuple[JobRow, Place]]:
        """Who waits, in the order in which they will be painted."""
        raise NotImplementedError

    def running(self) -> list[JobRow]:
        """What the engine paints now."""
        raise NotImplementedError

    def subscribe(self, callback: Callable[[Update], None]) -> Callable[[], None]:
        """Call *callback* on the loop, soon, for each change of any job; returns what ends that.

        Changes: submitted, place changed, handed over, progress, picture, ended, gone back to the queue.
        """
        raise NotImplementedError

    async def balance(self, user_id: int, roles: Collection[int] = ()) -> Balance:
        """What this person may still spend."""
        raise NotImplementedError

    async def ledger(self, user_id: int, limit: int = 10) -> list[Entry]:
        """This person's newest entries, newest first."""
        raise NotImplementedError

    async def grant(self, user_id: int, units: float, by: int, reason: str) -> None:
        """Give *units* beyond the allowance (negative takes back); leaves an audit row."""

    async def reset_quota(self, user_id: int, by: int, reason: str) -> None:
        """Count this person's window from now on; leaves an audit row."""
