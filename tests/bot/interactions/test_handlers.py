"""Errors become sentences."""

from __future__ import annotations

import logging
import re
from typing import Any, cast

import pytest
from discord import app_commands

from bot.errors import QueueFull
from bot.interactions.handlers import describe_error
from engine.errors import PromptError


def test_a_dream_error_says_its_own_words() -> None:
    assert "Three wait already." == describe_error(QueueFull("Three wait already."))


def test_what_a_command_raised_is_unwrapped() -> None:
    error = app_commands.CommandInvokeError(cast(Any, type("C", (), {"name": "dream"})), QueueFull("Three wait."))

    assert "Three wait." == describe_error(error)


def test_a_prompt_error_has_a_caret_under_the_character() -> None:
    assert "No.\n```\nfog:0.x\n    ^\n```" == describe_error(PromptError("No.", "fog:0.x", 4))


def test_discord_shows_every_character_of_an_engines_error() -> None:
    error = PromptError("This list has no end. Write “\\[” for a plain bracket, not “**[**” or <@1>.", "a [red", 2)

    words = describe_error(error).split("\n")[0]

    assert "This list has no end. Write “\\\\[” for a plain bracket, not “\\*\\*[\\*\\*” or \\<@1>." == words


def test_a_text_that_the_bot_wrote_for_discord_keeps_its_format() -> None:
    assert "Ready <t:9:R>: **soon**." == describe_error(QueueFull("Ready <t:9:R>: **soon**."))


@pytest.mark.parametrize("position", [0, 30, 99, 150, 199])
def test_the_caret_stays_under_the_character_of_a_long_prompt(position: int) -> None:
    source = "".join(chr(0x4E00 + n) for n in range(200))

    _, shown, caret = describe_error(PromptError("No.", source, position)).split("```")[1].split("\n")[:3]

    assert source[position] == shown[caret.index("^")]
    assert len(shown) <= 48


def test_a_prompt_cannot_leave_its_code_block() -> None:
    assert 2 == describe_error(PromptError("No.", "``` @everyone ```", 3)).count("```")


def test_anything_else_is_logged_under_the_id_that_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        words = describe_error(ZeroDivisionError("by zero"), "the command /dream")

    found = re.fullmatch(r"Something went wrong\. The error is logged \(id (\w{6})\)\.", words)
    assert found
    assert f"the command /dream failed (id {found[1]})" in caplog.text
    assert "ZeroDivisionError: by zero" in caplog.text
