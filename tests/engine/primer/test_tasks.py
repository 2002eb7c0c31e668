"""What the primer's nets learn: every task gives batches, a loss with gradients, scores and flags."""

import math
import tracemalloc

import pytest
import torch

from engine.nets.classifier import build_classifier
from engine.nets.compact import compact_from
from engine.nets.small_clip import SmallClip, SmallClipFlags, build_small_clip
from engine.nets.vqgan import build_vqgan
from engine.nets.vqgan_flags import read_vqgan_flags
from engine.primer.tasks import remake
from engine.primer.tasks.classifier import ClassifierTask
from engine.primer.tasks.clip import ClipTask, top_1
from engine.primer.tasks.dataset import Rendered, render, render_pair
from engine.primer.tasks.diffusion import diffusion_task, hard_singles, told
from engine.primer.tasks.upscaler import UpscalerTask, dreamt_pictures
from engine.primer.tasks.vqgan import FLAGS as VQGAN_FLAGS
from engine.primer.tasks.vqgan import Places, VqganTask
from engine.training.task import Task

SMALL = SmallClipFlags(dim=16, text_width=32, text_layers=1, widths=(16, 32), blocks=(1, 1))


@pytest.fixture(scope="module")
def painted() -> Rendered:
    return render_pair(32, 5, 64, 256, workers=1)


@pytest.fixture(scope="module")
def tidy() -> Rendered:
    return render(16, 6, domain="tidy", workers=1)


def clip_task(painted: Rendered, spoilt: bool = True) -> ClipTask:
    return ClipTask("clip", SMALL, painted, painted, spoilt=spoilt)


def learns(task: Task) -> None:
    """A step changes the net, and what it is scored by is finite."""
    batch = task.batch(6, torch.Generator().manual_seed(0))
    task.loss(batch).backward()
    assert any(p.grad is not None and float(p.grad.abs().sum()) > 0 for p in task.net.parameters())
    with torch.no_grad():
        scores = task.scores(task.net.eval())
    assert scores
    assert all(math.isfinite(value) for value in scores.values())


@pytest.mark.parametrize("spoilt", [True, False])
def test_a_clip_learns(painted: Rendered, spoilt: bool) -> None:
    task = clip_task(painted, spoilt)
    learns(task)
    build_small_clip(task.flags()).load_state_dict(task.net.state_dict())


def test_a_picture_and_its_caption_stay_together_in_a_spoilt_batch(painted: Rendered) -> None:
    plain = painted.images.copy()
    plain[:] = painted.tokens.sum(axis=1).astype("uint8")[
        :, None, None, None
    ]  # every picture says which caption it has
    task = ClipTask("clip", SMALL, Rendered(plain, *_rest(painted)), painted, spoilt=True)
    batch = task.batch(64, torch.Generator().manual_seed(0))
    shades = batch["images"].mean(dim=(1, 2, 3)) * 255
    expected = batch["tokens"].sum(dim=1).float() % 256
    assert float((shades - expected).abs().max()) < 8  # noise has a mean of its own


def _rest(rendered: Rendered) -> tuple[object, ...]:
    return rendered.tokens, rendered.negatives, rendered.captions, rendered.labels, rendered.colours


def test_a_clip_that_tells_captions_apart_has_less_loss(painted: Rendered) -> None:
    task = clip_task(painted, spoilt=False)
    batch = task.batch(4, torch.Generator().manual_seed(0))
    before = float(task.loss(batch).detach())
    optimizer = torch.optim.AdamW(task.net.parameters(), lr=3e-3)
    for _ in range(12):
        optimizer.zero_grad()
        task.loss(batch).backward()
        optimizer.step()
    assert float(task.loss(batch).detach()) < before / 2


def test_the_words_of_a_finished_guide_can_stay_as_they_are(painted: Rendered) -> None:
    task = ClipTask("clip", SMALL, painted, painted, spoilt=True, words_stay=True)
    task.loss(task.batch(4, torch.Generator().manual_seed(0))).backward()
    learning = {name.split(".")[0] for name, p in task.net.named_parameters() if p.grad is not None}
    assert {"image", "log_scale"} == learning


def test_equal_captions_do_not_count_as_wrong() -> None:
    same = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), dim=1)
    assert top_1(same, same, 2) == 1


def test_the_classifier_learns(painted: Rendered) -> None:
    task = ClassifierTask(painted, painted)
    learns(task)
    build_classifier(task.flags()).load_state_dict(task.net.state_dict())


def test_the_diffusion_model_learns_and_reads_the_guide(painted: Rendered, tidy: Rendered) -> None:
    guide = SmallClip(SMALL)
    torch.testing.assert_close(told(guide, tidy).float().norm(dim=1), torch.ones(16), atol=2e-3, rtol=0)
    task = diffusion_task(guide, tidy, painted, painted)
    assert (task._rows(100, torch.Generator().manual_seed(0), done=0.1) < len(tidy.images)).all()
    task.loss(task.batch(2, torch.Generator().manual_seed(0))).backward()


def test_two_albums_are_learned_from_without_a_copy_of_either(painted: Rendered, tidy: Rendered) -> None:
    tracemalloc.start()
    try:
        task = diffusion_task(SmallClip(SMALL), tidy, painted, painted, reads=True)
        largest = max(trace.size for trace in tracemalloc.take_snapshot().traces)
    finally:
        tracemalloc.stop()
    assert largest < min(tidy.images.nbytes, painted.images.nbytes)
    assert len(tidy.images) + len(painted.images) == len(task.pictures)


def test_a_diffusion_model_that_is_tuned_must_look_right_to_the_guide_and_meets_all_kinds_at_once(
    painted: Rendered, tidy: Rendered
) -> None:
    guide = SmallClip(SMALL).eval().requires_grad_(False)
    task, fresh = (
        diffusion_task(guide, tidy, painted, painted, tuning=True),
        diffusion_task(guide, tidy, painted, painted),
    )
    assert (task._rows(100, torch.Generator().manual_seed(0), done=0.0) >= len(tidy.images)).any()
    batch = task.batch(4, torch.Generator().manual_seed(0))
    assert task.loss(batch) > fresh.loss(batch)


def test_single_things_of_unusual_size_or_aside_or_in_a_style_are_the_hard_ones(painted: Rendered) -> None:
    hard = set(hard_singles(painted).tolist())
    assert hard
    for row, (caption, label) in enumerate(zip(painted.captions, painted.labels, strict=True)):
        words = set(caption.split())
        if label < 0 or not words & {
            "small",
            "big",
            "left",
            "right",
            "top",
            "bottom",
            "ink",
            "neon",
            "watercolour",
            "pixel",
        }:
            assert row not in hard
        elif words & {"small", "big"}:
            assert row in hard


def test_the_upscaler_learns_and_its_tensors_say_what_it_is(painted: Rendered, tidy: Rendered) -> None:
    guide = SmallClip(SMALL)
    net = diffusion_task(guide, tidy, painted, painted).net.eval()
    dreamt = dreamt_pictures(net, painted, told(guide, painted), 4)  # type: ignore[arg-type]
    assert ((4, 64, 64, 3), torch.uint8) == (tuple(dreamt.shape), dreamt.dtype)
    task = UpscalerTask(painted, painted, dreamt)
    learns(task)
    assert task.sheet(task.net) is not None
    compact_from(task.net.state_dict()).load_state_dict(task.net.state_dict())


def test_the_vqgan_learns_and_its_codebook_goes_where_the_pictures_are(painted: Rendered) -> None:
    task = VqganTask(painted, painted, SmallClip(SMALL).requires_grad_(False).image)
    learns(task)
    net = task._vqgan
    batch = task.batch(8, torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = (net.encode(batch["images"]) - net.lookup(net.indices(net.encode(batch["images"])))).square().mean()
        for _ in range(40):
            task.loss(batch)
        z = net.encode(batch["images"])
        after = (z - net.lookup(net.indices(z))).square().mean()
    assert after < 0.75 * before
    build_vqgan(read_vqgan_flags(task.flags())).load_state_dict(net.state_dict())


def test_a_vector_that_nothing_chooses_begins_again_until_the_codebook_is_settled() -> None:
    net = build_vqgan(read_vqgan_flags({**VQGAN_FLAGS, "n_embed": 8}))
    z = torch.randn(4, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    places = Places(net)
    with torch.no_grad():
        places.follow(z, settled=False)  # an untrained codebook begins in the first batch
        net.codebook[3] = places._sum[3] = 100.0
        places._chosen[3] = 1.0
        for _ in range(39):
            places.follow(z, settled=False)
        assert 100 == net.codebook[3].min().round()
        for _ in range(60):
            places.follow(z, settled=True)
        assert 100 == net.codebook[3].min().round()
        places.follow(z, settled=False)
    assert net.codebook[3].abs().max() < 10


def test_there_is_a_recipe_for_every_weights_file() -> None:
    assert {"clip", "grader", "classifier", "diffusion", "upscaler", "vqgan"} == set(remake.NETS)
