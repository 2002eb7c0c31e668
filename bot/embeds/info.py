"""The embed of Info: commands to copy, seeds, scores, timings of one result."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import discord

from bot.embeds.job import COLOURS, applied_lines, headline
from bot.models.comparison import Comparison, Way
from bot.models.film import FilmRequest
from bot.models.job import RUNNING, JobRow, PictureRow
from bot.pictures.ranking import independent_score
from bot.requests.format import compare_command, film_command, film_in_shell, shell_command, slash_command
from bot.text import count, duration, has_invisible, listed, mention, plain, shorten, units
from engine.film.plan import FilmSettings
from engine.requests.request import DreamRequest, UpscaleRequest

_FIELD = 1000
"""Most characters of a field, code block included."""
_PHASES = 6
_PHASE_NAMES = {"begin": "start"}
THE_FILE = "This file"
THE_LINES = "commands.txt"
_LOSSY = {"webp": "WebP", "jpg": "JPEG"}
_WORTH_SAYING = 0.05
"""Seconds."""


def info_embed(
    job: JobRow, people: Collection[int] = (), user_id: int = 0, file: str = "", remixes: tuple[int, int] = (0, 0)
) -> discord.Embed:
    """The facts of *job* as one embed; command lines are in code blocks for copying.

    *people*: user ids of everyone who starred it; *user_id*: the reader. *file*: a remark about the shown file.
    *remixes*: how many jobs were made from it, and by how many people.
    """
    request = job.request
    fields = [
        (name, f"```\n{line}\n```" if _fits(line) else f"See the file {THE_LINES}.")
        for name, line in _lines(job).items()
    ]
    if job.origin.applied:
        fields.append(("Defaults", shorten(applied_lines(job.origin.applied), _FIELD)))
    if isinstance(request, DreamRequest):
        fields += _sources(request)
    elif isinstance(request, Comparison):
        fields.append(("Compared", shorten("\n".join(map(_way, request.ways)), _FIELD)))
    elif isinstance(request, FilmRequest):
        fields.append(("Film", _film(request)))
    else:
        text = f"{request.width}×{request.height}, {request.scale}×, with {_upscaler(job, request)}"
        fields.append(("Upscaled from", text))
    if job.pictures:
        if isinstance(request, FilmRequest):
            one, size = job.pictures[0], sum(picture.size for picture in job.pictures) / 1024
            name, lines = "Frames", f"{len(job.pictures)} of {request.count} · {one.width}×{one.height} · {size:.0f} kB"
        else:
            name = "Picture" if len(job.pictures) == 1 else "Pictures"
            lines = "\n".join(_picture(job, picture) for picture in job.pictures)
        fields.append((name, shorten(lines, _FIELD)))
        fields += [(THE_FILE, file)] if file else []
        fields.append(("Starred", _starred(job, people, user_id)))
    if remixes[0]:
        made = f"{count(remixes[0], 'time')} by {count(remixes[1], 'person', 'people')}"
        fields.append(("Made into others", made))
    embed = discord.Embed(colour=COLOURS[job.state], description=f"**{headline(job, None)}**")
    for name, value in fields:
        embed.add_field(name=name, value=value, inline=False)
    for name, value in (("Time", _times(job)), ("Cost", _cost(job)), ("By", mention(job.origin.user_id))):
        embed.add_field(name=name, value=value)
    return embed.set_footer(text=f"job {job.id}")


def _sources(request: DreamRequest) -> Iterator[tuple[str, str]]:
    """Names and texts of fields about the pictures that a command line lacks."""
    if request.init_image in request.attachments:
        needed = "that picture and mask (image:, mask:)" if request.mask_image else "that picture (image:)"
        yield "Starting picture", f"This picture started from another one. Add {needed} to the commands."
    if request.target_image in request.attachments:
        yield "Target", "This picture was painted towards another one. Add that picture (target:) to the commands."
    if blended := sum(bool(prompt.image) for prompt in request.prompts):
        yield (
            "Blended",
            f"Add {'that picture' if blended == 1 else f'these {blended} pictures'} (first:, …) to `/blend`.",
        )


def about_file(job: JobRow, name: str) -> str:
    """A remark for people who save the shown file *name* if it is not the PNG; otherwise empty."""
    format_ = _LOSSY.get(name.rpartition(".")[2].lower())
    if format_ is None or job.in_parts:
        return ""
    png = "the PNG" if len(job.pictures) == 1 else "a PNG of all of them"
    lossy = f"{format_}, because {png} is too large for Discord. It lost some quality and has no replay record."
    if not job.on_disk:
        return f"{lossy} The PNG has expired."
    these = "The PNG is" if job.on_disk == 1 else "The PNGs are"
    return f"{lossy} {these} stored by the bot; Upscale and Variation use it."


def _way(way: Way) -> str:
    """``pixels: 80 steps · pixels · primer · 5.24 units``."""
    asked = way.request
    return f"{plain(way.label)}: {asked.options.steps} steps · {asked.method} · {asked.model} · {units(asked.cost)}"


def _film(request: FilmRequest) -> str:
    """Motion and length in words, and how every frame is painted."""
    usual, settings = FilmSettings(), request.settings
    names = ("zoom", "angle", "x", "y", "edges", "fade", "keep", "frame_steps", "hold", "hold_by")
    own = [f"{name} {getattr(settings, name)}" for name in names if getattr(settings, name) != getattr(usual, name)]
    motion, first = plain(" · ".join(own)) or "usual motion", request.first
    length = f"{request.count} frames at {request.fps} per second"
    return f"{length} · {motion} · {first.options.steps} steps · {first.method} · {first.model}"


def _upscaler(job: JobRow, request: UpscaleRequest) -> str:
    """The upscaler that was used; the request may have left the choice to the engine."""
    for picture in job.pictures:
        match picture.facts.get("replay"):
            case {"resolved": {"upscaler": str(name)}}:
                return name
    return request.upscaler


def long_lines(job: JobRow) -> tuple[tuple[str, bytes], ...]:
    """(name, bytes) of a file with the command lines that do not fit into the embed; empty if all fit."""
    lines = [f"{name}:\n{line}\n" for name, line in _lines(job).items() if not _fits(line)]
    return ((THE_LINES, "\n".join(lines).encode()),) if lines else ()


def _lines(job: JobRow) -> dict[str, str]:
    """Purpose → command line."""
    if isinstance(job.request, DreamRequest):
        lines = {"Discord command": slash_command(job.request, placed=bool(job.origin.applied))}
        if not any(prompt.image for prompt in job.request.prompts):  # a shell cannot blend
            lines["Shell command"] = shell_command(job.request)
        return lines
    if isinstance(job.request, FilmRequest):
        placed = bool(job.origin.applied)
        return {
            "Discord command": film_command(job.request, placed=placed),
            "Shell command": film_in_shell(job.request),
        }
    return {"Discord command": compare_command(job.request)} if isinstance(job.request, Comparison) else {}


def _fits(line: str) -> bool:
    """Whether a code block in a field can hold *line* unchanged; a changed line would paint something else."""
    return len(line) <= _FIELD and "```" not in line and not line.endswith("`") and not has_invisible(line)


def _picture(job: JobRow, picture: PictureRow) -> str:
    facts = [f"{picture.width}×{picture.height}", *_facts(job, picture)]
    return (f"{picture.index + 1} · " if len(job.pictures) > 1 else "") + " · ".join(facts)


def _facts(job: JobRow, picture: PictureRow) -> Iterator[str]:
    seed, value = picture.facts.get("seed"), independent_score(job, picture)
    if seed is not None:
        yield f"seed {seed}"
    if value is not None:
        yield f"CLIP {value:.3f}"
    yield f"{picture.size / 1024:.0f} kB"
    if isinstance(pixels := picture.facts.get("sha256"), str) and pixels:
        yield f"pixel hash `{pixels[:12]}`"


def _starred(job: JobRow, people: Collection[int], user_id: int) -> str:
    """Who starred one of its pictures."""
    if not job.on_disk:
        return "no; the file has expired, and only Discord has a copy"
    others = len(people) - (user_id in people)
    who = [*(["you"] if user_id in people else []), *([count(others, "other person", "others")] if others else [])]
    return f"by {listed(who)}" if who else "no; the oldest files are deleted when space is needed"


def _cost(job: JobRow) -> str:
    return f"{job.cost:.2f} units{', not charged' if job.origin.kind == 'entry' else ''}"


def _times(job: JobRow) -> str:
    long = {
        name: seconds
        for name, seconds in job.seconds.items()
        if seconds >= _WORTH_SAYING and name not in ("total", RUNNING)
    }
    phases = [f"{_PHASE_NAMES.get(name, name)} {duration(seconds)}" for name, seconds in list(long.items())[:_PHASES]]
    if RUNNING in job.seconds:
        phases.append(f"total {duration(job.seconds[RUNNING])}")
    return ", ".join(phases) or "unknown"
