"""Small questions answered between two steps: where texts or pictures lie in a perceptor's space."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.errors import InvalidRequest
from engine.guidance.perceptor import Perceptor
from engine.messages import Embed, Embeddings
from engine.pictures import fit, open_picture
from engine.runtime import Runtime
from engine.tensors import to_tensor

DEFAULT_PERCEPTOR = "primer"
MOST = 256
BATCH = 32


def prepare(question: Embed, runtime: Runtime) -> tuple[Perceptor, Tensor | None]:
    """The slow part, on another thread: load the perceptor, decode the pictures into [N, 3, size, size]."""
    count = len(question.texts) + len(question.images)
    if bool(question.texts) == bool(question.images) or count > MOST:
        raise InvalidRequest(f"Ask about 1 to {MOST} texts, or as many pictures, not both (got {count}).")
    perceptor = runtime.perceptor(question.perceptor or DEFAULT_PERCEPTOR)
    if question.texts:
        return perceptor, None
    images = [fit(open_picture(data), perceptor.size, perceptor.size) for data in question.images]
    return perceptor, torch.stack([to_tensor(image) for image in images])


@torch.no_grad()
def answer(question: Embed, perceptor: Perceptor, images: Tensor | None, runtime: Runtime) -> Embeddings:
    """The quick part, on the stepping loop."""
    if images is None:
        vectors = perceptor.encode_text(question.texts)
    else:
        vectors = torch.cat([perceptor.encode_image(part.to(runtime.device)) for part in torch.split(images, BATCH)])
    return Embeddings(question.id, tuple(tuple(row) for row in vectors.float().tolist()), perceptor.id)
