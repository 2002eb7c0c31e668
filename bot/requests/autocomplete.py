"""Autocompletion for `/dream`: methods, models, possible sizes, names of options with their ranges. No I/O.

A suggestion is (what is shown, what is filled in); Discord takes 25 of at most 100 characters each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from pydantic.fields import FieldInfo

from bot.models.style import NO_STYLE, PLACE, Style, folded
from bot.requests.parse import USUAL
from bot.text import shorten
from engine.catalogue.models import DEFAULT_MODEL, MODELS, Model
from engine.images.icons.sets import suggest
from engine.images.icons.spec import PREFIX, Icon
from engine.primer.vocabulary import WELCOME_PROMPTS, complete
from engine.requests.options.classes import class_word, typed_class
from engine.requests.request import (
    METHODS,
    SHAPES,
    Options,
    adapter_key,
    find_size,
    known_adapters,
    option_span,
    option_text,
    parse_shape,
    profiles_of,
)

Suggestion: TypeAlias = tuple[str, str]
MOST = 25
LONGEST = 100
_SHAPES = ((1, 1), (3, 2), (2, 3), (4, 3), (3, 4), (16, 9), (9, 16), (2, 1), (1, 2))
"""Width : height of the sizes that are offered."""
_SHAPE_NAMES = {(1, 1): "square", (16, 9): "wide", (9, 16): "tall", (2, 1): "banner", (1, 2): "column"}


def prompts(typed: str, model_name: str) -> list[Suggestion]:
    """Return what was typed with its last word completed to a thing that a model of few words knows."""
    if not MODELS.get(model_name, MODELS[DEFAULT_MODEL]).limited_words:
        return []
    head, _, word = typed.rpartition(" ")
    if not typed.strip():
        return _cut([(prompt, prompt) for prompt in WELCOME_PROMPTS])
    completed = (f"{head} {name}".strip() for name in complete(word)) if len(word) > 1 else ()
    return _cut([(prompt, prompt) for prompt in dict.fromkeys([typed, *completed])])


def icons(typed: str) -> list[Suggestion]:
    """Icons that begin with the name in what was typed, then the settings of an icon."""
    done, _, word = typed.removeprefix(PREFIX).rpartition(" ")
    fields = {key: field for key, field in Icon.model_fields.items() if key != "name"}
    settings = [
        (f"{key}={option_text(field.default)} · {field.description}", f"{done} {key}={option_text(field.default)}")
        for key, field in fields.items()
        if done and key.startswith(word) and f"{key}=" not in done
    ]
    named = [] if "=" in typed else suggest(f"{done} {word}".strip())
    typed_out = [(typed, typed)] if "=" in word else []
    return _cut([*((f"{name} – {kind}", name) for name, kind in named), *settings, *typed_out])


def methods(typed: str, model_name: str, unavailable: Mapping[str, str]) -> list[Suggestion]:
    """Methods that the chosen model can be painted by, with what they are."""
    model = MODELS.get(model_name)
    names = model.methods if model else tuple(METHODS)
    return _fitting(typed, ((f"{name} – {_first_line(METHODS[name])}", name) for name in names), unavailable)


def models(typed: str, method: str, unavailable: Mapping[str, str]) -> list[Suggestion]:
    """Models that the chosen method can use."""
    usable = (model for model in MODELS.values() if method in model.methods or method not in METHODS)
    shown = ((f"{model.name} – {model.title}, {model.size[0]}×{model.size[1]}", model.name) for model in usable)
    return _fitting(typed, shown, unavailable)


def adapters(typed: str, model_name: str, unavailable: Mapping[str, str]) -> list[Suggestion]:
    """Adapters of the chosen model, or all; behind a “+” another one."""
    done, plus, word = typed.replace(" ", "").rpartition("+")
    taken = {part.partition(":")[0] for part in done.split("+")}
    head, problems = f"{done}{plus}", {f"{done}{plus}{name}": why for name, why in _of_adapters(unavailable)}
    shown = (
        (f"{head}{name} – {entry.title}, for the model {entry.adapts}", f"{head}{name}")
        for name, entry in known_adapters(model_name).items()
        if name not in taken
    )
    return _fitting(f"{head}{word}", shown, problems) or _cut([(typed, typed)] if ":" in word else [])


def _of_adapters(unavailable: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Adapter → why it is not available."""
    return ((name, unavailable[key]) for name in known_adapters() if (key := adapter_key(name)) in unavailable)


def profiles(typed: str, model_name: str, method: str, price: Callable[[str], str] | None = None) -> list[Suggestion]:
    """Words for many options, where the chosen method has such; *price*: what to say of a profile's cost."""
    model = MODELS.get(model_name, MODELS[DEFAULT_MODEL])
    able = profiles_of(method or model.methods[0])
    shown = ((f"{one.name}{price(one.name) if price else ''} · {one.about}", one.name) for one in able)
    return _fitting(typed, shown, {})


def sizes(
    typed: str, model_name: str, max_side: int, price: Callable[[int, int], str] | None = None
) -> list[Suggestion]:
    """Sizes that the model can paint, its own first; nothing over *max_side*. *price*: what to say of a size's cost."""
    model = MODELS.get(model_name, MODELS[DEFAULT_MODEL])
    wanted = typed.lower().replace("×", "x").replace(" ", "")
    if shapes := _shapes(wanted):
        found = [(shape, *find_size(shape, model, max_side)) for shape in shapes]
        return [(f"{shape} · {w}x{h}{price(w, h) if price else ''}", shape) for shape, w, h in found]
    offered = [(f"{w}x{h}", shape, w, h) for w, h, shape in _sizes(model, max_side)]
    fitting = [one for one in offered if one[0].startswith(wanted)][:MOST]
    return [(f"{size} {shape}{price(w, h) if price else ''}", size) for size, shape, w, h in fitting]


def _shapes(typed: str) -> list[str]:
    """The shapes that *typed* names or begins."""
    if parse_shape(typed):
        return [typed]
    return [name for name in SHAPES if typed and name.startswith(typed)]


def _sizes(model: Model, max_side: int) -> Iterator[tuple[int, int, str]]:
    yield (*model.size, "usual")
    seen = {model.size}
    most = min(model.largest, max_side)
    for long in range(most, model.smallest - 1, -model.multiple):
        for w, h in _SHAPES:
            size = _scaled(w, h, long, model.multiple)
            if size not in seen and min(size) >= model.smallest:
                seen.add(size)
                yield (*size, _SHAPE_NAMES.get((w, h), f"{w}:{h}"))


def _scaled(w: int, h: int, long: int, multiple: int) -> tuple[int, int]:
    """The size of shape *w*:*h* with the longer side *long*, in multiples."""
    return round(w / max(w, h) * long / multiple) * multiple, round(h / max(w, h) * long / multiple) * multiple


def more(typed: str, method: str, model_name: str) -> list[Suggestion]:
    """``eta=0.5 cu`` → ``eta=0.5 cutouts=``, shown with range and usual value; values are left to the person."""
    done, _, word = typed.replace(",", " ").rpartition(" ")
    name, mark, value = word.partition("=")
    model = MODELS.get(model_name, MODELS[DEFAULT_MODEL])
    chosen = method if method in METHODS else model.methods[0]
    fields = {key: field for key, field in METHODS[chosen].model_fields.items() if key not in ("method", "steps")}
    usual = {key: field.default for key, field in fields.items()} | dict(model.defaults.get(chosen, {}))
    head = f"{done} " if done else ""
    option = next((key for key in CLASSES if key in fields and key.startswith(name)), "") if len(name) > 2 else ""
    named = _classes(f"{head}{option}=", value, model, several=option == "classes") if option else []
    if mark:
        return _cut(named or [(f"{head}{word}", f"{head}{word}")] * bool(value))
    taken = {part.partition("=")[0] for part in done.split()}
    return _cut(
        _profiles(head, name, chosen, taken)
        + [
            (
                f"{key}={option_text(usual[key])} · {_range(field)} · {field.description or ''}",
                f"{head}{key}={option_text(usual[key])}",
            )
            for key, field in fields.items()
            if key.startswith(name) and key not in taken and (key != "class_id" or model.classes)
        ]
        + (named if option not in taken else [])
    )


CLASSES = ("class_id", "classes")
"""Options that name classes of the model; each method has one of them."""


def _classes(start: str, typed: str, model: Model, *, several: bool) -> list[Suggestion]:
    """Classes whose name or number is like *typed*, or like its last part where *several* are joined by “+”."""
    done, plus, word = typed.rpartition("+") if several else ("", "", typed)
    if ":" in word:
        return []
    wanted = class_word(word)
    found = [
        (not known.startswith(wanted), number)
        for number, known in enumerate(map(class_word, model.class_names))
        if wanted in known or str(number) == word
    ]
    named = ((number, typed_class(number, model.class_names)) for _, number in sorted(found)[:MOST])
    return [
        (f"{start}{done}{plus}{text} · class {number}: {model.class_names[number]}", f"{start}{done}{plus}{text}")
        for number, text in named
    ]


EXAMPLES = (
    "steps=[10,25,50]",
    "seed=[1..9]",
    "style=[ink|watercolour|neon]",
    "size=[256x256|384x256]",
    "profile=[draft|disco]",
    "method=[clip_diffusion|pixels]",
)
"""Lists that `/compare values:` offers."""


def lists(typed: str) -> list[Suggestion]:
    """What was typed with its last word completed to an example of a list."""
    head, _, word = typed.rpartition(" ")
    taken = {part.partition("=")[0] for part in head.split()}
    found = [one for one in EXAMPLES if one.startswith(word) and one.partition("=")[0] not in taken]
    texts = [f"{head} {one}".strip() for one in found]
    return _cut([(text, text) for text in dict.fromkeys([*([typed] if typed.strip() else []), *texts])])


def _profiles(head: str, typed: str, method: str, taken: Collection[str]) -> list[Suggestion]:
    """Profiles (named sets of options), once the typed text begins with “profile”."""
    if not typed or not "profile".startswith(typed) or "profile" in taken:
        return []
    return [
        (f"profile={profile.name} · {profile.about} · {profile.teraflops:.0f} TFLOP", f"{head}profile={profile.name}")
        for profile in profiles_of(method)
    ]


def _range(field: FieldInfo) -> str:
    """``0 to 1``, from the field's own limits."""
    low, high = (_limit(field, names) for names in (("ge", "gt"), ("le", "lt")))
    return f"{low:g} to {high:g}" if low is not None and high is not None else option_span(field)


def _limit(field: FieldInfo, names: Collection[str]) -> float | None:
    found: list[Any] = [getattr(rule, name) for rule in field.metadata for name in names if hasattr(rule, name)]
    return found[0] if found else None


def _first_line(options: type[Options]) -> str:
    return (options.__doc__ or "").strip().splitlines()[0].partition(": ")[2].rstrip(".")


def styles(typed: str, known: Iterable[Style], *, none: bool = True) -> list[Suggestion]:
    """Styles whose name or template contains *typed*, and with *none* the word for no style."""
    wanted = folded(typed)
    fitting = [one for one in known if wanted in one.key or wanted in one.template.casefold()]
    fitting.sort(key=lambda one: not one.key.startswith(wanted))
    shown = [(f"{one.name} · {'for larger models · ' * one.large}{_about(one)}", one.name) for one in fitting]
    absent = [(f"{NO_STYLE} – no style", NO_STYLE)] if none and NO_STYLE.startswith(wanted) else []
    return _cut([*shown[: MOST - len(absent)], *absent])


def _about(style: Style) -> str:
    """What the style adds: its template, or its options where the template adds nothing."""
    if style.template != PLACE:
        return style.template
    return " ".join(f"{key}={value}" for key, value in style.options.items())


def _fitting(typed: str, shown: Iterable[Suggestion], unavailable: Mapping[str, str]) -> list[Suggestion]:
    """What matches *typed*, first what can be used here; the rest says why it cannot."""
    wanted = typed.lower().strip()
    fitting = sorted(((t, name) for t, name in shown if wanted in name.lower()), key=lambda one: one[1] in unavailable)
    return _cut(
        [(f"{name} – unavailable: {unavailable[name]}" if name in unavailable else t, name) for t, name in fitting]
    )


def _cut(suggestions: list[Suggestion]) -> list[Suggestion]:
    """As many, and as long, as Discord takes; what is too long to be filled in is not offered."""
    return [(shorten(text, LONGEST), value) for text, value in suggestions if len(value) <= LONGEST][:MOST]


def ways(typed: str, unavailable: Mapping[str, str]) -> list[Suggestion]:
    """Every way that begins to be typed; first what can be used here."""
    shown = [(f"{USUAL} – the defaults of /dream", USUAL)]
    shown += [(f"{profile.name} – {profile.about}", profile.name) for profile in profiles_of("clip_diffusion")]
    shown += [(f"{name} – a method", name) for name in METHODS]
    shown += [(f"{model.name} – {model.title}", model.name) for model in MODELS.values()]
    return _fitting(typed, shown, unavailable) or _cut([(typed, typed)])
