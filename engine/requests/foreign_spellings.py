"""Spellings of other programs in a prompt, which are read as words here: a sentence for each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

EMPHASIS = re.compile(r"\(([^()|:]{1,80}):(\d{1,6}(?:\.\d{1,6})?)\)")
"""``(owl:1.3)`` of AUTOMATIC1111. Every repetition here is bounded, so that no prompt takes long."""
_FLAG = re.compile(r"(?<!\S)(?:--|—|–)([a-z]{1,12})(?:\s{1,9}([^\s|-][^\s|]{0,40}))?")
_INSTEAD = {
    "ar": "the size is an option, as in 512x288",
    "aspect": "the size is an option, as in 512x288",
    "no": "what to avoid is a part with a negative weight, as in “fog:-0.5”",
    "seed": "the seed is an option",
    "tile": "seamless is an option",
}
"""Midjourney's flags → what says the same here."""
_WEIGHT_WITHIN = r"[^\s|:\\\d]{1,40}\d{0,9}::?[+-]?(?:\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})(?=[\s;,]{1,9}[^\s;,|])"
_DOUBLE_COLON = r"(\S{0,40}[^\s:\\])::(?=\s{1,9}[^\s|])"
_BRACKETED_BAR = "|".join(
    rf"\{opening}[^{signs}|]{{0,80}}(?<!\\)\|[^{signs}]{{0,80}}\{closing}"
    for opening, closing, signs in (("[", "]", r"\[\]"), ("{", "}", "{}"), ("(", ")", "()"))
)
_STRESSED = r"\(\([^()|]{0,80}\)\)|\([^()|]{1,80}\)(?:\d{1,6}(?:\.\d{1,6})?\b|\+{1,9}|-{1,9}(?=[\s,]|$))"
_EDITED = r"\[[^\[\]|:]{0,80}:[^\[\]|]{0,80}\d\](?!\s*$)"
_NETWORK = r"<(?:lora|lyco|hypernet):[^<>|]{0,80}>"
_ADDRESS = r"https?://[^\s|]{1,200}"
_PHASE = r"^\s{0,9}0:(?=[^\s|:\d])(?=[^|]*\|)"
_JOINED = re.compile(r"(?<=\s)(BREAK|AND)(?=\s)")
_SENTENCES = (
    (EMPHASIS, "“{0}” was read as words. Put a weight at the end of its part: “{1}:{2} | …”."),
    (re.compile(_WEIGHT_WITHIN), "“{0}” was read as words. Separate parts with a bar: “{0} | …”."),
    (re.compile(_DOUBLE_COLON), "“{0}” was read as words. Separate parts with a bar: “{1} | …”."),
    (
        re.compile(_BRACKETED_BAR),
        "“{0}” was read as separate parts, because a bar separates them. “\\|” is a plain bar.",
    ),
    (re.compile(_STRESSED), "“{0}” was read as words. Put a weight at the end of its part, as in “owl:1.3 | …”."),
    (re.compile(_EDITED), "“{0}” was read as words. A timeline is written as “0: a seed | 40%: a tree”."),
    (re.compile(_NETWORK, re.IGNORECASE), "“{0}” was read as words; the adapter is an option."),
    (re.compile(_ADDRESS), "“{0}” was read as words. A picture is given as init or target, not in the prompt."),
    (
        re.compile(_PHASE),
        "“0:” was read as words. In a timeline, put a space after the colon: “0: a seed | 10: a tree”.",
    ),
)
"""What is found → what is said of it; the numbers stand for its groups."""
MOST = 8
"""Notes about one prompt."""
_SHOWN = 60
"""Characters of the prompt that a note repeats."""


def foreign_notes(source: str) -> Iterator[str]:
    """A sentence for each spelling of another program in *source*, at most `MOST`."""
    return islice(_notes(source), MOST)


def _notes(source: str) -> Iterator[str]:
    for found in _FLAG.finditer(source):
        instead = _INSTEAD.get(found[1], "options do not belong in the prompt")
        yield f"“{_short(found[0])}” was read as words; {instead}."
    for pattern, sentence in _SENTENCES:
        for found in pattern.finditer(source):
            yield sentence.format(*map(_short, (found[0], *found.groups())))
    if not source.isupper():
        for joint in sorted({found[1] for found in _JOINED.finditer(source)}):
            yield f"“{joint}” was read as a word. Separate parts with a bar."


def _short(text: str) -> str:
    text = text.strip()
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
