"""The limits of a person, and the checks before a job costs anything: size, models, disk, queue, cooldown, cost."""

from __future__ import annotations

import math
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from bot.config.sections import LimitsSection, QueueSection, QuotaSection
from bot.config.settings import Config
from bot.errors import CoolingDown, NoRoom, QueueFull, TooLarge
from bot.models.comparison import Comparison
from bot.models.film import FilmRequest
from bot.models.job import JobRequest, Priority, named, parts_of
from bot.text import count
from engine.catalogue.models import MODELS
from engine.errors import EngineUnusable, InvalidRequest, ModelUnavailable
from engine.primer.vocabulary import says_something, unknown_sentence, unknown_words
from engine.protocol.messages import Ready, Request
from engine.requests.request import AUTO, DreamRequest, check_aims
from engine.requests.upscaling import nets_of


@dataclass(frozen=True, slots=True)
class Standing:
    """The limits of one person, all roles considered."""

    units: float
    """Allowance per window; 0 = no limit."""
    waiting: int
    """Queued jobs."""
    running: int
    """Running jobs."""
    cooldown: float
    """Seconds between submissions."""
    priority: Priority


def standing_of(config: Config, user_id: int, roles: Collection[int] = ()) -> Standing:
    """The best value of each limit that this person's *roles* (ids) give."""
    held = [config.roles[str(role)] for role in roles if str(role) in config.roles]
    host = user_id in config.discord.owner_ids
    units = [config.quota.units, *(role.units for role in held if role.units is not None)]
    cooldowns = [config.queue.cooldown_seconds, *(r.cooldown_seconds for r in held if r.cooldown_seconds is not None)]
    # A role may also lower the priority (batch), so NORMAL counts only for people without such roles.
    best = max((Priority[role.priority.upper()] for role in held), default=Priority.NORMAL)
    return Standing(
        units=0.0 if host or 0 in units else max(units),
        waiting=max(config.queue.per_user, *(role.per_user or 0 for role in held), 0),
        running=max(config.queue.running_per_user, *(role.running_per_user or 0 for role in held), 0),
        cooldown=0.0 if host else min(cooldowns),
        priority=Priority.HOST if host else best,
    )


def server_units(config: Config, server_id: int | None) -> float:
    """Units of a server per window, for all members together; 0 = no limit."""
    if server_id is None:
        return 0.0
    own = config.servers.get(str(server_id))
    return config.quota.server_units if own is None else own.units


def check_size(request: JobRequest, limits: LimitsSection) -> None:
    """Raise TooLarge for a part that exceeds the host's *limits*, or for too many parts."""
    if isinstance(request, Comparison) and request.count > limits.max_compare:
        raise TooLarge(f"This makes {request.count} pictures; the limit for one comparison is {limits.max_compare}.")
    if isinstance(request, FilmRequest) and request.count > limits.max_film:
        raise TooLarge(
            f"This film has {request.count} frames; the limit here is {limits.max_film}."
            if limits.max_film
            else "This bot paints no films."
        )
    for part in parts_of(request):
        with named(part.label):
            _check_size(part.request, limits)


def _check_size(request: Request, limits: LimitsSection) -> None:
    if isinstance(request, DreamRequest):
        check_aims(request)
        side, steps, most = max(request.width, request.height), request.options.steps, limits.max_count
        if side > limits.max_size:
            raise TooLarge(f"A side of {side} pixels is too large; the limit here is {limits.max_size}.")
        if steps > limits.max_steps:
            raise TooLarge(f"{steps} steps are too many; the limit here is {limits.max_steps}.")
        if request.count > (most := max(most, limits.max_batch)):
            raise TooLarge(f"You can paint up to {count(most, 'picture')} at once here.")
    else:
        side = max(request.width, request.height)
        if side * request.scale > limits.max_upscaled:
            raise TooLarge(
                f"Upscaled {request.scale}×, {request.width}×{request.height} would be {max(request.result)} pixels "
                f"wide or high; the limit here is {limits.max_upscaled}. {_fitting(side, limits.max_upscaled)}"
            )


def check_available(request: JobRequest, ready: Ready | None) -> None:
    """Raise ModelUnavailable for what this engine lacks, EngineUnusable if it cannot start.

    While it restarts (*ready* is None) nothing is refused, and the job waits.
    """
    if ready is None:
        return
    if "engine" in ready.unavailable:
        raise EngineUnusable(ready.unavailable["engine"])
    for part in parts_of(request):
        asked = part.request
        with named(part.label):
            if isinstance(asked, DreamRequest):
                _has("method", asked.method, ready.methods, ready)
                _has("model", asked.model, ready.models, ready)
                for name in asked.helpers:
                    if why := ready.unavailable.get(name):
                        text = f"This needs the {name}, which is not available: {why}."
                        raise ModelUnavailable(text.replace("..", "."))
                _fits(asked, ready)
            elif asked.upscaler != AUTO:
                for name in nets_of(asked.upscaler):
                    _has("upscaler", name, ready.upscalers, ready)


def check_readable(request: JobRequest) -> None:
    """Raise InvalidRequest if the model knows none of the prompt's words, before the engine would."""
    for part in parts_of(request):
        asked = part.request
        model = MODELS.get(asked.model) if isinstance(asked, DreamRequest) else None
        if not isinstance(asked, DreamRequest) or model is None or not model.limited_words:
            continue
        if any(prompt.image or says_something(prompt.text) for prompt in asked.targets):
            continue
        strange = dict.fromkeys(word for prompt in asked.prompts for word in unknown_words(prompt.text))
        said = unknown_sentence(tuple(strange)) if strange else f"{model.subject} reads none of these words."
        with named(part.label):
            raise InvalidRequest(f"{said} `/help words` shows the known words.")


def check_room(folder: Path, megabytes: int) -> None:
    """Raise NoRoom if the disk under *folder* has less than *megabytes* free."""
    if not has_room(folder, megabytes):
        raise NoRoom(
            "The disk of this bot is nearly full, so it accepts no new jobs. Queued jobs still finish. "
            "Ask the host to free some space."
        )


def has_room(folder: Path, megabytes: int) -> bool:
    """Whether the disk under *folder* has at least *megabytes* free."""
    return shutil.disk_usage(folder).free >= megabytes * 1_000_000


def check_waiting(mine: int, total: int, standing: Standing, queue: QueueSection) -> None:
    """Raise QueueFull if this person's limit (*mine*) or the total limit (*total*) of waiting jobs is reached."""
    if mine >= standing.waiting:
        raise QueueFull(
            f"You have {_jobs(mine)} in the queue, and the limit is {standing.waiting} per person. "
            "Wait for one of them, or cancel one."
        )
    if total >= queue.total:
        verb = "is" if total == 1 else "are"
        raise QueueFull(f"The queue is full: {_jobs(total)} {verb} waiting. Please try again later.")


def check_cooldown(last: float | None, standing: Standing, now: float) -> None:
    """Raise CoolingDown if the last submission is too recent. After a clock was set back, nothing is refused."""
    if last is not None and 0 <= now - last < standing.cooldown:
        seconds = math.ceil(last + standing.cooldown - now)
        raise CoolingDown(
            f"Please wait {seconds} second{'s' * (seconds != 1)} before you ask again.", last + standing.cooldown
        )


def _fits(request: DreamRequest, ready: Ready) -> None:
    """Raise TooLarge for a picture that would never find memory there; which ones would not is learned as they come."""
    most = ready.largest.get(request.memory_kind)
    if most is None or request.width * request.height <= most:
        return
    model = MODELS.get(request.model)
    size = model.shrunk(request.width, request.height, most) if model else None
    others = f"{size[0]}×{size[1]} would fit" if size else "no size fits, but a smaller model may"
    raise TooLarge(
        f"There is not enough memory on {ready.device} for {request.width}×{request.height} with "
        f"“{request.model}”; {others}."
    )


def _has(kind: str, name: str, known: tuple[str, ...], ready: Ready) -> None:
    if name in known:
        return
    why = ready.unavailable.get(name, "")
    others = f" Available: {', '.join(known)}." if known else ""
    raise ModelUnavailable(
        f"The {kind} “{name}” cannot be used here{f': {why}' if why else ''}.{others}".replace("..", ".")
    )


def _fitting(side: int, most: int) -> str:
    scale = most // side
    return f"{scale}× would fit." if scale >= 2 else "It cannot be upscaled further."


def _jobs(number: int) -> str:
    return "one job" if number == 1 else f"{number} jobs"


def worth_asking(cost: float, left: float, quota: QuotaSection) -> bool:
    """Whether *cost* exceeds `confirm_cost`, or `confirm_share` of what is *left* (infinite without a limit).

    All in units. A cost below `confirm_least` is not asked about because of its share.
    """
    if quota.confirm_cost and cost > quota.confirm_cost:
        return True
    share = quota.confirm_share
    return bool(share) and cost >= quota.confirm_least and not math.isinf(left) and cost > share * left
