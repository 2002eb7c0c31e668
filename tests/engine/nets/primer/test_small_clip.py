"""The small CLIPs: unit vectors, no trace of padding, and nets that their flags rebuild."""

import pytest
import torch

from engine.errors import WeightsError
from engine.nets.primer.small_clip import SmallClip, build_small_clip
from engine.primer.tasks.clip import GRADER, GUIDE
from engine.primer.vocabulary import tokenise

TINY = {"size": 32, "dim": 16, "text_width": 32, "text_layers": 1, "widths": [16, 32], "blocks": [1, 1]}


def tiny(**flags: object) -> SmallClip:
    torch.manual_seed(0)
    return build_small_clip({**TINY, **flags}).eval()


def tokens(*texts: str) -> torch.Tensor:
    return torch.tensor([tokenise(text) for text in texts])


def test_vectors_have_length_one() -> None:
    net = tiny()
    for vectors in (net.encode_text(tokens("a red circle", "owl")), net.encode_image(torch.rand(2, 3, 32, 32))):
        assert vectors.shape == (2, 16)
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))


def test_a_text_means_the_same_beside_a_longer_one() -> None:
    net = tiny()
    alone = net.encode_text(tokens("owl"))
    beside = net.encode_text(tokens("owl", "two big red owls beside a small blue house in the snow at night"))
    torch.testing.assert_close(alone[0], beside[0])


def test_word_order_matters() -> None:
    first, second = tiny().encode_text(tokens("a red circle on blue", "a blue circle on red"))
    assert not torch.allclose(first, second, atol=1e-3)


def test_guidance_can_flow_back_to_the_picture() -> None:
    images = torch.rand(1, 3, 32, 32, requires_grad=True)
    tiny().encode_image(images)[0, 0].backward()
    assert images.grad is not None
    assert float(images.grad.abs().sum()) > 0


@pytest.mark.parametrize("flags", [{}, {"norm": "batch", "image_layers": 1}])
def test_flags_rebuild_the_net(flags: dict[str, object]) -> None:
    net = tiny(**flags)
    again = build_small_clip(net.as_mapping())
    again.load_state_dict(net.state_dict())


def test_an_unknown_flag_is_an_error_in_words() -> None:
    with pytest.raises(WeightsError, match="no flag “colour”"):
        build_small_clip({**TINY, "colour": 1})


def test_guide_and_grader_are_different_designs() -> None:
    assert GUIDE.norm != GRADER.norm
    assert GUIDE.dim != GRADER.dim
    assert GUIDE.image_layers != GRADER.image_layers
