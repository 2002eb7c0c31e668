"""The classifier of what a picture shows."""

import torch

from engine.nets.primer.classifier import build_classifier


def test_flags_as_a_weights_file_holds_them_rebuild_it() -> None:
    net = build_classifier({"classes": ["owl", "cat"], "widths": [8, 16]}).eval()
    answers = net(torch.rand(3, 3, 64, 64))
    assert net.classes == ("owl", "cat")
    assert ((3, 2), (3, 13), (3, 5)) == tuple(tuple(logits.shape) for logits in answers)
