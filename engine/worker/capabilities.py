"""What this engine can do, and why not the rest: the contents of `Ready`. Looks at files, loads no net."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import ParamSpec

from engine.catalogue.models import MODELS, PRIMER
from engine.catalogue.registry import CLIPS, find_entry
from engine.errors import DreamError
from engine.loaders.checkpoint import PRIMER_WEIGHTS
from engine.methods import method_names
from engine.protocol.messages import Ready
from engine.requests.request import METHODS, SECONDARY_NET, adapter_key, clip_key, known_adapters
from engine.runtime.runtime import catch
from engine.upscalers import find_upscaler, upscaler_names
from engine.weights.store.folder import missing_files, missing_weights
from engine.weights.store.trained_models import refresh_trained_models

P = ParamSpec("P")


def find_capabilities(worker: str, pid: int, device: str, slots: int, used: Collection[str] = ()) -> Ready:
    """A `Ready` with everything that is usable here, and a reason for everything that is not.

    Registers what was trained since the last call, and forgets what was deleted, except for the names in *used*.
    """
    trained = refresh_trained_models(keep=used)
    pairs = [(name, method) for name, model in MODELS.items() for method in model.methods]
    problems = {pair: _problem(_missing, *pair) for pair in pairs}
    methods = {name: _least([problems[p] for p in pairs if p[1] == name]) for name in method_names() if name in METHODS}
    models = {name: _least([problems[p] for p in pairs if p[0] == name]) for name in MODELS}
    upscalers = {name: _problem(lambda name: find_upscaler(name).missing(), name) for name in upscaler_names()}
    helpers = {clip_key(clip.name): _problem(missing_files, [clip]) for clip in CLIPS}
    helpers |= {adapter_key(name): _problem(missing_files, [entry]) for name, entry in known_adapters().items()}
    helpers[SECONDARY_NET] = _problem(missing_files, [find_entry("secondary")])
    named = methods | models | {f"upscaler {name}": problem for name, problem in upscalers.items()} | helpers
    return Ready(
        worker=worker,
        pid=pid,
        device=device,
        slots=slots,
        methods=_usable(methods),
        upscalers=_usable(upscalers),
        models=_usable(models),
        unavailable={name: problem for name, problem in named.items() if problem},
        trained=trained,
    )


def _usable(problems: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name, problem in problems.items() if not problem)


def _least(problems: list[str]) -> str:
    """Nothing if anything works; else the first problem."""
    return "" if "" in problems else problems[0] if problems else "no installed model supports it"


def _missing(model: str, method: str) -> str:
    """Why *model* cannot paint by *method*; empty if it can."""
    if model != PRIMER.name:
        return missing_weights(MODELS[model])
    files = METHODS[method].primer_weights
    absent = [f"{name}.safetensors" for name in files if not (PRIMER_WEIGHTS / f"{name}.safetensors").is_file()]
    return f"{MODELS[model].title} has no weights here: {', '.join(absent)} missing" if absent else ""


def _problem(check: Callable[P, str], *args: P.args, **kwargs: P.kwargs) -> str:
    """What *check* says, or the error that it raised: one broken file does not hide what works."""
    found = catch(check, *args, **kwargs)
    return str(found) if isinstance(found, DreamError) else found
