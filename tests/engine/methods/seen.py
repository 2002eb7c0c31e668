"""Pictures that tests of methods give and get."""

from __future__ import annotations

import hashlib
import io

import numpy as np
from PIL import Image

from engine.methods import Finished


def pixels(step: object) -> np.ndarray:
    """[H, W, 3], of a finished step."""
    assert isinstance(step, Finished), step
    return np.asarray(step.image).astype(int)


def encoded(image: Image.Image) -> tuple[str, dict[str, bytes]]:
    """Its SHA-256, and its bytes by that."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    sha = hashlib.sha256(buffer.getvalue()).hexdigest()
    return sha, {sha: buffer.getvalue()}


def noisy_picture() -> Image.Image:
    return Image.effect_noise((64, 64), 80).convert("RGB")
