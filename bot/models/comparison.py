"""The same words and the same seed, painted in several ways: one job, a picture for each way, part by part.

The engine knows nothing of it: every way crosses as a request of its own (`bot.requests.batches`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import DreamError, InvalidRequest, PromptError
from engine.protocol.messages import Request
from engine.requests.prompts import Prompt
from engine.requests.request import DreamRequest, request_from_json, request_to_json

PLACES = ("first", "second", "third", "fourth")
"""What the ways are called before they have names."""
MOST = len(PLACES)


class Way(BaseModel):
    """One way to paint it, and what people call it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    request: DreamRequest


class Comparison(BaseModel):
    """The ways, in the order in which they were named. Picture *i* is painted in way *i*."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    kind: Literal["compare"] = "compare"
    ways: tuple[Way, ...] = Field(min_length=2, max_length=MOST)

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """What all of them are painted from."""
        return self.ways[0].request.prompts

    @property
    def seed(self) -> int:
        """Of each of them."""
        return self.ways[0].request.seed

    @property
    def count(self) -> int:
        """Pictures that come out."""
        return len(self.ways)

    @property
    def images(self) -> tuple[str, ...]:
        """SHA-256 of every picture that one of the ways needs beside it."""
        return tuple(dict.fromkeys(sha for way in self.ways for sha in way.request.images))

    @property
    def cost(self) -> float:
        """Of all ways together, in units."""
        return sum(way.request.cost for way in self.ways)

    def with_seed(self, seed: int) -> Comparison:
        """The same ways with another seed."""
        ways = (way.model_copy(update={"request": way.request.model_copy(update={"seed": seed})}) for way in self.ways)
        return self.model_copy(update={"ways": tuple(ways)})


Asked: TypeAlias = Request | Comparison
"""All that a person can ask for."""


@contextmanager
def named(label: str) -> Iterator[None]:
    """What is refused inside is said of the way *label*."""
    try:
        yield
    except PromptError:  # which is about the words, and so about all of them
        raise
    except DreamError as error:
        error.args = (f"{label}: {error}",)
        raise


def share_of(request: Asked, indices: Collection[int]) -> float:
    """Which part (0…1) of what *request* costs these of its pictures cost."""
    if not isinstance(request, Comparison):
        return min(len(indices) / request.count, 1.0)
    return min(sum(way.request.cost for index, way in enumerate(request.ways) if index in indices) / request.cost, 1.0)


def asked_to_json(request: Asked) -> str:
    """The stored form; `asked_from_json` reads it back."""
    return request.model_dump_json() if isinstance(request, Comparison) else request_to_json(request)


def asked_from_json(raw: str) -> Asked:
    """Read what is stored, of any version; raises InvalidRequest in words."""
    try:
        if json.loads(raw).get("kind") == "compare":
            return Comparison.model_validate_json(raw)
    except (ValueError, AttributeError, ValidationError) as error:
        raise InvalidRequest("This comparison was stored by another version.") from error
    return request_from_json(raw)
