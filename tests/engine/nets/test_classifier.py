"""The classifier of what a picture shows."""

import torch

from engine.nets.classifier import Classifier, build_classifier


def test_flags_as_a_weights_file_holds_them_rebuild_it() -> None:
    net = build_classifier({"classes": ["owl", "cat"], "widths": [8, 16]})
    assert net.classes == ("owl", "cat")
    assert net(torch.rand(3, 3, 64, 64)).shape == (3, 2)


def test_it_names_the_likeliest_class() -> None:
    net = Classifier(("owl", "cat"), (8,)).eval()
    torch.nn.init.zeros_(net.head.weight)
    net.head.bias.data = torch.tensor([0.0, 1.0])
    assert net.name(torch.rand(2, 3, 64, 64)) == ["cat", "cat"]
