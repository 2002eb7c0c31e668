"""Two icons of the tests' own in the place of the icon sets: a green disc, and a flat red bar."""

from __future__ import annotations

import numpy as np
import pytest

from engine.primer.icon_sets import PIXELS
from engine.primer.painter import icons
from engine.primer.vocabulary import NOUNS

DISC = '<circle cx="8" cy="8" r="8" fill="#33aa44"/>'
BAR = '<rect y="6" width="16" height="4" fill="#cc3333"/>'


def place_icons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw every noun as the disc in the first of its sets, as the bar in the others."""
    disc, bar = (np.zeros((PIXELS, PIXELS, 4), np.uint8) for _ in range(2))
    y, x = np.mgrid[:PIXELS, :PIXELS] + 0.5
    disc[np.hypot(x - PIXELS / 2, y - PIXELS / 2) < PIXELS / 2] = (51, 170, 68, 255)
    bar[PIXELS * 3 // 8 : PIXELS * 5 // 8] = (204, 51, 51, 255)
    view = (0.0, 0.0, 16.0)
    drawings = {
        (noun.name, icon_set): icons.Drawing(int(i > 0), BAR if i else DISC, view, 1.0, 0.25 if i else 1.0)
        for noun in NOUNS.values()
        for i, icon_set in enumerate(noun.drawings)
    }
    monkeypatch.setattr(icons, "_drawings", lambda: (drawings, np.stack([disc, bar])))
