"""No secret is logged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bot.config.logging import RedactingFormatter, redact, set_levels
from bot.storage.database import Database

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcdE.abcdefghijklmnopqrstuvwxyz0123456789AB"


def test_the_bots_token_is_blotted_out() -> None:
    assert "Bot [token]" == redact(f"Bot {TOKEN}")


def test_tokens_in_addresses_are_blotted_out() -> None:
    assert "/webhooks/123/[token]/messages/@original" == redact(
        "/webhooks/123/aW50ZXJhY3Rpb246_-x.y/messages/@original"
    )
    assert "/interactions/123/[token]/callback" == redact("/interactions/123/aW50ZXJhY3Rpb246/callback")


def test_signatures_of_files_are_blotted_out() -> None:
    assert "x.png?ex=…&is=…&hm=…&" == redact("x.png?ex=6711ab&is=670f5b&hm=abcdef0123&")


def test_tracebacks_are_read_too() -> None:
    try:
        raise RuntimeError(f"bad token {TOKEN}")
    except RuntimeError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "it %s", ("broke",), (type(error), error, None))

    assert TOKEN not in RedactingFormatter().format(record)
    assert "bad token [token]" in RedactingFormatter().format(record)


async def test_libraries_log_no_values_at_debug(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    set_levels(logging.DEBUG)
    try:
        database = await Database.open(tmp_path / "x.sqlite3")
        async with database.transaction() as session:
            await session.one("SELECT ?", "aW50ZXJhY3Rpb24-token")
        await database.close()
    finally:
        own_logger_enabled = logging.getLogger("bot.anything").isEnabledFor(logging.DEBUG)
        set_levels(logging.INFO)

    assert own_logger_enabled
    assert "aW50ZXJhY3Rpb24-token" not in caplog.text
    for library in ("aiosqlite", "discord", "discord.gateway", "aiohttp.client", "asyncio"):
        assert not logging.getLogger(library).isEnabledFor(logging.DEBUG)
