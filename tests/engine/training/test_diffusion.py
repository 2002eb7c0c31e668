"""The diffusion task: what it weighs, what it shows when, and that a net learns from it."""

import numpy as np
import pytest
import torch

from engine.nets.adm import build_adm
from engine.training.diffusion import DiffusionTask, hard_share
from engine.training.row_view import Rows
from engine.training.sampling import sample

FLAGS: dict[str, object] = {
    "image_size": 16,
    "patch": 2,
    "num_channels": 16,
    "channel_mult": (1, 2),
    "num_res_blocks": 1,
    "attention_resolutions": (4,),
    "num_heads": 1,
    "norm_groups": 4,
    "predict_xstart": True,
    "noise_schedule": "cosine",
    "context_dim": 8,
}


def pictures(count: int = 32) -> np.ndarray:
    """Half of them red, half of them blue."""
    images = np.zeros((count, 16, 16, 3), np.uint8)
    images[: count // 2, ..., 0] = images[count // 2 :, ..., 2] = 255
    return images


def contexts(count: int = 32) -> torch.Tensor:
    """One unit vector for red, another for blue."""
    return torch.eye(8)[[0] * (count // 2) + [1] * (count // 2)]


def task(**options: object) -> DiffusionTask:
    torch.manual_seed(0)
    held_out = pictures(8), contexts(8)
    return DiffusionTask(build_adm(FLAGS), Rows(pictures()), contexts(), held_out=held_out, **options)  # type: ignore[arg-type]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_timesteps_of_a_batch_cover_the_whole_schedule() -> None:
    timesteps = task().batch(10, generator())["timesteps"]
    assert [t // 100 for t in timesteps.tolist()] == list(range(10))


def test_texts_are_dropped_as_often_as_said() -> None:
    told = task(dropout=0.25).batch(2000, generator())["told"]
    assert 0.7 < float(told.float().mean()) < 0.8


def test_some_are_told_by_their_own_pictures_and_the_others_by_their_texts() -> None:
    def mean_colour(images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(images.mean(dim=(2, 3)), (5, 0))  # red is entry 5, blue entry 7

    batch = task(encode=mean_colour, looking=0.25).batch(2000, generator())
    red = batch["images"][:, 0, 0, 0] > 0
    looked = batch["contexts"][:, 5:].any(dim=1)
    assert 0.2 < float(looked.float().mean()) < 0.3
    assert torch.equal(torch.eye(8)[5].expand(int((looked & red).sum()), -1), batch["contexts"][looked & red])
    assert torch.equal(torch.eye(8)[0].expand(int((~looked & red).sum()), -1), batch["contexts"][~looked & red])


def test_the_loss_of_a_net_that_knows_nothing_is_its_weighted_error() -> None:
    subject = task(weight_cap=1.0)  # with a cap of 1 every step weighs 1
    batch = subject.batch(16, generator())
    expected = batch["images"].square().mean()  # an untrained net predicts zeros
    assert float(subject.loss(batch).detach()) == pytest.approx(float(expected), rel=1e-4)


def test_what_the_features_see_is_added_where_something_is_left_of_the_picture() -> None:
    def reds(images: torch.Tensor) -> list[torch.Tensor]:
        return [images[:, :1].flatten(1) + torch.arange(256) / 256]

    plain, seeing = task(), task(features=reds, perceptual=0.5)
    batch = plain.batch(16, generator())
    added = float((seeing.loss(batch) - plain.loss(batch)).detach())
    assert 0 < added < 0.5 * 2
    blind = {**batch, "timesteps": torch.full((16,), 999)}
    assert float(seeing.loss(blind).detach()) == float(plain.loss(blind).detach())


def test_only_easy_pictures_at_first_and_most_others_later() -> None:
    subject = task(easy=16, hard_share=1.0)
    assert (subject._rows(200, generator(), done=0.0) < 16).all()
    assert (subject._rows(200, generator(), done=1.0) >= 16).all()
    assert hard_share(0.475, 0.6, 0.35, 0.6) == pytest.approx(0.3)


def test_what_needs_more_time_comes_up_more_often() -> None:
    subject = task(dwelt_on=torch.tensor([5, 7]), dwelling=0.5)
    blank = torch.zeros(2000, dtype=torch.long)
    rows = subject._dwell(blank, generator())
    assert {0, 5, 7} == set(rows.tolist())
    assert 0.45 < float((rows > 0).float().mean()) < 0.55
    assert torch.equal(blank, task()._dwell(blank, generator()))


def test_a_net_learns_to_paint_what_it_is_told() -> None:
    subject = task()
    optimizer = torch.optim.AdamW(subject.net.parameters(), lr=5e-3)
    rng = generator()
    for _ in range(40):
        optimizer.zero_grad()
        subject.loss(subject.batch(8, rng)).backward()
        optimizer.step()
    net = subject.net.eval()
    red, blue = sample(net, 2, contexts=torch.eye(8)[:2], cfg_scale=2.0, steps=8)  # type: ignore[arg-type]
    assert float(red[0].mean()) > float(red[2].mean()) + 0.5
    assert float(blue[2].mean()) > float(blue[0].mean()) + 0.5


@torch.no_grad()
def test_scores_fall_with_the_noise_level_of_a_perfect_guess() -> None:
    scores = task().scores(task().net)
    assert {"mse250", "mse500", "mse750"} == set(scores)


def test_samples_depend_on_the_seed_only() -> None:
    net = task().net.eval()
    torch.nn.init.normal_(net.out[2].weight)  # training starts it at zero: all pictures would be grey
    first, again, other = (sample(net, 2, steps=3, seed=seed) for seed in (1, 1, 2))  # type: ignore[arg-type]
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
