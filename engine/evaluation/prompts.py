"""Evaluates the small model on held-out captions, painted by the real method. The judges never guide.

The grader measures whether a picture retrieves its caption among 64. The classifier measures whether it shows the named
thing. Pairs of prompts with a negative part measure whether the negative part disappears.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.errors import InvalidRequest
from engine.evaluation.figures import Mean, Share, mean, r_precision
from engine.images.tensors import to_tensor
from engine.loaders.checkpoint import PRIMER_WEIGHTS, read_checkpoint
from engine.methods import Finished, State, find_method
from engine.nets.primer.classifier import Answers, build_classifier
from engine.perceptors.perceptor_loader import load_perceptor
from engine.primer.captions.captions import caption
from engine.primer.captions.parsing import parse_scene
from engine.primer.painter.painter import paint
from engine.primer.painter.scenes import COLOURS, Domain, Scene
from engine.primer.tasks.classifier import WHOLE, halves
from engine.primer.tasks.dataset import scene_at
from engine.primer.vocabulary import CANONICAL, split_terms, tokenise
from engine.protocol.messages import Job
from engine.requests.request import DreamRequest, build_request
from engine.runtime.runtime import Runtime
from engine.upscalers import find_upscaler

HELD_OUT_SERIES = 990
"""Series of the painter that no net was trained on."""
AMONG = 64
MODES: Mapping[str, Mapping[str, str]] = {
    "default": {},
    "clip": {"cfg_scale": "0", "clip_guidance_scale": "5000", "shift_max": "0.4"},
    "cfg": {"clip_guidance_scale": "0"},
    "none": {"cfg_scale": "0", "clip_guidance_scale": "0"},
}
"""Modes of guidance: both, CLIP alone (with a higher scale), text conditioning alone, none."""


@dataclass(frozen=True, slots=True)
class Question:
    """One held-out caption, the scene that it was made of, and the kind that it names, if it names a single thing."""

    text: str
    scene: Scene
    index: int
    kind: str


def questions(count: int, domain: Domain = "full", series: int = HELD_OUT_SERIES) -> list[Question]:
    """Return *count* captions; in every group of 64 all differ in their tokens."""
    if count % AMONG:
        raise InvalidRequest(f"{count} captions do not make groups of {AMONG}; {count // AMONG * AMONG or AMONG} do.")
    found: list[Question] = []
    seen: set[tuple[int, ...]] = set()
    index = 0
    while len(found) < count:
        scene = scene_at(series, index, domain)
        text = caption(scene, np.random.default_rng([series, index, 1]))
        if len(found) % AMONG == 0:
            seen = set()
        if (tokens := tuple(tokenise(text))) not in seen:
            seen.add(tokens)
            found.append(Question(text, scene, index, _named_kind(scene, text)))
        index += 1
    return found


def _named_kind(scene: Scene, text: str) -> str:
    alone = len(scene.things) == 1 and scene.things[0].count == 1
    return scene.things[0].kind if alone and scene.things[0].kind in map(CANONICAL.get, split_terms(text)) else ""


def dream(
    prompts: Sequence[str],
    runtime: Runtime,
    settings: Mapping[str, str],
    *,
    method: str = "",
    model: str = "",
    batch: int = 16,
    seed: int = 0,
) -> Iterator[Image.Image]:
    """Paint every prompt with the real method, picture i with the seed *seed* + i, at the net's own size, in order."""
    for start in range(0, len(prompts), batch):
        requests = [
            build_request(prompt, method=method, model=model, seed=seed + start + i, settings=settings)
            for i, prompt in enumerate(prompts[start : start + batch])
        ]
        yield from _paint(requests, runtime)


def _paint(requests: Sequence[DreamRequest], runtime: Runtime) -> list[Image.Image]:
    method = find_method(requests[0].method)
    states: list[State] = []
    for i, request in enumerate(requests):
        method.load(request, runtime)
        states += method.begin(Job(str(i), 1, "bench", request), {}, runtime)
    images: dict[str, Image.Image] = {}
    while states:
        lane = method.batch_key(states[0])
        together = [state for state in states if method.batch_key(state) == lane]
        for state, step in zip(together, method.advance(together, runtime), strict=True):
            if isinstance(step, Finished):
                images[state.job_id] = step.image
        states = [state for state in states if state.step < state.steps]
    return [images[str(i)] for i in range(len(requests))]


def enlarged(images: Sequence[Image.Image], runtime: Runtime, scale: int = 4) -> list[Image.Image]:
    """Enlarge pictures with the small upscaler, as the bot does."""
    upscaler = find_upscaler("primer")
    upscaler.load(None, runtime)
    done = []
    for i, image in enumerate(images):
        state, step = upscaler.enlarge("bench", i, image, scale, runtime), None
        while not isinstance(step, Finished):
            (step,) = upscaler.advance([state], runtime)
        done.append(step.image)
    return done


class Judges:
    """The grader and the classifier, as installed. Raises WeightsError."""

    def __init__(self, runtime: Runtime) -> None:
        self._grader = load_perceptor("primer-grader", runtime)
        checkpoint = read_checkpoint(PRIMER_WEIGHTS / "classifier.safetensors")
        self._classifier = build_classifier(checkpoint.flags)
        checkpoint.fill(self._classifier)
        self._classifier.eval().to(runtime.device)
        self._device = runtime.device
        self.classes = self._classifier.classes

    def texts(self, texts: Sequence[str]) -> Tensor:
        return self._grader.encode_text(texts).cpu()

    @torch.no_grad()
    def images(self, images: Sequence[Image.Image]) -> Tensor:
        """Embed pictures: [N, D] unit vectors."""
        batches = torch.split(torch.stack([to_tensor(image) for image in images]), 64)
        return torch.cat([self._grader.encode_image(batch.to(self._device)).cpu() for batch in batches])

    @torch.no_grad()
    def answers(self, images: Sequence[Image.Image], part: int = WHOLE) -> Answers:
        """Return the classifier's logits for each picture, or for one half of each (see `classifier.halves`)."""
        stacked = torch.stack([to_tensor(image) for image in images])
        seen = halves(stacked, torch.full((len(stacked),), part))
        found = [self._classifier(batch.to(self._device)) for batch in torch.split(seen, 64)]
        return Answers(*(torch.cat(logits).cpu() for logits in zip(*found, strict=True)))

    def is_named(self, answers: Answers, kinds: Sequence[str], among: int = 1) -> list[bool]:
        """Whether each kind is among the classifier's first *among* guesses."""
        first = answers.kinds.topk(among, dim=1).indices.tolist()
        return [kind in [self.classes[i] for i in guesses] for kind, guesses in zip(kinds, first, strict=True)]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judges' results for one mode of painting all questions."""

    precision: Share
    named: Share
    among_five: Share
    similarity: Mean

    def __str__(self) -> str:
        return (
            f"own caption first of {AMONG}: {self.precision}   names the thing: {self.named}   "
            f"among five: {self.among_five}   fits: {self.similarity}"
        )


def verdict(asked: Sequence[Question], images: Sequence[Image.Image], judges: Judges) -> Verdict:
    seen, texts = judges.images(images), judges.texts([question.text for question in asked])
    single = [i for i, question in enumerate(asked) if question.kind]
    answers = judges.answers([images[i] for i in single])
    kinds = [asked[i].kind for i in single]
    named, among_five = (Share(sum(judges.is_named(answers, kinds, n)), len(kinds)) for n in (1, 5))
    return Verdict(r_precision(seen, texts, AMONG), named, among_five, mean((seen * texts).sum(dim=1)))


def painted(asked: Sequence[Question]) -> list[Image.Image]:
    """Return the painter's own pictures of the questions' scenes: the upper bound."""
    return [Image.fromarray(paint(question.scene, 64, question.index)) for question in asked]


@dataclass(frozen=True, slots=True)
class Removal:
    """The effect of a negative part: how far the removed text falls, and the share that the wanted one keeps."""

    fall: Mean
    kept: float

    def __str__(self) -> str:
        return f"the removed text falls by {self.fall}, {self.kept:.0%} of the wanted one stays"


@dataclass(frozen=True, slots=True)
class Pair:
    """A wanted prompt, a part of it that is removed, and the prompt with another background instead."""

    wanted: str
    removed: str
    replaced: str


def removal(count: int, weight: float, runtime: Runtime, judges: Judges, settings: Mapping[str, str]) -> Removal:
    """Things on coloured backgrounds, with and without “<colour> background” pushed away by *weight*, from equal seeds.

    A hard case: the wanted prompt names what is pushed away, so a part of it must go too.
    """
    pairs = [background_pair(i) for i in range(count)]
    plain = list(dream([pair.wanted for pair in pairs], runtime, settings))
    pushed = list(dream([f"{pair.wanted} | {pair.removed}:{weight:g}" for pair in pairs], runtime, settings))
    return _removed(pairs, plain, pushed, judges)


def replacement(count: int, judges: Judges) -> Removal:
    """The same for the painter's own pictures, repainted on another background: a removal that changes nothing else."""
    pairs = [background_pair(i) for i in range(count)]
    before, after = (
        [Image.fromarray(paint(parse_scene(text), 64, i)) for i, text in enumerate(texts)]
        for texts in ([pair.wanted for pair in pairs], [pair.replaced for pair in pairs])
    )
    return _removed(pairs, before, after, judges)


def _removed(
    pairs: Sequence[Pair], plain: Sequence[Image.Image], pushed: Sequence[Image.Image], judges: Judges
) -> Removal:
    before, after = judges.images(plain), judges.images(pushed)
    wanted, removed = judges.texts([pair.wanted for pair in pairs]), judges.texts([pair.removed for pair in pairs])
    fall = (before * removed).sum(dim=1) - (after * removed).sum(dim=1)
    kept = float((after * wanted).sum() / (before * wanted).sum())
    return Removal(mean(fall), kept)


def background_pair(index: int) -> Pair:
    """Return pair *index* of a thing and a background of different colours."""
    rng = np.random.default_rng([HELD_OUT_SERIES, 7, index])
    thing, background = rng.choice(COLOURS, 2, replace=False)
    kind = rng.choice(("circle", "star", "heart", "owl", "house", "balloon", "fish", "cat"))
    other = rng.choice([colour for colour in COLOURS if colour not in (thing, background)])
    wanted, replaced = (f"a {thing} {kind} on a {colour} background" for colour in (background, other))
    return Pair(wanted, f"{background} background", replaced)


def domain_named(name: str) -> Domain:
    """Return the painter's domain of that name. Raises InvalidRequest."""
    if name not in get_args(Domain):
        raise InvalidRequest(f"There is no domain “{name}”; available: {', '.join(get_args(Domain))}.")
    return cast(Domain, name)


def mode_settings(name: str) -> Mapping[str, str]:
    """Return the options of a mode; "real" has none. Raises InvalidRequest."""
    if name not in MODES and name != "real":
        raise InvalidRequest(f"There is no mode “{name}”; available: {', '.join(MODES)} and real.")
    return MODES.get(name, {})
