"""Server settings and the moderation log: ids are shown as mentions, what people typed is escaped."""

from __future__ import annotations

from bot.embeds.moderation import log_embed, rules_embed
from bot.models.audit import AuditEntry, AuditFilter, LogPage
from bot.policy.server_rules import ServerRules
from tests.bot.samples import NOW


def log_text(action: str, subject: str = "", **details: object) -> str:
    entry = AuditEntry(NOW, "discord:1", action, subject, details, 1)
    return log_embed(LogPage(AuditFilter(), (entry,), 1)).description or ""


def test_channels_and_roles_of_the_settings_are_mentions() -> None:
    embed = rules_embed(ServerRules(channels=(11, 12), roles=(21,), report_channel=13))
    fields = {field.name: field.value for field in embed.fields}

    assert ("<#11> or <#12>", "<@&21>", "to <#13>") == (fields["Where"], fields["Who"], fields["Reports"])


def test_channels_and_roles_of_the_log_are_mentions() -> None:
    changes = {"report_channel": 13, "channels": [11, 12], "roles": [21]}

    text = log_text("rules", "discord:1", changes=changes)

    assert all(shown in text for shown in ("<@1>", "<#13>", "<#11>", "<#12>", "<@&21>"))
    for raw in ("11", "12", "13", "21"):
        assert text.count(raw) == text.count(f"<#{raw}>") + text.count(f"<@&{raw}>")


def test_phrases_and_reasons_of_the_log_are_escaped() -> None:
    text = log_text("block word", phrase="[x](https://evil.example)", reason="**no** @everyone")

    assert r"blocked “\[x\]\(https\://evil.example\)”" in text
    assert r"\*\*no\*\* \@everyone" in text


def test_a_person_whose_data_is_deleted_has_no_mention() -> None:
    assert "granted 5 units to a person whose data is deleted" in log_text("grant", "forgotten", units=5)
