"""Words for adults. A short list of plain words: it keeps honest people to a channel's rules, and stops nobody else."""

from __future__ import annotations

from collections.abc import Iterable

from bot.policy.word_filter import first_found

SEXUAL = (
    "nude", "nudes", "nudity", "naked", "topless", "nsfw", "porn", "porno", "pornographic", "pornography", "hentai",
    "erotic", "erotica", "sex", "sexual", "sexy", "genitals", "penis", "vagina", "vulva", "boobs", "nipples",
    "orgasm", "masturbating", "masturbation", "intercourse", "fellatio", "fetish", "bdsm", "lingerie", "rule34",
)  # fmt: skip
CRUEL = ("gore", "gory", "disembowelled", "dismembered", "decapitated", "beheaded", "mutilated", "torture")
MINORS = (
    "child", "children", "kid", "kids", "minor", "minors", "underage", "preteen", "preteens", "teen", "teens",
    "teenager", "teenagers", "toddler", "toddlers", "baby", "babies", "infant", "infants", "schoolgirl", "schoolgirls",
    "schoolboy", "schoolboys", "little girl", "little girls", "little boy", "little boys", "young girl", "young boy",
    "loli", "lolita", "lolicon", "shota", "shotacon",
)  # fmt: skip


def is_mature(texts: Iterable[str]) -> str:
    """The first word for adults in *texts*; empty if there is none."""
    return first_found(texts, (*SEXUAL, *CRUEL))


def is_sexual(texts: Iterable[str]) -> bool:
    """Whether *texts* are about sex."""
    return bool(first_found(texts, SEXUAL))


def about_minors(texts: Iterable[str]) -> bool:
    """Whether *texts* name people who are no adults."""
    return bool(first_found(texts, MINORS))
