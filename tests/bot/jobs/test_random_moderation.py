"""Random histories with moderators: people are blocked, granted units, forgotten; queues pause; the bot crashes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.actions.moderate import Moderation
from bot.actions.privacy import Privacy
from bot.errors import Refused
from bot.jobs.admission import Submission
from bot.models.job import Origin
from bot.policy.quota import Quota
from bot.policy.server_rules import Location, QueuePause, Word
from tests.bot.core import ANN, BOB, CID, MOD, NAMES, dream, history
from tests.bot.jobs.test_random_jobs import Life

SERVERS = (400, 401)
PEOPLE = (ANN, BOB, CID)


class Silence:
    """Stands for the delivery: nobody is told anything here."""

    def drop(self, owner: str) -> None:
        """Nothing was said."""


class ModeratedLife(Life):
    """A life in which moderators act too."""

    @property
    def moderation(self) -> Moderation:
        return Moderation(self.core.store, self.core.jobs, self.clock)

    @property
    def ledger(self) -> Quota:
        return self.core.jobs.quota

    async def begin(self) -> None:
        await super().begin()
        await self.moderation.restore()

    async def act(self) -> None:
        if self.random.random() < 0.35:
            deeds = [self.grant, self.reset, self.block, self.unblock, self.halt, self.halt, self.word, self.forget]
            try:
                await self.random.choice(deeds)()
            except Refused:
                return
        else:
            await super().act()

    async def ask(self) -> None:
        person, server = self.random.choice(PEOPLE), self.random.choice(SERVERS)
        origin = Origin(500, person, NAMES[person], server, server_id=server)
        request = dream(self.random.choice(["a fox", "an owl"]), count=self.random.randint(1, 3))
        try:
            await self.core.jobs.submit(Submission(request, origin, location=Location(server, (500,))))
        except Refused:
            return
        assert await self.core.store.blocks.find(person, server, self.clock()) is None

    async def grant(self) -> None:
        units = self.random.uniform(-10, 10)
        await self.core.jobs.quota.grant(self.random.choice(PEOPLE), units, MOD, "why not", SERVERS[0])

    async def reset(self) -> None:
        await self.core.jobs.quota.reset(self.random.choice(PEOPLE), MOD, "why not")

    async def block(self) -> None:
        person, server = self.random.choice(PEOPLE), self.random.choice([None, *SERVERS])
        await self.moderation.block(server, person, MOD, "floods", self.clock() + self.random.uniform(1, 300))
        alive = await self.core.store.jobs.alive()
        assert not [job for job in alive if job.origin.user_id == person and server in (None, job.origin.server_id)]

    async def unblock(self) -> None:
        await self.moderation.unblock(self.random.choice([None, *SERVERS]), self.random.choice(PEOPLE), MOD, "")

    async def halt(self) -> None:
        state = self.random.choice(["", "paused", "draining"])
        await self.moderation.halt(
            self.random.choice([None, *SERVERS]), MOD, QueuePause.model_validate({"halt": state})
        )

    async def word(self) -> None:
        if self.random.random() < 0.5:
            await self.moderation.add_word(SERVERS[0], MOD, Word(phrase="owl"))
        else:
            await self.moderation.remove_word(SERVERS[0], MOD, "owl")

    async def forget(self) -> None:
        person = self.random.choice(PEOPLE)
        delivery: Any = Silence()
        await Privacy(self.core.store, self.core.jobs, delivery, self.clock).forget(person)
        assert [] == await history(self.core.store, person)
        balance = await self.core.jobs.quota.balance(person)
        assert (0, 0) == (balance.reserved, round(balance.credit, 6))

    async def check(self) -> None:
        """Besides: nobody owes anything, and every charge belongs to somebody or to nobody."""
        await super().check()
        for person in PEOPLE:
            balance = await self.core.jobs.quota.balance(person)
            assert balance.credit >= 0
            assert balance.used + balance.reserved <= balance.allowance + 1e-6
        async with self.core.store.transaction() as session:
            orphans = await session.all(
                "SELECT 1 FROM charges WHERE state = 'reserved' AND job_id NOT IN (SELECT id FROM jobs)"
            )
        assert [] == orphans

    async def finish(self) -> None:
        for server in (None, *SERVERS):
            if (await self.moderation.halted(server)).halt:
                await self.moderation.halt(server, MOD, QueuePause())
        await super().finish()


async def live(folder: Path, seed: int, acts: int) -> None:
    life = ModeratedLife(folder, seed)
    await life.begin()
    async with life.stack:
        for _ in range(acts):
            await life.act()
            await life.check()
        await life.finish()
        await life.check()
        await life.core.store.erasure.erase_names(life.clock() + 7200)
        await life.check()


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_or_doubled_whatever_moderators_do(tmp_path: Path, seed: int) -> None:
    await live(tmp_path, seed, 50)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_nothing_is_lost_or_doubled_in_many_moderated_lives(tmp_path: Path) -> None:
    for seed in range(100, 130):
        await live(tmp_path / str(seed), seed, 100)
