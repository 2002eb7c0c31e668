"""Pre-training of the diffusion model's reader: to name what a caption says.

Denoising teaches it too, but slowly: most of a picture's error does not depend on which thing the caption names. Half a
minute of naming leaves hidden layers from which kind, colour, size and place are read by one matrix, and the net begins
with that.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.primer.conditions import TextReader
from engine.primer.captions.parsing import UnpaintableCaption, parse_scene
from engine.primer.painter.scenes import COLOURS, KINDS, PLACES, POSITIONS, RELATIONS, STYLES, TIMES, Scene, Thing

_SIZES = ("small", "medium", "big")
_COUNTS = ("1", "2", "3", "4", "5")
_THING = (KINDS, COLOURS, _SIZES, POSITIONS, _COUNTS)
QUESTIONS: tuple[tuple[str, ...], ...] = (*_THING, *_THING, RELATIONS, COLOURS, COLOURS, PLACES, TIMES, STYLES)
"""What is asked of a caption, and the answers that there are; one more stands for "it has none"."""
_BATCH = 256
_MOST_LESSONS = 3000
_ROUNDS = 30


def answers(caption: str) -> list[int]:
    """Return the right answer to each of QUESTIONS. Raises UnpaintableCaption."""
    scene = parse_scene(caption)
    first, second = (*scene.things, None, None)[:2]
    said = (*_describe(first), *_describe(second), *_surroundings(scene))
    return [known.index(word) if word in known else len(known) for known, word in zip(QUESTIONS, said, strict=True)]


def _describe(thing: Thing | None) -> tuple[str, ...]:
    if thing is None:
        return ("",) * len(_THING)
    return thing.kind, thing.colour, thing.size, thing.position, str(thing.count)


def _surroundings(scene: Scene) -> tuple[str, ...]:
    above, below = (*scene.background, "", "")[:2]
    return scene.relation, above, below, scene.place, scene.time, scene.style


def teach_reading(reader: TextReader, contexts: Tensor, captions: Sequence[str], seed: int = 0) -> float:
    """Train the body of *reader* on *captions* and their embeddings [N, D]; its last layer stays as it is.

    Captions that the parser cannot follow are passed over. Returns the share of single things named rightly in the last
    lessons, 0 to 1.
    """
    rows, right = _exercises(captions)
    if not len(rows):
        return 0.0
    width = reader.out.in_features
    ask = nn.ModuleList(nn.Linear(width, len(known) + 1) for known in QUESTIONS)
    lessons = min(_MOST_LESSONS, max(1, _ROUNDS * len(rows) // _BATCH))
    weights = [*reader.body.parameters(), *ask.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, lessons)
    generator = torch.Generator().manual_seed(seed)
    named = 0.0
    for _ in range(lessons):
        some = torch.randint(len(rows), (_BATCH,), generator=generator)
        hidden = reader.norm(reader.body(contexts[rows[some]].float() * contexts.shape[1] ** 0.5))
        given = [question(hidden) for question in ask]
        losses = [F.cross_entropy(answer, right[some, i]) for i, answer in enumerate(given)]
        optimizer.zero_grad(set_to_none=True)
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        named += 0.05 * (float((given[0].argmax(1) == right[some, 0]).float().mean()) - named)
    keep_reading(reader)
    return named


def keep_reading(reader: TextReader) -> None:
    """Freeze the body: the first, noisy gradients of denoising would silence its layers."""
    reader.body.requires_grad_(False)


def _exercises(captions: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Return the rows of captions that can be parsed, [M], and their answers, [M, questions]."""
    rows, right = [], []
    for row, caption in enumerate(captions):
        try:
            right.append(answers(caption))
        except UnpaintableCaption:
            continue
        rows.append(row)
    return torch.tensor(rows, dtype=torch.long), torch.tensor(right, dtype=torch.long)
