"""Captions of a scene: short, whole or in part; and captions that are wrong in exactly one respect.

A caption is a scene put into words by a plan. The hard negative is another scene, changed in one respect that the
plan tells, put into words by the same plan.
"""

from __future__ import annotations

import numpy as np

from engine.primer.captions.contradictions import contradict
from engine.primer.captions.wording import Plan, put
from engine.primer.painter.scenes import NATURAL_COLOUR, Scene

MAX_WORDS = 22
_IMPORTANT = ("style", "colour", "size", "position", "count", "background", "place", "time", "relation", "articles")


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """Return a caption of at most `MAX_WORDS` words: usually all that matters, sometimes a part."""
    return put(scene, plan(scene, rng))


def caption_pair(scene: Scene, rng: np.random.Generator) -> tuple[str, str]:
    """Return what `caption` returns, and its hard negative: the two colours swapped, or one told respect replaced."""
    chosen = plan(scene, rng)
    return put(scene, chosen), put(contradict(scene, chosen, rng), chosen)


def describe(scene: Scene) -> str:
    """Return the caption that tells everything that can be told."""
    return put(scene, Plan(frozenset((*_IMPORTANT, "extras", "starry", "position")), 0))


def plan(scene: Scene, rng: np.random.Generator) -> Plan:
    """Draw which respects to tell. At least one thing, place or background is always told."""
    form, luck = int(rng.integers(1 << 30)), rng.random(12)
    tells = set(_IMPORTANT)
    if luck[0] < 0.08:
        tells = {"relation", "count"} if scene.things else {"place", "background"}
    elif luck[0] < 0.24:
        tells = {respect for respect, roll in zip(_IMPORTANT, luck[2:], strict=True) if roll < 0.6}
    if luck[1] < 0.5:
        tells.add("extras")
    if luck[2] < 0.12:
        tells.discard("articles")
    if luck[3] < 0.35 and all(thing.colour == NATURAL_COLOUR.get(thing.kind, "") for thing in scene.things):
        tells.discard("colour")
    if scene.time == "day" and luck[4] < 0.75:
        tells.discard("time")
    if scene.place == "sky" and luck[5] < 0.3 and scene.things:
        tells.discard("place")
    if scene.style == "ink":  # an ink drawing has no colours to speak of
        tells -= {"colour", "background"} if scene.things else {"colour"}
    if luck[6] < 0.5:
        tells.add("starry")
    return Plan(frozenset(_with_a_subject(scene, tells)), form)


def _with_a_subject(scene: Scene, tells: set[str]) -> set[str]:
    if not scene.things:
        tells.add("place" if scene.place else "background")
    return tells
