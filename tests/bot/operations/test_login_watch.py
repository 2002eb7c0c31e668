"""Logins of another process with the same token, by Discord's own count."""

from __future__ import annotations

import pytest

from bot.operations.login_watch import LoginWatch, pause_before_login


class Discord:
    """Discord's count of the logins that are left."""

    def __init__(self) -> None:
        self.remaining, self.own, self.failing = 990, 1, False

    async def read(self) -> int:
        if self.failing:
            raise OSError("no route to host")
        return self.remaining


@pytest.fixture
def discord() -> Discord:
    return Discord()


@pytest.fixture
async def watch(discord: Discord) -> LoginWatch:
    watch = LoginWatch(discord.read, lambda: discord.own)
    await watch.look()
    return watch


async def test_our_own_logins_are_not_foreign(discord: Discord, watch: LoginWatch) -> None:
    discord.own += 1  # announced; Discord counts it a moment later
    await watch.look()
    discord.remaining -= 1
    await watch.look()

    assert 0 == watch.foreign


async def test_a_foreign_login_is_said_once(
    discord: Discord, watch: LoginWatch, caplog: pytest.LogCaptureFixture
) -> None:
    discord.remaining -= 2
    discord.own += 1
    for _ in range(3):
        await watch.look()

    assert 1 == watch.foreign
    assert 1 == caplog.text.count("Another process has logged in with this bot's token (1 logins")


async def test_a_reset_of_the_limit_begins_a_new_count(discord: Discord, watch: LoginWatch) -> None:
    discord.remaining -= 3
    await watch.look()
    discord.remaining = 1000
    await watch.look()
    discord.own += 1
    discord.remaining -= 1
    await watch.look()

    assert 0 == watch.foreign


async def test_an_answer_that_cannot_be_had_changes_nothing(discord: Discord, watch: LoginWatch) -> None:
    discord.failing = True
    await watch.look()
    discord.failing = False
    discord.remaining -= 1
    await watch.look()

    assert 1 == watch.foreign


@pytest.mark.parametrize(("remaining", "seconds"), [(1000, 0), (100, 0), (99, 864), (9, 8640), (0, 86_400)])
def test_few_logins_last_until_there_are_more(remaining: int, seconds: float) -> None:
    assert seconds == pause_before_login(remaining, 86_400)
