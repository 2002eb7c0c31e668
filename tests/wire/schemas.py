"""Finds Discord's schemas for the tests. Where they are absent exchanges go unjudged, and one test says so."""

from __future__ import annotations

from functools import cache

from bot.playground.judges import gateway_judge, openapi_judge
from bot.playground.server.exchanges import Record
from tests.shared import SHARED

OPENAPI = SHARED / "discord" / "openapi.json"
GATEWAY = SHARED / "discord" / "gateway-schema.json"

_openapi = cache(openapi_judge)
_gateway = cache(gateway_judge)


def present() -> bool:
    return OPENAPI.exists() and GATEWAY.exists()


def judge(record: Record) -> None:
    """Have every exchange and event of *record* judged from now on."""
    if present():
        record.judges.append(_openapi(OPENAPI))
        record.event_judges.append(_gateway(GATEWAY))
