"""Finds Discord's schemas for the tests. Where they are absent exchanges go unjudged, and pytest's header says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.shared import SHARED

if TYPE_CHECKING:
    from bot.playground.server.world.record import Record

FOLDER = SHARED / "discord"
FILES = ("openapi.json", "gateway-schema.json")


def present() -> bool:
    return all((FOLDER / name).exists() for name in FILES)


def verdict() -> str:
    """One line: whether exchanges are judged."""
    if present():
        return f"Discord's schemas: every exchange is judged by {FOLDER}"
    return f"Discord's schemas: NOT JUDGED, because {' or '.join(FILES)} is missing in {FOLDER}"


def check(record: Record) -> None:
    """Have every exchange and event of *record* judged from now on."""
    from bot.playground.schema_check import check_against  # here, because every run of pytest imports this module

    if present():
        check_against(FOLDER, record)
