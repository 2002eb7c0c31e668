"""What the primer's nets learn: every task gives batches, a loss with gradients, scores and flags."""

import math
import tracemalloc
from copy import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.nets.flags import read_vqgan_flags
from engine.nets.primer.classifier import build_classifier
from engine.nets.primer.composer import Composer, Layout, build_composer
from engine.nets.primer.conditions import SketchCopy
from engine.nets.primer.small_clip import SmallClip, SmallClipFlags, build_small_clip
from engine.nets.vqgan import Vqgan
from engine.primer.painter.looks import LOOK_ROWS, rows_of_tokens
from engine.primer.painter.scenes import COLOURS, KINDS
from engine.primer.tasks import remake
from engine.primer.tasks.classifier import LEFT, RIGHT, WHOLE, ClassifierTask, exercises, halves
from engine.primer.tasks.clip import ClipTask, top_1
from engine.primer.tasks.composer import ComposerTask
from engine.primer.tasks.copying import teach_copying
from engine.primer.tasks.dataset import Rendered, render, render_pair, scene_at
from engine.primer.tasks.diffusion import diffusion_task, told, untold_guesses
from engine.primer.tasks.upscaler import Lesson, UpscalerTask, lesson
from engine.primer.tasks.vqgan import FLAGS as VQGAN_FLAGS
from engine.primer.tasks.vqgan import Places, VqganTask
from engine.primer.vocabulary import VOCABULARY_SIZE
from engine.training.row_view import Rows
from engine.training.task import Task
from engine.upscalers.primer import Compact, compact_from

SMALL = SmallClipFlags(vocabulary=VOCABULARY_SIZE, dim=16, text_width=32, text_layers=1, widths=(16, 32), blocks=(1, 1))


@pytest.fixture(scope="module")
def painted() -> Rendered:
    return render_pair(32, 5, 64, 256, workers=1)


@pytest.fixture(scope="module")
def tidy() -> Rendered:
    return render(16, 6, domain="tidy", workers=1)


def full_composer() -> Composer:
    """A composer with a white square for every look; its layout net is untrained."""
    net = Composer(VOCABULARY_SIZE, len(LOOK_ROWS) + 1, 8).eval().requires_grad_(False)
    net.drawings[1:] = 255
    net.rows.copy_(torch.from_numpy(rows_of_tokens(VOCABULARY_SIZE)))
    return net


@pytest.fixture(scope="module")
def composer() -> Composer:
    return full_composer()


def clip_task(painted: Rendered, spoilt: bool = True) -> ClipTask:
    return ClipTask("clip", SMALL, [painted], {"old": painted}, spoilt=spoilt)


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
    task = ClipTask("clip", SMALL, [replace(painted, images=plain)], {}, spoilt=True)
    batch = task.batch(64, torch.Generator().manual_seed(0))
    shades = batch["images"].mean(dim=(1, 2, 3)) * 255
    expected = batch["tokens"].sum(dim=1).float() % 256
    assert float((shades - expected).abs().max()) < 8  # noise has a mean of its own


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


def test_a_guide_can_learn_new_words_and_keep_the_known_ones(painted: Rendered) -> None:
    known = 20
    task = ClipTask("clip", SMALL, [painted], {}, spoilt=True, known_words=known)
    task.loss(task.batch(8, torch.Generator().manual_seed(0))).backward()
    learning = {name for name, p in task.net.named_parameters() if p.grad is not None}
    assert {"text.words.weight"} == {name for name in learning if name.startswith("text.")}
    gradient = task.net.get_parameter("text.words.weight").grad
    assert gradient is not None
    assert not gradient[:known].any()
    assert gradient[known:].any()


def test_a_guide_sees_what_guidance_sees_and_pictures_moved_against_their_captions(painted: Rendered) -> None:
    shown: list[torch.Tensor] = []

    def denoised(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        shown.append(images)
        return torch.zeros_like(images)

    task = ClipTask("clip", SMALL, [painted], {}, spoilt=True, denoised=denoised, attacked=2.0)
    batch = task.batch(16, torch.Generator().manual_seed(0))
    assert [4] == [len(images) for images in shown]
    assert batch["images"][12:].abs().mean() < 0.5 * batch["images"][:12].abs().mean()
    net = task.net
    assert isinstance(net, SmallClip)
    texts = net.encode_text(torch.cat([batch["tokens"], batch["negatives"]]))
    moved = task._attack(net, batch, texts)
    shift = (moved - batch["images"][:8]).flatten(1).norm(dim=1)
    torch.testing.assert_close(shift, batch["distance"][:8].flatten())
    wrong, right = (
        task._contrast(net.encode_image(images), torch.cat([texts[:8], texts[16:24]]), batch["tokens"][:8])
        for images in (moved, batch["images"][:8])
    )
    assert float(wrong.detach()) > float(right.detach())
    task.loss(batch).backward()
    assert all(p.grad is not None for p in net.image.parameters())


def test_an_untold_guess_is_a_picture_near_the_one_behind_the_noise(painted: Rendered) -> None:
    images = torch.from_numpy(painted.images[:8]).permute(0, 3, 1, 2) / 255
    guesses = untold_guesses(remake.load_diffusion())(images, torch.Generator().manual_seed(0))
    assert images.shape == guesses.shape
    assert 0 <= float(guesses.min()) and float(guesses.max()) <= 1
    own = (guesses - images).square().mean()
    assert own < 0.5 * (guesses - images.roll(1, 0)).square().mean()


def test_equal_captions_do_not_count_as_wrong() -> None:
    same = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), dim=1)
    assert top_1(same, same, 2) == 1


def test_the_classifier_learns(painted: Rendered) -> None:
    task = ClassifierTask([painted, painted], {"old": painted})
    learns(task)
    build_classifier(task.flags()).load_state_dict(task.net.state_dict())


def test_an_exercise_is_a_whole_picture_of_one_kind_or_half_of_a_pair() -> None:
    album = render(400, 5, 16, workers=1)
    found = exercises(album)
    whole = found[found[:, 1] == WHOLE]
    named = album.labels[whole[:, 0]]
    assert (whole[named >= 0, 2] == named[named >= 0]).all()
    for row, part, kind, colour, _ in found[np.isin(found[:, 1], (LEFT, RIGHT))].tolist():
        scene = scene_at(5, row)
        thing = next(t for t in scene.things if t.kind == KINDS[kind])
        assert thing.colour == COLOURS[colour]
        own = next(x for t, x in zip(scene.things, album.things[row, :, 3], strict=False) if t is thing)
        assert (own < 0.5) == (part == LEFT)


def test_a_half_is_seen_in_the_middle() -> None:
    image = torch.zeros(1, 3, 8, 8)
    image[..., 4:] = 1
    image[..., 7:] = 2
    (right,) = halves(image, torch.tensor([RIGHT]))
    assert [1, 1, 1, 1, 1, 2, 2, 2] == right[0, 0].tolist()
    assert torch.equal(image, halves(image, torch.tensor([WHOLE])))


def test_the_diffusion_model_learns_and_reads_the_guide_and_the_sketch(
    painted: Rendered, tidy: Rendered, composer: Composer
) -> None:
    guide = SmallClip(SMALL)
    torch.testing.assert_close(told(guide, tidy).float().norm(dim=1), torch.ones(16), atol=2e-3, rtol=0)
    task = diffusion_task(guide, composer, tidy, [painted], painted)
    assert (task._rows(100, torch.Generator().manual_seed(0), done=0.1) < len(tidy.images)).all()
    batch = task.batch(2, torch.Generator().manual_seed(0))
    assert (2, 4, 64, 64) == batch["sketches"].shape
    task.loss(batch).backward()
    gradient = task.net.get_parameter("fine.sketch_in.weight").grad
    assert gradient is not None


def test_albums_are_learned_from_without_a_copy(painted: Rendered, tidy: Rendered, composer: Composer) -> None:
    tracemalloc.start()
    try:
        task = diffusion_task(SmallClip(SMALL), composer, tidy, [painted], painted, reads=True, copies=True)
        largest = max(trace.size for trace in tracemalloc.take_snapshot().traces)
    finally:
        tracemalloc.stop()
    assert largest < min(tidy.images.nbytes, painted.images.nbytes)
    assert len(tidy.images) + len(painted.images) == len(task.pictures)


def test_a_text_says_whether_its_pictures_copy_the_sketch() -> None:
    """Half of the pictures show what their sketch does, half of them something else in a darker tone."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(0, 256, (64, 16, 16, 3), generator=generator, dtype=torch.uint8)
    others = torch.randint(0, 64, (64, 16, 16, 3), generator=generator, dtype=torch.uint8)
    plain = torch.arange(64) % 2 == 0
    pictures = torch.where(plain.view(-1, 1, 1, 1), drawn, others)
    contexts = torch.nn.functional.one_hot(plain.long(), 8).float()
    copy = SketchCopy(8)

    def sketch(rows: torch.Tensor) -> torch.Tensor:
        colour = drawn[rows].permute(0, 3, 1, 2).float() / 127.5 - 1
        return torch.cat([colour, torch.ones(len(rows), 1, 16, 16)], dim=1)

    teach_copying(copy, contexts, ["an owl"] * 64, Rows(pictures.numpy()), sketch, rounds=800)
    other, same = copy.linear(contexts[[1, 0]] * 8**0.5)[:, 6].tolist()
    assert same > 0.9
    assert other < 0.1
    assert not any(parameter.requires_grad for parameter in copy.parameters())


def test_nothing_is_learned_where_no_sketch_shows_anything() -> None:
    copy = SketchCopy(8)
    blank = Rows(np.zeros((4, 16, 16, 3), np.uint8))
    teach_copying(copy, torch.eye(8)[:4], ["an owl"] * 4, blank, lambda rows: torch.zeros(len(rows), 4, 16, 16))
    assert not any(parameter.any() for parameter in copy.parameters())


def test_a_diffusion_model_that_is_tuned_meets_all_kinds_at_once(
    painted: Rendered, tidy: Rendered, composer: Composer
) -> None:
    guide = SmallClip(SMALL).eval().requires_grad_(False)
    task = diffusion_task(guide, composer, tidy, [painted], painted, tuning=True)
    assert (task._rows(100, torch.Generator().manual_seed(0), done=0.0) >= len(tidy.images)).any()


def test_the_composer_learns(painted: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.primer.tasks.composer.empty_composer", lambda: full_composer().requires_grad_())
    task = ComposerTask([painted], painted)
    learns(task)
    assert task.sheet(task.net) is not None
    build_composer(task.flags()).load_state_dict(task.net.state_dict())


def test_a_composer_learns_counts_as_it_is_asked_for_them(painted: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the number of copies is known no form can be chosen, so the bits are zero."""
    monkeypatch.setattr("engine.primer.tasks.composer.empty_composer", full_composer)
    task = ComposerTask([painted], painted)
    plain = task._composer.layout.forward

    def counted(tokens: torch.Tensor, bits: torch.Tensor) -> Layout:
        found = plain(tokens, bits)
        return found._replace(counts=torch.full_like(found.counts, torch.nan)) if bits.any() else found

    monkeypatch.setattr(task._composer.layout, "forward", counted)
    assert task.loss(task.batch(8, torch.Generator().manual_seed(0))).isfinite()


def test_the_upscaler_learns_and_its_tensors_say_what_it_is(
    painted: Rendered, tidy: Rendered, composer: Composer
) -> None:
    guide = SmallClip(SMALL)
    net = diffusion_task(guide, composer, tidy, [painted], painted).net.eval()
    painted = replace(painted, captions=["an owl in ink", "a pink owl"] * 16)
    taught = lesson(net, guide, composer, painted)  # type: ignore[arg-type]
    assert list(range(0, 32, 2)) == taught.lined
    assert ((32, 64, 64, 3), torch.uint8) == (tuple(taught.dreamt.shape), taught.dreamt.dtype)
    huge = np.zeros((2, 1024, 1024, 3), np.uint8)
    again = replace(painted, images=np.zeros((2, 256, 256, 3), np.uint8), large=huge)
    task = UpscalerTask([taught], again, painted)
    learns(task)
    assert task.sheet(task.net) is not None
    compact_from(task.net.state_dict()).load_state_dict(task.net.state_dict())


@pytest.fixture(scope="module")
def enlarging(painted: Rendered) -> UpscalerTask:
    """A task whose large pictures repeat each small pixel, as its net does."""
    large, huge = (painted.images.repeat(times, axis=1).repeat(times, axis=2) for times in (4, 16))
    clean = torch.from_numpy(painted.images)
    again = replace(painted, images=large, large=huge)
    task = UpscalerTask([Lesson(clean, clean, torch.from_numpy(large))], again, painted)
    assert isinstance(task.net, Compact)
    task.net.base = "nearest"
    torch.nn.init.zeros_(list(task.net.parameters())[-2])
    return task


def test_a_window_of_the_upscaler_shows_what_its_truth_shows(enlarging: UpscalerTask) -> None:
    batch = enlarging.batch(48, torch.Generator().manual_seed(1))
    assert ((48, 3, 40, 40), (48, 3, 160, 160)) == (tuple(batch["low"].shape), tuple(batch["high"].shape))
    shrunk = torch.nn.functional.avg_pool2d(batch["high"], 4)
    off = (batch["low"] - shrunk).abs().mean(dim=(1, 2, 3))
    others = (batch["low"] - shrunk.roll(1, 0)).abs().mean(dim=(1, 2, 3))
    assert bool((off < 0.25 * others).all())
    for low, high in zip(batch["low"][16:24], batch["high"][16:24], strict=True):  # stripes
        assert any(
            float(low.diff(dim=axis).abs().max()) == float(high.diff(dim=axis).abs().max()) == 0 for axis in (1, 2)
        )


def test_a_fifth_of_the_pictures_is_drawn_in_lines(painted: Rendered) -> None:
    clean = torch.from_numpy(painted.images)
    large = torch.zeros(len(clean), 256, 256, 3, dtype=torch.uint8)
    lessons = [Lesson(clean, clean, large, lined) for lined in ((), (3, 5))]
    task = UpscalerTask(lessons, painted, painted)
    rows = task._rows(3000, torch.Generator().manual_seed(1))
    shares = torch.bincount(rows, minlength=64) / 3000
    assert float(shares[[35, 37]].sum()) == pytest.approx(1 / 5 + 4 / 5 / 32, abs=0.03)
    assert float(shares[:32].sum()) == pytest.approx(4 / 5 / 2, abs=0.03)


def test_stairs_and_the_pixels_of_clean_windows_weigh_more(enlarging: UpscalerTask) -> None:
    weights = enlarging.batch(12, torch.Generator().manual_seed(1))["weight"]
    assert [1.0] * 4 + [3.0] * 5 + [1.0] * 3 == weights.flatten().tolist()  # dreamt or worn, clean, of its own
    task = copy(enlarging)
    task.net = torch.nn.Identity()
    truth = torch.zeros(1, 3, 160, 160)

    def loss(guess: torch.Tensor, weight: float) -> float:
        return float(task.loss({"low": guess, "high": truth, "weight": torch.full((1, 1, 1, 1), weight)}))

    def loss_of_step(place: int, turned: bool) -> float:
        guess = (torch.arange(160) > place).float().expand_as(truth)
        guess = guess.transpose(2, 3) if turned else guess
        assert loss(guess, 2) - loss(guess, 1) == pytest.approx((159 - place) / 160, abs=1e-3)
        return loss(guess, 0) - loss(truth, 0)

    for turned in (False, True):
        between, inside = loss_of_step(79, turned), loss_of_step(80, turned)
        assert between == pytest.approx(1.5 * inside, rel=1e-3)


def test_the_vqgan_learns_and_its_codebook_goes_where_the_pictures_are(painted: Rendered) -> None:
    task = VqganTask([painted], {"old": painted}, SmallClip(SMALL).requires_grad_(False).image)
    learns(task)
    net = task._vqgan
    batch = task.batch(4, torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = (net.encode(batch["images"]) - net.lookup(net.indices(net.encode(batch["images"])))).square().mean()
        for _ in range(30):
            task.loss(batch)
        z = net.encode(batch["images"])
        after = (z - net.lookup(net.indices(z))).square().mean()
    assert after < 0.75 * before
    Vqgan(read_vqgan_flags(task.flags())).load_state_dict(net.state_dict())


def test_a_vector_that_nothing_chooses_begins_again_until_the_codebook_is_settled() -> None:
    net = Vqgan(read_vqgan_flags({**VQGAN_FLAGS, "n_embed": 8}))
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
    assert {"clip", "composer", "grader", "classifier", "diffusion", "upscaler", "vqgan"} == set(remake._TASKS)
