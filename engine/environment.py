"""The environment that an engine child gets: what torch and the system need, and nothing secret. No torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import EngineUnusable

_ALLOWED = """
    PATH HOME USER LOGNAME USERPROFILE APPDATA LOCALAPPDATA PROGRAMDATA SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT
    TEMP TMP TMPDIR LANG LANGUAGE TZ PYTHONPATH PYTHONHOME PYTHONUTF8 PYTHONIOENCODING VIRTUAL_ENV
    LD_LIBRARY_PATH LD_PRELOAD DYLD_LIBRARY_PATH HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy
    CC CXX SSL_CERT_FILE SSL_CERT_DIR HF_HOME HF_HUB_OFFLINE TORCH_HOME DREAMBOT_WEIGHTS DREAMBOT_MODELS
"""
ALLOWED = frozenset(_ALLOWED.split())
_PREFIXES = "LC_ XDG_ CUDA_ NVIDIA_ HIP_ ROCR_ HSA_ PYTORCH_ OMP_ GOMP_ KMP_ MKL_ MALLOC_ DREAMBOT_FAKE_"
MEMORY_VARIABLES = ("DREAMBOT_NETS_MEGABYTES", "DREAMBOT_IDLE_MINUTES")
SHARING_VARIABLE = "DREAMBOT_SHARING"
"""How many workers share the device."""
COMPILED_VARIABLE = "DREAMBOT_COMPILED"
WORKER_VARIABLE = "DREAMBOT_WORKER"
"""The name of this worker, if there are several."""
LOCAL = "local"
"""The name of a single worker."""
PREFIXES = tuple(_PREFIXES.split())
"""The last one steers the child of the tests."""

THREADS = {
    # engine/runtime/tuning.py tries more while it runs: on a busy machine two can be 28 times slower
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads starve the other processes of a busy machine
}
MALLOC = {
    # glibc gives every large tensor back to the kernel at once: 35,557 page faults in 5 steps against 257.
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "67108864",
}


@dataclass(frozen=True, slots=True)
class MemoryRules:
    """What an engine may do with its device's memory, as its host has set it."""

    nets_megabytes: int = 0
    """Nets together take no more; 0 = a share of what the device has."""
    idle_minutes: float = 0.0
    """After so long without a job large nets leave; 0 = never."""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> MemoryRules:
        """As `variables` has written it. Raises EngineUnusable for a value that is not a number."""
        nets, idle = (environ.get(name) or "0" for name in MEMORY_VARIABLES)
        try:
            return cls(int(nets), float(idle))
        except ValueError as error:
            raise EngineUnusable(f"{' and '.join(MEMORY_VARIABLES)} are numbers, not “{nets}” and “{idle}”.") from error

    @property
    def variables(self) -> dict[str, str]:
        return dict(zip(MEMORY_VARIABLES, (str(self.nets_megabytes), str(self.idle_minutes)), strict=True))

    @property
    def nets_bytes(self) -> int:
        return self.nets_megabytes * 2**20

    @property
    def idle_seconds(self) -> float:
        return self.idle_minutes * 60


def provide_home() -> None:
    """Set HOME to / where neither HOME nor the list of users has a home folder, as Docker does."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = os.sep


def child_environment(
    environ: Mapping[str, str],
    *,
    device: str,
    threads: str,
    memory: MemoryRules | None = None,
    compiled: Path | None = None,
) -> dict[str, str]:
    """*environ* without everything that is not known to be needed (tokens above all), and what makes torch fast.

    *compiled*: nets are compiled, and kept in this folder.
    Values that the host has set win over ours.
    """
    kept = {name: value for name, value in environ.items() if name in ALLOWED or name.startswith(PREFIXES)}
    tuned = THREADS | (MALLOC if sys.platform == "linux" else {})
    ours = {"DREAMBOT_DEVICE": device, "DREAMBOT_THREADS": threads, "PYTHONUNBUFFERED": "1"}
    ours |= (memory or MemoryRules()).variables
    ours |= {COMPILED_VARIABLE: str(compiled.absolute())} if compiled else {}
    return tuned | kept | ours | _search_path(kept.get("PYTHONPATH", ""))


def _search_path(given: str) -> dict[str, str]:
    """PYTHONPATH by which the child imports this very package from a checkout; empty for an installed one."""
    root = Path(__file__).resolve().parents[__name__.count(".")]
    if root.name in ("site-packages", "dist-packages"):
        return {}
    return {"PYTHONPATH": os.pathsep.join([str(root), *filter(None, [given])])}
