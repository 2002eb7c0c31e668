"""No secret is logged."""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path

import pytest

from bot.config.logging import RedactingFormatter, redact, set_levels, setup_logging
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


@pytest.mark.skipif(sys.platform == "win32", reason="has other pipes")
def test_a_log_that_nobody_reads_stops_nothing_and_is_continued_when_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As with a terminal that is held by Ctrl-S, or a container's log driver that hangs."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with os.fdopen(writer, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        setup_logging()
        own = root.handlers[:]
        root.handlers[:] = handlers

        def write(*texts: str) -> None:
            for text in texts:
                for handler in own:
                    handler.handle(logging.makeLogRecord({"name": "bot", "levelno": logging.INFO, "msg": text}))

        writing = threading.Thread(target=write, args=[f"{number} {'ö' * 3000}" for number in range(40)], daemon=True)
        writing.start()
        writing.join(20)
        stuck = writing.is_alive()
        read = os.read(reader, 10**6)
        if not stuck:
            write("again")
            read += os.read(reader, 10**6)
    root.setLevel(level)
    set_levels(logging.INFO)
    os.close(reader)

    lines = read.decode().splitlines()
    assert not stuck
    assert "0 ööö" in lines[0]
    assert lines[-2].endswith("lines of the log were dropped: the reader of stderr was too slow.")
    assert lines[-1].endswith("bot: again")
