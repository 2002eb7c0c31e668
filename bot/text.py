"""Formats pieces of messages: prompts, progress bars, times, counts, mentions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from engine.requests.prompts import Prompt

_MARKUP = re.compile(r"([\\*_~`|>#\[\]()<@:])")
_BRACKETS = re.compile(r"\\?[\[\]]")
_BLANKS = re.compile(r"\s+")
_INVISIBLE = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
"""Marks that hide or reverse text; joiners stay, because emoji and Persian need them."""
NO_BREAK = "\u00a0"
BAR = 10
"""Cells of a progress bar."""
PROMPT_SHOWN = 600
"""Most characters of a prompt in a message; Info shows all of it."""


def plain(text: str) -> str:
    """Escape *text*, so that Discord shows no bold, links, mentions, timestamps, line breaks or reversed text."""
    return _MARKUP.sub(r"\\\1", in_one_line(text))


def in_one_line(text: str) -> str:
    """*text* without marks that hide or reverse it, for names that Discord shows without formatting."""
    return _BLANKS.sub(" ", _INVISIBLE.sub("", text)).strip()


def has_invisible(text: str) -> bool:
    """Whether *text* holds marks that hide or reverse what follows, such as U+202E."""
    return bool(_INVISIBLE.search(text))


def plain_lines(text: str) -> str:
    """Like `plain`, line by line."""
    return "\n".join(map(plain, text.splitlines()))


def because(reason: str) -> str:
    """``: too dark.``, or a full stop for an empty reason; ends a sentence with a typed reason."""
    said = plain(reason).rstrip(". ")
    return f": {said}{'' if said[-1] in '!?…' else '.'}" if said else "."


def shorten(text: str, most: int) -> str:
    """*text* with at most *most* characters, cut at a blank where one is near."""
    if len(text) <= most:
        return text
    head, _, tail = text[: most - 1].rpartition(" ")
    return (head if len(tail) < 20 and head else text[: most - 1]) + "…"


def show_prompts(prompts: Iterable[Prompt]) -> str:
    """Prompts as they were understood: ``castle ×2 · fog · people ×−0.5``. Safe to show anywhere in Discord.

    >>> from engine.requests.prompts import parse_prompts
    >>> show_prompts(parse_prompts("castle:2 | fog | people:-.5"))
    'castle ×2 · fog · people ×−0.5'
    >>> show_prompts(parse_prompts("0: a seed | 40%: a tree"))
    'at first: a seed · from 40%: a tree'
    """
    shown, since = list[str](), None
    for prompt in prompts:
        begins = prompt.since is not None and prompt.since != since
        shown.append(f"{_show_start(prompt.since or 0)}: {_show(prompt)}" if begins else _show(prompt))
        since = prompt.since
    return " · ".join(shown)


def _show_start(since: float) -> str:
    return f"from step {since:g}" if since >= 1 else f"from {100 * since:g}%" if since else "at first"


def _show(prompt: Prompt) -> str:
    text = plain(shorten(prompt.text, PROMPT_SHOWN)) if prompt.text else "the picture"
    return text if prompt.weight == 1 else f"{text} ×{number(prompt.weight)}"


def number(value: float) -> str:
    """``-0.5`` → ``−0.5``, ``2.0`` → ``2``, with a proper minus sign."""
    return f"{value:g}".replace("-", "−")


def units(cost: float) -> str:
    """``1.64 units``: what a job costs."""
    return f"{number(round(cost, 2))} units"


def bar(share: float, cells: int = BAR) -> str:
    """``▰▰▰▰▰▰▱▱▱▱`` for 0.6; shares outside 0 … 1 are clipped."""
    filled = round(min(max(share, 0.0), 1.0) * cells)
    return "▰" * filled + "▱" * (cells - filled)


def relative(unix: float) -> str:
    """A time that Discord shows as “in 2 minutes” or “5 seconds ago” and keeps up to date."""
    return f"<t:{round(unix)}:R>"


def clock_date(unix: float) -> str:
    """Day, hour and minute in the reader's own time zone."""
    return f"<t:{round(unix)}:f>"


def snowflake(digits: str) -> int:
    """A Discord id from typed or forged digits; 0, which nothing has, if it does not fit into 63 bits."""
    number_of = int(digits)
    return number_of if number_of < 1 << 63 else 0


def mention(user_id: int) -> str:
    """A mention of a person, which does not ping inside an embed."""
    return f"<@{user_id}>"


def mention_channel(channel_id: int) -> str:
    """A mention of a channel."""
    return f"<#{channel_id}>"


def mention_role(role_id: int) -> str:
    """A mention of a role, which does not ping inside an embed."""
    return f"<@&{role_id}>"


def link(text: str, url: str) -> str:
    """A masked link, or *text* itself without a *url*.

    *text* is escaped already; brackets become parentheses, because Discord would end the link there.

    >>> link(plain("an owl [grey]"), "https://example.org")
    '[an owl (grey)](https://example.org)'
    """
    if not url:
        return text
    return f"[{_BRACKETS.sub(lambda bracket: '(' if bracket[0][-1] == '[' else ')', text)}]({url})"


def message_link(guild_id: int | None, channel_id: int, message_id: int | None) -> str:
    """The address of a message; empty for an unknown one."""
    return "" if not message_id else f"https://discord.com/channels/{guild_id or '@me'}/{channel_id}/{message_id}"


def duration(seconds: float) -> str:
    """``0.8 s``, ``12 s``, ``3 min 5 s``, ``1 h 4 min``; the blanks do not break."""
    whole = round(seconds)
    if seconds < 9.95:
        said = f"{seconds:.1f} s"
    elif whole < 60:
        said = f"{whole} s"
    elif whole < 3600:
        said = f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    else:
        said = f"{whole // 3600} h {whole % 3600 // 60} min"
    return said.replace(" ", NO_BREAK)


def count(number_of: int, one: str, many: str = "") -> str:
    """``1 picture``, ``3 pictures``."""
    return f"{number_of} {one if number_of == 1 else many or one + 's'}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
