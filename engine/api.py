"""The Python interface: paint, upscale and repeat images, and score them against a text.

    from engine import Studio

    with Studio() as studio:
        for image in studio.dreams("an owl", count=4, steps=60):
            image.save(f"owl {image.seed}.png")

Every setting of the shell's ``dream --set`` is a keyword argument. Mistakes raise `engine.errors.DreamError` with a
message that says what to do.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

from PIL import Image

from engine.errors import InvalidRequest
from engine.film.plan import Film, FilmSettings
from engine.guidance.clip_score import Judge
from engine.images.icons.spec import PREFIX
from engine.images.opening import open_own, read_file, stored_size, to_rgb
from engine.images.pictures import SUFFIXES, in_format, to_png
from engine.perceptors.judge_choice import GRADER
from engine.protocol.messages import Picture, Progress, Request
from engine.protocol.replay_record import ReplayPlan, check_model, read_record, read_replay_plan, replay_request
from engine.requests.icons import draw_icons
from engine.requests.prompts import parse_prompts
from engine.requests.request import AUTO, USUAL_SCALE, DreamRequest, UpscaleRequest, build_request
from engine.requests.upscaling import LEAST_SCALE, MOST_SCALE, SCALES_SAID
from engine.worker.in_process import InProcessEngine

ImageLike: TypeAlias = "Image.Image | Dream | bytes | str | Path"
"""An image, an encoded image file, or the path of one."""
FILM = FilmSettings()
"""The usual settings of a film."""


@dataclass(frozen=True, slots=True, repr=False)
class Dream:
    """One finished image."""

    png: bytes
    """The PNG file, with its replay record in a text chunk."""
    seed: int | None
    """Paints this image again, alone; None for an upscaled image."""
    score: float | None
    """Cosine, -1 to 1, between image and prompt as the guiding CLIP sees them; None for an upscaled image."""
    notes: tuple[str, ...]
    """Sentences about the prompt or the settings, such as words that the model does not know."""
    record: Mapping[str, Any]
    """The request and everything it was resolved to; `Studio.replay` repeats it."""

    @property
    def image(self) -> Image.Image:
        """The pixels, RGB or RGBA."""
        return Image.open(io.BytesIO(self.png))

    def save(self, path: str | Path) -> Path:
        """Writes *path*: a PNG with the replay record, or the format that the suffix names. Returns the path."""
        path = Path(path)
        suffix = path.suffix.lower() or ".png"
        if suffix in SUFFIXES:
            path.write_bytes(in_format(self.png, suffix))
        else:
            self.image.save(path)
        return path

    def _repr_png_(self) -> bytes:
        return self.png

    def __repr__(self) -> str:
        width, height = self.image.size
        return f"<Dream {width}x{height}, seed {self.seed}>"


class Studio:
    """An engine in this process, which keeps its models loaded. A context manager; not for several threads at once.

    *device*: "auto", "cpu", "cuda", "cuda:1" or "mps". *threads*: CPU threads, or "auto". Raises EngineUnusable for a
    device that does not work.
    """

    def __init__(self, device: str = "auto", threads: int | str = "auto") -> None:
        self._engine = InProcessEngine(device, str(threads))

    def __enter__(self) -> Studio:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stops the engine's threads."""
        self._engine.close()

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that can be used now."""
        return self._engine.ready.models

    @property
    def upscalers(self) -> tuple[str, ...]:
        """Names of the upscalers that can be used now."""
        return self._engine.ready.upscalers

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods that can be used now."""
        return self._engine.ready.methods

    def dream(self, prompt: str, **settings: Any) -> Dream:
        """One image of *prompt*; the keyword arguments are those of `dreams`."""
        (image,) = self.dreams(prompt, count=1, **settings)
        return image

    def dreams(
        self,
        prompt: str,
        *,
        count: int = 1,
        negative: str = "",
        model: str = "",
        method: str = "",
        size: str | tuple[int, int] = "",
        steps: int | None = None,
        seed: int | None = None,
        init: ImageLike | None = None,
        target: ImageLike | None = None,
        mask: ImageLike | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        **options: object,
    ) -> list[Dream]:
        """*count* images of *prompt*, with the seeds *seed*, *seed* + 1, …

        *size*: ``"512x384"`` or (width, height). *init*: the image to start from; *mask*: white where it is repainted;
        *target*: an image that is a prompt as well; ``"icon:owl"`` stands for an icon as either of them.
        *on_progress* is called with steps and previews. *options*: the method's own, and `profile`. Raises
        InvalidRequest, PromptError, UnreadablePicture, ModelUnavailable, OutOfMemory.
        """
        given = {"init": init, "target": target, "mask": mask}
        wanted = {"negative": negative, "model": model, "method": method, "steps": steps, "seed": seed, "count": count}
        request, images = _asked(prompt, size, given, wanted, options)
        return self._paint(request, images, on_progress)

    def film(
        self,
        prompt: str,
        *,
        frames: int = FILM.frames,
        zoom: float | str = FILM.zoom,
        angle: float | str = FILM.angle,
        x: float | str = FILM.x,
        y: float | str = FILM.y,
        edges: str = FILM.edges,
        fade: int = FILM.fade,
        keep: float = FILM.keep,
        frame_steps: int = FILM.frame_steps,
        hold: float = FILM.hold,
        hold_by: str = FILM.hold_by,
        negative: str = "",
        model: str = "",
        method: str = "",
        size: str | tuple[int, int] = "",
        steps: int | None = None,
        seed: int | None = None,
        init: ImageLike | None = None,
        target: ImageLike | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        **options: object,
    ) -> Iterator[Dream]:
        """Paint a film and yield its frames; each starts from the previous one, moved.

        *prompt*: scenes as in ``"an owl ^ a castle"``, or ``"0: an owl | 30: a castle"``. *zoom*, *angle* (degrees),
        *x* and *y* (percent) per frame, as numbers or key frames (``"0:1, 24:1.05"``); the other settings are those of
        `python -m engine film`. Raises what `dreams` raises, the mistakes of a film before its first frame.
        """
        given = {"init": init, "target": target}
        wanted = {"negative": negative, "model": model, "method": method, "steps": steps, "seed": seed}
        images: dict[str, bytes] = {}

        def ask(words: str) -> DreamRequest:
            request, found = _asked(words, size, given, wanted, options)
            images.update(found)
            return request

        motion = str(zoom), str(angle), str(x), str(y)
        settings = FilmSettings(frames, *motion, edges, fade, keep, frame_steps, hold, hold_by)
        return self._frames(settings.plan(prompt, ask), images, on_progress)

    def _frames(
        self, film: Film, images: Mapping[str, bytes], on_progress: Callable[[Progress], None] | None
    ) -> Iterator[Dream]:
        before = b""
        for frame in range(film.frames):
            request, own = film.request(frame, before)
            (dream,) = self._paint(request, {**images, **own}, on_progress)
            before = dream.png
            yield dream

    def upscale(
        self,
        image: ImageLike,
        scale: float = USUAL_SCALE,
        *,
        upscaler: str = AUTO,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Dream:
        """*image*, *scale* (1 to 8, as in 1.5) times larger. *upscaler*: "auto" takes the best that is installed.

        Raises InvalidRequest, UnreadablePicture, ModelUnavailable, OutOfMemory.
        """
        data = _encoded(image)
        width, height = stored_size(data)
        if not LEAST_SCALE <= scale <= MOST_SCALE:
            raise InvalidRequest(f"{SCALES_SAID}, not {scale:g} times.")
        if scale == 1 and upscaler == AUTO:
            raise InvalidRequest("A scale of 1 is for nets that restore pictures: name one as upscaler.")
        sha256 = hashlib.sha256(data).hexdigest()
        request = UpscaleRequest(image=sha256, upscaler=upscaler, scale=scale, width=width, height=height)
        (large,) = self._paint(request, {sha256: data}, on_progress)
        return large

    def replay(self, image: ImageLike) -> Dream:
        """Paints the image of a PNG again from its replay record, equal to the pixel on the same machine.

        Raises InvalidRequest for a PNG without a record, or one that needs an input image.
        """
        record = read_record(_encoded(image))
        request, images = replay_request(record), dict[str, bytes]()
        if isinstance(request, DreamRequest):
            check_model(request)
            request = draw_icons(request, images)
        if any(sha not in images for sha in request.images):
            raise InvalidRequest("This picture was made from another picture; paint it again with that as init image.")
        (again,) = self._paint(request, images, None, read_replay_plan(record["resolved"]))
        return again

    def score(self, images: ImageLike | Iterable[ImageLike], text: str, *, perceptor: str = GRADER) -> list[float]:
        """How well each image fits *text*: the cosine, -1 to 1, as the CLIP *perceptor* sees it.

        A CLIP rates images that it has guided too high, so score with another. Raises ModelUnavailable.
        """
        several = [images] if isinstance(images, Image.Image | Dream | bytes | str | Path) else list(images)
        judge = Judge(perceptor, self._engine.runtime)
        prompt = judge.embed_prompts(parse_prompts(text))
        vectors = judge.embed_images([open_own(_encoded(image)) for image in several])
        return [float(cosine) for cosine in vectors @ prompt.direction]

    def _paint(
        self,
        request: Request,
        images: Mapping[str, bytes],
        on_progress: Callable[[Progress], None] | None,
        plan: ReplayPlan | None = None,
    ) -> list[Dream]:
        painted = self._engine.paint(request, images, tell=on_progress, replay_plan=plan)
        return [_dream(painted.pictures[index], painted.notes) for index in sorted(painted.pictures)]


def dream(prompt: str, **settings: Any) -> Dream:
    """One image of *prompt* from a fresh `Studio`; the keyword arguments are those of `Studio.dreams`.

    Loading takes a few seconds each time. Keep a `Studio` to paint more than one image.
    """
    with Studio() as studio:
        return studio.dream(prompt, **settings)


def _asked(
    prompt: str,
    size: str | tuple[int, int],
    given: Mapping[str, ImageLike | None],
    wanted: Mapping[str, Any],
    options: Mapping[str, object],
) -> tuple[DreamRequest, dict[str, bytes]]:
    """The request and its images. *given*: init, target and mask; *wanted*: other arguments of `build_request`."""
    icons = {name: str(one) for name, one in given.items() if str(one).startswith(PREFIX)}
    files = {name: _encoded(one) for name, one in given.items() if one and name not in icons}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    request = build_request(
        prompt,
        size=size if isinstance(size, str) else "x".join(map(str, size)),
        settings={name: _as_text(value) for name, value in options.items()},
        init_image=hashes.get("init", ""),
        target_image=hashes.get("target", ""),
        mask_image=hashes.get("mask", ""),
        init_icon=icons.get("init", ""),
        target_icon=icons.get("target", ""),
        **wanted,
    )
    images = {hashes[name]: data for name, data in files.items()}
    return draw_icons(request, images), images


def _dream(picture: Picture, notes: Sequence[str]) -> Dream:
    facts: Mapping[str, Any] = picture.facts
    found = tuple(dict.fromkeys((*notes, *facts["notes"])))
    return Dream(picture.png, facts["seed"], facts["clip_score"], found, facts["replay"])


def _encoded(image: ImageLike) -> bytes:
    """The file of an image. Raises InvalidRequest if there is no such file."""
    if isinstance(image, Dream):
        return image.png
    if isinstance(image, Image.Image):
        return to_png(to_rgb(image, alpha=True))
    if isinstance(image, bytes):
        return image
    return read_file(Path(image))


def _as_text(value: object) -> str:
    """An option as it is typed: ``True`` → ``on``."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
