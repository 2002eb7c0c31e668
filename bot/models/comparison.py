"""Requests of jobs: one engine request, or a comparison of several; both are a sequence of parts.

A comparison renders one prompt with one seed in two to four ways. The engine gets every way as a separate request.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
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
        return self.ways[0].request.prompts

    @property
    def seed(self) -> int:
        return self.ways[0].request.seed

    @property
    def count(self) -> int:
        return len(self.ways)

    @property
    def images(self) -> tuple[str, ...]:
        """SHA-256 of every picture that one of the ways needs beside it."""
        return tuple(dict.fromkeys(sha for way in self.ways for sha in way.request.images))

    @property
    def cost(self) -> float:
        return sum(way.request.cost for way in self.ways)

    def with_seed(self, seed: int) -> Comparison:
        ways = (way.model_copy(update={"request": way.request.model_copy(update={"seed": seed})}) for way in self.ways)
        return self.model_copy(update={"ways": tuple(ways)})


Asked: TypeAlias = Request | Comparison
"""The request of a job."""


@dataclass(frozen=True, slots=True)
class Part:
    """An engine request of a job. *first*: index of its first picture in the job; *label*: the way's name, or empty."""

    request: Request
    first: int = 0
    label: str = ""

    @property
    def indices(self) -> range:
        return range(self.first, self.first + self.request.count)


def parts_of(request: Asked) -> tuple[Part, ...]:
    """One part per way of a comparison, else one."""
    if isinstance(request, Comparison):
        return tuple(Part(way.request, index, way.label) for index, way in enumerate(request.ways))
    return (Part(request),)


def picture_of(request: DreamRequest, index: int) -> DreamRequest:
    return request.model_copy(update={"seed": request.seed + index, "count": 1})


@contextmanager
def named(label: str) -> Iterator[None]:
    """Prefix errors with *label* if there is one; an error in the prompt concerns all parts and gets no prefix."""
    try:
        yield
    except PromptError:
        raise
    except DreamError as error:
        if label:
            error.args = (f"{label}: {error}",)
        raise


def share_of(request: Asked, indices: Collection[int]) -> float:
    """The share (0…1) of the cost of *request* that its pictures *indices* cost."""
    parts = parts_of(request)
    if len(parts) == 1:
        return min(len(indices) / request.count, 1.0)
    return min(sum(part.request.cost for part in parts if part.first in indices) / request.cost, 1.0)


_PARSED: dict[str, Asked] = {}
"""Stored form → request, of the most recent ones: parsing is expensive, and requests are immutable."""
_REMEMBERED = 1000
_LOCK = Lock()


def asked_to_json(request: Asked) -> str:
    """The stored form; `asked_from_json` reads it back."""
    raw = request.model_dump_json() if isinstance(request, Comparison) else request_to_json(request)
    _remember(raw, request)
    return raw


def asked_from_json(raw: str) -> Asked:
    """Parse the stored form of any version. Raises InvalidRequest."""
    if (known := _PARSED.get(raw)) is not None:
        return known
    request = _parse(raw)
    _remember(raw, request)
    return request


def _remember(raw: str, request: Asked) -> None:
    with _LOCK:
        while len(_PARSED) >= _REMEMBERED:
            del _PARSED[next(iter(_PARSED))]
        _PARSED[raw] = request


def _parse(raw: str) -> Asked:
    try:
        if json.loads(raw).get("kind") == "compare":
            return Comparison.model_validate_json(raw)
    except (ValueError, AttributeError, ValidationError) as error:
        raise InvalidRequest("This comparison was stored by another version.") from error
    return request_from_json(raw)
