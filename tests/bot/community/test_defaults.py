"""Defaults in their order: typed, style, person, channel, server; a sentence names those that cannot be used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.community.defaults import Defaults, Settled, Typed
from bot.community.styles.library import Styles
from bot.config.sections import LimitsSection
from bot.errors import Refused
from bot.models.job import Applied
from bot.policy.server_rules import Location, PaintChoice
from bot.storage import Store
from engine.requests.request import build_request
from tests.prepared_database import open_store

SERVER, CHANNEL, THREAD, ANN = 1, 10, 11, 30
HERE = Location(SERVER, (THREAD, CHANNEL))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await open_store(tmp_path / "data") as store:
        yield store


async def settle(store: Store, typed: Typed, location: Location = HERE) -> Settled:
    defaults = Defaults(store, Styles(store, lambda: 0.0), LimitsSection())
    settled = await defaults.settle(typed, ANN, location)
    build_request(settled.prompt, negative=settled.negative, settings=settled.settings, **way(settled))
    return settled


def way(settled: Settled) -> dict[str, str]:
    ways = settled.ways
    return {"model": ways.model, "method": ways.method, "size": ways.size}


async def put(store: Store, scope: str, subject: int, **values: object) -> None:
    for key, value in values.items():
        await store.settings.put(scope, str(subject), key, value)  # type: ignore[arg-type]


async def test_the_nearest_default_counts(store: Store) -> None:
    await put(store, "server", SERVER, size="192x192", negative="server", style="neon")
    await put(store, "channel", CHANNEL, size="320x320", negative="channel")
    await put(store, "channel", THREAD, negative="thread", style="none")
    assert ("256x256", "typed") == sized(await settle(store, Typed("a", "typed", ways=PaintChoice(size="256x256"))))
    first = await settle(store, Typed("a"))
    assert ("320x320", "thread") == sized(first)
    assert "a" == first.prompt  # the thread turns the server's style off
    assert (
        Applied("size", "320x320", "the channel above"),
        Applied("negative", "thread", "this channel"),
    ) == first.applied

    await put(store, "person", ANN, size="256x320")
    mine = await settle(store, Typed("a", "none"))
    assert ("256x320", "") == sized(mine)
    assert () == mine.applied  # people know their own settings

    elsewhere = await settle(store, Typed("a"), Location(2, (CHANNEL + 100,)))
    assert ("256x320", "") == sized(elsewhere)
    assert "a, neon" == (await settle(store, Typed("a"), Location(SERVER, (CHANNEL,)))).prompt


def sized(settled: Settled) -> tuple[str, str]:
    return settled.ways.size, settled.negative


async def test_a_styles_options_go_before_defaults_and_after_what_is_typed(store: Store) -> None:
    styles = Styles(store, lambda: 0.0)
    options = "method=pixels steps=12 size=3:2 cutouts=4"
    await styles.save(SERVER, ANN, "wash", "{prompt} | paper:0.5", "people", options, lambda meant: None)
    await put(store, "person", ANN, method="clip_diffusion", size="320x320")

    styled = await settle(store, Typed("an owl", "fog", "wash"))
    assert ("pixels", "384x256", {"steps": "12", "cutouts": "4"}) == (
        styled.ways.method, styled.ways.size, dict(styled.settings)
    )  # fmt: skip
    assert ("an owl | paper:0.5", "fog | people") == (styled.prompt, styled.negative)
    typed = Typed("an owl", style="wash", ways=PaintChoice(method="clipdraw"), settings={"steps": "20"})
    other = await settle(store, typed)
    assert ("clipdraw", "20") == (other.ways.method, other.settings["steps"])
    with pytest.raises(Refused, match=r"Unknown style “wsh”\. Did you mean “wash”"):
        await settle(store, Typed("an owl", style="wsh"))
    with pytest.raises(Refused, match="Unknown style"):
        await settle(store, Typed("an owl", style="wash"), Location(2))


async def test_what_cannot_be_used_is_skipped_and_said(store: Store) -> None:
    await put(store, "channel", THREAD, model="gone", method="oil", size="1000x1000", profile="baroque", style="lost")
    await put(store, "server", SERVER, size="16:9")

    settled = await settle(store, Typed("an owl"))

    assert "448x256" == settled.ways.size
    said = " ".join(settled.notes)
    assert "The default style “lost” of this channel was deleted" in said
    for key, value in (("model", "gone"), ("method", "oil"), ("size", "1000x1000"), ("profile", "baroque")):
        assert f"The default {key} “{value}” of this channel is not used: " in said
    assert (Applied("size", "16:9 → 448×256", "this server"),) == settled.applied
    typed = PaintChoice("primer", "pixels", "256x256", "none")
    assert 1 == len((await settle(store, Typed("an owl", ways=typed))).notes)  # only the style would have counted


async def test_a_shape_fits_the_limits_of_the_server(store: Store) -> None:
    await put(store, "server", SERVER, max_size=320)

    settled = await settle(store, Typed("an owl", ways=PaintChoice(size="landscape")))

    assert ("320x192", (Applied("size", "landscape → 320×192", ""),)) == (settled.ways.size, settled.applied)
