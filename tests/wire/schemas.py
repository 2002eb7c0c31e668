"""Finds Discord's schemas for the tests. Where they are absent exchanges go unjudged, and one test says so."""

from __future__ import annotations

from bot.playground.schema_check import GATEWAY, OPENAPI, check_against
from bot.playground.server.world.record import Record
from tests.shared import SHARED

FOLDER = SHARED / "discord"


def present() -> bool:
    return (FOLDER / OPENAPI).exists() and (FOLDER / GATEWAY).exists()


def check(record: Record) -> None:
    """Have every exchange and event of *record* judged from now on."""
    if present():
        check_against(FOLDER, record)
