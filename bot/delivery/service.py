"""One `MessageUpdater` per job; a shared rate limiter for all edits.

Subscribes to the job registry. After a restart it resumes unfinished jobs and undelivered final updates (the outbox).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection, Coroutine
from functools import partial

import discord

from bot.config.settings import Config
from bot.delivery.edit_limiter import EditBudget, EditLimiter
from bot.delivery.message_updater import Desk, MessageUpdater
from bot.delivery.renderer import MessageRenderer
from bot.errors import StoreError
from bot.failpoints import crashpoint
from bot.interactions.message_api import Address, Counted, Erase, Post, Removal, erased
from bot.interactions.payload import MessagePayload
from bot.jobs.service import JobService
from bot.models.job import JobRow, Update
from bot.storage import Store
from bot.storage.outbox import Purpose

log = logging.getLogger(__name__)

ROUND_SECONDS = 60.0
"""How often is looked for ends that nobody carries any more, because their letter broke."""


class Delivery:
    """All letters on their way. *clock* is unix seconds."""

    def __init__(
        self,
        client: discord.Client,
        config: Config,
        jobs: JobService,
        store: Store,
        renderer: MessageRenderer,
        clock: Callable[[], float] = time.time,
        counted: Counted = lambda what, trouble: None,
    ) -> None:
        self.now = clock
        self._counted = counted
        self._client = client
        self._jobs = jobs
        self._store = store
        pace = EditBudget(config.delivery.edit_seconds, config.delivery.burst)
        self._edit_limiter = EditLimiter(pace)
        self._desk = Desk(
            renderer=renderer,
            edit_limiter=self._edit_limiter,
            posted=jobs.posted,
            owed=self._is_owed,
            called=store.calls.note,
            closed=self._closed,
        )
        self._letters: dict[str, MessageUpdater] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._unsubscribe: Callable[[], None] | None = None
        self._closing = False

    async def start(self) -> None:
        """Listen to the job service, and take up what was left. Call when Discord can be written to.

        Closed before or meanwhile, it begins nothing.
        """
        if self._closing:
            return
        self._keep("turnstile", self._edit_limiter.run())
        self._unsubscribe = self._jobs.subscribe(self._hear)
        try:
            await self.take_up()
        except StoreError as error:
            log.error("Unfinished deliveries are resumed later: %s", error)
        self._keep("rounds", self._rounds())

    async def take_up(self) -> None:
        """Carry what nobody carries: ends that were not told, jobs that are not over. Repeating it changes nothing.

        A letter that is carried may have missed something too: somebody asked before we listened, and was painted.
        """
        for job in await self._left_over():
            update = Update(job, self._jobs.progress(job.id), self._jobs.place(job.id))
            letter = self._letters.get(job.id)
            if letter is None:
                self._begin(update, fresh=False)
            elif letter.job.state is not job.state:
                letter.offer(update)

    async def close(self) -> None:
        """Stop at once; what was not said, and what somebody still asks for, stays in the outbox."""
        self._closing = True
        if self._unsubscribe:
            self._unsubscribe()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settle(self, seconds: float) -> None:
        """Give ends that are on their way, and words of parting, *seconds* to arrive."""
        await asyncio.sleep(0)  # what the job service has just told everybody comes in a turn of the loop of its own
        going = {self._tasks[job_id] for job_id, letter in self._letters.items() if letter.job.state.over}
        parting = {asyncio.create_task(one.parted.wait()) for one in self._letters.values() if one.newest.parting}
        if going | parting:
            await asyncio.wait(going | parting, timeout=seconds)
        for task in parting:
            task.cancel()

    def expect(self, job: JobRow) -> None:
        """Somebody is about to answer with this job's message."""
        self._begin(Update(job, place=self._jobs.place(job.id)), fresh=True)

    async def answered(self, job: JobRow, message_id: int | None, face: MessagePayload) -> None:
        """The message of *job* has been posted as *message_id* and shows *face*; None if that failed."""
        noted = message_id is None or await self._note(job, message_id)
        if letter := self._letters.get(job.id):
            letter.address(message_id, face, noted=noted)

    def drop(self, owner: str) -> None:
        """Say no more about anything of this person's, who is being forgotten."""
        for job_id, letter in list(self._letters.items()):
            if letter.job.owner == owner and (task := self._tasks.get(job_id)):
                task.cancel()

    async def erase(self, job: JobRow, channel_id: int, message_id: int, erase: Erase | None = None) -> Removal:
        """Delete one message of *job*, by *erase* first: where the bot is a guest, its own token can delete nothing."""
        letter = self._letters.get(job.id)
        if letter and message_id == letter.message_id:
            self._tasks[job.id].cancel()
        return await erased(*((erase,) if erase else ()), self._by_own_token(job, channel_id, message_id))

    async def take_down(self, job: JobRow, messages: Collection[tuple[int, int]]) -> bool:
        """Delete all *messages* (channel, message) of *job*, which the job service has condemned before.

        False if some of them cannot be deleted now: they are deleted later.
        """
        if job.id in self._letters:
            self._tasks[job.id].cancel()
        gone = [await self._take_down(job, *place) for place in messages]
        await self.remove_calls(job)
        return all(gone)

    async def remove_calls(self, job: JobRow) -> None:
        """Delete the replies that told the job's owner of a long wait's end: there is nothing to see any more."""
        for place in await self._store.calls.take(job.id):
            await self._take_down(job, *place)

    async def _take_down(self, job: JobRow, channel_id: int, message_id: int) -> bool:
        gone = await erased(self._by_own_token(job, channel_id, message_id)) is Removal.GONE
        if gone:
            await self._store.farewells.removed(channel_id, message_id)
        return gone

    def _by_own_token(self, job: JobRow, channel_id: int, message_id: int) -> Erase:
        post = Post(self._client, Address(job.origin.guild_id, channel_id, job.origin.user_id), self._counted)
        return partial(post.delete, message_id)

    async def _note(self, job: JobRow, message_id: int) -> bool:
        """Write down that this message shows *job*; False where the store cannot now, and the letter has to."""
        try:
            await self._jobs.posted(job.id, job.origin.channel_id, message_id)
        except StoreError as error:
            log.error("job %s: its message cannot be noted yet: %s", job.id, error)
            return False
        crashpoint("posted")
        return True

    async def _rounds(self) -> None:
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            with contextlib.suppress(StoreError):  # the next round tries again
                await self.take_up()

    def _hear(self, update: Update) -> None:
        if letter := self._letters.get(update.job.id):
            letter.offer(update)
        else:
            asked_now = update.job.id not in self._jobs.restored and not update.job.state.over
            self._begin(update, fresh=asked_now and update.job.message_id is None)

    def _begin(self, update: Update, *, fresh: bool) -> None:
        if update.job.id not in self._letters and not self._closing:
            letter = self._letters[update.job.id] = MessageUpdater(update, self._desk)
            self._keep(update.job.id, self._carry(letter, fresh))

    async def _carry(self, letter: MessageUpdater, fresh: bool) -> None:
        job = letter.job
        try:
            await letter.run(Post(self._client, await self._address(job), self._counted), fresh=fresh)
        finally:
            del self._letters[job.id]
            self._edit_limiter.forget(letter.spot)

    async def _address(self, job: JobRow) -> Address:
        interaction = await self._store.interactions.find(job.id, self.now())
        where = job.origin
        return Address(where.guild_id, where.channel_id, where.user_id, interaction.token if interaction else "")

    async def _left_over(self) -> list[JobRow]:
        """Ends that nobody was told of, oldest first, then what is not over."""
        owed = [row.job_id for row in await self._store.deliveries.pending()]
        found = [await self._jobs.job(job_id) for job_id in dict.fromkeys(owed)]
        alive = [*self._jobs.running(), *(job for job, _ in self._jobs.queue())]
        return [job for job in (*found, *alive) if job is not None]

    async def _is_owed(self, job_id: str, purpose: Purpose) -> bool:
        row = await self._store.deliveries.find(job_id, purpose)
        return row is not None and row.state == "pending"

    async def _closed(self, job_id: str, purpose: Purpose, failed: str) -> None:
        """Close the outbox row; the interaction's token has done its work."""
        if failed:
            log.warning("the %s of job %s could not be delivered: %s", purpose, job_id, failed)
            await self._store.deliveries.undeliverable(job_id, purpose, failed, self.now())
        else:
            await self._store.deliveries.delivered(job_id, purpose, self.now())
        await self._store.interactions.erase(job_id)

    def _keep(self, name: str, work: Coroutine[None, None, None]) -> None:
        if self._closing:  # it may close while it starts
            work.close()
            return
        task = self._tasks[name] = asyncio.create_task(work, name=f"delivery {name}")
        task.add_done_callback(lambda done: self._over(name, done))

    def _over(self, name: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(name) is task:
            del self._tasks[name]
        if not task.cancelled() and (error := task.exception()):
            log.error("the letter of job %s broke", name, exc_info=error)
