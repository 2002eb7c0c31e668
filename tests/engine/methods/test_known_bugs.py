"""Mistakes that public tools of this family make, each shown to be absent. A test's docstring says who makes it."""

from __future__ import annotations

import hashlib
import io

import pytest
import torch
from PIL import Image
from torch import Tensor

from engine.catalogue.registry import find_entry
from engine.diffusion.denoiser import Prediction, gaussian_slope, predict_eps
from engine.diffusion.schedules import BatchCoefficients, alphas_cumprod, respaced_schedule, stack
from engine.errors import WeightsError
from engine.guidance.cutouts import CutRecipe
from engine.guidance.guided_denoiser import Guidance
from engine.guidance.objective import ClipTarget, NoiseKey, Objective, Scales, range_loss
from engine.guidance.targets import make_targets
from engine.methods import Finished
from engine.methods.clip_diffusion import METHOD, Sample
from engine.nets.adm import build_adm
from engine.nets.flags import read_flags
from engine.primer.vocabulary import tokenise
from engine.requests.prompts import parse_prompts
from engine.runtime.runtime import Runtime
from tests.engine.tiny import NET, fill, job_of, paint, tiny_perceptor, tiny_runtime
from tests.golden import seeded

PROMPT = "a red circle on a blue background"
X = seeded((2, 3, 32, 32), 4)


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return tiny_runtime()


def begin(
    runtime: Runtime, prompt: str = PROMPT, settings: dict[str, str] | None = None, **request: object
) -> list[Sample]:
    images = request.pop("images", {})
    job = job_of(prompt, {"steps": "4", "cutouts": "2", **(settings or {})}, **{"seed": 7, **request})
    return METHOD.begin(job, images, runtime)  # type: ignore[arg-type]


def ideal(x: Tensor, at: BatchCoefficients) -> Prediction:
    x_start = gaussian_slope(at).to(x) * x
    return Prediction(x_start, predict_eps(x, x_start, at.alpha_bar))


def guided(x: Tensor, scales: Scales, clamp: float = 0.0, blended: bool = False) -> tuple[Tensor, Tensor]:
    """Each picture's prediction, plain and leaning."""
    perceptor, n = tiny_perceptor(), len(x)
    eye = ClipTarget("primer", make_targets(perceptor, parse_prompts("an owl"), {}, CutRecipe(2)))
    schedule = respaced_schedule(alphas_cumprod("cosine", 1000), "20")
    guidance = Guidance(
        perceptors=[perceptor],
        objectives=[Objective((eye,), CutRecipe(2), scales)] * n,
        noise_keys=[NoiseKey(7, i, 0) for i in range(n)],
        limits=torch.tensor([[clamp, 0.0]] * n),
        blended=torch.tensor([blended] * n),
        path="net",
        denoise=ideal,
    )
    answer = guidance.predict(x, stack([schedule.at(8)] * n))
    return answer.plain.pred_xstart, answer.guided.pred_xstart


@pytest.mark.parametrize("blended", [False, True])
def test_the_range_loss_moves_the_picture(blended: bool) -> None:
    """nerdyrodent, clip-diffusion-art, Quick, Disco and others differentiate it by what it does not depend on."""
    plain, leaning = guided(4 * X, Scales(range=1000), blended=blended)
    assert (range_loss(leaning) < range_loss(plain)).all()


def test_a_weight_is_no_word() -> None:
    """Disco, Quick and Multi-Perceptor let CLIP read “fog:0.5” whole."""
    (part,) = parse_prompts("fog:0.5")
    assert ("fog", 0.5) == (part.text, part.weight)
    assert tokenise(part.text) == tokenise("fog")


def test_embeddings_keep_their_negative_numbers() -> None:
    """Disco's fuzzy prompts clamp them to 0 … 1."""
    targets = make_targets(tiny_perceptor(), parse_prompts("an owl"), {}, CutRecipe(2))
    assert targets.vectors.min() < -0.05


def test_an_init_picture_is_opened_as_a_picture(runtime: Runtime) -> None:
    """clip-diffusion-art hands its path on."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "PNG")
    sha = hashlib.sha256(buffer.getvalue()).hexdigest()
    states = begin(runtime, init_image=sha, images={sha: buffer.getvalue()}, settings={"skip_steps": "1"})
    assert isinstance(paint(METHOD, states, runtime)[0], Finished)


def test_every_picture_of_many_is_painted_and_none_twice(runtime: Runtime) -> None:
    """clip-diffusion-art drops the number, and shows the last one only."""
    steps = paint(METHOD, begin(runtime, count=3), runtime)
    assert 3 == len({step.image.tobytes() for step in steps if isinstance(step, Finished)})


def test_a_flag_with_a_comma_behind_it_is_refused() -> None:
    """clip-diffusion-art's configuration says “True,”, which YAML reads as a text, and a text is true."""
    with pytest.raises(WeightsError, match="use_fp16"):
        read_flags({**NET, "use_fp16": "True,"})


def test_a_picture_that_skips_steps_is_as_noisy_as_its_clock_says(runtime: Runtime) -> None:
    """afiaka87 starts the clock of its blend at the top all the same."""
    views = "[1]*500+[3]*500"
    (skipped,) = begin(runtime, settings={"steps": "8", "skip_steps": "5", "perlin": "gray", "cutouts": views})
    (whole,) = begin(runtime, settings={"steps": "8", "cutouts": views})
    assert skipped.schedule.at(skipped.schedule_index) == whole.schedule.at(2)
    assert (3, 1) == (skipped.objective.recipe.count, whole.objective.recipe.count)


def test_one_picture_has_as_many_prompts_as_it_likes(runtime: Runtime) -> None:
    """afiaka87 needs as many as there are pictures, or one."""
    states = begin(runtime, "an owl | fog:0.5 | a boat", count=2)
    assert all(isinstance(step, Finished) for step in paint(METHOD, states, runtime))


def test_a_loud_neighbour_does_not_quieten_a_picture() -> None:
    """All of them clamp the gradient of a batch together, so that a picture depends on who stands beside it."""
    loud = torch.cat([X[:1], 100 * X[1:]])
    _, alone = guided(X[:1], Scales(clip=5000), clamp=0.01)
    _, beside = guided(loud, Scales(clip=5000), clamp=0.01)
    torch.testing.assert_close(alone[0], beside[0], rtol=1e-4, atol=1e-5)


def test_the_seed_fixes_the_start(runtime: Runtime) -> None:
    """VQGAN-CLIP draws it before it sets the seed."""
    torch.manual_seed(1)
    (first,) = begin(runtime)
    torch.manual_seed(2)
    (second,) = begin(runtime)
    assert torch.equal(first.x, second.x)


def test_the_secondary_model_has_a_hash_of_its_own() -> None:
    """progrockdiffusion lists it under the hash of the 256-pixel model too."""
    assert find_entry("secondary").sha256 != find_entry("imagenet-256").sha256


def test_whether_classes_are_drawn_changes_no_other_number() -> None:
    """guided-diffusion's randomize_class takes them from the generator that the noise comes from."""
    runtime = tiny_runtime(class_cond=True, context_dim=0)

    class Deaf(torch.nn.Embedding):
        def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - as torch calls it
            return super().forward(torch.zeros_like(input))

    net = runtime.cache._entries["diffusion:primer"].value.net
    net.label_emb = Deaf.from_pretrained(net.label_emb.weight)

    def picture(class_id: int) -> bytes:
        (state,) = begin(runtime)
        state.options = state.options.model_copy(update={"class_id": class_id})
        (step,) = paint(METHOD, [state], runtime)
        assert isinstance(step, Finished)
        return step.image.tobytes()

    assert picture(5) == picture(-1)


def test_frozen_nets_are_differentiated_also_with_checkpoints() -> None:
    """openai's attention always asks for the gradients of weights, which a frozen net has not."""
    net = build_adm({**NET, "use_checkpoint": True}).requires_grad_(False)
    fill(net)
    x = torch.randn(1, 3, 64, 64, requires_grad=True)
    net(x, torch.tensor([5.0])).square().sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0


def test_guidance_leaves_no_gradient_mode_behind(runtime: Runtime) -> None:
    """A generator inside no_grad, as samplers of the time are, leaves it to whoever interleaves two of them."""
    METHOD.advance(begin(runtime), runtime)
    assert torch.is_grad_enabled()
