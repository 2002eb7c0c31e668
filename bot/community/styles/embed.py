"""The embeds of styles: a page of the list, one style, and the shipped ones with pictures."""

from __future__ import annotations

from collections.abc import Sequence

import discord

from bot.community.styles.starters import FOR_LARGE_MODELS, PAINTED
from bot.embeds.queue import COLOUR
from bot.models.style import PLACE, Style
from bot.text import count, in_one_line, mention, plain, shorten

PAGE = 10
"""Styles on a page."""
_LINE, _FIELD = 90, 1000
FILE = "styles.png"
"""Name of the picture that an embed shows."""


def pages_of(styles: Sequence[Style]) -> int:
    return max(1, -(-len(styles) // PAGE))


def page_of(styles: Sequence[Style], page: int) -> tuple[int, Sequence[Style]]:
    """(the page from 0, clamped; its styles)."""
    here = min(max(page, 0), pages_of(styles) - 1)
    return here, styles[here * PAGE : (here + 1) * PAGE]


def list_embed(styles: Sequence[Style], page: int) -> discord.Embed:
    """A page of the list: name, counts, author and template of each style."""
    here, shown = page_of(styles, page)
    embed = discord.Embed(
        title=f"Styles, page {here + 1} of {pages_of(styles)}",
        colour=COLOUR,
        description="\n".join(map(_line, shown)),
    )
    return embed.set_footer(text="/dream style: paints with one · /style save adds one · /help styles shows pictures")


def style_embed(style: Style, picture: bool) -> discord.Embed:
    """All about one style; *picture*: a file `FILE` comes with it."""
    embed = discord.Embed(title=f"Style: {plain(style.name)}", colour=COLOUR)
    embed.add_field(name="Template", value=_code(style.template), inline=False)
    if style.negative:
        embed.add_field(name="Negative prompt", value=_code(style.negative), inline=False)
    if style.options:
        embed.add_field(name="Options", value=_code(options_text(style)), inline=False)
    embed.add_field(name="By", value=_author(style))
    embed.add_field(name="Used", value=count(style.uses, "time"))
    embed.add_field(name="Stars", value=str(style.stars))
    if style.large:
        embed.set_footer(text="For larger models: the small model cannot paint this.")
    if picture:
        embed.set_image(url=f"attachment://{FILE}")
        embed.set_footer(text="The same prompt and seed without and with the style, painted by the small model.")
    return embed


def help_embed() -> discord.Embed:
    """The shipped styles, with a picture of each one that the small model paints."""
    embed = discord.Embed(
        title="Styles that come with the bot",
        colour=COLOUR,
        description="`/dream style:` adds a style to your prompt. `/style list` also shows the styles of this server, "
        "and `/style save` adds one.",
    )
    embed.add_field(
        name="Painted by the small model",
        value=", ".join(f"{style.name} ({_short(style)})" for style in PAINTED),
        inline=False,
    )
    embed.add_field(
        name="For larger models",
        value=", ".join(style.name for style in FOR_LARGE_MODELS),
        inline=False,
    )
    embed.set_image(url=f"attachment://{FILE}")
    return embed.set_footer(text="The pictures have the same prompt and the same seed.")


def options_text(style: Style) -> str:
    """``method=pixels steps=40``."""
    return " ".join(f"{key}={value}" for key, value in style.options.items())


def _line(style: Style) -> str:
    facts = [
        f"⭐ {style.stars}" if style.stars else "",
        count(style.uses, "use") if style.uses else "",
        "" if style.starter else _author(style),
        "for larger models" if style.large else "",
    ]
    facts_text = " · ".join(filter(None, facts))
    text = plain(shorten(_short(style), _LINE))
    return f"**{plain(style.name)}**{' · ' * bool(facts_text)}{facts_text}\n-# {text}"


def _short(style: Style) -> str:
    """The template, or the options of a style that adds no words."""
    return options_text(style) if style.template == PLACE else style.template


def _author(style: Style) -> str:
    if style.starter:
        return "the bot"
    return mention(style.author) if style.author else "a person whose data is deleted"


def _code(text: str) -> str:
    return f"```\n{shorten(in_one_line(text), _FIELD).replace('`', 'ˋ')}\n```"
