"""CLIP-guided diffusion: turns noise into a picture, guided by CLIP in every step.

Each step runs the net once with gradient, as in crowsonkb's fork; the classic tools need two passes. CLIP scores random
views of the predicted picture, and the gradient of the losses shifts the prediction before the sampler's step. Nets
that read text also use classifier-free guidance. All values are per sample, so jobs at different steps share a pass.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import torch
from torch import Tensor

from engine.catalogue.models import MODELS, Model
from engine.diffusion.samplers import SOLVERS, SolverStep
from engine.errors import InvalidRequest
from engine.guidance.targets import Targets, decode, make_targets, named
from engine.images.tensors import to_image, to_unit, uniform
from engine.loaders.diffusion import DiffusionNet, load_diffusion_net, net_key
from engine.loaders.guidance_nets import HEADS, VGG, has_lpips, load_lpips, load_secondary
from engine.methods import Finished, Running, Step, not_finite
from engine.methods._diffusion.state import Sample, TextCondition, initial_latents
from engine.methods._diffusion.step import sketched, step_together, text_condition, without_nouns
from engine.methods._shared import filled, make_phases, recipe_at, sides_of
from engine.perceptors.perceptor_loader import load_perceptor, readable
from engine.protocol.messages import Job
from engine.protocol.replay_record import StepConditions
from engine.requests.options.clip_views import Weighted, guiding_clips
from engine.requests.prompts import Prompt, phases_of
from engine.requests.request import ClipDiffusionOptions, DreamRequest
from engine.runtime.runtime import NetProvider
from engine.weights.store.folder import COMMAND

METHOD_NAME = "clip_diffusion"
ADVICE = "a smaller clip_guidance_scale or clamp_max usually helps"
NO_LPIPS = (
    "The likeness to the init picture was measured by the first CLIP, because the files of LPIPS are missing: "
    f"{COMMAND} download --trust {VGG} {HEADS}."
)

__all__ = ["METHOD", "ClipDiffusion", "Sample"]


class ClipDiffusion:
    """The method; see the module's docstring."""

    def load(self, request: DreamRequest, runtime: NetProvider) -> None:
        """Load nets and perceptors. Raises InvalidRequest for unknown words only, or an impossible spacing of steps."""
        model, options = MODELS[request.model], request.options
        assert isinstance(options, ClipDiffusionOptions)
        options.check_size(request.width, request.height, model)
        readable(request, model)
        net = load_diffusion_net(model.name, runtime, options.adapters)
        net.schedule(options.spacing)
        if options.class_id >= 0 and not net.flags.class_cond:
            raise InvalidRequest(f"class_id={options.class_id} needs a net with classes; {model.title} has none.")
        if options.gradient == "secondary":
            load_secondary(runtime)
        guiding = guiding_clips(options, model.perceptor)
        for clip in (*guiding, *([Weighted(model.perceptor)] if net.flags.context_dim else [])):
            load_perceptor(clip.name, runtime)
        first = guiding[0].name
        if options.init_distance == "lpips" and has_lpips():
            load_lpips(runtime)
        elif options.init_distance != "pixels" and not load_perceptor(first, runtime).shows_features:
            kind = options.init_distance
            raise InvalidRequest(f"init_distance={kind} needs a CLIP that shows its feature maps; {first} does not.")

    @torch.no_grad()
    def begin(self, job: Job, images: Mapping[str, bytes], runtime: NetProvider) -> list[Sample]:
        """One sample per picture, with noise or a noised init image as x_T; prompts are embedded once."""
        request = job.request
        assert isinstance(request, DreamRequest) and isinstance(request.options, ClipDiffusionOptions)
        model, options = MODELS[request.model], request.options
        key = net_key(model.name, options.adapters)
        net = load_diffusion_net(model.name, runtime, options.adapters, key)
        schedule, guiding = net.schedule(options.spacing), guiding_clips(options, model.perceptor)
        names = [clip.name for clip in guiding]
        own = model.perceptor if net.flags.context_dim or model.perceptor in names else names[0]
        recipe = recipe_at(options, schedule.timestep(len(schedule) - 1))
        phases, notes = make_phases(request, images, runtime, guiding, own, recipe)
        parts = phases_of(readable(request, model)[0])
        targets = [phase.own.targets for phase in phases]
        if net.composer:  # the sketch shows the nouns
            pictures, perceptor = decode(request, images, runtime.device), load_perceptor(own, runtime)
            targets = [make_targets(perceptor, without_nouns(part.prompts), pictures, recipe) for part in parts]
        lpips = options.init_distance == "lpips" and has_lpips()
        if options.init_distance == "lpips" and not lpips:
            notes += (NO_LPIPS,)
        return [
            Sample(
                job_id=job.id,
                index=index,
                steps=options.steps - options.skip_steps,
                model=model,
                net_key=key,
                options=options,
                seed=request.seed,
                schedule=schedule,
                x=start.x,
                start=start,
                phases=phases,
                conditions=tuple(
                    _condition(request, index, net, found, part.prompts)
                    for found, part in zip(targets, parts, strict=True)
                ),
                notes=notes,
                lpips=lpips,
                memory_level=runtime.memory.level(_kind(model, start.x, options)),
            )
            for index, start in enumerate(
                initial_latents(request, options, schedule, images, sides_of(request), runtime.device)
            )
        ]

    def batch_key(self, state: Sample) -> Hashable:
        condition, options, objective = state.condition, state.options, state.objective
        text = condition is not None, condition is not None and condition.negative is not None, options.cfg_scale != 1
        solver = options.sampler, state.begins, options.gradient
        frame = state.start.mask is not None, options.seamless, state.margin
        memory = state.memory_level, state.bucket, state.compiled
        losses = objective.shape, objective.acts, options.init_distance, state.lpips
        return state.net_key, tuple(state.x.shape), losses, text, solver, frame, memory

    def reduce_memory(self, state: Sample, runtime: NetProvider) -> bool:
        """Raise the memory level: the net keeps fewer activations, then CLIP sees fewer cutouts at once.

        Later pictures of the same kind begin at this level. A replay first reduces a batch that is larger than needed.
        """
        if state.bucket > 1:
            state.bucket = 1
            return True
        objective = state.objective
        if not objective.acts or (
            state.memory_level and (objective.parts == objective.most_cuts or not objective.scales.clip)
        ):
            return False
        state.memory_level += 1
        runtime.memory.levels[_kind(state.model, state.x, state.options)] = state.memory_level
        return True

    def advance(self, states: list[Sample], runtime: NetProvider) -> list[Step]:
        first = states[0]
        net = load_diffusion_net(first.model.name, runtime, first.options.adapters, first.net_key)
        batch = filled(states, runtime.device)
        bucket = len(batch)
        after, compiled = runtime.compiler.step(
            (METHOD_NAME, self.batch_key(first), bucket), lambda: step_together(net, batch, runtime), first.compiled
        )
        alive = after.x.isfinite().flatten(1).all(1).tolist()
        dtype = str(net.net.torso_dtype).removeprefix("torch.")
        guides = [load_perceptor(target.perceptor, runtime) for target in first.clip_targets]
        step_conditions = StepConditions(bucket, torch.get_num_threads(), first.memory_level, compiled)
        resolved = {"weights": net.sha256, "dtype": dtype, "bucket": bucket, **named(*guides)}
        if first.lpips:
            resolved["lpips"] = load_lpips(runtime).sha256
        if net.composer_sha256:
            resolved["composer"] = net.composer_sha256
        if net.adapters:
            resolved["adapters"] = net.adapters
        return [
            _commit(state, after, i, runtime, step_conditions, resolved) if alive[i] else not_finite(state, ADVICE)
            for i, state in enumerate(states)
        ]


METHOD = ClipDiffusion()


def _condition(
    request: DreamRequest, index: int, net: DiffusionNet, targets: Targets, prompts: Sequence[Prompt]
) -> TextCondition | None:
    """The condition of one picture: *targets*, and the sketch of *prompts* if the network sees one."""
    options = request.options
    assert isinstance(options, ClipDiffusionOptions)
    if not (net.flags.context_dim and options.cfg_scale):
        return None
    draws = uniform(request.seed, index, 0, "layout", (64,))
    model = MODELS[request.model]
    sketch = sketched(net, prompts, draws, sides_of(request))
    return text_condition(targets, sketch, free_guidance=model.free_guidance)


def _commit(
    state: Sample,
    after: SolverStep,
    i: int,
    runtime: NetProvider,
    step_conditions: StepConditions,
    resolved: Mapping[str, object],
) -> Step:
    log, facts = state.step_log.appended(step_conditions), dict[str, object]()
    if state.step + 1 == state.steps:
        facts = state.facts(to_unit(after.x[i]), {**resolved, "course": log.rows}, runtime)
    state.x, state.step, state.step_log = after.x[i].clone(), state.step + 1, log
    if after.memory is not None:
        most = SOLVERS[state.options.sampler].memory
        state.history = (after.memory[i].clone(), *state.history)[:most]
    if state.step < state.steps:
        shown = after.pred_xstart[i].clone()
        return Running(state.step, state.steps, lambda: to_image(to_unit(shown)))
    return Finished(to_image(to_unit(state.x)), facts)


def _kind(model: Model, x: Tensor, options: ClipDiffusionOptions) -> Hashable:
    """Pictures of one kind take equally much memory."""
    views = str(options.cutouts), options.perceptors, options.clip_cutouts, options.augment
    return METHOD_NAME, model.name, tuple(x.shape), views
