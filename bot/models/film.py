"""A film as a job: its first request and its scenes; every frame starts from the one before it, moved."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from engine.film.plan import Film, FilmSettings
from engine.film.scenes import FilmScene
from engine.images.timelapse import MOST_FPS
from engine.requests.prompts import Prompt
from engine.requests.request import ClipDiffusionOptions, DreamRequest

FilmKind: TypeAlias = Literal[".mp4", ".webp", ".gif"]


class FilmRequest(BaseModel):
    """Picture *i* of the job is frame *i*."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    kind: Literal["film"] = "film"
    first: DreamRequest
    """The request of frame 0: the prompts of the first scene, then those that hold in all scenes."""
    scenes: tuple[FilmScene, ...] = Field(min_length=1)
    settings: FilmSettings
    source: str
    """The prompt as typed."""
    fps: int = Field(ge=1, le=MOST_FPS)
    file: FilmKind

    @property
    def film(self) -> Film:
        return self.settings.film(self.first, self.scenes)

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        return self.first.prompts

    @property
    def texts(self) -> tuple[Prompt, ...]:
        """The prompts of all scenes, each once."""
        return tuple(dict.fromkeys(prompt for scene in self.scenes for prompt in scene.prompts))

    @property
    def seed(self) -> int:
        return self.first.seed

    @property
    def count(self) -> int:
        return self.settings.frames

    @property
    def images(self) -> tuple[str, ...]:
        """SHA-256 of the pictures that it starts from or aims at."""
        return self.first.images

    @property
    def seconds(self) -> float:
        return self.count / self.fps

    @property
    def cost(self) -> float:
        first, later = frame_costs(self)
        return first + (self.count - 1) * later

    def with_first(self, first: DreamRequest) -> FilmRequest:
        """The same with another first request. Raises InvalidRequest where no film can be made of it."""
        changed = self.model_copy(update={"first": first})
        changed.settings.film(first, self.scenes)
        return changed


@lru_cache(maxsize=64)
def frames_of(request: FilmRequest) -> tuple[DreamRequest, ...]:
    """The request of every frame; later ones lack the picture that they start from."""
    film = request.film
    later = film.asked(1)
    return (
        film.asked(0),
        *(
            later.model_copy(update={"prompts": film.story.prompts_at(i), "seed": film.seed(i), "init_image": ""})
            for i in range(1, film.frames)
        ),
    )


@lru_cache(maxsize=64)
def frame_costs(request: FilmRequest) -> tuple[float, float]:
    """Units of the first frame and of each later one; skipped steps cost nothing."""
    first, later = frames_of(request)[:2]
    return _cost(first), _cost(later)


def _cost(request: DreamRequest) -> float:
    options = request.options
    skipped = options.skip_steps if isinstance(options, ClipDiffusionOptions) else 0
    return request.cost * (options.steps - skipped) / options.steps
