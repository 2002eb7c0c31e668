"""The names of ImageNet's 1,000 classes in their order, in OpenAI's wording for CLIP: `imagenet.txt`, one a line."""

from __future__ import annotations

from importlib.resources import files

IMAGENET = tuple((files(__package__) / "imagenet.txt").read_text(encoding="utf-8").splitlines())
