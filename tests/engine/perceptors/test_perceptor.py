from __future__ import annotations

import torch

from engine.nets.primer.small_clip import build_small_clip
from engine.perceptors.perceptor import Perceptor
from engine.perceptors.perceptor_loader import primer_tokens


def small() -> Perceptor:
    torch.manual_seed(0)
    net = build_small_clip(
        {"size": 32, "dim": 16, "text_width": 32, "text_layers": 1, "widths": [16, 16], "blocks": [1, 1]}
    )
    return Perceptor("tiny", net.eval().requires_grad_(False), primer_tokens, size=32, dim=16)


def test_vectors_have_length_one() -> None:
    perceptor = small()
    texts = perceptor.encode_text(["a red circle", ""])
    images = perceptor.encode_image(torch.rand(3, 3, 32, 32))
    assert ((2, 16), (3, 16)) == (texts.shape, images.shape)
    torch.testing.assert_close(torch.cat([texts, images]).norm(dim=-1), torch.ones(5))


def test_a_text_has_the_same_vector_in_any_company() -> None:
    perceptor = small()
    together = perceptor.encode_text(["a red circle on a blue background", "an owl"])
    assert torch.equal(together[1:], perceptor.encode_text(["an owl"]))


def test_the_gradient_reaches_the_picture() -> None:
    image = torch.rand(1, 3, 32, 32, requires_grad=True)
    small().encode_image(image).sum().backward()
    assert image.grad is not None and image.grad.abs().sum() > 0
