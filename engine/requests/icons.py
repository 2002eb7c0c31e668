"""Draws the icons of a request. The text of an icon is enough to redraw it, so a replay needs no file."""

from __future__ import annotations

from collections.abc import MutableMapping

from engine.images.icons.drawing import icon_png
from engine.images.icons.spec import read_icon
from engine.requests.request import DreamRequest


def draw_icons(request: DreamRequest, images: MutableMapping[str, bytes]) -> DreamRequest:
    """The same with the hashes of its icons, whose PNGs are added to *images*. Raises InvalidRequest.

    Icons are drawn at the size of the request.
    """
    found = {}
    for picture, text in (("init_image", request.init_icon), ("target_image", request.target_icon)):
        if text:
            found[picture], png = icon_png(read_icon(text), request.width, request.height)
            images[found[picture]] = png
    return request.model_copy(update=found)
