"""The environment that an engine child gets: what torch and the system need, and nothing secret. No torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_ALLOWED = """
    PATH HOME USER LOGNAME USERPROFILE APPDATA LOCALAPPDATA PROGRAMDATA SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT
    TEMP TMP TMPDIR LANG LANGUAGE TZ PYTHONPATH PYTHONHOME PYTHONUTF8 PYTHONIOENCODING VIRTUAL_ENV
    LD_LIBRARY_PATH LD_PRELOAD DYLD_LIBRARY_PATH HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy
    SSL_CERT_FILE SSL_CERT_DIR HF_HOME HF_HUB_OFFLINE TORCH_HOME DREAMBOT_WEIGHTS DREAMBOT_MODELS
"""
ALLOWED = frozenset(_ALLOWED.split())
_PREFIXES = "LC_ XDG_ CUDA_ NVIDIA_ HIP_ ROCR_ HSA_ PYTORCH_ OMP_ GOMP_ KMP_ MKL_ MALLOC_ DREAMBOT_FAKE_"
PREFIXES = tuple(_PREFIXES.split())
"""The last one steers the child of the tests."""

THREADS = {
    "OMP_NUM_THREADS": "1",  # engine/threads.py tries more while it runs: on a busy machine two can be 28 times slower
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads starve the other processes of a busy machine
}
MALLOC = {
    # glibc gives every large tensor back to the kernel at once: 35,557 page faults in 5 steps against 257.
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "67108864",
}


def child_environment(environ: Mapping[str, str], *, device: str, threads: str) -> dict[str, str]:
    """*environ* without everything that is not known to be needed (tokens above all), and what makes torch fast.

    Values that the host has set win over ours.
    """
    kept = {name: value for name, value in environ.items() if name in ALLOWED or name.startswith(PREFIXES)}
    tuned = THREADS | (MALLOC if sys.platform == "linux" else {})
    ours = {"DREAMBOT_DEVICE": device, "DREAMBOT_THREADS": threads, "PYTHONUNBUFFERED": "1"}
    return tuned | kept | ours | _search_path(kept.get("PYTHONPATH", ""))


def _search_path(given: str) -> dict[str, str]:
    """In a checkout the child must find this very package, wherever the parent was started."""
    root = Path(__file__).resolve().parent.parent
    if root.name in ("site-packages", "dist-packages"):
        return {}
    return {"PYTHONPATH": os.pathsep.join([str(root), *filter(None, [given])])}
