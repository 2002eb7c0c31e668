"""One `MessageUpdater` per job; a shared rate limiter for all edits.

Subscribes to the job registry. After a restart it resumes unfinished jobs and undelivered final updates (the outbox).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Collection, Coroutine
from functools import partial

import discord

from bot.config.settings import Config
from bot.delivery.edit_limiter import EditBudget, EditLimiter, MessageKey, Urgency
from bot.delivery.message_updater import MessageUpdater
from bot.delivery.renderer import MessageRenderer
from bot.errors import StoreError
from bot.interactions.message_api import Address, Counted, DeletionResult, Erase, Post, erased
from bot.interactions.responder import UNSAID, Poster
from bot.jobs.service import JobService
from bot.models.job import JobRow, Update
from bot.retry import failpoint, supervise
from bot.storage import Store

log = logging.getLogger(__name__)

SWEEP_SECONDS = 60.0
"""Interval of the sweep that restarts updaters that crashed, and age of the jobs that it looks at."""


class Delivery:
    """All updaters. *clock* is unix seconds."""

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
        self._renderer = renderer
        self._limiter = EditLimiter(EditBudget(config.delivery.edit_seconds, config.delivery.burst))
        self._updaters: dict[str, MessageUpdater] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._unsubscribe: list[Callable[[], None]] = []
        self._closing = False

    async def start(self) -> None:
        """Subscribe to updates and resume what the previous run left. Call once Discord accepts requests."""
        if self._closing:
            return
        self._keep("edit limiter", supervise("the edit limiter", self._limiter.run))
        registry = self._jobs.registry
        self._unsubscribe = [registry.subscribe(self._hear), registry.subscribe_moves(self._moved)]
        try:
            await self.resume()
        except StoreError as error:
            log.error("Unfinished deliveries are resumed later: %s", error)
        self._keep("sweep", supervise("the delivery sweep", self._sweep))

    async def resume(self, before: float = math.inf) -> None:
        """Start updaters for unfinished jobs and undelivered ends, of jobs created before *before* (unix seconds).

        A younger job may be about to get its first message. An updater that missed its job's end is told.
        """
        for job in await self._left_over():
            registry = self._jobs.registry
            update = Update(job, registry.progress(job.id), registry.place(job.id))
            updater = self._updaters.get(job.id)
            if updater is not None:
                if updater.job.state is not job.state:
                    updater.offer(update)
            elif job.created_at <= before and not self._closing:
                self._keep(job.id, self._run(self._add(update)))

    async def follow(self, job: JobRow, poster: Poster) -> None:
        """Send the first message of *job* by *poster* and keep it up to date until the final update.

        If Discord refuses that, the updater looks for the message and posts another one: the job is safe.
        """
        registry = self._jobs.registry
        updater = self._add(Update(registry.row(job.id) or job, place=registry.place(job.id)))
        try:
            payload = await self._renderer.render(updater.newest, poster.upload_limit)
            failpoint("answering")
            updater.sent(await poster.send_public(payload), payload)
        except UNSAID as error:
            log.info("job %s could not be answered: %s", job.id, error)
            updater.not_sent(error)
        finally:
            self._keep(job.id, self._run(updater))
        failpoint("answered")

    async def edit_turn(self, key: MessageKey) -> None:
        """Return when a message that shows no job may be edited, within the budget of all edits."""
        await self._limiter.turn(key, Urgency.PROGRESS)

    async def close(self) -> None:
        """Stop at once; undelivered updates stay in the outbox."""
        self._closing = True
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settle(self, seconds: float) -> None:
        """Give final updates and parting updates *seconds* to arrive."""
        await asyncio.sleep(0)  # let the subscribers run that the registry has just scheduled
        final = {
            self._tasks[job_id]
            for job_id, updater in self._updaters.items()
            if updater.job.state.over and job_id in self._tasks
        }
        parting = {asyncio.create_task(one.parted.wait()) for one in self._updaters.values() if one.newest.parting}
        if final | parting:
            await asyncio.wait(final | parting, timeout=seconds)
        for task in parting:
            task.cancel()

    def drop(self, owner: str) -> None:
        """Stop all updates about jobs of *owner*, whose data is being erased."""
        for job_id, updater in list(self._updaters.items()):
            if updater.job.owner == owner:
                self._stop(job_id)

    async def erase(self, job: JobRow, channel_id: int, message_id: int, erase: Erase | None = None) -> DeletionResult:
        """Delete one message of *job*, by *erase* first: as a guest, the bot's own token can delete nothing."""
        updater = self._updaters.get(job.id)
        if updater and message_id == updater.message_id:
            self._stop(job.id)
        return await erased(*((erase,) if erase else ()), self._by_own_token(job, channel_id, message_id))

    async def take_down(self, job: JobRow, messages: Collection[tuple[int, int]]) -> bool:
        """Delete *messages* (channel, message) of *job*, which are already scheduled for deletion.

        False if some of them cannot be deleted now; the deletion queue retries those.
        """
        self._stop(job.id)
        gone = [await self._take_down(job, *place) for place in messages]
        await self.remove_calls(job)
        return all(gone)

    async def remove_calls(self, job: JobRow) -> None:
        for place in await self._store.pings.take(job.id):
            await self._take_down(job, *place)

    async def _take_down(self, job: JobRow, channel_id: int, message_id: int) -> bool:
        gone = await erased(self._by_own_token(job, channel_id, message_id)) is DeletionResult.GONE
        if gone:
            await self._store.erasure.removed(channel_id, message_id)
        return gone

    def _by_own_token(self, job: JobRow, channel_id: int, message_id: int) -> Erase:
        post = Post(self._client, Address(job.origin.guild_id, channel_id, job.origin.user_id), self._counted)
        return partial(post.delete, message_id)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            with contextlib.suppress(StoreError):  # the next sweep tries again
                await self.resume(self.now() - SWEEP_SECONDS)

    def _add(self, update: Update) -> MessageUpdater:
        updater = MessageUpdater(update, self._jobs, self._store, self._renderer, self._limiter, self.now)
        if not self._closing:
            self._updaters[update.job.id] = updater
        return updater

    def _hear(self, update: Update) -> None:
        if updater := self._updaters.get(update.job.id):
            updater.offer(update)

    def _moved(self, job_ids: Collection[str]) -> None:
        for job_id in job_ids:
            if updater := self._updaters.get(job_id):
                updater.moved()

    def _stop(self, job_id: str) -> None:
        if task := self._tasks.get(job_id):
            task.cancel()

    async def _run(self, updater: MessageUpdater) -> None:
        where = updater.job.origin
        token = await self._store.interactions.find(updater.job.id, self.now())
        address = Address(where.guild_id, where.channel_id, where.user_id, token)
        await updater.run(Post(self._client, address, self._counted))

    async def _left_over(self) -> list[JobRow]:
        """Jobs with an open outbox row, oldest first, then unfinished jobs."""
        owed = [row.job_id for row in await self._store.deliveries.pending()]
        found = [await self._store.jobs.find(job_id) for job_id in dict.fromkeys(owed)]
        alive = [*self._jobs.registry.running(), *self._jobs.registry.queued()]
        return [job for job in (*found, *alive) if job is not None]

    def _keep(self, name: str, work: Coroutine[None, None, None]) -> None:
        if self._closing:
            work.close()
            return
        task = self._tasks[name] = asyncio.create_task(work, name=f"delivery {name}")
        task.add_done_callback(lambda done: self._over(name, done))

    def _over(self, name: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(name, None)
        if updater := self._updaters.pop(name, None):
            self._limiter.forget(updater.key)
            self._renderer.forget(name)
        if not task.cancelled() and (error := task.exception()):
            log.error("the message updater of job %s crashed", name, exc_info=error)
