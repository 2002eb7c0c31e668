"""biggan: classes by name and number, truncation, walks between seeds; without any CLIP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.errors import InvalidRequest
from engine.images.tensors import to_unit
from engine.images.timelapse import animate
from engine.loaders.biggan import load_biggan_net
from engine.methods import Finished, Running
from engine.methods.biggan import METHOD, named_classes, slerp, truncated
from engine.requests.prompts import parse_prompts
from engine.requests.request import build_request, request_from_json, request_to_json
from tests.engine.loaders.test_biggan import tiny_tensors
from tests.engine.methods.easels import Easel, biggan_easel
from tests.engine.shell import Shell
from tests.engine.weights.made import saved


@pytest.fixture
def easel() -> Iterator[Easel]:
    with biggan_easel("biggan") as found:
        yield found


def test_a_picture_is_what_the_net_makes_of_its_class_and_numbers(easel: Easel) -> None:
    (state,) = easel.begin(
        "a castle", {"steps": "1", "through": "none", "classes": "named", "truncation": "0.4"}, seed=5
    )
    (step,) = METHOD.advance([state], easel.runtime)
    net = load_biggan_net("tiny", easel.runtime)
    weights = torch.zeros(1, 1, 1000)
    weights[0, 0, 483] = 1
    z = 0.4 * truncated(5, 0, net.flags.z_dim)
    expected = to_unit(net.paint(z[None, None], weights, torch.tensor([0.4])))[0]

    assert isinstance(step, Finished)
    assert np.abs(np.asarray(step.image).astype(float) - 255 * expected.permute(1, 2, 0).numpy()).max() < 1
    assert ["It shows castle (483)."] == step.facts["notes"]


def test_numbers_are_drawn_again_beyond_two_and_truncation_narrows_them() -> None:
    numbers = torch.stack([truncated(seed, 0, 512) for seed in range(40)])

    assert numbers.abs().max() <= 2 and 0.87 < numbers.std() < 0.89, "a normal distribution cut at 2 has 0.880"


def test_a_walk_turns_along_great_circles_and_returns(easel: Easel) -> None:
    a, b = torch.tensor([2.0, 0, 0]), torch.tensor([0, 4.0, 0])
    half = slerp(a, b, 0.5)
    assert torch.allclose(torch.tensor([1.0, 1.0, 0]) * 3 / 2**0.5, half) and torch.equal(a, slerp(a, b, 0.0))

    (state,) = easel.begin(settings={"steps": "9", "through": "3+11"})
    stations = state.parameters
    frames = []
    for number in range(9):
        if number in (2, 5, 8):
            assert torch.allclose(state.z, stations[(number + 1) // 3 % 3], atol=1e-6)
        frames += METHOD.advance([state], easel.runtime)
    previews = [frame.preview() for frame in frames if isinstance(frame, Running) and frame.preview]
    (alone,) = easel.begin(settings={"steps": "1", "through": "none"})
    (single,) = METHOD.advance([alone], easel.runtime)

    assert 8 == len(previews) and isinstance(frames[-1], Finished) and isinstance(single, Finished)
    assert np.abs(np.asarray(frames[-1].image).astype(int) - np.asarray(single.image)).max() <= 1, "its own seed's"
    assert animate([*previews, frames[-1].image], ".webp").startswith(b"RIFF")


def test_classes_are_named_by_the_prompt() -> None:
    def numbers(text: str) -> dict[int, float]:
        return {number: round(part, 3) for number, part in named_classes(parse_prompts(text))[0]}

    assert {980: 0.667, 483: 0.333} == numbers("a volcano:2 | an old castle | dog:-1")
    assert {24: 1} == numbers("an owl") == numbers("a great grey owl at night")
    with pytest.raises(InvalidRequest, match="the prompt names none of them"):
        numbers("cyberpunk")


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"through": "3+x"}, "“x” is not a seed"),
        ({"through": "3", "steps": "3"}, "at least 4 steps"),
        ({"steps": "5"}, "a walk needs through"),
        ({"through": "+".join(["3"] * 17)}, "the limit is 16"),
        ({"classes": "1000"}, "Available: 0 to 999"),
    ],
)
def test_what_cannot_be_walked_is_said(settings: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        build_request("an owl", model="biggan-deep-128", method="biggan", settings=settings)


def test_it_needs_no_clip_and_a_walk_has_its_length() -> None:
    request = build_request("an owl", model="biggan-deep-128", method="biggan", settings={"through": "3"})

    again = request_from_json(request_to_json(request.starting_from("f" * 64)))
    assert request == again, "a variation is another seed"
    assert () == request.helpers and 48 == request.options.steps
    assert 1 == build_request("an owl", model="biggan-deep-128", method="biggan").options.steps
    with pytest.raises(InvalidRequest, match="biggan cannot use a picture"):
        build_request("an owl", model="biggan-deep-128", method="biggan", init_image="f" * 64)


@pytest.mark.usefixtures("forget_models")
def test_the_shell_films_a_walk_of_ones_own_net_without_a_clip(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "net.bin").write_bytes(saved(tiny_tensors()))
    layers = "[[false, 16, 8], [true, 8, 4], [false, 4, 2], [true, 2, 1]]"
    (tmp_path / "config.toml").write_text(
        f'[models.asleep]\nkind = "biggan"\nfile = "{tmp_path / "net.bin"}"\n'
        "flags = { output_dim = 16, z_dim = 2, class_embed_dim = 2, channel_width = 4, num_classes = 5, n_stats = 3, "
        f"attention_layer_position = 3, layers = {layers} }}\n"
    )
    order = ["dream", "anything", "--model", "asleep", "--method", "biggan", "--seed", "5", "--out", "a.png"]
    walk = ["--set", "classes=3", "--set", "through=9", "--steps", "8", "--evolution", "a.webp", "--snapshots", "s"]
    for words in (["weights", "verify", "--trust", "asleep"], [*order, *walk], ["dream", "--replay", "a.png"]):
        said = shell(*words)
        assert 0 == said.status, said.err
    assert "Equal" in said.err
    with Image.open(tmp_path / "a.webp") as film:
        assert (16, 16) == film.size and film.n_frames in (7, 8)  # type: ignore[attr-defined]
    assert 7 == len(list((tmp_path / "s").iterdir())), "a preview of every step but the last"
