"""A film: the request of every frame, and the frames that an earlier run has painted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from engine.errors import DreamError, InvalidRequest
from engine.film.camera import EDGES, Camera, read_camera
from engine.film.scenes import FilmScene, Story, read_story
from engine.images.opening import open_own
from engine.images.pictures import to_png
from engine.protocol.replay_record import read_record, recorded_request
from engine.requests.options.base import first_problem, refuse
from engine.requests.options.clip_diffusion import ClipDiffusionOptions
from engine.requests.options.vqgan_clip import VqganClipOptions
from engine.requests.prompts import MAX_PARTS, format_prompts
from engine.requests.request import MAX_SEED, METHODS, UNDRAWN, DreamRequest, MethodOptions

MOST_FRAMES = 10_000
MOST_FADE = 1000
KEEP = 0.6
"""Usual share of the first steps that later frames leave out, as Disco Diffusion's frames_skip_steps."""
SHARE = 0.1
"""Usual steps of a later frame of vqgan_clip over those of the first."""
LEAST_STEPS = 5


@dataclass(frozen=True, slots=True)
class FilmSettings:
    """Length, motion and likeness of the frames: all of a film but its first request and its scenes."""

    frames: int = 48
    zoom: str = "1.02"
    """Factor per frame, like the following as a number or as key frames."""
    angle: str = "0"
    """Degrees per frame, counter-clockwise."""
    x: str = "0"
    y: str = "0"
    """Percent of width and height per frame, to the right and down."""
    edges: str = EDGES[0]
    fade: int = 6
    """Frames in which one scene turns into the next; a crossfade is never longer than its scene."""
    keep: float = KEEP
    """clip_diffusion: share of the steps that later frames leave out; higher values keep more of the previous frame."""
    frame_steps: int = 0
    """vqgan_clip: steps of later frames; 0 = a tenth of those of the first."""
    hold: float = 0.0
    """Pull towards the moved frame: init_scale or init_weight of later frames."""
    hold_by: str = "pixels"
    """clip_diffusion: init_distance of later frames, if `hold` is not 0."""

    def scenes(self, source: str) -> tuple[FilmScene, ...]:
        """``a ^ b`` or ``0: a | 40: b``. Raises PromptError at the character, or InvalidRequest."""
        self._check()
        return read_story(source, self.frames, self.fade).scenes

    def film(self, first: DreamRequest, scenes: tuple[FilmScene, ...]) -> Film:
        """The film whose *first* request has the prompts of the first scene, then those that hold in all scenes.

        Raises InvalidRequest, or PromptError for the camera's key frames.
        """
        self._check()
        always = first.prompts[len(scenes[0].prompts) :]
        camera = read_camera(self.zoom, self.angle, self.x, self.y, self.edges)
        film = Film(first, Story(scenes, self.fade, always), camera, self)
        check_film(film)
        return film

    def plan(self, source: str, ask: Callable[[str], DreamRequest]) -> Film:
        """The film of the typed prompt *source*. *ask* makes the request of the first scene from its prompt."""
        scenes = self.scenes(source)
        return self.film(ask(format_prompts(scenes[0].prompts)), scenes)

    def _check(self) -> None:
        if not 2 <= self.frames <= MOST_FRAMES:
            refuse(f"A film has 2 to {MOST_FRAMES} frames, not {self.frames}.")
        if not 0 <= self.fade <= MOST_FADE:
            refuse(f"fade={self.fade} is out of range (0–{MOST_FADE}).")
        if not 0 <= self.keep < 1:
            refuse(f"keep={self.keep:g} is out of range (≥ 0, < 1).")
        if self.frame_steps < 0 or self.frame_steps == 1:
            refuse(f"frame-steps={self.frame_steps} is out of range (2 or more; 0 = a tenth of the steps).")


@dataclass(frozen=True, slots=True)
class Film:
    """*first*: the request of frame 0; its prompts are replaced by those of *story*."""

    first: DreamRequest
    story: Story
    camera: Camera
    settings: FilmSettings

    @property
    def frames(self) -> int:
        return self.settings.frames

    def asked(self, frame: int, init_image: str = UNDRAWN) -> DreamRequest:
        """The request of *frame*; *init_image*: SHA-256 of the moved frame before it, for later frames."""
        prompts = self.story.prompts_at(frame)
        if not frame:
            return self.first.model_copy(update={"prompts": prompts})
        changes = {"prompts": prompts, "seed": self.seed(frame), "init_image": init_image, "init_icon": ""}
        return DreamRequest.model_validate({**dict(self.first), **changes, "options": self.later()})

    def seed(self, frame: int) -> int:
        return (self.first.seed + frame) % (MAX_SEED + 1)

    def request(self, frame: int, before: bytes = b"") -> tuple[DreamRequest, dict[str, bytes]]:
        """The request of *frame* and its images (SHA-256 → bytes). *before*: the PNG of the frame before it."""
        if not frame:
            return self.asked(frame), {}
        png = to_png(self.camera.move(open_own(before).convert("RGB"), frame))
        sha = hashlib.sha256(png).hexdigest()
        return self.asked(frame, sha), {sha: png}

    def later(self) -> MethodOptions:
        """The options of all frames but the first."""
        options = self.first.options
        changes: dict[str, object]
        if isinstance(options, ClipDiffusionOptions):
            skipped = min(round(self.settings.keep * options.steps), options.steps - 1)
            changes = {"skip_steps": skipped, "perlin": "none"}
            if self.settings.hold:
                changes |= {"init_scale": self.settings.hold, "init_distance": self.settings.hold_by}
        else:
            steps = self.settings.frame_steps or max(round(SHARE * options.steps), LEAST_STEPS)
            changes = {"steps": steps, "start": "codes", "init_weight": self.settings.hold}
        changed: MethodOptions = type(options).model_validate({**dict(options), **changes})
        return changed


def check_film(film: Film) -> None:
    """Raise InvalidRequest for invalid settings, before the first frame is painted."""
    settings = film.settings
    if not isinstance(film.first.options, ClipDiffusionOptions | VqganClipOptions):
        refuse(f"Films are painted by clip_diffusion or vqgan_clip; {film.first.method} cannot start from a frame.")
    if settings.frame_steps and isinstance(film.first.options, ClipDiffusionOptions):
        refuse("frame-steps is for vqgan_clip; for clip_diffusion, set --keep instead.")
    if settings.hold_by != "pixels" and (not settings.hold or not isinstance(film.first.options, ClipDiffusionOptions)):
        refuse(f"hold-by={settings.hold_by} needs clip_diffusion and --hold, as in --hold 1500.")
    if film.first.count > 1 or film.first.mask_image:
        refuse("A film is one picture after the other, without a mask.")
    for scene in film.story.scenes:
        if all(prompt.weight < 0 for prompt in scene.prompts):
            refuse("Every part of a scene has a negative weight, so nothing is left to paint: add one without.")
        prompts = film.story.prompts_at(scene.start)
        if len(prompts) > 2 * MAX_PARTS:
            refuse(f"Where two scenes meet, {len(prompts)} parts are too many; the limit is {2 * MAX_PARTS}.")
    try:
        film.later()
    except ValidationError as error:
        raise InvalidRequest(first_problem(error, METHODS, film.first.method)) from error


def paint_film(
    film: Film,
    folder: Path,
    paint: Callable[[int, DreamRequest, dict[str, bytes]], bytes],
    keep: Callable[[Path, bytes], None],
    *,
    resume: bool = False,
) -> list[Path]:
    """Paint all frames into *folder*, one after the other; returns their files.

    *paint*: number, request and images of a frame → its PNG. *keep* writes a file. With *resume*, frames of the same
    film that are in the folder already are not painted again. Raises InvalidRequest for frames of another one.
    """
    paths = [frame_path(folder, frame) for frame in range(film.frames)]
    before = b""
    for frame, path in enumerate(paths):
        request, images = film.request(frame, before)
        if resume and path.exists():
            before = _recognised(path, request)
            continue
        before = paint(frame, request, images)
        keep(path, before)
    return paths


def frame_path(folder: Path, frame: int) -> Path:
    """Where a frame is written: ``0000.png`` and so on."""
    return folder / f"{frame:04d}.png"


def _recognised(path: Path, request: DreamRequest) -> bytes:
    """The file of a frame that *request* has painted."""
    try:
        png = path.read_bytes()
        asked = recorded_request(read_record(png))
    except (OSError, DreamError) as error:
        raise InvalidRequest(f"{path} is in the way of --resume: {error}") from error
    if asked != request:
        raise InvalidRequest(
            f"{path} is in the way of --resume: it belongs to a film with another prompt, motion or other settings. "
            "Choose another --out, or delete the folder."
        )
    return png
