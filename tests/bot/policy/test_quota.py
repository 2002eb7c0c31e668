"""The ledger conserves every unit, whatever comes in whatever order."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.config.sections import QuotaSection
from bot.config.settings import Config
from bot.errors import QuotaUsedUp
from bot.policy.quota import DAY, Quota
from bot.storage.database import Database
from bot.storage.ledger import LedgerRows
from bot.storage.moderation import Audit
from tests.prepared_database import open_database

NOON = 20_000 * DAY + DAY / 2
numbers = itertools.count()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await open_database(tmp_path / "ledger.sqlite3")
    yield database
    await database.close()


@dataclass
class Books:
    """One owner's ledger, with short words for everything."""

    database: Database
    section: QuotaSection
    owner: str = field(default_factory=lambda: f"discord:{next(numbers)}")
    now: float = NOON
    allowance: float = 10.0

    @property
    def ledger(self) -> Quota:
        """A fresh one each time: nothing may live in it."""
        config = Config.model_validate({"quota": self.section.model_dump()})
        return Quota(config, LedgerRows(self.database), Audit(self.database), lambda: self.now)

    async def reserve(self, job: str, units: float) -> None:
        async with self.database.transaction() as session:
            await self.ledger.reserve(session, self.owner + job, self.owner, units, self.allowance, self.now)

    async def charge(self, job: str, share: float = 1.0) -> None:
        async with self.database.transaction() as session:
            await self.ledger.charge(session, self.owner + job, self.now, share)

    async def refund(self, job: str) -> None:
        async with self.database.transaction() as session:
            await LedgerRows(self.database).close(session, self.owner + job, self.now)

    async def grant(self, units: float) -> float:
        async with self.database.transaction() as session:
            return await self.ledger.credit(session, self.owner, units, self.now, "host", "because")

    async def reset(self) -> None:
        async with self.database.transaction() as session:
            await self.ledger.reset_window(session, self.owner, self.now, "host", "because")

    async def sums(self) -> tuple[float, float, float, float]:
        """(used, reserved, credit, left)."""
        balance = await self.ledger.balance_of(self.owner, self.allowance, self.now)
        return balance.used, balance.reserved, balance.credit, balance.left


@pytest.fixture
def books(database: Database) -> Books:
    return Books(database, QuotaSection())


async def test_a_reservation_is_held_and_then_charged(books: Books) -> None:
    await books.reserve("a", 4)
    assert (0, 4, 0, 6) == await books.sums()
    await books.charge("a")
    assert (4, 0, 0, 6) == await books.sums()


async def test_saying_it_twice_changes_nothing(books: Books) -> None:
    for _ in range(2):
        await books.reserve("a", 4)
    for _ in range(2):
        await books.charge("a")
    await books.refund("a")
    await books.charge("unknown")

    assert (4, 0, 0, 6) == await books.sums()


async def test_a_refund_gives_all_of_it_back(books: Books) -> None:
    await books.reserve("a", 4)
    await books.refund("a")
    await books.charge("a")

    assert (0, 0, 0, 10) == await books.sums()


async def test_what_does_not_fit_is_refused_and_changes_nothing(books: Books) -> None:
    await books.reserve("a", 7)
    with pytest.raises(
        QuotaUsedUp, match=r"costs 4 units and you have 3 of 10 left; .* at 00:00 UTC \(in 12 h 0 min\)"
    ):
        await books.reserve("b", 4)

    assert (0, 7, 0, 3) == await books.sums()


async def test_what_can_never_fit_says_so(books: Books) -> None:
    with pytest.raises(QuotaUsedUp, match=r"will never be enough\. Ask for fewer steps") as refused:
        await books.reserve("a", 11)

    assert refused.value.retry_at is None


async def test_credit_pays_what_the_allowance_does_not(books: Books) -> None:
    await books.grant(5)
    await books.reserve("a", 12)
    assert (0, 10, 3, 3) == await books.sums()
    await books.charge("a")
    assert (10, 0, 3, 3) == await books.sums()

    books.now += DAY
    assert (0, 0, 3, 13) == await books.sums()


async def test_what_comes_back_goes_to_the_credit_first(books: Books) -> None:
    await books.grant(5)
    await books.reserve("a", 12)
    await books.charge("a", share=11 / 12)

    assert (10, 0, 4, 4) == await books.sums()


async def test_no_more_credit_is_taken_back_than_there_is(books: Books) -> None:
    await books.grant(5)
    await books.reserve("a", 12)

    assert -3 == await books.grant(-100)
    assert (0, 10, 0, 0) == await books.sums()


async def test_a_day_starts_at_midnight_utc(books: Books) -> None:
    await books.reserve("a", 10)
    await books.charge("a")
    balance = await books.ledger.balance_of(books.owner, 10, books.now)
    assert NOON + DAY / 2 == balance.resets_at

    books.now = NOON + DAY / 2
    assert (0, 0, 0, 10) == await books.sums()


async def test_a_refund_after_midnight_does_not_extend_the_day(books: Books) -> None:
    await books.reserve("a", 10)
    books.now += DAY
    await books.reserve("b", 10)
    await books.refund("a")

    assert (0, 10, 0, 0) == await books.sums()


async def test_a_rolling_window_frees_what_is_old_enough(database: Database) -> None:
    books = Books(database, QuotaSection(window="rolling", hours=2.0))
    for job in ("a", "b"):
        await books.reserve(job, 4)
        await books.charge(job)
        books.now += 1800

    with pytest.raises(QuotaUsedUp) as refused:
        await books.reserve("c", 5)
    assert NOON + 7200 == refused.value.retry_at
    assert NOON + 7200 == (await books.ledger.balance_of(books.owner, 10, books.now)).resets_at
    books.now = NOON + 7200
    await books.reserve("c", 5)


async def test_a_reset_starts_the_window_afresh(books: Books) -> None:
    await books.reserve("a", 4)
    await books.charge("a")
    books.now += 1
    await books.reset()

    assert (0, 0, 0, 10) == await books.sums()


async def test_without_a_limit_all_is_counted_and_nothing_refused(books: Books) -> None:
    books.allowance = 0
    await books.reserve("a", 1e6)
    await books.charge("a")

    balance = await books.ledger.balance_of(books.owner, 0, books.now)
    assert (1e6, True, float("inf"), None) == (balance.used, balance.unlimited, balance.left, balance.resets_at)


async def test_the_history_says_what_happened(books: Books) -> None:
    await books.grant(5)
    books.now += 1
    await books.reserve("a", 4)
    books.now += 1
    await books.charge("a", 0.5)

    entries = await books.ledger.history(int(books.owner.partition(":")[2]))
    assert [("charged", 2.0, ""), ("granted", 5.0, "because")] == [(e.kind, e.amount, e.note) for e in entries]


# The property


@dataclass
class Model:
    """What the ledger should say, told in the simplest way there is: a list of jobs."""

    allowance: int = 10
    granted: int = 0
    day: int = 0
    jobs: dict[str, list[int]] = field(default_factory=dict)
    """Name → [day, from the allowance, from credit]."""
    open: set[str] = field(default_factory=set)

    def free(self) -> int:
        return self.allowance - sum(part for day, part, _ in self.jobs.values() if day == self.day)

    def credit(self) -> int:
        return self.granted - sum(part for _, _, part in self.jobs.values())

    def reserve(self, job: str, units: int) -> bool:
        if job in self.jobs:
            return True
        own = min(units, max(0, self.free()))
        if units - own > self.credit():
            return False
        self.jobs[job] = [self.day, own, units - own]
        self.open.add(job)
        return True

    def close(self, job: str, spent: int) -> None:
        if job in self.open:
            self.open.remove(job)
            entry = self.jobs[job]
            entry[1:] = min(spent, entry[1]), max(0, spent - entry[1])

    def grant(self, units: int) -> None:
        self.granted += max(units, -self.credit())

    def sums(self) -> tuple[int, int, int]:
        today = [(job in self.open, part) for job, (day, part, _) in self.jobs.items() if day == self.day]
        used, held = (sum(part for is_open, part in today if is_open is wanted) for wanted in (False, True))
        return used, held, self.credit()


names = st.sampled_from("abcdefgh")
acts = st.one_of(
    st.tuples(st.just("reserve"), names, st.integers(1, 9)),
    st.tuples(st.just("charge"), names, st.sampled_from([0, 50, 100])),
    st.tuples(st.just("refund"), names, st.just(0)),
    st.tuples(st.just("grant"), st.just(""), st.integers(-4, 4)),
    st.tuples(st.just("midnight"), st.just(""), st.just(0)),
)


async def play(books: Books, model: Model, act: str, job: str, number: int) -> None:
    """The same thing happens to both, and they agree whether it may."""
    if act == "reserve":
        if model.reserve(job, 2 * number):
            await books.reserve(job, 2 * number)
        else:
            with pytest.raises(QuotaUsedUp):
                await books.reserve(job, 2 * number)
    elif act == "charge":
        model.close(job, sum(model.jobs.get(job, [0])[1:]) * number // 100)
        await books.charge(job, number / 100)
    elif act == "refund":
        model.close(job, 0)
        await books.refund(job)
    elif act == "grant":
        model.grant(number)
        await books.grant(number)
    else:
        model.day += 1
        books.now += DAY


def conserves(path: Path, happenings: list[tuple[str, str, int]]) -> None:
    """After every step the ledger agrees with the model, and nobody has spent more than they were given."""

    async def run() -> None:
        database = await open_database(path)
        try:
            books, model = Books(database, QuotaSection()), Model()
            for act, job, number in happenings:
                await play(books, model, act, job, number)
                used, held, credit, left = await books.sums()
                assert model.sums() == (used, held, credit)
                assert left == max(0, model.free()) + credit
                assert used + held <= model.allowance
                assert credit >= 0
        finally:
            await database.close()

    asyncio.run(run())


@settings(max_examples=100)
@given(st.lists(acts, max_size=30))
def test_every_unit_is_conserved(
    tmp_path_factory: pytest.TempPathFactory, happenings: list[tuple[str, str, int]]
) -> None:
    conserves(tmp_path_factory.getbasetemp() / "property.sqlite3", happenings)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=1500)
@given(st.lists(acts, min_size=10, max_size=50))
def test_every_unit_is_conserved_over_thousands_of_sequences(happenings: list[tuple[str, str, int]]) -> None:
    conserves(Path(":memory:"), happenings)  # thousands of sequences, and no disk to wait for
