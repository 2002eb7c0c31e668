from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
import torch

from engine.loaders.torchvision_compat import ensure_torchvision

IMPORT = (
    "from engine.loaders.torchvision_compat import ensure_torchvision; "
    "ensure_torchvision(); import torchvision.transforms"
)


@pytest.mark.slow
def test_torchvision_can_be_imported_in_a_fresh_interpreter() -> None:
    result = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=False)
    assert (0, "") == (result.returncode, result.stderr)


def test_torchvision_can_be_imported_afterwards() -> None:
    ensure_torchvision()
    transforms = importlib.import_module("torchvision.transforms")
    assert transforms.CenterCrop(2)(torch.ones(1, 4, 4)).shape == (1, 2, 2)


def test_asking_twice_is_answered_alike() -> None:
    assert ensure_torchvision() == ensure_torchvision()
    if torch.version.cuda is None and torch.version.hip is None:
        assert hasattr(torch.ops.torchvision, "nms")
