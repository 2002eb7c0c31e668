"""`/film`: what was typed, completed by styles and defaults, becomes one job whose pictures are frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.community.defaults import Defaults, Prepared, Settled, Typed
from bot.interactions.context import Invocation
from bot.models.film import FilmKind, FilmRequest
from bot.text import plain
from engine.film.plan import FilmSettings
from engine.film.scenes import FilmScene
from engine.images.timelapse import check_kind
from engine.requests.prompts import format_prompts, parse_prompts, read_prompts
from engine.requests.request import DreamRequest


class Films:
    def __init__(self, defaults: Defaults) -> None:
        self._defaults = defaults

    async def plan(
        self,
        typed: Typed,
        settings: FilmSettings,
        fps: int,
        file: FilmKind,
        caller: Invocation,
        build: Callable[[Settled], DreamRequest],
    ) -> Prepared[FilmRequest]:
        """The film of the scenes in `typed.prompt`; a style changes every scene. *build* makes the first request.

        Raises PromptError, InvalidRequest or Refused.
        """
        scenes = settings.scenes(typed.prompt)
        check_kind(file)
        settled = [
            await self._defaults.settle(
                replace(typed, prompt=format_prompts(scene.prompts)), caller.user_id, caller.location
            )
            for scene in scenes
        ]
        styled = tuple(
            FilmScene(scene.start, parse_prompts(one.prompt)) for scene, one in zip(scenes, settled, strict=True)
        )
        first = build(settled[0])
        settings.film(first, styled)
        request = FilmRequest(first=first, scenes=styled, settings=settings, source=typed.prompt, fps=fps, file=file)
        read = [note for scene in scenes for note in read_prompts(format_prompts(scene.prompts)).notes]
        return Prepared(request, settled[0].applied, (*dict.fromkeys(map(plain, read)), *settled[0].notes))
