"""Chooses among the groups of tensors in a checkpoint: averaged weights first, whatever the trainer named them.

Trainers wrap weights in mappings (`state_dict`, `params_ema`, `model` …) and put prefixes before their names
(`module.`, `_orig_mod.`, `model.` …). Both may be nested.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.weights.formats.index import Group, Shape, Stored

AVERAGED = frozenset(("ema", "swa", "avg", "average", "averaged", "polyak", "shadow"))
"""Words in the names that trainers give to averaged weights."""
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
FLAT = "model_ema."
"""Prefix of averages in latent-diffusion (LitEma), whose names have lost their dots."""
MAX_PREFIXES = 8

Tensors = Mapping[str, Stored]
Shapes = Mapping[str, Shape]


@dataclass(frozen=True, slots=True)
class SelectedTensors:
    """Some tensors of a checkpoint, under the names that the network has for them."""

    path: tuple[str, ...]
    prefix: str
    tensors: Tensors

    @property
    def is_averaged(self) -> bool:
        """Whether their names say that they were averaged over training."""
        words = (word.lower() for part in (*self.path, self.prefix) for word in _WORDS.findall(part))
        return not AVERAGED.isdisjoint(words)

    def __str__(self) -> str:
        """As in “the averaged weights under “params_ema”, without the prefix “module.””; empty for a plain file."""
        if not self.path and not self.prefix:
            return ""
        what = "the averaged weights" if self.is_averaged else "the weights"
        under = f" under “{'.'.join(self.path)}”" if self.path else ""
        return what + under + (f", without the prefix “{self.prefix}”" if self.prefix else "")

    @property
    def rank(self) -> tuple[bool, int, int]:
        """Lower is better: averaged, then near the top, then many tensors."""
        return not self.is_averaged, len(self.path), -len(self.tensors)


def choose_fitting(
    groups: Sequence[Group], expected: Shapes, view: Callable[[Tensors], Tensors] = dict
) -> tuple[SelectedTensors, str]:
    """The best choice whose names and shapes are those *expected*, and ""; else the nearest one, and what is wrong.

    *view* drops or renames tensors before they are compared, as the network's loader will. *groups* is not empty.
    """
    found: list[tuple[int, SelectedTensors, str]] = []
    for choice in _by_prefix(groups, expected, view):
        seen = view(choice.tensors)
        wrong = misfit(expected, {name: stored.shape for name, stored in seen.items()})
        found.append((len(expected.keys() ^ seen.keys()), choice, wrong))
    fitting = [item for item in found if not item[2]]
    _, choice, wrong = min(fitting or found, key=lambda item: (0 if fitting else item[0], item[1].rank))
    return choice, wrong


def _by_prefix(
    groups: Sequence[Group], expected: Shapes, view: Callable[[Tensors], Tensors]
) -> Iterator[SelectedTensors]:
    """Every group whole, and the part of it that lies behind each prefix of an expected name."""
    for group in groups:
        found = [SelectedTensors(group.path, "", group.tensors)]
        prefixes: Counter[str] = Counter()
        for name in view(group.tensors):
            parts = name.split(".")
            for cut in range(1, len(parts)):
                if ".".join(parts[cut:]) in expected:
                    prefixes[".".join(parts[:cut]) + "."] += 1
        found += [_behind(group, prefix) for prefix, _ in prefixes.most_common(MAX_PREFIXES)]
        yield from found
        if any(name.startswith(FLAT) for name in group.tensors):
            yield from (_with_flat_averages(group, choice) for choice in found)


def _with_flat_averages(group: Group, choice: SelectedTensors) -> SelectedTensors:
    """*choice* with the average of each tensor that has one, as in ``model_ema.in_layers0weight``."""
    tensors = dict(choice.tensors)
    for name in choice.tensors:
        parts = f"{choice.prefix}{name}".split(".")
        flat = (FLAT + "".join(parts[cut:]) for cut in range(len(parts)))
        tensors[name] = next((group.tensors[key] for key in flat if key in group.tensors), tensors[name])
    changed = tensors != choice.tensors
    return SelectedTensors(group.path, FLAT, tensors) if changed else choice


def unknown_choices(groups: Iterable[Group]) -> list[SelectedTensors]:
    """Choices for a network that is recognised by its tensors, the likeliest first."""
    choices = []
    for group in groups:
        names = [name for name, stored in group.tensors.items() if stored.shape]  # counters have no sides
        heads = {name.partition(".")[0] for name in names if "." in name}
        prefix = ""
        choices.append(SelectedTensors(group.path, "", group.tensors))
        while len(heads) == 1 and all(name.startswith(prefix) and "." in name[len(prefix) :] for name in names):
            prefix += f"{heads.pop()}."
            choices.append(_behind(group, prefix))
            heads = {name[len(prefix) :].partition(".")[0] for name in names}
        if not prefix:
            choices += [_behind(group, f"{head}.") for head in sorted(heads)[:MAX_PREFIXES]]
    return sorted(choices, key=lambda choice: (not choice.is_averaged, len(choice.path)))


def _behind(group: Group, prefix: str) -> SelectedTensors:
    inner = {name.removeprefix(prefix): t for name, t in group.tensors.items() if name.startswith(prefix)}
    return SelectedTensors(group.path, prefix, inner)


def misfit(expected: Shapes, found: Shapes) -> str:
    """What is wrong with the names and shapes that were found, in a few words; empty if nothing is."""
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected]
    odd = [name for name in expected if name in found and expected[name] != found[name]]
    shapes = [f"{name} is {list(found[name])} instead of {list(expected[name])}" for name in odd]
    parts = (
        _some(missing, "is missing", "are missing"),
        _some(unknown, "is unknown", "are unknown"),
        _some(shapes, "", "have other shapes"),
    )
    return ", ".join(part for part in parts if part)


def _some(items: list[str], one: str, many: str) -> str:
    if not items:
        return ""
    if len(items) == 1:
        return f"{items[0]} {one}".strip()
    return f"{len(items)} tensors {many} ({', '.join(items[:2])}{', …' if len(items) > 2 else ''})"
