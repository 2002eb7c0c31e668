"""Tiles cover a picture once, without visible seams."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from engine.errors import DreamError, InvalidRequest, ModelUnavailable, OutOfMemory, WeightsError
from engine.images.opening import MAX_SIDE
from engine.images.pictures import to_png
from engine.images.tensors import to_image, to_tensor
from engine.loaders.torchvision_compat import ensure_torchvision
from engine.loaders.upscaler import UpscalerNet
from engine.methods import Failed, Finished, Running
from engine.protocol.messages import Job
from engine.protocol.replay_record import make_record, text_chunks
from engine.requests.request import UpscaleRequest, build_request
from engine.runtime.runtime import Runtime
from engine.upscalers import Upscaler, _net, find_upscaler, lanczos, primer
from engine.upscalers._net import NetUpscaler
from engine.upscalers._tiles import Canvas, Cutting, cut, prepare
from engine.upscalers.primer import Compact, compact_from


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    torch.set_num_threads(1)
    return Runtime.open("cpu")


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small net of random weights in the place of the real one."""
    path = tmp_path / "upscaler.safetensors"
    torch.manual_seed(0)
    save_file(Compact(8, 3).state_dict(), path, {"flags": json.dumps({})})
    monkeypatch.setattr(primer, "WEIGHTS", path)
    monkeypatch.setattr(_net, "CORES", (24, 24))
    return path


@pytest.fixture
def fresh(weights: Path) -> Runtime:
    return Runtime.open("cpu")


def grain(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def enlarged(upscaler: Upscaler[object], image: Image.Image, scale: int, runtime: Runtime) -> Image.Image:
    return finished(upscaler, upscaler.enlarge("a", 0, image, scale, runtime), runtime)


def finished(upscaler: Upscaler[object], state: object, runtime: Runtime) -> Image.Image:
    return finished_step(upscaler, state, runtime).image


def finished_step(upscaler: Upscaler[object], state: object, runtime: Runtime) -> Finished:
    while True:
        step = upscaler.advance([state], runtime)[0]
        assert not isinstance(step, Failed)
        if isinstance(step, Finished):
            return step


def difference(a: Image.Image, b: Image.Image) -> int:
    assert a.size == b.size
    return int(np.abs(np.asarray(a, dtype=int) - np.asarray(b, dtype=int)).max())


@pytest.mark.parametrize(("width", "height"), [(1, 1), (24, 24), (25, 24), (100, 37), (7, 300)])
def test_cores_cover_every_pixel_once_and_windows_stay_inside(width: int, height: int) -> None:
    seen = np.zeros((height, width), dtype=int)
    tiles = cut(width, height, Cutting(24, 5))

    for tile in tiles:
        left, top, right, bottom = tile.core
        seen[top:bottom, left:right] += 1
        assert tile.window[0] >= 0 and tile.window[1] >= 0
        assert tile.window[2] <= width and tile.window[3] <= height

    assert (seen == 1).all()
    assert 1 == len({(t.window[2] - t.window[0], t.window[3] - t.window[1]) for t in tiles})


def test_every_core_has_its_context_unless_the_picture_ends() -> None:
    for tile in cut(100, 90, Cutting(24, 5)):
        (wl, wt, wr, wb), (left, top, right, bottom) = tile.window, tile.core
        assert left - wl >= min(5, left) and top - wt >= min(5, top)
        assert wr - right >= min(5, 100 - right) and wb - bottom >= min(5, 90 - bottom)


def test_what_one_window_can_see_is_not_cut() -> None:
    assert [(0, 0, 34, 34)] == [tile.core for tile in cut(34, 34, Cutting(24, 5))]


def test_windows_lie_on_the_grain_of_the_net_and_cores_are_of_one_size() -> None:
    tiles = cut(200, 104, Cutting(64, 16, 8, 8))

    assert {0} == {side % 8 for tile in tiles for side in (*tile.window, *tile.core)}
    assert {72, 56} == {tile.core[2] - tile.core[0] for tile in tiles}


@pytest.mark.parametrize("size", [(70, 50), (24, 24), (10, 90)])
def test_the_net_has_no_seams(fresh: Runtime, size: tuple[int, int]) -> None:
    image = grain(*size)
    net = primer._load(fresh.device).net
    with torch.no_grad():
        whole = to_image(net(to_tensor(image)[None])[0])

    assert difference(whole, enlarged(primer.UPSCALER, image, 4, fresh)) <= 1


@pytest.mark.parametrize("scale", [2, 3, 8])
def test_other_scales_have_no_seams_either(fresh: Runtime, scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    image = grain(60, 52)
    tiled = enlarged(primer.UPSCALER, image, scale, fresh)
    monkeypatch.setattr(_net, "CORES", (1000, 1000))

    assert (60 * scale, 52 * scale) == tiled.size
    assert difference(enlarged(primer.UPSCALER, image, scale, fresh), tiled) <= 1


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lanczos_has_no_seams(runtime: Runtime, scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    image = grain(70, 50)
    whole = enlarged(lanczos.UPSCALER, image, scale, runtime)
    monkeypatch.setattr(lanczos, "CORE", 24)

    assert (70 * scale, 50 * scale) == whole.size
    assert difference(whole, enlarged(lanczos.UPSCALER, image, scale, runtime)) == 0


def test_lanczos_is_lanczos(runtime: Runtime) -> None:
    image = grain(9, 7).resize((70, 50), Image.Resampling.BICUBIC)

    assert (
        difference(image.resize((210, 150), Image.Resampling.LANCZOS), enlarged(lanczos.UPSCALER, image, 3, runtime))
        <= 2
    )


def test_pictures_of_one_size_go_through_the_net_together_and_come_out_alike(fresh: Runtime) -> None:
    images = [grain(30, 30), grain(30, 30).transpose(Image.Transpose.ROTATE_90)]
    states = [primer.UPSCALER.enlarge("a", i, image, 4, fresh) for i, image in enumerate(images)]
    assert 1 == len({primer.UPSCALER.batch_key(state) for state in states})

    while states[0].step < states[0].steps:
        steps = primer.UPSCALER.advance(states, fresh)

    for image, step in zip(images, steps, strict=True):
        assert difference(enlarged(primer.UPSCALER, image, 4, fresh), step.image) <= 1


class Shortcut(torch.nn.Module):
    """x + sub(x), as spandrel's dense nets are built."""

    def __init__(self, *blocks: torch.nn.Module) -> None:
        super().__init__()
        self.sub = torch.nn.Sequential(*blocks)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = x + self.sub(x)
        return out


class Dense(torch.nn.Module):
    """A net in the form of spandrel's ESRGAN, which counts how often its blocks are called."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        convolutions = [torch.nn.Conv2d(3 if not i else 4, 4, 3, padding=1) for i in range(4)]
        last = torch.nn.Conv2d(4, 48, 3, padding=1)
        self.model = torch.nn.Sequential(
            convolutions[0], Shortcut(*convolutions[1:]), last, torch.nn.PixelShuffle(4)
        ).requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.model(x)
        return out


def spandrel_compact() -> torch.nn.Module:
    ensure_torchvision()
    import spandrel

    torch.manual_seed(0)
    net: torch.nn.Module = spandrel.ModelLoader("cpu").load_from_state_dict(dict(Compact(4, 1).state_dict())).model
    return net.requires_grad_(False)


@pytest.mark.parametrize(
    ("module", "count"),
    [
        pytest.param(Dense(), 7, id="dense"),
        pytest.param(Compact(4, 1).requires_grad_(False), 6, id="ours"),
        pytest.param(spandrel_compact(), 6, id="spandrel's"),
    ],
)
def test_a_large_window_takes_many_steps_and_gives_the_same_pixels(
    module: torch.nn.Module, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, runtime = grain(60, 52), Runtime.open("cpu")
    expected = enlarged(made_of(module, reach=6), image, 4, runtime)
    monkeypatch.setattr(_net, "STEP_FLOPS", 1)
    upscaler = made_of(module, reach=6)

    states = [upscaler.enlarge("a", index, image, 4, runtime) for index in range(2)]
    assert 2 == len({upscaler.batch_key(state) for state in states}), "each goes its own way"
    steps = [upscaler.advance([states[0]], runtime)[0]]
    upscaler.advance([states[1]], runtime)
    while not isinstance(steps[-1], Finished):
        steps += upscaler.advance([states[0]], runtime)

    assert count == len(steps), "one part of the net each, so that it can be cancelled in between"
    assert 0 == difference(expected, steps[-1].image)
    assert 0 == difference(expected, finished(upscaler, states[1], runtime))


def test_a_window_that_runs_out_of_memory_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_net, "STEP_FLOPS", 1)
    image, runtime, net = grain(60, 52), Runtime.open("cpu"), Dense()
    upscaler = made_of(net, reach=6)
    expected = enlarged(upscaler, image, 4, runtime)
    state = upscaler.enlarge("a", 0, image, 4, runtime)
    upscaler.advance([state], runtime)

    with monkeypatch.context() as broken:
        broken.setattr(net.model[2], "forward", lambda x: torch.empty(10**15))
        with pytest.raises(RuntimeError, match="memory"):
            for _ in range(9):
                upscaler.advance([state], runtime)

    assert 0 == difference(expected, finished(upscaler, state, runtime))


@pytest.mark.parametrize(("side", "scale"), [(256, 1.0), (512, 1.15), (1024, 1.15)])
@pytest.mark.parametrize("name", ["dense", "compact"])
def test_tiles_add_little_work_on_a_processor(name: str, side: int, scale: float) -> None:
    """Pixels of all windows over those of the image, for the published nets' sizes."""
    module: torch.nn.Module = Dense() if name == "dense" else Compact(4, 1)
    net = UpscalerNet(module, scale=4, reach=12 if name == "dense" else 34, exact=name == "compact", values=100)
    with torch.device("meta"):
        net.net.register_module("weights", torch.nn.Linear(1000, 16_700 if name == "dense" else 1_213, bias=False))

    tiles = cut(side, side, _net.plan(net, 4, Runtime.open("cpu")))

    work = sum((t.window[2] - t.window[0]) * (t.window[3] - t.window[1]) for t in tiles)
    assert work / side**2 <= scale


def test_a_preview_shows_what_is_done(fresh: Runtime) -> None:
    state = primer.UPSCALER.enlarge("a", 0, grain(60, 60), 4, fresh)

    step = primer.UPSCALER.advance([state], fresh)[0]

    assert isinstance(step, Running)
    assert (240, 240) == step.preview().size


def upscale_job(image: Image.Image, scale: int) -> tuple[Job, dict[str, bytes]]:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    png = buffer.getvalue()
    sha = hashlib.sha256(png).hexdigest()
    request = UpscaleRequest(image=sha, scale=scale, width=image.width, height=image.height)
    return Job("a", 1, "", request), {sha: png}


@pytest.mark.parametrize("name", ["lanczos", "primer"])
def test_a_job_that_would_become_too_large_says_which_scale_would_do(name: str, fresh: Runtime) -> None:
    with pytest.raises(InvalidRequest, match=f"{MAX_SIDE} pixels a side and .* so 2 is the largest scale"):
        find_upscaler(name).begin(*upscale_job(Image.new("RGB", (8000, 4)), 4), fresh)


def test_a_picture_of_too_many_pixels_says_which_scale_would_do(
    fresh: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.upscalers.OWN_PIXELS", 300 * 200 * 9)

    with pytest.raises(InvalidRequest, match=r"300×200 times 4 would be 1200×800; .* so 3 is the largest scale"):
        lanczos.UPSCALER.begin(*upscale_job(Image.new("RGB", (300, 200)), 4), fresh)


def test_a_picture_that_the_machine_cannot_hold_is_refused_before_it_is_begun(
    fresh: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.upscalers._tiles.free_memory", lambda device: 10**6)

    with pytest.raises(OutOfMemory, match=r"of 1 megapixels takes 0\.0 GB .* 0\.0 GB are free; a smaller scale"):
        lanczos.UPSCALER.begin(*upscale_job(Image.new("RGB", (300, 200)), 4), fresh)


class Global(torch.nn.Module):
    """A net that looks at all of its window: every window becomes as bright as its mean."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean((1, 2, 3), keepdim=True)
        return mean.expand(-1, 3, x.shape[2] * 4, x.shape[3] * 4)


def made_of(module: torch.nn.Module, **what: object) -> NetUpscaler:
    """An upscaler made of *module*, which enlarges four times."""
    net = UpscalerNet(module, scale=4, **what)  # type: ignore[arg-type]
    return NetUpscaler("made", lambda device, dtype: net, lambda: "")


def test_even_tiles_of_a_net_that_sees_everything_fade_into_each_other(runtime: Runtime) -> None:
    """Nothing can make its tiles alike, but no edge may show where they meet: not across, not down, not in corners."""
    y, x = np.mgrid[0:96, 0:120]
    image = Image.fromarray(np.stack([(x + y) * 255 // 216] * 3, -1).astype(np.uint8))
    state = Canvas("a", 0, prepare(image), 4, Cutting(32, 16, 8))
    upscaler, steps = made_of(Global()), []

    while not steps or not isinstance(steps[-1], Finished):
        steps += upscaler.advance([state], Runtime.open("cpu"))
    levels = np.asarray(steps[-1].image, dtype=int)

    assert 6 == len(steps)
    assert 100 < levels.max() - levels.min(), "the tiles do differ"
    assert max(np.abs(np.diff(levels, axis=0)).max(), np.abs(np.diff(levels, axis=1)).max()) <= 2


class Hungry(torch.nn.Module):
    """Nearest neighbours; windows of more than *most* pixels do not fit into memory."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.seen = most, []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(tuple(x.shape[2:]))
        if x.shape[0] * x.shape[2] * x.shape[3] > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return torch.nn.functional.interpolate(x, scale_factor=4, mode="nearest")


@pytest.mark.parametrize("fade", [0, 4])
def test_smaller_tiles_after_out_of_memory_give_the_same_picture(fade: int) -> None:
    image, runtime = grain(100, 90), Runtime.open("cpu")
    upscaler = made_of(net := Hungry(48 * 48))
    state = Canvas("a", 0, prepare(image), 4, Cutting(64, 8, fade))
    with pytest.raises(torch.OutOfMemoryError):
        upscaler.advance([state], runtime)
    assert (0, 4) == (state.step, state.steps), "nothing has happened to it"

    assert upscaler.reduce_memory(state, runtime)
    assert (0, 9) == (state.step, state.steps)
    for _ in range(4):
        upscaler.advance([state], runtime)
    net.most = 32 * 32  # and again, in the middle of a row
    assert upscaler.reduce_memory(state, runtime)
    assert 3 == state.step < 9 < state.steps, "the row that is done stays"
    step = finished_step(upscaler, state, runtime)

    assert 0 == difference(image.resize((400, 360), Image.Resampling.NEAREST), step.image)


def test_tiles_get_no_smaller_than_is_of_use() -> None:
    state = Canvas("a", 0, prepare(grain(100, 90)), 4, Cutting(64, 32, 16, 8))

    assert state.refine()
    assert not state.refine()


def test_what_half_precision_cannot_hold_is_done_again_in_full(runtime: Runtime) -> None:
    class Overflowing(torch.nn.Module):
        def __init__(self, dtype: torch.dtype) -> None:
            super().__init__()
            self.dtype = dtype

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            large = torch.nn.functional.interpolate(x, scale_factor=4, mode="nearest")
            return large * 1e5 / 1e5 if self.dtype is torch.float32 else large / 0

    def load(device: torch.device, dtype: torch.dtype) -> UpscalerNet:
        return UpscalerNet(Overflowing(dtype), scale=4, dtype=dtype)

    upscaler, half = NetUpscaler("made", load, lambda: ""), Runtime.open("cpu", dtype=torch.bfloat16)
    state = upscaler.enlarge("a", 0, grain(9, 9), 4, half)

    assert isinstance(upscaler.advance([state], half)[0], Running)
    (step,) = upscaler.advance([state], half)

    assert isinstance(step, Finished)
    assert "float32" == step.facts["resolved"]["upscaler_dtype"]
    assert difference(grain(9, 9).resize((36, 36), Image.Resampling.NEAREST), step.image) <= 1


def test_a_damaged_net_is_said_in_words(runtime: Runtime) -> None:
    class Broken(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.full((len(x), 3, x.shape[2] * 4, x.shape[3] * 4), torch.nan)

    upscaler = made_of(Broken())
    (step,) = upscaler.advance([upscaler.enlarge("a", 0, grain(4, 4), 4, runtime)], Runtime.open("cpu"))

    assert isinstance(step, Failed)
    assert "“made” stopped being finite" in str(step.error)


@pytest.mark.parametrize("name", ["lanczos", "primer"])
def test_transparency_is_enlarged_too_and_what_is_hidden_leaves_no_halo(name: str, fresh: Runtime) -> None:
    disc = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    ImageDraw.Draw(disc).ellipse((8, 8, 32, 32), fill=(200, 60, 60, 255))
    state = find_upscaler(name).begin(*upscale_job(disc, 4), fresh)[0]

    large = finished(find_upscaler(name), state, fresh)

    assert ("RGBA", (160, 160)) == (large.mode, large.size)
    assert (0, 255) == (large.getpixel((2, 2))[3], large.getpixel((80, 80))[3])
    if name == "lanczos":  # the random net has colours of its own
        seen = np.asarray(large)[np.asarray(large)[..., 3] > 16]
        assert 190 < seen[:, 0].min(), "black shines through nowhere"


def test_what_is_opaque_or_grey_stays_so(fresh: Runtime) -> None:
    opaque = grain(20, 20).convert("RGBA")
    grey = Image.linear_gradient("L").resize((24, 20))

    assert "RGB" == finished(primer.UPSCALER, primer.UPSCALER.begin(*upscale_job(opaque, 4), fresh)[0], fresh).mode
    large = np.asarray(finished(primer.UPSCALER, primer.UPSCALER.begin(*upscale_job(grey, 4), fresh)[0], fresh))
    assert (80, 96, 3) == large.shape
    assert (large == large[..., :1]).all()


def seamless_png(image: Image.Image, seamless: str) -> bytes:
    """As the engine writes a picture that was painted with that option."""
    request = build_request("a fox", settings={"seamless": seamless})
    return to_png(image, text_chunks(make_record(request, 0, {})))


@pytest.mark.parametrize("name", ["lanczos", "primer"])
@pytest.mark.parametrize(("seamless", "shift"), [("across", (7, 0)), ("down", (0, 5)), ("both", (7, 5))])
def test_edges_that_fit_still_fit_when_the_picture_is_enlarged(
    name: str, seamless: str, shift: tuple[int, int], fresh: Runtime
) -> None:
    """Moving a seamless picture in a circle before or after it is enlarged is the same."""
    image = grain(40, 32)
    upscaler = find_upscaler(name)

    def large(small: Image.Image) -> np.ndarray:
        png = seamless_png(small, seamless)
        sha = hashlib.sha256(png).hexdigest()
        job = Job("a", 1, "", UpscaleRequest(image=sha, scale=4, width=small.width, height=small.height))
        return np.asarray(finished(upscaler, upscaler.begin(job, {sha: png}, fresh)[0], fresh), dtype=int)

    across, down = shift
    moved = Image.fromarray(np.roll(np.asarray(image), (down, across), (0, 1)))

    assert np.abs(np.roll(large(image), (4 * down, 4 * across), (0, 1)) - large(moved)).max() <= 1


@pytest.mark.parametrize("colour", [(200, 60, 60), (10, 240, 30), (128, 128, 200), (255, 255, 255)])
def test_a_single_pixel_keeps_its_colour(colour: tuple[int, int, int], runtime: Runtime) -> None:
    """By the net that ships: what it makes of a pixel is what it makes of a large area."""
    area = np.asarray(enlarged(primer.UPSCALER, Image.new("RGB", (48, 48), colour), 4, runtime), dtype=int)
    pixel = np.asarray(enlarged(primer.UPSCALER, Image.new("RGB", (1, 1), colour), 4, runtime), dtype=int)

    assert np.abs(pixel.mean((0, 1)) - area[80:112, 80:112].mean((0, 1))).max() <= 2
    assert np.abs(pixel.mean((0, 1)) - colour).max() <= 6


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (25, 1), (3, 49)])
@pytest.mark.parametrize("name", ["lanczos", "primer"])
def test_no_picture_is_too_small_or_too_odd(name: str, size: tuple[int, int], fresh: Runtime) -> None:
    assert (3 * size[0], 3 * size[1]) == enlarged(find_upscaler(name), grain(*size), 3, fresh).size


def test_missing_weights_are_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: Runtime) -> None:
    monkeypatch.setattr(primer, "WEIGHTS", tmp_path / "absent.safetensors")

    assert "not installed" in primer.UPSCALER.missing()
    with pytest.raises(ModelUnavailable, match="lanczos"):
        primer._load(runtime.device)


def test_weights_of_another_architecture_are_refused(weights: Path, runtime: Runtime) -> None:
    save_file({"conv.weight": torch.zeros(1)}, weights, {"flags": "{}"})

    with pytest.raises(WeightsError, match="compact"):
        primer._load(runtime.device)


def test_an_unknown_upscaler_is_named(runtime: Runtime) -> None:
    with pytest.raises(
        DreamError, match="There is no upscaler “magic”; available: lanczos, primer, realesrgan-x4plus,"
    ):
        find_upscaler("magic")
    with pytest.raises(DreamError, match="did you mean “realesrgan-x4plus”"):
        find_upscaler("realesrgan_x4plus")


def test_the_compact_net_is_the_one_that_spandrel_knows() -> None:
    ensure_torchvision()
    import spandrel

    torch.manual_seed(0)
    ours = Compact(16, 4).eval()
    theirs = spandrel.ModelLoader("cpu").load_from_state_dict(dict(ours.state_dict()))
    x = torch.rand(1, 3, 20, 24)

    assert ("Compact", 4) == (theirs.architecture.id, theirs.scale)
    with torch.no_grad():
        assert torch.allclose(theirs.model(x), ours(x), atol=1e-6)


def test_a_compact_net_is_rebuilt_from_the_shapes_of_its_weights() -> None:
    net = Compact(16, 4, 2)

    again = compact_from(net.state_dict())
    again.load_state_dict(net.state_dict())

    assert (2, 6) == (again.scale, again.reach)
