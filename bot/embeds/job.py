"""The embed of a job in each state, built from an `Update`.

    queued      the prompt as parsed, the queue position, the expected time
    running     the preview, a progress bar, the step, the expected time
    done        the picture, its settings, its CLIP score
    failed      the reason, and that nothing was charged

People's text passes `bot.text.plain`, so that it can neither ping, link nor format.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import discord

from bot.models.comparison import Comparison
from bot.models.film import FilmRequest
from bot.models.job import (
    RUNNING,
    Applied,
    JobRequest,
    JobRow,
    JobState,
    Kind,
    PictureRow,
    QueuePosition,
    Update,
)
from bot.models.vote import Vote
from bot.pictures.ranking import independent_score, ordered
from bot.policy.word_filter import ENFORCED, added_texts
from bot.requests.format import weights_of
from bot.text import (
    PROMPT_SHOWN,
    bar,
    because,
    count,
    duration,
    link,
    mention,
    message_link,
    number,
    plain,
    plain_lines,
    relative,
    shorten,
    show_prompts,
    units,
)
from engine.catalogue.models import MODELS
from engine.primer.vocabulary import unknown_sentence, unknown_words
from engine.protocol.messages import Progress
from engine.requests.request import DreamRequest, UpscaleRequest

NOTE = 300
"""Most characters of one note."""


def all_notes(job: JobRow) -> list[str]:
    """A note about unknown words of the prompt, then those of the engine about the pictures.

    The engine's own note about unknown words also names those of negative prompts that its author did not write.
    """
    said = dict.fromkeys(note for picture in job.pictures for note in _notes(picture))
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        return list(said)
    engines = [plain(shorten(note, NOTE)) for note in words_notes(job.request)] if said else ()
    return [*words_notes(job.request, added_texts(job.origin.applied)), *(note for note in said if note not in engines)]


def words_notes(request: JobRequest, added: Collection[str] = ()) -> list[str]:
    """Return one line about the words that a model of few words does not read, or none.

    *added*: texts of negative prompts, in lower case, whose words are not named.
    """
    if isinstance(request, Comparison):
        return list(dict.fromkeys(note for way in request.ways for note in words_notes(way.request, added)))
    if isinstance(request, FilmRequest):
        return words_notes(request.first.model_copy(update={"prompts": request.texts}), added)
    model = MODELS.get(request.model) if isinstance(request, DreamRequest) else None
    if not isinstance(request, DreamRequest) or model is None or not model.limited_words:
        return []
    written = [one for one in request.prompts if one.weight > 0 or one.text.casefold() not in added]
    strange = dict.fromkeys(word for prompt in written for word in unknown_words(prompt.text))
    return [unknown_sentence(tuple(strange))] if strange else []


def _notes(picture: PictureRow) -> Iterable[str]:
    notes = picture.facts.get("notes")
    return [plain(shorten(str(note), NOTE)) for note in notes] if isinstance(notes, list | tuple) else []


_VALUE, _LINE = 60, 300
"""Most characters of one value and of all of them in a message; Info shows all."""


def applied_note(job: JobRow) -> list[str]:
    """One line for the message of a job, or nothing; its footer tells model and method."""
    said = [_short(one, job) for one in job.origin.applied if one.what not in ("model", "method")]
    return [shorten(" · ".join(said), _LINE)] if said else []


def applied_lines(applied: Sequence[Applied]) -> str:
    """One line for each default, with whose it is, for Info."""
    return "\n".join(_long(one) for one in applied)


def _short(one: Applied, job: JobRow) -> str:
    value = plain(shorten(one.value, _VALUE))
    if one.what == ENFORCED:
        return f"always avoided in this server: “{value}”"
    if one.what == "challenge":
        return f"entry by {mention(job.origin.user_id)} in the challenge “{value}”; it used no quota"
    if one.what == "negative":
        return f"avoided by default in {one.whose}: “{value}”"
    return f"{one.what} {value}" + (f" ({one.whose})" if one.whose else "")


def _long(one: Applied) -> str:
    if one.what == ENFORCED:
        return f"negative “{plain(one.value)}”: always added by {one.whose}"
    return f"{one.what} {plain(one.value)}" + (f": default of {one.whose}" if one.whose else "")


COLOURS = {
    JobState.QUEUED: 0x8D99AE,
    JobState.RUNNING: 0x4F7CAC,
    JobState.DONE: 0x3C9D7F,
    JobState.FAILED: 0xC1554A,
    JobState.CANCELLED: 0x6C757D,
}
HEADLINE = 1200
"""Most characters of the headline."""
LABEL = 40
"""Most characters of a picture's label."""
BEST = 3
"""Number of best pictures of a batch that are listed."""
COARSE = 30.0
"""Rounding in seconds of a batch's expected end, which every other job changes."""
MADE: Mapping[Kind, str] = {
    "remix": "Remix of",
    "variation": "Variation of",
    "init": "Started from",
    "target": "Painted towards",
    "blend": "Blended from",
    "outpaint": "Extended from",
    "crop": "Cropped from",
    "again": "Same prompt, new seed:",
}
"""How a job was made from a picture, by the kind of its origin."""
NOTES = 5
"""Most notes in one message."""


@dataclass(frozen=True, slots=True)
class Parent:
    """The picture that a job was derived from: its owner, message and request."""

    user_id: int
    link: str
    dream: DreamRequest | None
    pictures: int
    sheet: str = "batch"
    """The noun for a message with several pictures."""


def embed_for(
    update: Update,
    *,
    now: float,
    parent: Parent | None = None,
    picture: str = "",
    notes: Sequence[str] = (),
    vote: Vote | None = None,
) -> discord.Embed:
    """The embed of *update* at *now* (unix seconds). *picture* is the name of the file sent with it, or none.

    While a blind *vote* on the pictures is open, everything is left out that could tell them apart.
    """
    job = update.job
    state = JobState.RUNNING if job.in_parts and job.pictures and not job.state.over else job.state
    text = _blind(job, parent, vote) if vote else _description(update, now, parent, notes)
    embed = discord.Embed(colour=COLOURS[state], description=text)
    if picture:
        embed.set_image(url=f"attachment://{picture}")
    if job.state is JobState.DONE and vote is None:
        embed.set_footer(text=footer(job))
    return embed


def _description(update: Update, now: float, parent: Parent | None, notes: Sequence[str]) -> str:
    job = update.job
    small = [*_lineage(job, parent), *_ranks(job), *applied_note(job), *all_notes(job), *notes][: NOTES + 1]
    lines = [f"**{headline(job, parent)}**", *(f"-# {line}" for line in small)]
    if named := _named_pictures(job):
        lines += ["", named]
    if status := status_line(update, now):
        lines += ["", status]
    return "\n".join(lines)


def _named_pictures(job: JobRow) -> str:
    """The number and the label of each picture that is shown as a separate file."""
    if job.state is not JobState.DONE or not isinstance(job.request, Comparison) or not job.request.separate:
        return ""
    labels = [(one.index + 1, job.request.ways[one.index].label) for one in job.pictures]
    return " · ".join(f"**{number}** {plain(shorten(label, LABEL))}" for number, label in labels)


def _blind(job: JobRow, parent: Parent | None, vote: Vote) -> str:
    named = link("Blind vote", message_link(vote.where.server_id, vote.where.channel_id, vote.message_id))
    return f"**{headline(job, parent)}**\n-# {named}: labels are hidden until it ends {relative(vote.ends_at)}."


def headline(job: JobRow, parent: Parent | None) -> str:
    """The prompt, or that of the parent of an upscale."""
    if isinstance(job.request, UpscaleRequest) and parent and parent.dream:
        return shorten(show_prompts(parent.dream.prompts), HEADLINE)
    return shorten(show_request(job.request), HEADLINE)


def status_line(update: Update, now: float) -> str:
    """The state of the job in one or two lines; empty for a finished job."""
    job = update.job
    match job.state:
        case JobState.QUEUED if job.in_parts and job.pictures:
            return _parts(update, now)
        case JobState.QUEUED:
            return _queued(update)
        case JobState.RUNNING if job.in_parts:
            return _parts(update, now)
        case JobState.RUNNING:
            return _running(update.progress, now, enlarging=not isinstance(job.request, DreamRequest))
        case JobState.FAILED:
            why = plain_lines(shorten(job.error_text, HEADLINE)) or "This job failed."
            return why if "charged" in why else f"{why}\nNothing was charged."
        case JobState.CANCELLED:
            why = f"{shorten(job.error_text, NOTE)} " if job.error_text else "Cancelled. "
            return f"{why}Nothing was charged."
        case _:  # a batch may have ended before everything was painted, and some pictures may have failed
            return plain_lines(shorten(job.error_text, HEADLINE))


def _queued(update: Update) -> str:
    if update.parting:
        return "The bot is restarting. This job continues afterwards."
    lines = []
    if update.job.crash_count:
        lines.append("The engine is restarting. This job starts again in a moment.")
    if (place := update.place) and place.held:
        lines.append(_paused(place))
    elif place:
        cost = "" if update.job.origin.kind == "entry" else f" · {units(update.job.cost)}"
        where = "Next in line" if place.position == 1 else f"Number {place.position} of {place.waiting} in the queue"
        lines.append(f"{where} · ready {relative(place.latest)}{cost}")
        if update.job.in_background:
            what = "frames" if isinstance(update.job.request, FilmRequest) else "pictures"
            lines.append(f"-# {update.job.request.count} {what} run in the background, one after another.")
    return "\n".join(lines) or "Waiting for the engine …"


def _paused(place: QueuePosition) -> str:
    return f"Paused by a moderator{because(place.reason)} This job keeps its place."


def _parts(update: Update, now: float) -> str:
    """The progress of a batch, a comparison or a film."""
    job, film = update.job, isinstance(update.job.request, FilmRequest)
    painted, wanted = len(job.pictures), job.request.count
    at = f"frame {min(painted + 1, wanted)} of {wanted}" if film else f"{painted} of {wanted} painted"
    lines = [f"{bar(painted / wanted)} {at}"]
    if update.parting:
        lines.append("The bot is restarting. This job continues afterwards.")
    elif job.crash_count and job.state is JobState.QUEUED:
        lines.append(f"The engine is restarting. Finished {'frames' if film else 'pictures'} are kept.")
    elif update.place and update.place.held:
        lines.append(_paused(update.place))
    elif update.progress and update.progress.steps and job.state is JobState.RUNNING and painted < wanted:
        left = (update.progress.steps - update.progress.step) * update.progress.seconds_per_step
        lines[0] += f" · ready {relative(math.ceil((now + left) / COARSE) * COARSE)}"
    others = "Runs in the background. " if job.in_background else ""
    lines.append(f"-# {others}Cancel any time; you only pay for finished {'frames' if film else 'pictures'}.")
    return "\n".join(lines)


def _ranks(job: JobRow) -> list[str]:
    """The best pictures of a batch, and the model that scored them."""
    if not job.is_batch or job.state is not JobState.DONE or len(job.pictures) < 2:
        return []
    order = ordered(job)
    best_of_all = " · ".join(str(picture.index + 1) for picture in order.pictures[:BEST])
    return [f"Best: {best_of_all}. {order.words}" if order.judged else order.words]


def _running(progress: Progress | None, now: float, *, enlarging: bool) -> str:
    if progress is None or not progress.steps:
        return "Getting ready to upscale …" if enlarging else "Getting ready to paint …"
    share = progress.step / progress.steps
    unit = "tile" if enlarging else "step"
    line = f"{bar(share)} {math.floor(share * 100)}% · {unit} {progress.step} of {progress.steps}"
    left = (progress.steps - progress.step) * progress.seconds_per_step
    return f"{line} · ready {relative(now + left)}" if left >= 2 else line


def _lineage(job: JobRow, parent: Parent | None) -> list[str]:
    """The parent of the picture: ``Remix of picture by @a``, with a link."""
    if parent is None:
        return []
    here = link(f"image {job.origin.parent_index + 1}" if parent.pictures > 1 else "picture", parent.link)
    if parent.sheet == "film":
        frame = f"frame {job.origin.parent_index + 1} of the film"
        here = link("film" if isinstance(job.request, FilmRequest) else frame, parent.link)
    whose = "" if parent.user_id == job.origin.user_id else f" by {mention(parent.user_id)}"
    asked = f" · requested by {mention(job.origin.user_id)}"
    if job.origin.kind == "pick":
        return [f"Image {job.origin.parent_index + 1} of {link(parent.sheet, parent.link)}{whose}{asked}"]
    if job.origin.kind == "upscale" and isinstance(job.request, UpscaleRequest):
        size = "{}×{}".format(*job.request.result)
        return [f"Upscaled {job.request.scale}× to {size}: {here}{whose}{asked}"]
    made = MADE.get(job.origin.kind)
    return [f"{made} {here}{whose}{asked}"] if made else []


def footer(job: JobRow) -> str:
    """``seed 7 · 256×256 · 25 steps · clip_diffusion · primer · CLIP 0.31 · 8.2 s``."""
    first = job.pictures[0] if job.pictures else None
    size = f"{first.width}×{first.height}" if first else ""
    request = job.request
    if isinstance(request, DreamRequest):
        facts = [seeds(request), size, count(request.options.steps, "step"), request.method, weights_of(request)]
    elif isinstance(request, FilmRequest):
        frames = f"{count(len(job.pictures), 'frame')}, {number(round(len(job.pictures) / request.fps, 1))} s"
        facts = [f"seed {request.seed}", frames, size, request.first.method, weights_of(request.first), units(job.cost)]
    elif isinstance(request, Comparison):
        what = "picture" if request.source else "way"
        seed = "" if request.has_seeds else f"seed {request.seed}"
        facts = [seed, count(len(job.pictures), what), units(job.cost)]
    else:
        facts = [size, f"upscaler {request.upscaler}"]
    return " · ".join(fact for fact in (*facts, scores(job), took(job)) if fact)


def seeds(request: DreamRequest) -> str:
    """``seed 7``, or ``seeds 7–10`` for several pictures."""
    last = request.seed + request.count - 1
    return f"seed {request.seed}" if request.count == 1 else f"seeds {request.seed}–{last}"


def captions(job: JobRow) -> list[str]:
    """The caption of each picture of a comparison: its label, and its duration once painted."""
    if not isinstance(job.request, Comparison):
        return []
    took = {picture.index: _seconds(picture) for picture in job.pictures}
    return [
        f"{way.label} · {duration(took[index])}" if took.get(index) else way.label
        for index, way in enumerate(job.request.ways)
    ]


def _seconds(picture: PictureRow) -> float:
    """Duration of one picture in seconds without loading models; 0 if unknown."""
    phases = picture.facts.get("seconds")
    values = [value for phase, value in phases.items() if phase != "load"] if isinstance(phases, Mapping) else []
    return sum(value for value in values if isinstance(value, int | float) and math.isfinite(value))


def scores(job: JobRow) -> str:
    """``CLIP 0.31``, or ``CLIP 0.27–0.31`` for a batch, by a CLIP that did not guide; empty without one."""
    known = [value for picture in job.pictures if (value := independent_score(job, picture)) is not None]
    if isinstance(job.request, Comparison | FilmRequest):  # different models, or changing prompts
        return ""
    if job.is_batch and len(known) > 1:
        return f"CLIP {min(known):.2f}–{max(known):.2f}"
    return f"CLIP {', '.join(f'{value:.2f}' for value in known)}" if known else ""


def took(job: JobRow) -> str:
    """Rendering time without the wait, by a monotonic clock; empty for a copied picture."""
    if not job.cost:
        return ""
    if isinstance(job.request, Comparison):  # the sum of its captions
        seconds = sum(_seconds(picture) for picture in job.pictures)
    else:
        seconds = job.seconds.get(RUNNING) or sum(value for name, value in job.seconds.items() if name != "total")
    return duration(seconds) if seconds else ""


def show_request(request: JobRequest) -> str:
    """A request in one line: its prompts, the lists of a comparison as typed, or the upscale."""
    if isinstance(request, FilmRequest) or (isinstance(request, Comparison) and request.source):
        lists = f" · {plain(shorten(said, PROMPT_SHOWN))}" if (said := getattr(request, "lists", "")) else ""
        return plain(shorten(request.source, PROMPT_SHOWN)) + lists
    if isinstance(request, DreamRequest | Comparison):
        return show_prompts(request.prompts)
    return f"{request.width}×{request.height} upscaled {request.scale}×"
