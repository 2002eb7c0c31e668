"""Command lines to copy: whoever uses one gets the same again, whatever is usual for them and where they are. Pure.

Only pictures cannot be typed; who began with one has to add it.
"""

from __future__ import annotations

from bot.models.comparison import PLACES, Comparison, Way
from bot.policy.server_rules import NO_PROFILE
from bot.requests.autocomplete import PROFILED
from bot.requests.compare_syntax import USUAL, Wanted, painted, read_way
from bot.requests.derive import needed_options, unusual_ways
from bot.requests.prompt_text import one_line, words_of
from engine.errors import DreamError
from engine.requests.request import DreamRequest


def slash_command(request: DreamRequest) -> str:
    """The `/dream` that asks for the same picture."""
    prompt, negative = words_of(request)
    parts = [f"/dream prompt:{prompt}"]
    if negative:
        parts.append(f"negative:{negative}")
    parts += [f"{name}:{value}" for name, value in _ways(request).items()]
    parts.append(f"size:{_size(request)} steps:{request.options.steps} seed:{request.seed}")
    if request.count > 1:
        parts.append(f"count:{request.count}")
    if options := needed_options(request):
        parts.append(f"more:{_settings(options)}")
    return " ".join(parts)


def compare_command(comparison: Comparison) -> str:
    """The `/compare` that asks for the same pictures."""
    first = comparison.ways[0].request
    prompt, negative = words_of(first)
    sizes = {_size(way.request) for way in comparison.ways}
    wanted = Wanted(prompt, negative, _size(first) if len(sizes) == 1 else "", comparison.seed)
    parts = [f"/compare prompt:{prompt}"]
    parts += [f"{place}:{text}" for place, text in zip(PLACES, _texts(comparison, wanted), strict=False)]
    if negative:
        parts.append(f"negative:{negative}")
    if wanted.size:
        parts.append(f"size:{wanted.size}")
    return " ".join([*parts, f"seed:{comparison.seed}"])


def shell_command(request: DreamRequest) -> str:
    """The same from a shell, beside the engine."""
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
        parts.append("--init PICTURE.png")
    if request.mask_image:
        parts.append("--mask MASK.png")
    return " ".join(parts)


def _texts(comparison: Comparison, wanted: Wanted) -> list[str]:
    """What each way is called in the line, no two alike; ways that paint the same may have had names of their own."""
    texts: list[str] = []
    for way in comparison.ways:
        text = _told(way, wanted)
        while text in texts:
            text = f"{USUAL} {text}"  # a word that changes nothing
        texts.append(text)
    return texts


def _told(way: Way, wanted: Wanted) -> str:
    """What it was called, and what that leaves to what is usual; where the name means something else by now, all."""
    named = dict(read_way(way.label))
    ways = _ways(way.request) | ({} if wanted.size else {"size": _size(way.request)})
    lacking = {name: value for name, value in ways.items() if name not in named}
    text = f"{way.label} {_settings(lacking)}".rstrip()
    try:
        if painted(text, wanted, wanted.seed or 0, lambda typed: typed) == way.request:
            return text
    except DreamError:
        pass
    return _settings({**ways, "steps": str(way.request.options.steps), **needed_options(way.request)})


def _ways(request: DreamRequest) -> dict[str, str]:
    """Model, method and profile: in that order each decides what the next could be."""
    return {
        "method": request.method,
        "model": request.model,
        **({"profile": NO_PROFILE} if request.method == PROFILED else {}),
    }


def _settings(settings: dict[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in settings.items())


def _size(request: DreamRequest) -> str:
    return f"{request.width}x{request.height}"


def _quoted(text: str) -> str:
    """One word for a POSIX shell."""
    return "'" + text.replace("'", "'\"'\"'") + "'"
