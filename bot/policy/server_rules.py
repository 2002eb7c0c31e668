"""The rules of a server, the preferences of a person, and their checks.

Rules are applied when a job is submitted; a later change does not affect waiting jobs. The caller passes a `Location`
of ids.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from bot.config.sections import LimitsSection
from bot.errors import BlockedWords, Refused
from bot.models.comparison import Asked, parts_of
from bot.policy.word_filter import about_minors, first_found, is_mature, is_sexual
from bot.storage.moderation import Block
from bot.text import because, clock_date, listed, mention_channel, mention_role, plain
from engine.catalogue.models import MODELS, Model
from engine.errors import DreamError, InvalidRequest
from engine.requests.request import PROFILE, build_options, painter_by, parse_size

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Location:
    """Where something is asked for, as far as rules care."""

    server_id: int | None = None
    """None in direct messages and where the bot is a guest."""
    channels: tuple[int, ...] = ()
    """The channel, and what it is part of: a thread's or post's parent, the category."""
    restricted: bool = False
    """Whether Discord shows this place to adults only."""
    roles: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptLineage:
    """The words that a picture is to show, with those of the pictures that it is made from."""

    texts: tuple[str, ...] = ()
    known: bool = True
    """Whether these are all: of a picture that is enlarged the records may be gone."""


FORGOTTEN = (
    "The original prompt is no longer stored and may have been adult content. This picture can only be upscaled or "
    "shown in an age-restricted channel."
)
NO_PROFILE = "none"
"""What is typed to paint by no profile, whatever is usual."""


class Ways(NamedTuple):
    """How to paint, by name; what is empty is left to what is usual."""

    model: str = ""
    method: str = ""
    size: str = ""
    profile: str = ""

    @property
    def settings(self) -> dict[str, str]:
        return profile_setting(self.profile)


def profile_setting(profile: str) -> dict[str, str]:
    """``{"profile": "draft"}``, or nothing for none."""
    return {PROFILE: profile} if profile not in ("", NO_PROFILE) else {}


NOWHERE = Location()
"""A direct message, or a place without rules."""


class Kept(BaseModel):
    """Values of the table `settings`, one key each. What cannot be read is left at its default and logged."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def read(cls, values: Mapping[str, object]) -> Self:
        """From rows that this version or another one wrote."""
        known = {key: value for key, value in values.items() if key in cls.model_fields}
        while True:
            try:
                return cls.model_validate(known)
            except ValidationError as error:
                key = str(error.errors()[0]["loc"][0])
                log.error("the stored setting %s=%r cannot be read and does not count", key, known.pop(key, None))


class Word(Kept):
    phrase: str
    reason: str = ""


class ServerRules(Kept):
    """What holds in one server. The defaults hold in direct messages too."""

    channels: tuple[int, ...] = ()
    """Where the bot paints; none named: everywhere."""
    roles: tuple[int, ...] = ()
    """Who may paint; none named: everybody."""
    size: str = ""
    method: str = ""
    model: str = ""
    profile: str = ""
    max_size: int | None = None
    max_steps: int | None = None
    max_count: int | None = None
    mature: Literal["restricted", "never"] = "restricted"
    """Where mature words are painted: in age-restricted (18+) channels, or nowhere."""
    spoilers: Literal["never", "mature", "always"] = "never"
    """Which pictures are posted as spoilers."""
    report_channel: int = 0
    words: tuple[Word, ...] = ()

    def limits(self, host: LimitsSection) -> LimitsSection:
        """The host's limits, or the server's where those are tighter."""
        own = {key: getattr(self, key) for key in ("max_size", "max_steps", "max_count")}
        own["max_batch"] = self.max_count  # a limit on pictures holds for batches too
        return host.model_copy(
            update={key: min(value, getattr(host, key)) for key, value in own.items() if value is not None}
        )

    def check_place(self, location: Location) -> None:
        """Raise Refused where this server does not paint, or for whom."""
        if self.channels and not set(self.channels) & set(location.channels):
            places = listed(list(map(mention_channel, self.channels)), "or")
            raise Refused(f"This server only allows pictures in {places}.")
        if self.roles and not set(self.roles) & set(location.roles):
            roles = listed(list(map(mention_role, self.roles)), "or")
            raise Refused(f"Only members with the role {roles} can paint in this server.")

    def check_words(self, meant: PromptLineage, location: Location) -> None:
        """Raise BlockedWords, with the reason, for what is not painted here."""
        texts = meant.texts
        if blocked := first_found(texts, [word.phrase for word in self.words]):
            reason = next(word.reason for word in self.words if word.phrase == blocked)
            raise BlockedWords(f"“{plain(blocked)}” is blocked in this server{because(reason)}")
        if is_sexual(texts) and about_minors(texts):
            raise BlockedWords("Sexual content with minors is never allowed.")
        found = is_mature(texts)
        if found and self.mature == "never":
            raise BlockedWords(f"“{plain(found)}” is adult content, which this server does not allow.")
        if found and not location.restricted:
            raise BlockedWords(f"“{plain(found)}” is only allowed in 18+ channels.")
        if not meant.known and not location.restricted:
            raise BlockedWords(FORGOTTEN)

    def covers(self, meant: PromptLineage) -> bool:
        return self.spoilers == "always" or (self.spoilers == "mature" and bool(is_mature(meant.texts)))


class QueuePause(Kept):
    """Whether a server's queue, or everybody's, stands still. *paused*: what waits stays; *draining*: nothing new."""

    halt: Literal["", "paused", "draining"] = ""
    halt_reason: str = ""

    @property
    def words(self) -> str:
        """The text for people who ask while nothing new is taken."""
        return f"New jobs are not accepted right now{because(self.halt_reason)} Queued jobs still finish."


class Choices(Kept):
    size: str = ""
    method: str = ""
    model: str = ""
    profile: str = ""
    pings: bool = True
    private: bool = False
    """Results come by direct message."""


def blocked_words(block: Block) -> str:
    where = "in this server" if block.server_id else "anywhere"
    until = f" until {clock_date(block.until)}" if block.until else ""
    return f"A moderator has blocked you {where}{until}{because(block.reason)}"


def wanted_texts(request: Asked) -> tuple[str, ...]:
    """The texts of all prompts with a positive weight; negative prompts may name anything."""
    prompts = [prompt for part in parts_of(request) if part.request.kind == "dream" for prompt in part.request.prompts]
    return tuple(dict.fromkeys(prompt.text for prompt in prompts if prompt.text and prompt.weight > 0))


def preferred(wanted: Ways, choices: Iterable[Choices | ServerRules], usual: str, absent: Collection[str] = ()) -> Ways:
    """What was typed, else the first choice that fits what is known so far, else *usual* and the model's own ways.

    A preferred method, size or profile that the model cannot do is ignored.
    So is a preferred model that cannot paint by the method that was typed; those that are *absent* are taken last.
    """
    order = list(choices)
    model = next((one.model for one in order if one.model in MODELS), usual)
    model = wanted.model or painter_by(wanted.method, model, absent)
    known = MODELS.get(model)
    if known is None:
        return wanted._replace(model=model)
    method = wanted.method or next((one.method for one in order if one.method in known.methods), "")
    size = wanted.size or next((one.size for one in order if one.size and _takes(known, one.size)), "")
    profiles = (one.profile for one in order if one.profile and _does(known, method, one.profile))
    profile = wanted.profile or next(profiles, NO_PROFILE)
    return Ways(model, method, size, profile)


def _takes(model: Model, size: str) -> bool:
    try:
        model.check_size(*parse_size(size))
    except InvalidRequest:
        return False
    return True


def _does(model: Model, method: str, profile: str) -> bool:
    try:
        build_options(model, method, profile_setting(profile))
    except DreamError:
        return False
    return True
