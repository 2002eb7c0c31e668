"""Embeds prompts into targets: unit vectors that attract or repel the embeddings of cutouts; and scores images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.guidance.cutouts import CutRecipe, cut, draw_cuts
from engine.images.opening import open_own
from engine.images.tensors import noise, to_signed, to_tensor, to_unit
from engine.perceptors.perceptor import Perceptor
from engine.requests.prompts import Prompt
from engine.requests.request import DreamRequest

FEWEST = 4
FUZZY_COPIES = 25
"""Noisy copies of each prompt, as in Disco Diffusion."""
LARGEST = 1024


@dataclass(frozen=True, slots=True)
class Targets:
    """P unit vectors and their weights, which add up to 1 or -1.

    Padded with zeros to 4, 8, 16, … so that requests with few and fewer prompts can share a pass.
    """

    vectors: Tensor
    """[P, D]."""
    weights: Tensor
    """[P]."""
    stops: Tensor | None = None
    """[P]: `Prompt.stop`, minus infinity for none; None if no prompt has one."""

    @property
    def positive(self) -> Tensor:
        """The unit vector of the weighted sum of all targets with a positive weight: [D]; 0 without one."""
        return F.normalize(self.weights.clamp_min(0) @ self.vectors, dim=-1)

    @property
    def negative(self) -> Tensor:
        """The same for targets with a negative weight."""
        return F.normalize(-self.weights.clamp_max(0) @ self.vectors, dim=-1)

    @property
    def negative_ratio(self) -> float:
        """Sum of the negative weights over the sum of the positive ones: 0 or infinite if either is missing."""
        above, below = float(self.weights.clamp_min(0).sum()), float(-self.weights.clamp_max(0).sum())
        return below / above if above else math.inf


def make_targets(
    perceptor: Perceptor,
    prompts: Sequence[Prompt],
    pictures: Mapping[str, Tensor],
    recipe: CutRecipe,
    directions: Sequence[tuple[int, float]] = (),
    fuzzy: float = 0.0,
) -> Targets:
    """Embed every prompt. *pictures*: SHA-256 → [3, H, W] in [0, 1]; a picture becomes as many targets as it has cuts.

    *directions*: seeds and weights of random vectors that are targets as well ("noise prompts"). *fuzzy*: length of
    the noise in each of the `FUZZY_COPIES` that replace a prompt, over the length of its embedding.

    Weights are divided by the absolute value of their sum, as in all tools of this family: so `a:2|b:2` is `a|b`.
    """
    vectors, weights, stops = list[Tensor](), list[Tensor](), list[float]()
    for number, prompt in enumerate(prompts):
        found = _embed(perceptor, prompt, pictures, recipe)
        found = _blurred(found, fuzzy, number) if fuzzy else found
        vectors.append(found)
        stops += [-math.inf if prompt.stop is None else prompt.stop] * len(found)
        weights.append(torch.full((len(found),), prompt.weight / len(found), device=found.device))
    for seed, weight in directions:
        vectors.append(F.normalize(noise(seed, 0, 0, "direction", (1, perceptor.dim)), dim=-1).to(vectors[0]))
        weights.append(torch.full((1,), weight, device=vectors[0].device))
    all_weights = torch.cat(weights)
    stops += [-math.inf] * (len(all_weights) - len(stops))
    stopped = torch.tensor(stops).to(all_weights) if any(stop > -math.inf for stop in stops) else None
    missing = max(power_of_two(len(all_weights)), FEWEST) - len(all_weights)
    return Targets(
        F.pad(torch.cat(vectors), (0, 0, 0, missing)),
        F.pad(all_weights / all_weights.sum().abs(), (0, missing)),
        None if stopped is None else F.pad(stopped, (0, missing)),
    )


def decode(request: DreamRequest, images: Mapping[str, bytes], device: torch.device) -> dict[str, Tensor]:
    """Every picture that *request* names: SHA-256 → [3, H, W] in [0, 1], at most `LARGEST` wide and high."""
    opened = {sha: open_own(images[sha]) for sha in request.images}
    for picture in opened.values():
        picture.thumbnail((LARGEST, LARGEST))
    return {sha: to_tensor(picture).to(device) for sha, picture in opened.items()}


def power_of_two(count: int) -> int:
    """The smallest power of two ≥ the argument; sizes of batches and lists are rounded up to it."""
    return 1 << max(count - 1, 0).bit_length()


def _embed(perceptor: Perceptor, prompt: Prompt, pictures: Mapping[str, Tensor], recipe: CutRecipe) -> Tensor:
    if prompt.text:
        return perceptor.encode_text([prompt.text])
    picture = to_signed(pictures[prompt.image])[None]
    cuts = draw_cuts(recipe, 0, 0, 0, (picture.shape[2], picture.shape[3]), perceptor.size)
    with torch.no_grad():
        return perceptor.encode_image(to_unit(cut(picture, [cuts], perceptor.size)))


def _blurred(vectors: Tensor, fuzzy: float, number: int) -> Tensor:
    """[P, D] → [P · FUZZY_COPIES, D]: unit vectors around those of prompt *number*, the same for every seed.

    Disco Diffusion adds 0.05 per entry to an embedding that is not normalised, which is about 0.1 for ViT-B/32, and
    clamps the result to [0, 1], which loses its direction and is left out.
    """
    count, dim = vectors.shape
    grain = noise(0, number, 0, "fuzzy", (count, FUZZY_COPIES, dim)).to(vectors) / math.sqrt(dim)
    return F.normalize(vectors[:, None] + fuzzy * grain, dim=-1).flatten(0, 1)


DIGITS = 5


def named(*perceptors: Perceptor) -> dict[str, object]:
    """The guiding CLIPs for the replay record: their ids and the SHA-256 of their weights, each joined by “+”."""
    return {
        "perceptor": "+".join(p.id for p in perceptors),
        "perceptor_weights": "+".join(p.sha256 for p in perceptors),
    }


@torch.no_grad()
def judge(perceptor: Perceptor, picture: Tensor, targets: Targets) -> dict[str, object]:
    """[3, H, W] in [0, 1] → facts: clip_score, the cosine with the positive prompts; embedding of the whole; perceptor.

    A CLIP rates images too high that it has guided; rank with another perceptor.
    """
    whole = draw_cuts(CutRecipe(1), 0, 0, 0, (picture.shape[1], picture.shape[2]), perceptor.size)
    view = to_unit(cut(to_signed(picture.clamp(0, 1))[None], [whole], perceptor.size))
    embedding = perceptor.encode_image(view)[0]
    return {
        "clip_score": round(float(embedding @ targets.positive), DIGITS),
        "embedding": [round(value, DIGITS) for value in embedding.tolist()],
        "perceptor": perceptor.id,
    }
