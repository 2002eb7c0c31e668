"""Requests → text that is parsed back into the same request: command lines, the Remix modal, prompts.

Only pictures cannot be typed; a person who started from one has to attach it again.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields

from pydantic import ValidationError

from bot.models.comparison import PLACES, WAY, Comparison, Way
from bot.models.film import FilmRequest
from bot.models.style import NO_STYLE
from bot.policy.server_rules import NO_NEGATIVE, NO_PROFILE
from bot.requests.parse import USUAL, ParsedCommand, parse_label, parse_way
from engine.catalogue.models import DEFAULT_MODEL, MODELS
from engine.errors import DreamError, PromptError
from engine.film.plan import FilmSettings
from engine.images.icons.spec import PREFIX
from engine.requests.prompts import MAX_WEIGHT, Prompt, format_prompts, parse_prompts
from engine.requests.request import METHODS, NEGATIVE_WEIGHT, DreamRequest, build_options, option_text, profiles_of

FILM_OPTIONS = ("zoom", "angle", "x", "y", "edges", "fade", "keep")
"""Settings of a film with an option of their own; others are typed into `more`."""


def slash_command(request: DreamRequest, *, placed: bool = False) -> str:
    """The `/dream` that asks for the same picture; *placed*: also where channel or server have a style or negative.

    With pictures among the prompts it is a `/blend`.
    """
    if any(prompt.image for prompt in request.prompts):
        return _blend_command(request, placed=placed)
    return _dream_command(*words_of(request), request, placed=placed)


def _dream_command(prompt: str, negative: str, request: DreamRequest, *, placed: bool = False) -> str:
    parts = [f"/dream prompt:{prompt}"]
    if negative or placed:
        parts.append(f"negative:{negative or NO_NEGATIVE}")
    if placed:
        parts.append(f"style:{NO_STYLE}")
    icons = {"icon": request.init_icon, "target_icon": request.target_icon}
    parts += [f"{name}:{text.removeprefix(PREFIX)}" for name, text in icons.items() if text]
    parts += [f"{name}:{value}" for name, value in _ways(request).items()]
    parts.append(f"size:{_size(request)} steps:{request.options.steps} seed:{request.seed}")
    if request.count > 1:
        parts.append(f"count:{request.count}")
    if options := needed_options(request):
        parts.append(f"more:{_settings(options)}")
    return " ".join(parts)


def _blend_command(request: DreamRequest, *, placed: bool) -> str:
    prompt, negative = words_of(request)
    weights = [option_text(part.weight) for part in request.prompts if part.image]
    parts = ["/blend", f"weights:{' '.join(weights)}"]
    if prompt:
        parts.append(f"prompt:{prompt}")
    if negative or placed:
        parts.append(f"negative:{negative or NO_NEGATIVE}")
    more = {**_ways(request), "steps": str(request.options.steps), **needed_options(request)}
    if request.count > 1:
        more["count"] = str(request.count)
    return " ".join([*parts, f"size:{_size(request)} seed:{request.seed} more:{_settings(more)}"])


def compare_command(comparison: Comparison) -> str:
    """The `/compare` that asks for the same pictures."""
    first = comparison.ways[0].request
    if comparison.source:
        return _experiment_command(comparison)
    prompt, negative = words_of(first)
    sizes = {_size(way.request) for way in comparison.ways}
    wanted = ParsedCommand(prompt, negative, _size(first) if len(sizes) == 1 else "", comparison.seed)
    parts = [f"/compare prompt:{prompt}"]
    parts += [f"{place}:{text}" for place, text in zip(PLACES, _texts(comparison, wanted), strict=False)]
    if negative:
        parts.append(f"negative:{negative}")
    if wanted.size:
        parts.append(f"size:{wanted.size}")
    return " ".join([*parts, f"seed:{comparison.seed}"])


def _experiment_command(comparison: Comparison) -> str:
    """The line with the lists as they were typed; lists in braces belong to `/dream`."""
    first = comparison.ways[0].request
    if comparison.command == "dream":
        return _dream_command(comparison.source, comparison.negative, first)
    parts = [f"/compare prompt:{comparison.source}"]
    if values := f"{comparison.lists} {comparison.usual}".strip():
        parts.append(f"values:{values}")
    ways = dict.fromkeys(value for way in comparison.ways for axis, value in way.traits if axis == WAY)
    parts += [f"{place}:{text}" for place, text in zip(PLACES, ways, strict=False)]
    if comparison.negative:
        parts.append(f"negative:{comparison.negative}")
    sizes = {_size(way.request) for way in comparison.ways}
    if len(sizes) == 1 and "size=" not in comparison.lists:
        parts.append(f"size:{sizes.pop()}")
    return " ".join(parts if comparison.has_seeds else [*parts, f"seed:{comparison.seed}"])


def film_command(film: FilmRequest, *, placed: bool = False) -> str:
    """The `/film` that asks for the same frames; *placed*: also where channel or server have a style or negative."""
    first = film.first
    negative = _always(film)
    parts = [f"/film prompt:{story_text(film)}"]
    parts += [f"{name}:{option_text(value)}" for name, value in _motion(film).items() if name in FILM_OPTIONS]
    parts.append(f"frames:{film.count} fps:{film.fps} file:{film.file}")
    if negative or placed:
        parts.append(f"negative:{negative or NO_NEGATIVE}")
    if placed:
        parts.append(f"style:{NO_STYLE}")
    parts += [f"{name}:{value}" for name, value in _ways(first).items()]
    parts.append(f"size:{_size(first)} steps:{first.options.steps} seed:{first.seed}")
    rare = {name: option_text(value) for name, value in _motion(film).items() if name not in FILM_OPTIONS}
    if more := _settings(needed_options(first) | rare):
        parts.append(f"more:{more}")
    return " ".join(parts)


def film_in_shell(film: FilmRequest) -> str:
    """The same film in a shell, beside the engine."""
    first, negative = film.first, _always(film)
    parts = ["python -m engine film", _quoted(story_text(film))]
    parts += [f"--{name.replace('_', '-')} {shlex.quote(option_text(value))}" for name, value in _motion(film).items()]
    if negative:
        parts.append(f"--negative {_quoted(negative)}")
    parts.append(f"--frames {film.count} --fps {film.fps}")
    parts.append(f"--size {_size(first)} --steps {first.options.steps} --seed {first.seed}")
    parts += [f"--{name} {value}" for name, value in unusual_ways(first).items()]
    parts += [f"--set {key}={value}" for key, value in needed_options(first).items()]
    if first.init_image:
        parts.append("--init PICTURE.png")
    return " ".join([*parts, f"--out film{film.file}"])


def story_text(film: FilmRequest) -> str:
    """The scenes as a prompt: divided by ``^`` where they are equally long, else with their frames."""
    scenes, frames = film.scenes, film.count
    if all(scene.start == i * frames // len(scenes) for i, scene in enumerate(scenes)):
        return " ^ ".join(format_prompts(scene.prompts).replace("^", r"\^") for scene in scenes)
    timed = [prompt.model_copy(update={"since": scene.start}) for scene in scenes for prompt in scene.prompts]
    return format_prompts(timed).replace("^", r"\^")


def _always(film: FilmRequest) -> str:
    """The negative prompt, which holds in all scenes."""
    found = _split_parts(film.first.prompts, len(film.scenes[0].prompts))
    return found[1] if found else ""


def _motion(film: FilmRequest) -> dict[str, object]:
    """Settings of a film that differ from the usual ones, without its length."""
    usual = FilmSettings()
    named = {field.name: getattr(film.settings, field.name) for field in fields(usual) if field.name != "frames"}
    return {name: value for name, value in named.items() if value != getattr(usual, name)}


def shell_command(request: DreamRequest) -> str:
    """Same picture in a shell, beside the engine."""
    prompt, negative = one_line(request)
    parts = ["python -m engine dream", _quoted(prompt)]
    if negative:
        parts.append(f"--negative {_quoted(negative)}")
    parts.append(f"--size {_size(request)} --steps {request.options.steps} --seed {request.seed}")
    if request.count > 1:
        parts.append(f"--count {request.count}")
    parts += [f"--{name} {value}" for name, value in unusual_ways(request).items()]
    parts += [f"--set {key}={value}" for key, value in needed_options(request).items()]
    if request.init_image:
        parts.append(f"--init {_quoted(request.init_icon) if request.init_icon else 'PICTURE.png'}")
    if request.target_image:
        parts.append(f"--target {_quoted(request.target_icon) if request.target_icon else 'TARGET.png'}")
    if request.mask_image:
        parts.append("--mask MASK.png")
    return " ".join(parts)


def _texts(comparison: Comparison, wanted: ParsedCommand) -> list[str]:
    """What each way is called in the line, no two alike; ways that paint the same may have had names of their own."""
    texts: list[str] = []
    for way in comparison.ways:
        text = _told(way, wanted)
        while text in texts:
            text = f"{USUAL} {text}"  # a word that changes nothing
        texts.append(text)
    return texts


def _told(way: Way, wanted: ParsedCommand) -> str:
    """What it was called, and what that leaves to what is usual; where the name means something else by now, all."""
    named = dict(parse_label(way.label))
    ways = _ways(way.request) | ({} if wanted.size else {"size": _size(way.request)})
    lacking = {name: value for name, value in ways.items() if name not in named}
    text = f"{way.label} {_settings(lacking)}".rstrip()
    try:
        if parse_way(text, wanted, wanted.seed or 0, lambda typed: typed) == way.request:
            return text
    except DreamError:
        pass
    return _settings({**ways, "steps": str(way.request.options.steps), **needed_options(way.request)})


def _ways(request: DreamRequest) -> dict[str, str]:
    """Model, method and profile: in that order each decides what the next could be."""
    return {
        "method": request.method,
        "model": request.model,
        **({"profile": NO_PROFILE} if profiles_of(request.method) else {}),
    }


def _settings(settings: dict[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in settings.items())


def _size(request: DreamRequest) -> str:
    return f"{request.width}x{request.height}"


def _quoted(text: str) -> str:
    """One word for a POSIX shell."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


def form_of(request: DreamRequest) -> tuple[str, str, str]:
    """Prompt, negative prompt and settings as a form shows them; `remix` reads them back into the same request."""
    return *words_of(request), settings_of(request)


def settings_of(request: DreamRequest) -> str:
    """``size=256x256 steps=25 seed=7``, and whatever else differs from what the model usually does."""
    settings: dict[str, object] = {
        "size": f"{request.width}x{request.height}",
        "steps": request.options.steps,
        "seed": request.seed,
    }
    if request.count > 1:
        settings["count"] = request.count
    named = {**settings, **unusual_ways(request), **needed_options(request)}
    return " ".join(f"{key}={value}" for key, value in named.items())


def unusual_ways(request: DreamRequest) -> dict[str, str]:
    """Model and method, if they differ from the defaults."""
    model = MODELS.get(request.model)
    named = {}
    if model is None or request.model != DEFAULT_MODEL:
        named["model"] = request.model
    if model is None or request.method != model.methods[0]:
        named["method"] = request.method
    return named


def needed_options(request: DreamRequest) -> dict[str, str]:
    """What has to be said beside model, method and steps for the same options to come of it; nothing that is usual.

    One option brings others along (a sampler its noise, a picture to begin with the steps to skip), so it is tried.
    """
    wanted = request.options.model_dump(exclude={"method", "steps"})
    said: dict[str, str] = {}
    while differing := [name for name in _differing(request, wanted, said) if name not in said]:
        said |= {name: option_text(wanted[name]) for name in differing}
    return {name: said[name] for name in wanted if name in said}


def _differing(request: DreamRequest, wanted: Mapping[str, object], said: Mapping[str, str]) -> list[str]:
    model, steps = MODELS.get(request.model), {"steps": str(request.options.steps)}
    try:
        if model is None:
            options = METHODS[request.method].settle({}, {**steps, **said})
        else:
            options = build_options(model, request.method, {**steps, **said})
    except (DreamError, ValidationError):
        return list(wanted)
    usual = [options]
    if request.init_image:  # what the picture brings along is said as well: without it nothing else is painted unseen
        usual.append(options.for_init(said, masked=bool(request.mask_image)))
    return [name for name in wanted if any(getattr(one, name) != getattr(request.options, name) for one in usual)]


def words_of(request: DreamRequest) -> tuple[str, str]:
    """Prompt and negative prompt, the latter empty if need be; pictures among the prompts are left out."""
    parts = [prompt for prompt in request.prompts if prompt.text]
    forms = (_split_parts(parts, at) for at in _places(parts))
    return next((form for form in forms if form and _reads_as(*form, parts)), (format_prompts(parts), ""))


def one_line(request: DreamRequest) -> tuple[str, str]:
    """The same, but all of it in the prompt if one can hold it."""
    parts = [prompt for prompt in request.prompts if prompt.text]
    whole = format_prompts(parts), ""
    return whole if _reads_as(*whole, parts) else words_of(request)


def _places(parts: Sequence[Prompt]) -> Iterator[int]:
    """Where the negative prompt may begin, the best first: what is pushed away by a plain weight belongs to it."""
    best = len(parts)
    while best > 1 and parts[best - 1].weight < 0 and _is_plain(parts[best - 1].weight):
        best -= 1
    yield best
    yield from range(len(parts), 0, -1)


def _split_parts(parts: Sequence[Prompt], at: int) -> tuple[str, str] | None:
    """None if one of the parts from there on cannot come from a negative prompt."""
    if any(prompt.since is not None for prompt in parts[at:]):
        return None
    weights = [_before(prompt.weight) for prompt in parts[at:]]
    if None in weights:
        return None
    negative = [
        prompt.model_copy(update={"weight": weight}) for prompt, weight in zip(parts[at:], weights, strict=True)
    ]
    return format_prompts(parts[:at]), format_prompts(negative)


def _before(weight: float) -> float | None:
    """The weight in a negative prompt that becomes this one; division alone may miss it by the last digit."""
    about = weight / NEGATIVE_WEIGHT
    near = (_short(about), about, math.nextafter(about, math.inf), math.nextafter(about, -math.inf))
    return next((one for one in near if one * NEGATIVE_WEIGHT == weight and abs(one) <= MAX_WEIGHT), None)


def _is_plain(weight: float) -> bool:
    """Whether a few digits say it, in a negative prompt."""
    plain = _short(weight / NEGATIVE_WEIGHT)
    return plain * NEGATIVE_WEIGHT == weight and plain <= MAX_WEIGHT


def _short(number: float) -> float:
    return float(f"{number:g}")


def _reads_as(prompt: str, negative: str, parts: Sequence[Prompt]) -> bool:
    """Whether it is read as the same parts: a prompt holds so many, and so many letters."""
    try:
        pushed = parse_prompts(negative) if negative else ()
        found = [*parse_prompts(prompt), *(p.model_copy(update={"weight": p.weight * NEGATIVE_WEIGHT}) for p in pushed)]
    except PromptError:
        return False
    return found == list(parts)


def weights_of(request: DreamRequest) -> str:
    """``primer``, or with adapters ``primer + ink:0.5``."""
    has_adapters = getattr(request.options, "adapters", ())
    return f"{request.model} + {getattr(request.options, 'adapter', '')}" if has_adapters else request.model
