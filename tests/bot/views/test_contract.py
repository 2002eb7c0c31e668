"""The contract of every command, button, menu and modal."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import discord
import pytest
from discord import app_commands

import bot.cogs.admin
import bot.cogs.community.challenges
import bot.cogs.community.find
import bot.cogs.community.gallery
import bot.cogs.community.insights
import bot.cogs.community.styles
import bot.cogs.compare
import bot.cogs.dream
import bot.cogs.engine
import bot.cogs.history
import bot.cogs.privacy
import bot.cogs.queue
import bot.cogs.quota
import bot.cogs.settings
from bot.cogs.command_tree import LateAutocomplete
from bot.community.gallery.pages import GalleryView
from bot.interactions.responder import AnyInteraction
from bot.models.comparison import Comparison, Way
from bot.models.job import JobRow
from bot.views.base import Item, JobButton, handle
from bot.views.community.gallery import GalleryButton
from bot.views.community.words import SayButton
from bot.views.discovery import BUTTONS, ITEMS, MODALS
from bot.views.layout import buttons_for, private_buttons_for
from bot.views.menus import MoreMenu
from engine.requests.request import build_request
from tests.bot.samples import done, enlarged, job

COGS = (
    bot.cogs.admin.AdminCog,
    bot.cogs.community.insights.InsightsCog,
    bot.cogs.community.find.FindCog,
    bot.cogs.community.gallery.GalleryCog,
    bot.cogs.community.styles.StylesCog,
    bot.cogs.community.challenges.ChallengesCog,
    bot.cogs.compare.CompareCog,
    bot.cogs.dream.DreamCog,
    bot.cogs.engine.EngineCog,
    bot.cogs.history.HistoryCog,
    bot.cogs.privacy.PrivacyCog,
    bot.cogs.queue.QueueCog,
    bot.cogs.quota.QuotaCog,
    bot.cogs.settings.SettingsCog,
)
PERSISTED = {
    *("up", "again", "vary", "remix", "rank", "info", "watch", "keep", "letgo", "cancel", "refresh", "delete", "post"),
    *("older", "newer", "keptolder", "keptnewer", "report", "rdelete", "rblock", "rdismiss", "forget", "yes", "no"),
    *("words", "vote", "votefor", "ballot", "svg", "lineage", "star", "unstar", "starone", "similar", "found"),
    *("styles", "stylestar", "stylepaint", "styledelete", "challenge", "enter", "withdraw", "leaders"),
}
"""Actions in the custom ids of messages that were sent by earlier versions."""
FOLKLORE = re.compile(
    r"\b(nobody|whoever|somebody|of its own|on its way|there is none|as it stands|puts it back)\b", re.I
)


def commands() -> Iterator[app_commands.Command]:  # type: ignore[type-arg]
    for cog in COGS:
        for command in cog.__cog_app_commands__:
            group = command.walk_commands() if isinstance(command, app_commands.Group) else [command]
            yield from (one for one in group if isinstance(one, app_commands.Command))


@pytest.mark.parametrize("command", list(commands()), ids=lambda command: command.qualified_name)
def test_a_command_describes_itself_and_all_its_options(command: app_commands.Command) -> None:  # type: ignore[type-arg]
    texts = [command.description, *(str(parameter.description) for parameter in command.parameters)]

    assert all(text.strip() not in ("", "…") for text in texts)
    assert all(text[0].isupper() and len(text) <= 100 for text in texts)
    assert [] == [text for text in texts if FOLKLORE.search(text)]


def test_old_buttons_still_work() -> None:
    assert PERSISTED == {kind.action for kind in BUTTONS}
    assert {"form", "upform", "complaint"} < set(MODALS)


@pytest.mark.parametrize("kind", ITEMS)
def test_every_item_runs_inside_the_error_boundary(kind: type[discord.ui.DynamicItem]) -> None:  # type: ignore[type-arg]
    assert handle.__name__ in inspect.getsource(kind.callback)


@pytest.mark.parametrize("item", [SayButton("a secret"), GalleryButton(GalleryView(words="a secret"))])
async def test_a_failed_press_logs_no_words(item: Item[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []

    async def fail(*_: object, doing: str, **__: object) -> None:
        logged.append(doing)

    monkeypatch.setattr("bot.views.base.handle", fail)
    await item.callback(cast(AnyInteraction, None))

    assert [f"the component {item.action}"] == logged


def seeds(ways: int) -> JobRow:
    """A finished comparison of seeds, which has the most menus."""
    asked = [build_request("an owl", seed=seed) for seed in range(ways)]
    compared = Comparison(
        ways=tuple(Way(label=f"seed={one.seed}", request=one, traits=(("seed", str(one.seed)),)) for one in asked),
        source="an owl",
    )
    return done(pictures=ways, request=compared)


@pytest.mark.parametrize(
    "row", [seeds(2), seeds(25), job(), done(), done(pictures=2), done(pictures=5), done(pictures=10), enlarged()]
)
@pytest.mark.parametrize("private", [False, True])
async def test_every_layout_fits_into_a_message(row: object, private: bool) -> None:
    view = private_buttons_for(row, True, {0}) if private else buttons_for(row, True)  # type: ignore[arg-type]
    rows = view.to_components()
    ids = [item["custom_id"] for line in rows for item in line["components"]]

    assert len(rows) <= 5
    assert all(len(line["components"]) <= 5 for line in rows)
    assert len(set(ids)) == len(ids)
    assert all(any(kind.__discord_ui_compiled_template__.fullmatch(one) for kind in ITEMS) for one in ids)


def test_the_menu_offers_buttons_only() -> None:
    assert all(issubclass(kind, JobButton) and kind in BUTTONS for kind in MoreMenu.kinds.values())


@pytest.mark.parametrize("code", [10062, 40060])
def test_an_autocomplete_that_came_too_late_is_no_error(code: int, caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("discord.app_commands.tree")
    response = type("Response", (), {"status": 404, "reason": "Not Found"})()
    for number in (code, 50035):
        try:
            raise discord.HTTPException(response, {"code": number, "message": "no"})
        except discord.HTTPException:
            log.exception("Ignoring exception in autocomplete for %r", "dream")

    assert any(isinstance(one, LateAutocomplete) for one in log.filters)
    assert ["50035"] == [re.search(r"error code: (\d+)", str(r.exc_info[1]))[1] for r in caplog.records]  # type: ignore[index]


def test_mentions_and_links_are_made_in_one_place() -> None:
    root = Path(__file__).parents[3] / "bot"
    raw = re.compile(r"<#\{|<@&?\{|\]\(\{")
    found = [
        f"{path.relative_to(root)}:{number}"
        for path in sorted(root.rglob("*.py"))
        if "playground" not in path.parts and path != root / "text.py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if raw.search(line)
    ]

    assert [] == found
