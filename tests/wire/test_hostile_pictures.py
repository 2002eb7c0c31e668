"""Many senders of hostile pictures at once: they are refused, and other members notice nothing."""

from __future__ import annotations

import asyncio
import functools
import os
import random
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from bot.playground.server.world.entities import Member, User
from engine.images.pictures import to_png
from tests.engine.images import hostile
from tests.wire.looks import is_result
from tests.wire.people import Person, upload
from tests.wire.world import World

HARMLESS = to_png(Image.effect_noise((512, 384), 40).convert("RGB"))
OWN_MEGABYTES, TREE_MEGABYTES = 100, 150
SENDERS, FILES = 20, 200
MAKERS = (*hostile.REFUSED.values(), *hostile.DECODED.values())


def newcomer(world: World, number: int) -> Person:
    user = User(world.site.ids.next(), f"person{number}")
    world.site.world.users[user.id] = user
    for guild in world.site.world.guilds.values():
        guild.members[user.id] = Member(user.id, world.site.world.now())
    return Person(world, user.id)


def is_this_program(process: Path) -> bool:
    try:
        return (process / "cmdline").read_bytes() == Path("/proc/self/cmdline").read_bytes()
    except OSError:
        return True


def resident_bytes() -> tuple[int, int]:
    """Resident bytes of this process, and of all that it has started with it. Linux only; else zeros."""
    parents, resident = dict[int, int](), dict[int, int]()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if fields[0] == "Z" or (int(stat.parent.name) != os.getpid() and is_this_program(stat.parent)):
            continue  # it has ended, or has not yet become what it is to be (vfork)
        parents[int(stat.parent.name)] = int(fields[1])
        resident[int(stat.parent.name)] = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")

    def is_ours(pid: int) -> bool:
        return pid == os.getpid() or (pid in parents and is_ours(parents[pid]))

    return resident.get(os.getpid(), 0), sum(size for pid, size in resident.items() if is_ours(pid))


def queued_seconds() -> float:
    """How long this thread has waited for a processor since its start. Linux only; else 0."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


class Peak:
    """The most memory that was seen, looked at ten times a second; and the longest that the loop stood still.

    Time in which the loop waited for a processor does not count, so that a busy machine gives the same.
    """

    def __init__(self) -> None:
        self.before = self.most = resident_bytes()
        self.lag = 0.0

    async def watch(self) -> None:
        while True:
            begun, queued = time.perf_counter(), queued_seconds()
            await asyncio.sleep(0.1)
            self.lag = max(self.lag, time.perf_counter() - begun - 0.1 - (queued_seconds() - queued))
            own, tree = await asyncio.to_thread(resident_bytes)
            self.most = max(self.most[0], own), max(self.most[1], tree)

    @contextmanager
    def looking(self) -> Iterator[None]:
        task = asyncio.create_task(self.watch())
        try:
            yield
        finally:
            task.cancel()

    def megabytes(self) -> tuple[float, float]:
        """How much more this process, and all of them together, took than before."""
        return (self.most[0] - self.before[0]) / 2**20, (self.most[1] - self.before[1]) / 2**20

    def check(self) -> None:
        """The bot with the local Discord stays small; the decoder's child comes on top, one at a time."""
        own, tree = self.megabytes()
        assert own < OWN_MEGABYTES and tree < TREE_MEGABYTES, (own, tree)


def drawn(senders: int, files: int) -> list[list[bytes]]:
    """Hostile files for each sender; each is made once."""
    made = functools.cache(lambda make: make())
    dice = [random.Random(number) for number in range(senders)]
    return [[made(one.choice(MAKERS)) for _ in range(files)] for one in dice]


@pytest.fixture
def few() -> list[list[bytes]]:
    """Three files of each of three senders; made before memory is measured."""
    return drawn(3, 3)


@pytest.fixture
def many() -> list[list[bytes]]:
    """FILES of SENDERS; made before memory is measured."""
    return drawn(SENDERS, FILES // SENDERS)


async def attack(world: World, files: list[list[bytes]]) -> tuple[int, int]:
    """Each sender sends one file after the other; how many were refused, and how many were answered otherwise."""

    async def send(number: int) -> list[str]:
        person, said = newcomer(world, number), []
        await asyncio.sleep(number * 0.25)  # people do not press Enter in the same millisecond
        for data in files[number]:
            answer = await person.slash("dream", prompt="an owl", image=upload(data))
            if answer.failed:  # Discord's three seconds have passed, on a busy machine
                said.append("late")
                continue
            said.append(answer.message.text if answer.message.ephemeral else "")
        return said

    said = [text for texts in await asyncio.gather(*map(send, range(len(files)))) for text in texts]
    assert sum(map(len, files)) == len(said)
    assert not [text for text in said if "Something went wrong" in text]
    return sum(bool(text) for text in said), sum(not text for text in said)


async def honest(person: Person, times: int) -> tuple[float, float]:
    """Median seconds from the command with a harmless picture to its message, and to its result."""
    answered, painted = [], []
    for _ in range(times):
        begun = time.monotonic()
        answer = await person.slash("dream", prompt="a fox", image=upload(HARMLESS))
        answered.append(time.monotonic() - begun)
        await person.wait_for(answer.message, is_result, seconds=60)
        painted.append(time.monotonic() - begun)
    return statistics.median(answered), statistics.median(painted)


@pytest.mark.bot(quota={"units": 0.0})
async def test_hostile_pictures_are_refused_while_others_are_painted(
    world: World, max_: Person, few: list[list[bytes]]
) -> None:
    peak = Peak()
    with peak.looking():
        (refused, taken), _ = await asyncio.gather(attack(world, few), honest(max_, 2))

    assert 9 == refused + taken
    peak.check()


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.bot(quota={"units": 0.0}, queue={"total": 500})
async def test_twenty_senders_of_two_hundred_files_disturb_no_one(
    world: World, max_: Person, many: list[list[bytes]]
) -> None:
    """Prints how long honest pictures take, compared with the same senders' jobs from harmless pictures (-s)."""
    world.allow("429", "10062", "handlers did not finish")
    accepted = {make() for make in hostile.DECODED.values()}
    harmless_files = [[HARMLESS for data in files if data in accepted] for files in many]
    crowd = asyncio.create_task(attack(world, harmless_files))
    await asyncio.sleep(1)
    usual = await honest(max_, 8)
    await crowd

    peak = Peak()
    with peak.looking():
        attacking = asyncio.create_task(attack(world, many))
        await asyncio.sleep(1)
        under = await honest(max_, 8)
        refused, taken = await attacking

    print(f"{usual=} {under=} {refused=} {taken=} {peak.lag=:.2f}", peak.megabytes())
    assert FILES == refused + taken
    peak.check()
