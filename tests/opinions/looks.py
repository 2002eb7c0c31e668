"""What a person sees of a message, without what differs between the two servers: ids, times, random seeds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.playground.server.validation.components import walk

_DIFFERENT = [
    (re.compile(r"https://discord\.com/channels/[\d/]+"), "(a message)"),
    (re.compile(r"<t:\d+(:\w)?>"), "(a time)"),
    (re.compile(r"<@!?\d+>"), "(somebody)"),
    (re.compile(r"\bseed(:| )\d{4,}"), r"seed\1(random)"),
    (re.compile(r"\b\d+(\.\d+)?\s?(ms|s|min)\b"), "(a while)"),
    (re.compile(r"\bjob [a-z0-9]{10}\b"), "job (one)"),
    (re.compile(r"\b[a-z0-9]{10}(-\d+)?\.(png|webp)"), "(a file)"),
]


@dataclass(frozen=True)
class Recipe:
    """One message as it looks: its words, its buttons that can be pressed, how many pictures, and who sees it."""

    text: str
    buttons: tuple[str, ...]
    pictures: int
    ephemeral: bool


def look(
    content: str, embeds: Sequence[Mapping[str, Any]], components: Sequence[Any], files: int, *, ephemeral: bool
) -> Recipe:
    """From the parts of Discord's message object. Pictures inside embeds count, or files where no embed has one."""
    texts = [content]
    for embed in embeds:
        texts += [embed.get("title") or "", embed.get("description") or ""]
        texts += [f"{field['name']}: {field['value']}" for field in embed.get("fields") or ()]
        texts.append((embed.get("footer") or {}).get("text") or "")
    shown = [part for part in walk(list(components)) if part.get("type") == 2 and not part.get("disabled")]
    inside = sum("image" in embed for embed in embeds)
    labels = tuple(part.get("label") or "" for part in shown)
    return Recipe(same("\n".join(filter(None, texts))), labels, inside or files, ephemeral)


def same(text: str) -> str:
    """*text* without what may differ."""
    for pattern, instead in _DIFFERENT:
        text = pattern.sub(instead, text)
    return text
