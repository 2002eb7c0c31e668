"""No secret is logged."""

from __future__ import annotations

import logging

from bot.config.logging import RedactingFormatter, redact

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
