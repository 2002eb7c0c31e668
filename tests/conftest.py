"""What every test shares: one torch thread (two were up to 100 times slower on tiny nets), no stray configuration."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
for name in ("DISCORD_TOKEN", "DREAMBOT_CONFIG", "DREAMBOT_DATA", "DREAMBOT_PLAYGROUND"):
    os.environ.pop(name, None)
