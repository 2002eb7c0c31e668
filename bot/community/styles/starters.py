"""Styles that ship with the bot: the modifiers of CLIP-guided painting, and looks that methods have by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bot.models.style import Style


def _style(key: str, name: str, template: str, **options: str) -> Style:
    return Style(key, name, template, options=MappingProxyType(options), starter=True)


def _large(key: str, name: str, words: str = "") -> Style:
    return Style(key, name, f"{{prompt}}, {words or name}", starter=True, large=True)


PAINTED = (
    _style("watercolor", "watercolor", "{prompt}, watercolor"),
    _style("ink", "ink", "{prompt}, ink sketch"),
    _style("neon", "neon", "{prompt}, neon"),
    _style("pixelart", "pixel art", "{prompt}", method="pixel_art"),
    _style("lines", "line drawing", "{prompt}", method="clipdraw"),
    _style("vqgan", "vqgan dream", "{prompt}", method="vqgan_clip"),
)
"""Styles that the shipped model paints, in the order of the pictures in `bot/pictures/styles.webp`."""

FOR_LARGE_MODELS = (
    _large("artstation", "trending on artstation"),
    _large("oil", "oil on canvas", "oil on canvas, visible brush strokes"),
    _large("unreal", "unreal engine", "rendered in unreal engine"),
    _large("voxels", "voxels", "made of voxels, isometric"),
    _large("pencil", "pencil sketch", "pencil sketch on paper"),
    _large("lowpoly", "low poly", "low poly 3d render"),
    _large("glass", "stained glass", "stained glass window"),
    _large("charcoal", "charcoal", "charcoal drawing"),
    _large("gouache", "gouache", "gouache painting"),
    _large("woodblock", "ukiyo-e", "ukiyo-e woodblock print"),
    _large("matte", "matte painting", "matte painting, highly detailed"),
    _large("concept", "concept art", "concept art, dramatic lighting"),
    _large("vaporwave", "vaporwave", "vaporwave aesthetic"),
    _large("cyberpunk", "cyberpunk"),
    _large("artdeco", "art deco", "art deco poster"),
    _large("impression", "impressionism", "impressionist painting"),
    _large("surreal", "surrealism", "surrealist painting"),
    _large("isometric", "isometric", "isometric 3d render"),
    _large("clay", "claymation", "claymation, plasticine"),
    _large("origami", "origami", "origami, folded paper"),
    _large("photo", "photograph", "photograph, 35mm film"),
    _large("mosaic", "mosaic", "mosaic of small tiles"),
)
"""Styles that only models larger than the shipped one paint."""

STARTERS: Mapping[str, Style] = MappingProxyType({style.key: style for style in (*PAINTED, *FOR_LARGE_MODELS)})
"""By folded name."""
SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        "watercolour": "watercolor",
        "pixelart": "pixel art",
        "artstation": "trending on artstation",
        "oil": "oil on canvas",
    }
)
"""Other folded names of these styles."""
