"""The rules of a server, the preferences of a person, and their checks.

Rules are applied when a job is submitted; a later change does not affect waiting jobs. The caller passes a `Location`
of ids.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.config.sections import LimitsSection
from bot.errors import BlockedWords, Refused
from bot.models.comparison import PLACES, Comparison
from bot.models.job import JobRequest, JobRow, parts_of
from bot.policy.word_filter import MINORS, SEXUAL, first_found, is_mature
from bot.storage import Store
from bot.storage.database import Session
from bot.storage.moderation import Block, Scope
from bot.text import because, clock_date, listed, mention_channel, mention_role, plain, relative
from engine.catalogue.models import DEFAULT_MODEL, MODELS, Model
from engine.errors import DreamError, InvalidRequest
from engine.requests.request import PROFILE, UpscaleRequest, build_options, find_size, painter_by

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Location:
    """The facts about a place that rules depend on."""

    server_id: int | None = None
    """None in direct messages and where the bot is a guest."""
    channels: tuple[int, ...] = ()
    """The channel, and what it is part of: a thread's or post's parent, the category."""
    restricted: bool = False
    """Whether the channel is age-restricted (18+)."""
    roles: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptLineage:
    """The prompt texts of a picture and of every picture that it was made from."""

    texts: tuple[str, ...] = ()
    known: bool = True
    """False if the records of a source picture are gone, so that texts may be missing."""


FORGOTTEN = (
    "The original prompt is no longer stored and may have been adult content. This picture can only be upscaled or "
    "shown in an age-restricted channel."
)
NO_PROFILE = "none"
"""Typed instead of a profile to use none, even if the server has a default."""
NO_NEGATIVE = "none"
"""Typed instead of a negative prompt to use none, even if the channel has a default."""


class PaintChoice(NamedTuple):
    """Model, method, size and profile by name; an empty one is left to the defaults."""

    model: str = ""
    method: str = ""
    size: str = ""
    profile: str = ""

    @property
    def settings(self) -> dict[str, str]:
        """``{"profile": "draft"}``, or nothing for none."""
        return {PROFILE: self.profile} if self.profile not in ("", NO_PROFILE) else {}


NOWHERE = Location()
"""A direct message, or a place without rules."""


class StoredSettings(BaseModel):
    """Values of the table `settings`, one key each. An unreadable value is logged, and its default applies."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    scope: ClassVar[Scope]

    @classmethod
    async def of(cls, store: Store, subject: int | None, session: Session | None = None) -> Self:
        """The stored values of a server, channel or person; the defaults of None."""
        return cls.read(await store.settings.all(cls.scope, str(subject), session) if subject else {})

    @classmethod
    def read(cls, values: Mapping[str, object]) -> Self:
        """Read rows that this version or another one wrote."""
        known = {key: value for key, value in values.items() if key in cls.model_fields}
        while True:
            try:
                return cls.model_validate(known)
            except ValidationError as error:
                key = str(error.errors()[0]["loc"][0])
                log.error("the stored setting %s=%r is unreadable; its default applies", key, known.pop(key, None))


class PaintDefaults(StoredSettings):
    """What people get who type nothing; an empty text is left to the next level."""

    size: str = ""
    method: str = ""
    model: str = ""
    profile: str = ""
    style: str = ""
    negative: str = ""
    """The negative prompt; people have no default of it and of the style."""


class Word(StoredSettings):
    phrase: str
    reason: str = ""


class ServerRules(PaintDefaults):
    """The rules of one server. The defaults also apply in direct messages."""

    scope = "server"
    channels: tuple[int, ...] = ()
    """Channels where the bot paints; empty: all."""
    roles: tuple[int, ...] = ()
    """Roles that may paint; empty: all members."""
    max_size: int | None = None
    max_steps: int | None = None
    max_count: int | None = None
    mature: Literal["restricted", "never"] = "restricted"
    """Where mature words are painted: in age-restricted (18+) channels, or nowhere."""
    spoilers: Literal["never", "mature", "always"] = "never"
    """Which pictures are posted as spoilers."""
    report_channel: int = 0
    starboard: int = 0
    """The channel that shows copies of starred pictures; 0: none."""
    stars: int = Field(default=3, ge=1, le=100)
    """Stars of other people that a picture needs for it."""
    words: tuple[Word, ...] = ()
    enforced: str = ""
    """A negative prompt that is added to every request."""
    timezone: str = ""
    """IANA name; empty = UTC."""
    timezone_from: float = 0.0
    """Unix seconds from which on the days of `timezone` count."""
    timezone_day: float = 0.0
    """Start of the day that lasts until `timezone_from`, in unix seconds."""
    challenge_role: int = 0
    """Members with this role may start challenges, besides moderators; 0 = none."""

    def limits(self, host: LimitsSection) -> LimitsSection:
        """The tighter of the host's and the server's limits."""
        own = {key: getattr(self, key) for key in ("max_size", "max_steps", "max_count")}
        own["max_batch"] = self.max_count  # a limit on pictures holds for batches too
        own["max_compare"] = self.max_count and max(self.max_count, len(PLACES))  # four ways are always allowed
        return host.model_copy(
            update={key: min(value, getattr(host, key)) for key, value in own.items() if value is not None}
        )

    def check_place(self, location: Location) -> None:
        """Raise Refused if the server's rules exclude the channel or the person's roles."""
        if self.channels and not set(self.channels) & set(location.channels):
            places = listed(list(map(mention_channel, self.channels)), "or")
            raise Refused(f"This server only allows pictures in {places}.")
        if self.roles and not set(self.roles) & set(location.roles):
            roles = listed(list(map(mention_role, self.roles)), "or")
            raise Refused(f"Only members with the role {roles} can paint in this server.")

    def check_words(self, meant: PromptLineage, location: Location) -> None:
        """Raise BlockedWords, with the reason, for texts that are not allowed here."""
        texts = meant.texts
        if blocked := first_found(texts, [word.phrase for word in self.words]):
            reason = next(word.reason for word in self.words if word.phrase == blocked)
            raise BlockedWords(f"“{plain(blocked)}” is blocked in this server{because(reason)}")
        found = is_mature(texts)
        if found and first_found(texts, SEXUAL) and first_found(texts, MINORS):
            raise BlockedWords("Sexual content with minors is never allowed.")
        if found and self.mature == "never":
            raise BlockedWords(f"“{plain(found)}” is adult content, which this server does not allow.")
        if found and not location.restricted:
            raise BlockedWords(f"“{plain(found)}” is only allowed in 18+ channels.")
        if not meant.known and not location.restricted:
            raise BlockedWords(FORGOTTEN)

    def covers(self, meant: PromptLineage) -> bool:
        return self.spoilers == "always" or (self.spoilers == "mature" and bool(is_mature(meant.texts)))


class ChannelDefaults(PaintDefaults):
    """The defaults of a channel, thread or category."""

    scope = "channel"


class QueuePause(StoredSettings):
    """Pause of one server's queue or of all. *paused*: no job starts; *draining*: no new job is accepted."""

    halt: Literal["", "paused", "draining"] = ""
    halt_reason: str = ""

    @property
    def words(self) -> str:
        """The refusal while the queue drains."""
        return f"New jobs are not accepted right now{because(self.halt_reason)} Queued jobs still finish."


class Preferences(PaintDefaults):
    scope = "person"
    pings: bool = True
    private: bool = False
    """Results come by direct message."""


def blocked_words(block: Block) -> str:
    where = "in this server" if block.server_id else "anywhere"
    until = f" until {clock_date(block.until)}" if block.until else ""
    return f"A moderator has blocked you {where}{until}{because(block.reason)}"


def wanted_texts(request: JobRequest) -> tuple[str, ...]:
    """The texts of all prompts with a positive weight; negative prompts may name anything."""
    prompts = [prompt for part in parts_of(request) if part.request.kind == "dream" for prompt in part.request.prompts]
    return tuple(dict.fromkeys(prompt.text for prompt in prompts if prompt.text and prompt.weight > 0))


def preferred(wanted: PaintChoice, choices: Iterable[PaintDefaults], absent: Collection[str] = ()) -> PaintChoice:
    """What was typed, else the first preference that fits, else the usual model and its own defaults.

    A preferred method, size or profile that the model cannot do is ignored.
    So is a preferred model that lacks the typed method. Models that are *absent* (not installed) are chosen last.
    """
    order = list(choices)
    model = next((one.model for one in order if one.model in MODELS), DEFAULT_MODEL)
    model = wanted.model or painter_by(wanted.method, model, absent)
    known = MODELS.get(model)
    if known is None:
        return wanted._replace(model=model)
    method = wanted.method or next((one.method for one in order if one.method in known.methods), "")
    size = wanted.size or next((one.size for one in order if one.size and _takes(known, one.size)), "")
    profiles = (one.profile for one in order if one.profile and _does(known, method, one.profile))
    profile = wanted.profile or next(profiles, NO_PROFILE)
    return PaintChoice(model, method, size, profile)


def _takes(model: Model, size: str) -> bool:
    try:
        model.check_size(*find_size(size, model))
    except InvalidRequest:
        return False
    return True


def _does(model: Model, method: str, profile: str) -> bool:
    try:
        build_options(model, method, PaintChoice(profile=profile).settings)
    except DreamError:
        return False
    return True


ANCESTORS = 50
"""Most source pictures that are followed back."""


async def meant_by(
    store: Store, session: Session, request: JobRequest, parent_job: str = "", attached: Collection[str] = ()
) -> PromptLineage:
    """The lineage of *request*; *parent_job* is the job whose button or reaction started it.

    *attached*: SHA-256 of pictures that come with the request and are not stored yet.

    An upscaled picture has no prompt, and a remix may start from a picture of another prompt.
    """
    texts, known, seen = dict.fromkeys(wanted_texts(request)), True, set[str]()
    line: list[tuple[JobRequest, str]] = [(request, parent_job)]
    for asked, parent in line:  # the loop appends to it
        if getattr(asked, "mask_image", "") and parent not in seen and len(seen) < ANCESTORS:
            seen.add(parent)  # what the mask keeps may be a part of the parent's picture
            if (origin := await store.jobs.find(parent, session) if parent else None) is not None:
                texts.update(dict.fromkeys(wanted_texts(origin.request)))
                line.append((origin.request, origin.origin.parent_job))
        for sha256 in asked.images:
            if sha256 in seen or len(seen) >= ANCESTORS:
                continue
            seen.add(sha256)
            source = await _source(store, session, sha256, parent)
            if source is not None:
                texts.update(dict.fromkeys(wanted_texts(source[0])))
                line.append(source)
            elif (
                isinstance(asked, UpscaleRequest)
                and sha256 not in attached
                and not await store.attachments.has(session, sha256)
            ):
                known = False  # a picture whose job is gone; all else is an attachment
    return PromptLineage(tuple(texts), known)


async def _source(store: Store, session: Session, sha256: str, parent_job: str) -> tuple[JobRequest, str] | None:
    """The request that painted a picture, and its parent job; None for an attachment or an erased job."""
    kept = await store.pictures.by_sha(sha256, session)
    if kept is not None and (job := await store.jobs.find(kept.job_id, session)) is not None:
        return _painter(job, kept.index), job.origin.parent_job
    for _ in range(ANCESTORS):  # the file is gone, but a parent job may have painted it
        parent = await store.jobs.find(parent_job, session) if parent_job else None
        if parent is None:
            return None
        for picture in parent.pictures:
            if picture.sha256 == sha256:
                return _painter(parent, picture.index), parent.origin.parent_job
        if sha256 not in parent.request.images:
            return None
        parent_job = parent.origin.parent_job
    return None


def _painter(job: JobRow, index: int) -> JobRequest:
    return job.request.ways[index].request if isinstance(job.request, Comparison) else job.request


async def check_revealed(store: Store, job: JobRow, user_id: int) -> None:
    """Raise Refused if a vote hides *job* from this person."""
    if job.owned_by(user_id) or (until := await store.blind_pictures.until(job.id)) is None:
        return
    raise Refused(
        f"This picture is in a blind vote. Its prompt and author stay hidden until the vote ends {relative(until)}."
    )
