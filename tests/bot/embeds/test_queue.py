"""How the queue and a person's quota look."""

from __future__ import annotations

import re
from dataclasses import replace

from bot.embeds.queue import queue_embed, quota_embed
from bot.models.job import Origin, QueuePosition
from bot.policy.quota import Balance, LedgerEntry
from tests.bot.samples import NOW, job, running

BOB = Origin(channel_id=20, user_id=31, user_name="Bob", guild_id=10)


def place(position: int) -> QueuePosition:
    return QueuePosition(position, 12, NOW, NOW + 10, NOW + 60 * position)


def test_the_queue_is_a_list_in_order() -> None:
    other = replace(job("a fox"), owner="discord:31", origin=BOB)

    embed = queue_embed([(running(3).job, NOW + 60)], [(other, place(1)), (job("a cat"), place(2))], "discord:30", 20)

    assert [
        f"Now: **you** · an owl · ready <t:{NOW + 60:.0f}:R>",
        f"1. <@31> · a fox · ready <t:{NOW + 60:.0f}:R>",
        f"2. **you** · a cat · ready <t:{NOW + 120:.0f}:R>",
    ] == (embed.description or "").splitlines()


def test_of_what_belongs_elsewhere_the_queue_tells_neither_words_nor_names() -> None:
    thread = replace(BOB, channel_id=21, thread_of=20)
    jobs = [
        replace(job("a fox", count=pictures), owner="discord:31", origin=origin)
        for pictures, origin in ((2, replace(BOB, channel_id=99, guild_id=None)), (1, thread))
    ]

    embed = queue_embed([(jobs[0], None)], [(jobs[1], place(1)), (job("a cat"), place(2))], "discord:30", 20)

    assert [
        "Now: someone else · 2 pictures",
        f"1. someone else · 1 picture · ready <t:{NOW + 60:.0f}:R>",
        f"2. **you** · a cat · ready <t:{NOW + 120:.0f}:R>",
    ] == (embed.description or "").splitlines()


def test_ones_own_jobs_are_shown_however_long_the_queue_is_and_wherever_one_looks() -> None:
    others = [(replace(job(f"fox {n}"), owner="discord:31", origin=BOB), place(n + 1)) for n in range(11)]

    text = queue_embed([], [*others, (job("my owl"), place(12))], "discord:30", 500).description or ""

    assert "12. **you** · my owl" in text
    assert "11. someone else" not in text
    assert "… 12 jobs queued in total." in text


def test_ones_own_jobs_lead_to_their_messages_and_many_of_them_still_fit() -> None:
    words = "an owl in the fog above a castle at night " * 3
    mine = [replace(job(words), message_id=10**18 + n, id=f"{n}") for n in range(30)]

    text = queue_embed(
        [(one, NOW) for one in mine[:10]], [(one, place(n)) for n, one in enumerate(mine[10:], 1)], "discord:30", 20
    ).description

    assert text is not None
    assert f"](https://discord.com/channels/10/20/{10**18})" in text.splitlines()[0]
    assert "… 20 jobs queued in total." in text
    assert len(text) <= 4096


def test_the_quota_says_what_is_left_held_granted_and_when_it_comes_back() -> None:
    text = quota_embed(Balance(200.0, 90.0, 10.0, 20.0, NOW + 3600), [], {}).description or ""

    assert "**120** of 200 units left" in text
    assert "10 units are reserved for unfinished jobs." in text
    assert "20 of the units left were granted and do not expire." in text
    assert f"More becomes available <t:{NOW + 3600:.0f}:R>." in text


def test_the_history_reads_like_an_account() -> None:
    entries = [
        LedgerEntry(NOW, "charged", 1.6384, "abc", ""),
        LedgerEntry(NOW, "refunded", 2.0, "abd", ""),
        LedgerEntry(NOW, "reserved", 3.0, "abe", ""),
        LedgerEntry(NOW, "granted", 50.0, "", "for the contest"),
        LedgerEntry(NOW, "reset", 0.0, "", "a fresh start"),
    ]

    jobs = {"abc": job("an owl", message_id=40), "abd": job("a fox")}
    [field] = quota_embed(Balance(200.0, 0.0, 0.0, 0.0, None), entries, jobs).fields
    ago = f"<t:{NOW:.0f}:R>"
    assert [
        f"1.64 spent on [an owl](https://discord.com/channels/10/20/40) · {ago}",
        f"2 refunded for a fox · {ago}",
        f"3 held for a deleted job · {ago}",
        f"50 granted: for the contest · {ago}",
        f"quota reset: a fresh start · {ago}",
    ] == (field.value or "").splitlines()


def test_a_long_history_fits_into_its_field() -> None:
    entries = [LedgerEntry(NOW, "charged", 1.0, f"{n}", "") for n in range(50)]
    jobs = {f"{n}": job("an owl in the snow " * 20, message_id=40) for n in range(50)}

    [field] = quota_embed(Balance(200.0, 0.0, 0.0, 0.0, None), entries, jobs).fields
    assert len(field.value or "") <= 1000


def test_brackets_in_a_prompt_do_not_break_the_links_of_the_quota_and_the_queue() -> None:
    owl = replace(job("an [owl](https://evil.example) [grey] \\]"), message_id=5, id="1")
    entry = LedgerEntry(NOW, "charged", 1.64, "1", "")

    quota = quota_embed(Balance(200.0, 90.0, 10.0, 20.0, NOW), [entry], {"1": owl})
    queue = queue_embed([], [(owl, place(1))], "discord:30", 20)

    for text in (quota.fields[0].value or "", queue.description or ""):
        assert ["https://discord.com/channels/10/20/5"] == re.findall(r"\]\(([^)]*)\)", text)
        assert 1 == text.count("[")
        assert 1 == text.count("]")
