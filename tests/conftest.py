"""Every test: one torch thread (two are up to 100 times slower on tiny nets), no stray configuration, no deadlines."""

from __future__ import annotations

import os
import signal

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
for name in ("DISCORD_TOKEN", "DREAMBOT_CONFIG", "DREAMBOT_DATA", "DREAMBOT_PLAYGROUND"):
    os.environ.pop(name, None)

from hypothesis import HealthCheck, settings  # noqa: E402 (after the environment is set)

settings.register_profile("dreambot", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dreambot")

signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup and CI runners may have it ignored
