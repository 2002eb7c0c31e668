from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from engine.catalogue import registry as table
from engine.catalogue.models import DEFAULT_MODEL, MODELS
from engine.catalogue.registry import Kind, find_entry
from engine.errors import InvalidRequest, WeightsError
from engine.loaders.verify import check_contents
from engine.methods import Finished, find_method
from engine.methods.clip_diffusion import METHOD
from engine.perceptors.open_clip import from_open_clip, open_clip
from engine.requests.request import ClipDiffusionOptions, build_options, build_request
from engine.runtime.runtime import Runtime
from engine.weights.store.custom_models import add_custom_models, read_custom_models
from engine.weights.store.folder import missing_weights, weights_folder
from engine.worker import capabilities as readiness
from engine.worker.capabilities import find_capabilities
from tests.engine.loaders import test_biggan, test_vqgan
from tests.engine.tiny import job_of, paint, tiny_runtime
from tests.engine.weights.made import TINY, saved, tiny_tensors
from tests.registered import registrations_undone

PUBLISHED = {name: model for name, model in MODELS.items() if name != DEFAULT_MODEL}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DREAMBOT_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def lay_clip(folder: Path) -> None:
    """A file of the size that OpenAI's has, without its bytes."""
    with (folder / "ViT-B-32.pt").open("wb") as file:
        file.truncate(find_entry("ViT-B/32").size)


@pytest.fixture
def no_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test adds to the tables leaves with it."""
    monkeypatch.setattr(table, "_own", {})
    with registrations_undone():
        yield


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_models_settings_can_be_asked_for(name: str) -> None:
    model = MODELS[name]
    options = build_options(model, "", {})
    if "clip_diffusion" in model.methods:
        most = 0.0 if find_entry(name).kind is Kind.V_DIFFUSION else 0.05  # v-diffusion limits no gradient
        assert isinstance(options, ClipDiffusionOptions) and most == options.clamp_max.plain
    width, height = model.size
    assert (width, height) == (build_request("a fox", model=name).width, build_request("a fox", model=name).height)
    model.check_size(model.smallest, model.largest)
    with pytest.raises(InvalidRequest, match=f"cannot paint {width + 1}×{height}"):
        model.check_size(width + 1, height)


@pytest.mark.parametrize(
    ("name", "sizes"), [("imagenet-256", (32, 128, (256, 256))), ("imagenet-512", (64, 256, (512, 512)))]
)
def test_sizes_follow_from_the_levels_of_the_net(name: str, sizes: object) -> None:
    model = PUBLISHED[name]
    assert sizes == (model.multiple, model.smallest, model.size)


def test_the_settings_are_those_of_the_tools() -> None:
    classic = PUBLISHED["imagenet-256"].defaults["clip_diffusion"]
    assert (1000, 150, 50) == tuple(classic[f"{name}_scale"] for name in ("clip_guidance", "tv", "range"))
    art = PUBLISHED["clip-diffusion-art"].defaults["clip_diffusion"]
    assert (5000, 100, 150, 0) == (art["clip_guidance_scale"], art["tv_scale"], art["range_scale"], art["eta"])


def test_nets_that_need_a_class_say_how_many_they_have() -> None:
    assert [1000, 1000, 0] == [PUBLISHED[name].classes for name in ("imagenet-64", "imagenet-128", "imagenet-256")]


def test_ready_says_how_to_get_what_is_not_here(folder: Path) -> None:
    ready = find_capabilities("w", 1, "CPU", 1)
    command = "not downloaded; run python -m engine weights download"
    assert f"{command} imagenet-256 ViT-B/32" == ready.unavailable["imagenet-256"]
    assert f"{command} --trust clip-diffusion-art ViT-B/16" == ready.unavailable["clip-diffusion-art"]
    asked = build_request("a", settings={"perceptors": "ViT-B/32+usual", "gradient": "secondary"})
    assert ("CLIP ViT-B/32", "CLIP primer", "secondary net") == asked.helpers
    assert [f"{command} ViT-B/32", None, f"{command} secondary"] == [ready.unavailable.get(it) for it in asked.helpers]
    lay_clip(folder)
    assert "CLIP ViT-B/32" not in find_capabilities("w", 1, "CPU", 1).unavailable
    assert f"{command} imagenet-256" == missing_weights(MODELS["imagenet-256"])
    (folder / "256x256_diffusion_uncond.pt").touch()
    assert "" == missing_weights(MODELS["imagenet-256"])
    assert "imagenet-256" in find_capabilities("w", 1, "CPU", 1).models
    (folder / "lsun_uncond_100M_2400K_bs64.pt").touch()
    why = "not trusted yet; run python -m engine weights verify --trust bedrooms-2400k"
    assert why == missing_weights(MODELS["bedrooms-2400k"])


@pytest.mark.parametrize("content", [b'{"files": ', b"\xff\xfe", b"[1]", b'{"files": {"a": 5}}', b"[" * 100_000, None])
def test_damaged_pins_concern_only_those_who_need_them(folder: Path, content: bytes | None) -> None:
    (folder / "256x256_diffusion_uncond.pt").touch()
    lay_clip(folder)
    (folder / "lsun_uncond_100M_2400K_bs64.pt").touch()
    if content is None:
        (folder / "pins.json").mkdir()
    else:
        (folder / "pins.json").write_bytes(content)
    ready = find_capabilities("w", 1, "CPU", 1)
    assert {"primer", "imagenet-256"} <= set(ready.models)
    assert {"primer", "lanczos"} <= set(ready.upscalers)
    assert "clip_diffusion" in ready.methods
    why = ready.unavailable["bedrooms-2400k"]
    assert f"{folder / 'pins.json'}, which remembers the hashes of trusted files, cannot be read" in why
    assert why.endswith("verify --trust NAME)")
    with (
        pytest.raises(WeightsError, match=r"pins\.json, which remembers"),
        weights_folder().open(find_entry("bedrooms-2400k")),
    ):
        pass


def test_a_file_of_another_size_is_not_the_model_s(folder: Path) -> None:
    (folder / "RealESRGAN_x4plus.pth").write_bytes(b"something else")

    ready = find_capabilities("w", 1, "CPU", 1)

    assert "realesrgan-x4plus" not in ready.upscalers
    why = ready.unavailable["upscaler realesrgan-x4plus"]
    assert "another file: " in why and "has 14 bytes instead of 67,040,989" in why and "[models.NAME]" in why


@pytest.mark.parametrize("variable", ["DREAMBOT_WEIGHTS", "HOME"])
def test_what_cannot_be_looked_at_is_not_here(folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, str(folder / ("n" * 300)))  # as a folder of somebody else: looking is an error
    ready = find_capabilities("w", 1, "CPU", 1)
    assert "primer" in ready.models
    assert ready.unavailable["CLIP ViT-B/32"].startswith("not downloaded; run ")
    assert weights_folder().find(find_entry("ViT-B/32")) is None


def test_a_look_that_breaks_is_the_reason_of_what_it_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(readiness, "missing_weights", broken)
    ready = find_capabilities("w", 1, "CPU", 1)
    assert "primer" in ready.models and "clip_diffusion" in ready.methods
    assert ready.unavailable["imagenet-256"].startswith("Something went wrong; it has been logged")


def test_a_small_model_of_ones_own_paints_from_its_file_to_its_picture(folder: Path, no_own: None) -> None:
    """The bedrooms' net and CLIP, shrunk and made up, through config.toml, hash, loader, catalogue and method."""
    content = saved(tiny_tensors())
    (folder / "mine.pt").write_bytes(content)
    table_in_toml = {
        "file": str(folder / "mine.pt"),
        "flags": TINY,
        "perceptor": "tiny-clip",
        "defaults": {"steps": 4, "clip_guidance_scale": 1000, "cutouts": 2, "clamp_max": 0.05},
    }
    add_custom_models(read_custom_models({"mine": table_in_toml}))
    assert missing_weights(MODELS["mine"]).startswith(
        "not trusted yet; run python -m engine weights verify --trust mine"
    )
    weights_folder().trust(table.find_entry("mine"), check_contents)
    assert "" == missing_weights(MODELS["mine"])

    runtime = Runtime.open("cpu")
    runtime.net("perceptor:tiny-clip", tiny_clip)
    pictures = []
    for prompt in ("a fox", "the sea"):
        job = job_of(prompt, model="mine", seed=1)
        METHOD.load(job.request, runtime)
        (finished,) = paint(METHOD, METHOD.begin(job, {}, runtime), runtime)
        assert isinstance(finished, Finished)
        assert (32, 32) == finished.image.size
        assert hashlib.sha256(content).hexdigest() == finished.facts["resolved"]["weights"]  # type: ignore[index]
        pictures.append(finished.image.tobytes())
    assert pictures[0] != pictures[1]


@pytest.mark.parametrize(
    ("kind", "flags", "tensors"),
    [
        ("vqgan", test_vqgan.TINY, test_vqgan.tiny_tensors()),
        ("biggan", test_biggan.TINY, test_biggan.tiny_tensors()),
    ],
)
def test_so_do_codes_and_sleepers_of_ones_own(
    folder: Path, no_own: None, kind: str, flags: object, tensors: dict[str, torch.Tensor]
) -> None:
    (folder / "mine.pt").write_bytes(saved(tensors))
    settings = {"steps": 3, "cutouts": 2}
    file = str(folder / "mine.pt")
    add_custom_models(
        read_custom_models(
            {"mine": {"kind": kind, "file": file, "flags": flags, "perceptor": "primer", "defaults": settings}}
        )
    )
    assert missing_weights(MODELS["mine"]).startswith("not trusted yet")
    weights_folder().trust(table.find_entry("mine"), check_contents)

    runtime, method = tiny_runtime(), find_method(MODELS["mine"].methods[0])
    job = job_of("a fox", model="mine", seed=1)
    method.load(job.request, runtime)
    (finished,) = paint(method, method.begin(job, {}, runtime), runtime)
    assert isinstance(finished, Finished)
    assert MODELS["mine"].size == finished.image.size
    assert hashlib.sha256(saved(tensors)).hexdigest() == finished.facts["resolved"]["weights"]  # type: ignore[index]


def tiny_clip() -> object:
    torch.manual_seed(0)
    net = open_clip.CLIP(
        32,
        open_clip.CLIPVisionCfg(layers=1, width=64, patch_size=16, image_size=32),
        open_clip.CLIPTextCfg(width=64, heads=1, layers=1),
    )
    return from_open_clip("tiny-clip", net, torch.device("cpu"))
