"""Spellings of other programs in a prompt, which are read as words here: a sentence for each."""

from __future__ import annotations

import re
from collections.abc import Iterator

EMPHASIS = re.compile(r"\(([^()|:]+):(\d+(?:\.\d+)?)\)")
"""``(owl:1.3)`` of AUTOMATIC1111."""
_FLAG = re.compile(r"(?<!\S)(?:--|—|–)([a-z]{1,12})(?:\s+([^\s|-][^\s|]*))?")
_INSTEAD = {
    "ar": "the size is an option, as in 512x288",
    "aspect": "the size is an option, as in 512x288",
    "no": "what to avoid is a part with a negative weight, as in “fog:-0.5”",
    "seed": "the seed is an option",
    "tile": "seamless is an option",
}
"""Midjourney's flags → what says the same here."""
_WEIGHT_WITHIN = re.compile(r"[^\s|:\\\d]+\d*::?[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?=[\s;,]+[^\s;,|])")
_DOUBLE_COLON = re.compile(r"\S*[^\s:\\]::(?=\s+[^\s|])")
_BRACKETED_BAR = re.compile(r"\[[^\[\]|]*(?<!\\)\|[^\[\]]*\]|\{[^{}|]*(?<!\\)\|[^{}]*\}|\([^()|]*(?<!\\)\|[^()]*\)")
_STRESSED = re.compile(r"\(\([^()|]*\)\)|\([^()|]+\)(?:\d+(?:\.\d+)?\b|\++|-+(?=[\s,]|$))")
_EDITED = re.compile(r"\[[^\[\]|:]*:[^\[\]|]*\d\](?=.*\S)", re.DOTALL)
_NETWORK = re.compile(r"<(?:lora|lyco|hypernet):[^<>|]*>", re.IGNORECASE)
_JOINED = re.compile(r"(?<=\s)(BREAK|AND)(?=\s)")
_ADDRESS = re.compile(r"https?://[^\s|]+")
_PHASE = re.compile(r"\s*0\s*:(?=[^\s|:\d])[^|]*\|")


def foreign_notes(source: str) -> Iterator[str]:
    """A sentence for each spelling of another program in *source*."""
    for found in EMPHASIS.finditer(source):
        yield f"“{found[0]}” was read as words. A weight ends a part: “{found[1].strip()}:{found[2]} | …”."
    for found in _FLAG.finditer(source):
        instead = _INSTEAD.get(found[1], "options do not belong in the prompt")
        yield f"“{found[0].strip()}” was read as words; {instead}."
    for found in _WEIGHT_WITHIN.finditer(source):
        yield f"“{found[0]}” was read as words. A bar ends a part: “{found[0]} | …”."
    for found in _DOUBLE_COLON.finditer(source):
        yield f"“{found[0]}” was read as words. A bar separates parts: “{found[0].removesuffix('::')} | …”."
    for found in _BRACKETED_BAR.finditer(source):
        yield f"“{found[0]}” was read as separate parts, because a bar separates parts. “\\|” is a plain bar."
    for found in _STRESSED.finditer(source):
        yield f"“{found[0]}” was read as words. A weight ends a part, as in “owl:1.3 | …”."
    for found in _EDITED.finditer(source):
        yield f"“{found[0]}” was read as words. A change of the prompt is a timeline: “0: a seed | 40%: a tree”."
    for found in _NETWORK.finditer(source):
        yield f"“{found[0]}” was read as words; the adapter is an option."
    if not source.isupper():
        for joint in sorted({found[1] for found in _JOINED.finditer(source)}):
            yield f"“{joint}” was read as a word. A bar separates parts."
    for found in _ADDRESS.finditer(source):
        yield f"“{found[0]}” was read as words. A picture is given as init or target, not in the prompt."
    if _PHASE.match(source):
        yield "“0:” was read as words. In a timeline a blank follows the colon: “0: a seed | 10: a tree”."
