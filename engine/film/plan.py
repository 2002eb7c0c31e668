"""A film: the request of every frame, and the frames that an earlier run has painted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from engine.errors import DreamError, InvalidRequest
from engine.film.camera import Camera
from engine.film.scenes import Story
from engine.images.opening import open_own
from engine.images.pictures import to_png
from engine.protocol.replay_record import read_record, recorded_request
from engine.requests.options.base import first_problem, refuse
from engine.requests.options.clip_diffusion import ClipDiffusionOptions
from engine.requests.options.vqgan_clip import VqganClipOptions
from engine.requests.request import MAX_SEED, METHODS, DreamRequest, MethodOptions

MOST_FRAMES = 10_000
KEEP = 0.6
"""Usual share of the first steps that later frames leave out, as Disco Diffusion's frames_skip_steps."""
SHARE = 0.1
"""Usual steps of a later frame of vqgan_clip over those of the first."""
LEAST_STEPS = 5


@dataclass(frozen=True, slots=True)
class Film:
    """*first*: the request of frame 0; its prompts are replaced by those of *story*."""

    first: DreamRequest
    frames: int
    story: Story
    camera: Camera
    keep: float = KEEP
    """clip_diffusion: share of the steps that later frames leave out; higher values keep more of the previous frame."""
    frame_steps: int = 0
    """vqgan_clip: steps of later frames; 0 = a tenth of those of the first."""
    hold: float = 0.0
    """Pull towards the moved frame: init_scale or init_weight of later frames."""
    hold_by: str = "pixels"
    """clip_diffusion: init_distance of later frames, if `hold` is not 0."""

    def request(self, frame: int, before: bytes = b"") -> tuple[DreamRequest, dict[str, bytes]]:
        """The request of *frame* and its images (SHA-256 → bytes). *before*: the PNG of the frame before it."""
        prompts = self.story.prompts_at(frame)
        if not frame:
            return self.first.model_copy(update={"prompts": prompts}), {}
        png = to_png(self.camera.move(open_own(before).convert("RGB"), frame))
        sha = hashlib.sha256(png).hexdigest()
        seed = (self.first.seed + frame) % (MAX_SEED + 1)
        changes = {"prompts": prompts, "seed": seed, "init_image": sha, "init_icon": "", "options": self._later()}
        return DreamRequest.model_validate({**dict(self.first), **changes}), {sha: png}

    def _later(self) -> MethodOptions:
        options = self.first.options
        changes: dict[str, object]
        if isinstance(options, ClipDiffusionOptions):
            skipped = min(round(self.keep * options.steps), options.steps - 1)
            changes = {"skip_steps": skipped, "perlin": "none"}
            if self.hold:
                changes |= {"init_scale": self.hold, "init_distance": self.hold_by}
        else:
            steps = self.frame_steps or max(round(SHARE * options.steps), LEAST_STEPS)
            changes = {"steps": steps, "start": "codes", "init_weight": self.hold}
        changed: MethodOptions = type(options).model_validate({**dict(options), **changes})
        return changed


def plan_film(
    first: DreamRequest,
    frames: int,
    story: Story,
    camera: Camera,
    keep: float = KEEP,
    frame_steps: int = 0,
    hold: float = 0.0,
    hold_by: str = "pixels",
) -> Film:
    """A film whose *first* request has the prompts of the first scene, then those that hold in all scenes.

    Raises InvalidRequest.
    """
    story = replace(story, always=first.prompts[len(story.scenes[0].prompts) :])
    film = Film(first, frames, story, camera, keep, frame_steps, hold, hold_by)
    check_film(film)
    return film


def check_film(film: Film) -> None:
    """Raise InvalidRequest for invalid settings, before the first frame is painted."""
    if not 2 <= film.frames <= MOST_FRAMES:
        refuse(f"A film has 2 to {MOST_FRAMES} frames, not {film.frames}.")
    if not isinstance(film.first.options, ClipDiffusionOptions | VqganClipOptions):
        refuse(f"Films are painted by clip_diffusion or vqgan_clip; {film.first.method} cannot start from a frame.")
    if not 0 <= film.keep < 1:
        refuse(f"keep={film.keep:g} is out of range (≥ 0, < 1).")
    if film.frame_steps < 0 or film.frame_steps == 1:
        refuse(f"frame-steps={film.frame_steps} is out of range (2 or more; 0 = a tenth of the steps).")
    if film.frame_steps and isinstance(film.first.options, ClipDiffusionOptions):
        refuse("frame-steps is for vqgan_clip; for clip_diffusion, set --keep instead.")
    if film.hold_by != "pixels" and (not film.hold or not isinstance(film.first.options, ClipDiffusionOptions)):
        refuse(f"hold-by={film.hold_by} needs clip_diffusion and --hold, as in --hold 1500.")
    if film.first.count > 1 or film.first.mask_image:
        refuse("A film is one picture after the other, without a mask.")
    for scene in film.story.scenes:
        if all(prompt.weight < 0 for prompt in scene.prompts):
            refuse("Every part of a scene has a negative weight, so nothing is left to paint: add one without.")
    try:
        film._later()
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
