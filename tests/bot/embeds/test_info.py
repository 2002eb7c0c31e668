"""Everything that is known about one result."""

from __future__ import annotations

import json

import discord
from hypothesis import given
from hypothesis import strategies as st

from bot.embeds.info import about_file, info_embed
from bot.embeds.job import embed_for
from bot.models.job import Update
from engine.requests.prompts import MAX_PROMPT
from engine.requests.request import build_request
from tests.bot.samples import NOW, done, enlarged, picture

WORDS = st.text(st.sampled_from("owl *_`|<@#:\\ "), min_size=1, max_size=MAX_PROMPT - 10)


def fields(embed: discord.Embed) -> dict[str, str]:
    return {field.name or "": field.value or "" for field in embed.fields}


def test_an_enlarged_picture_says_from_what_and_by_what() -> None:
    known = picture(0, side=1024, replay={"resolved": {"upscaler": "primer"}})

    assert "256×256, 4×, with primer" == fields(info_embed(enlarged(pictures=(known,))))["Upscaled from"]
    assert "256×256, 4×, with auto" == fields(info_embed(enlarged()))["Upscaled from"]


def test_the_commands_of_a_picture_that_started_from_another_say_what_else_they_need() -> None:
    started = done(request=build_request("an owl", seed=7, init_image="f" * 64))

    assert "image:" in fields(info_embed(started))["Starting picture"]
    assert "more:skip_steps=7" in fields(info_embed(started))["Discord command"]


def test_a_file_that_had_to_be_made_smaller_is_explained_and_a_png_is_not() -> None:
    grid = done(pictures=2, request=build_request("an owl", seed=7, count=2))

    assert "" == about_file(done(), "abc123def4.png")
    assert "WebP, because the PNG is too large for Discord" in about_file(done(), "SPOILER_abc123def4.webp")
    assert "JPEG, because a PNG of all of them is too large for Discord" in about_file(grid, "abc123def4.jpg")
    assert "The PNGs are stored by the bot" in about_file(grid, "abc123def4.jpg")


def test_long_times_are_told_by_phase() -> None:
    seconds = {"load": 1.0, "begin": 0.1, "wait": 0.01, "steps": 28.0, "total": 29.0, "running": 8.0}
    told = fields(info_embed(done(seconds=seconds)))["Time"]
    assert "load 1.0 s, start 0.1 s, steps 28 s, total 8.0 s" == told.replace("\u00a0", " ")


def test_one_picture_is_not_called_pictures() -> None:
    several = done(pictures=2, request=build_request("an owl", seed=7, count=2))
    assert {"Picture"} == fields(info_embed(done())).keys() & {"Picture", "Pictures"}
    assert {"Pictures"} == fields(info_embed(several)).keys() & {"Picture", "Pictures"}


@given(WORDS, WORDS)
def test_no_prompt_is_too_long_or_too_strange_for_discord(words: str, negative: str) -> None:
    text = words.replace("|", "\\|").replace(":", "\\:")[: MAX_PROMPT - 10]
    prompt = f"x{text.rstrip(chr(92))}x"
    row = done(request=build_request(prompt, seed=7, negative=f"y{negative}"[:9].replace("|", "").replace(":", "")))

    for embed in (info_embed(row), embed_for(Update(row), now=NOW)):
        assert len(embed) <= 6000
        assert len(embed.description or "") <= 4096
        assert all(0 < len(field.value or "") <= 1024 for field in embed.fields)
        assert all((field.value or "").count("```") in (0, 2) for field in embed.fields)


@given(st.sampled_from("\u061c\u200b\u200e\u200f\u202a\u202e\u2060\u2066\u2069\ufeff"), st.integers(1, 6))
def test_marks_that_reverse_or_hide_text_are_never_shown(mark: str, place: int) -> None:
    """Copied commands must paint the same picture, so they are put into a file instead of being changed.

    At the ends of a prompt such marks are left out when it is read.
    """
    prompt = "an owl"[:place] + mark + "gpj.x"

    embed = info_embed(done(prompt))

    assert mark not in json.dumps(embed.to_dict(), ensure_ascii=False)
    assert "commands.txt" in fields(embed)["Discord command"]
