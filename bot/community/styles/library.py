"""Styles: saving, finding, applying and deleting templates. A server sees its own styles and the shipped ones."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.community.styles.starters import STARTERS, SYNONYMS
from bot.errors import NotAllowed, Refused
from bot.models.job import new_job_id
from bot.models.style import NO_STYLE, PLACE, Style, folded
from bot.policy.server_rules import PromptLineage
from bot.storage import Store
from bot.text import in_one_line, plain
from engine.errors import DreamError
from engine.requests.prompts import MAX_PARTS, MAX_PROMPT, Prompt, format_prompts, parse_prompts
from engine.requests.request import build_request, parse_settings

MAX_STYLES = 100
"""Saved styles of one server."""
MAX_OWN = 25
"""Saved styles of one person in one server."""
MAX_NAME = 32
MAX_TEMPLATE = 500
MAX_OPTIONS = 300
_RESERVED = frozenset({NO_STYLE, "usual", "all"})
_NAME = re.compile(r"[^\W_](?:[\w '’.+-]*[^\W_])?", re.UNICODE)
_NOT_IN_A_STYLE = ("seed", "count")
_OF_REQUEST = ("model", "method", "size", "steps")


class Styles:
    """*clock* is unix seconds."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def all(self, server_id: int | None) -> list[Style]:
        """The styles of a server with the shipped ones: most stars first, then most uses."""
        saved = await self._store.styles.of_server(server_id) if server_id else []
        uses, stars = await self._store.styles.counts(server_id) if server_id else ({}, {})
        shipped = [replace(s, uses=uses.get(key, 0), stars=stars.get(key, 0)) for key, s in STARTERS.items()]
        return sorted([*saved, *shipped], key=lambda one: (-one.stars, -one.uses, one.starter, one.large))

    async def find(self, server_id: int | None, name: str) -> Style:
        """The style of that name. Raises Refused with the nearest name."""
        key = folded(name)
        key = SYNONYMS.get(key, key)
        if (style := STARTERS.get(key)) is not None:
            return await self._counted(server_id, style)
        if server_id and (style := await self._store.styles.find(server_id, key)) is not None:
            return style
        known = {one.key: one.name for one in await self.all(server_id)}
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        hint = f" Did you mean “{plain(known[near[0]])}”?" if near else " `/style list` shows all styles."
        raise Refused(f"Unknown style “{plain(name[:MAX_NAME])}”.{hint}")

    async def by_id(self, server_id: int | None, style_id: str) -> Style:
        """The style of a button. Raises Refused for a deleted style, and for a style of another server."""
        for style in STARTERS.values():
            if style.id == style_id:
                return await self._counted(server_id, style)
        found = await self._store.styles.by_id(server_id, style_id) if server_id else None
        if found is None:
            raise Refused("This style was deleted.")
        return found

    async def save(
        self,
        server_id: int,
        user_id: int,
        name: str,
        template: str,
        negative: str,
        options: str,
        check: Callable[[PromptLineage], None],
    ) -> Style:
        """Save a new style. *check* raises BlockedWords for texts that are not allowed here.

        Raises Refused for an invalid or known name and beyond the limits, PromptError or InvalidRequest for the rest.
        """
        style = Style(
            id=new_job_id(),
            name=check_name(name),
            template=check_template(template),
            negative=in_one_line(negative),
            options=check_options(options),
            author=user_id,
            created_at=self._clock(),
        )
        check(PromptLineage((style.name, *_texts(style.template))))
        _try(style)
        if style.key in STARTERS or style.key in SYNONYMS:
            raise Refused(f"“{plain(style.name)}” is a style that every server has. Choose another name.")
        async with self._store.transaction() as session:
            known = await self._store.styles.of_server(server_id, session)
            if twin := next((one for one in known if one.key == style.key), None):
                raise Refused(f"This server already has a style “{plain(twin.name)}”. Choose another name.")
            if len(known) >= MAX_STYLES:
                raise Refused(f"This server has {MAX_STYLES} styles, which is the limit. Delete one first.")
            if sum(one.author == user_id for one in known) >= MAX_OWN:
                raise Refused(f"You have saved {MAX_OWN} styles here, which is the limit. Delete one first.")
            await self._store.styles.insert(session, server_id, style)
        return style

    async def delete(self, server_id: int, name: str, user_id: int, *, moderator: bool) -> Style:
        """Delete a style. Raises Refused for an unknown or shipped one, NotAllowed for another person's."""
        style = await self.find(server_id, name)
        if style.starter:
            raise Refused("Styles that come with the bot cannot be deleted.")
        if style.author != user_id and not moderator:
            raise NotAllowed("Only its author or a moderator can delete this style.")
        async with self._store.transaction() as session:
            if not await self._store.styles.delete(session, server_id, style.key):
                raise Refused("This style was deleted.")
        return style

    async def turn_star(self, server_id: int, style: Style, user_id: int) -> bool:
        """Star a style, or take the star back; returns whether it is starred now. Raises Refused for one's own."""
        if style.author == user_id:
            raise Refused("You cannot star your own style.")
        async with self._store.transaction() as session:
            return await self._store.styles.turn_star(session, server_id, style.key, user_id)

    async def _counted(self, server_id: int | None, style: Style) -> Style:
        if not server_id:
            return style
        uses, stars = await self._store.styles.counts(server_id)
        return replace(style, uses=uses.get(style.key, 0), stars=stars.get(style.key, 0))


def check_name(name: str) -> str:
    """*name* with plain blanks. Raises Refused."""
    shown = " ".join(unicodedata.normalize("NFKC", name).split())
    if not 1 <= len(shown) <= MAX_NAME or not _NAME.fullmatch(shown):
        raise Refused(f"A style's name has up to {MAX_NAME} letters, digits, spaces and hyphens.")
    if folded(shown) in _RESERVED:
        raise Refused(f"“{shown}” is reserved. Choose another name.")
    return shown


def check_template(template: str) -> str:
    """*template* with one place for the prompt: ``oil on canvas`` → ``{prompt}, oil on canvas``. Raises Refused."""
    text = in_one_line(template)
    if len(text) > MAX_TEMPLATE:
        raise Refused(f"The template has {len(text)} characters; the limit is {MAX_TEMPLATE}.")
    if text.count(PLACE) > 1:
        raise Refused(f"A template must contain {PLACE} exactly once.")
    if PLACE not in text:
        text = f"{PLACE}, {text}" if text else PLACE
    if any(part.weight < 0 for part in parse_prompts(text) if PLACE in part.text):
        raise Refused(f"The part with {PLACE} needs a positive weight.")
    return text


def check_options(text: str) -> dict[str, str]:
    """``method=pixels steps=40`` → options by name. Raises InvalidRequest or Refused."""
    if len(text) > MAX_OPTIONS:
        raise Refused(f"The options have {len(text)} characters; the limit is {MAX_OPTIONS}.")
    options = parse_settings(text)
    if found := next((key for key in _NOT_IN_A_STYLE if key in options), ""):
        raise Refused(f"A style cannot set {found}; each picture has its own.")
    if "steps" in options and not (options["steps"].isdecimal() and 1 <= len(options["steps"]) <= 4):
        raise Refused(f"steps must be a whole number, for example “steps=40”, not “{plain(options['steps'])}”.")
    return options


def styled(style: Style, prompt: str) -> str:
    """The prompt inside the template. Each part with a positive weight takes the place of ``{prompt}``.

    >>> styled(Style("ink", "ink", "{prompt}, ink | paper:0.5"), "an owl:2 | fog:-0.5")
    'an owl, ink:2 | fog:-0.5 | paper:0.5'

    Raises PromptError for an invalid prompt, Refused for one that the template makes too long.
    """
    parts, frame = parse_prompts(prompt), parse_prompts(style.template)
    place = next(part for part in frame if PLACE in part.text)
    made = [_inside(part, place) if part.weight > 0 else part for part in parts]
    made += [part for part in frame if part is not place]
    length = sum(len(part.text) for part in made)
    if length > MAX_PROMPT or len(made) > MAX_PARTS:
        what = f"{len(made)} parts" if len(made) > MAX_PARTS else f"{length} characters"
        most = MAX_PARTS if len(made) > MAX_PARTS else MAX_PROMPT
        raise Refused(f"With the style “{plain(style.name)}” the prompt has {what}; the limit is {most}.")
    return format_prompts(made)


def _inside(part: Prompt, place: Prompt) -> Prompt:
    text = place.text.replace(PLACE, part.text)
    if len(text) > MAX_PROMPT:
        raise Refused(f"With this style the prompt has {len(text)} characters; the limit is {MAX_PROMPT}.")
    return part.model_copy(update={"text": text, "weight": part.weight * place.weight})


def method_options(options: Mapping[str, str]) -> dict[str, str]:
    """The options of a style beside model, method, size and steps."""
    return {key: value for key, value in options.items() if key not in _OF_REQUEST}


def _texts(template: str) -> tuple[str, ...]:
    """What a template adds to prompts."""
    return tuple(part.text.replace(PLACE, " ") for part in parse_prompts(template) if part.weight > 0)


def _try(style: Style) -> None:
    """Raise what `/dream` would raise for the style with a short prompt."""
    options = style.options
    try:
        build_request(
            styled(style, "an owl"),
            negative=style.negative,
            model=options.get("model", ""),
            method=options.get("method", ""),
            size=options.get("size", ""),
            steps=int(options["steps"]) if "steps" in options else None,
            settings=method_options(options),
        )
    except DreamError as error:
        if not isinstance(error, Refused):
            error.args = (f"This style does not work: {error}",)
        raise
