"""A file of full size loads in little more memory than it has bytes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.catalogue.registry import PUBLISHED
from engine.loaders.checkpoint import blueprint
from engine.nets.adm import build_adm

CHILD = """
import json, resource, sys, time
import torch
from pathlib import Path
from engine.catalogue.registry import Entry, Kind
from engine.catalogue.registry import PUBLISHED
from engine.loaders.diffusion import read_diffusion
from engine.weights.store.folder import Folder
torch.set_num_threads(1)
root, file, sha256 = sys.argv[1:]
flags = PUBLISHED["bedrooms"].flags
entry = Entry("bedrooms", Kind.DIFFUSION, "", file, "", (), sha256, flags=flags)
place = Folder(Path(root))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.process_time()
net = read_diffusion(entry, place, torch.device("cpu"), torch.float32).net
seconds = time.process_time() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
found = sum(parameter.double().sum().item() for parameter in net.parameters())
print(json.dumps({"peak": peak * 1024, "seconds": seconds, "sum": found}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss has kibibytes only on Linux")
@pytest.mark.parametrize("kind", ["pytorch", "safetensors"])
def test_the_bedrooms_net_loads_within_1_2_times_its_size(tmp_path: Path, kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    state = {
        name: torch.randn(tensor.shape, generator=generator)
        for name, tensor in blueprint(build_adm, PUBLISHED["bedrooms"].flags).state_dict().items()
    }
    path = tmp_path / f"lsun.{kind}"
    torch.save(state, path) if kind == "pytorch" else save_file(state, path)
    total = sum(tensor.double().sum().item() for tensor in state.values())
    del state
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()

    # A process inherits the peak of the one that started it, so a small one (the shell) stands between.
    arguments = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", CHILD, str(tmp_path), path.name, sha256]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environ)
    found = json.loads(done.stdout)
    size = path.stat().st_size
    print(f"{kind}: {size / 1e6:.0f} MB, peak {found['peak'] / size:.3f} times that, {found['seconds']:.1f} s of CPU")
    assert 113.7e6 * 4 == pytest.approx(size, rel=0.01)
    assert total == pytest.approx(found["sum"], rel=1e-9)
    assert 0.9 * size <= found["peak"] <= 1.2 * size
