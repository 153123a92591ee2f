"""Where in the sampling an evaluation of the model lies. A GPU is asked for the noise level once in each, and for the
checkpoint's noise schedule once in a run: each number that it is asked for makes it wait."""

import copy

import torch
from comfy.model_patcher import ModelPatcher
from comfy.model_sampling import ModelSamplingDiscrete, ModelSamplingDiscreteEDM
from torch import Tensor

from .camera import cameras_are_fixed
from .lora import loras_are_fixed
from .objects import objects_are_fixed
from .options import AREAS, KEY, MotionRun, areas_of
from .strength import Moment

LEVEL = f"{KEY}_level"
"""In `transformer_options`: the noise level (sigma) of this evaluation, where somebody asked for it."""

HALVINGS = 30
"""Of the sampling, until the place of a noise level is found."""


def are_fixed(motion_models: list[ModelPatcher]) -> bool:
    """Whether nothing about them depends on the noise level."""
    return all(
        motion.get_attachment(KEY).is_fixed
        and loras_are_fixed(motion)
        and cameras_are_fixed(motion)
        and objects_are_fixed(motion)
        for motion in motion_models
    )


def note_evaluation(executor, model, conds, x_in, timestep, model_options):
    """CALC_COND_BATCH wrapper: what a call must know of the evaluation that it belongs to. x_in: frames c h w.

    Strengths that differ over the picture must know which part of it a call sees, and several GPUs need not all be
    asked for the noise level.
    """
    options = model_options["transformer_options"]
    own = {}
    if areas := areas_of(conds, x_in):
        own[AREAS] = areas
    if not are_fixed(model.current_patcher.get_additional_models_with_key(KEY)):
        own[LEVEL] = level_at(timestep, options)
    if own:
        model_options = model_options | {"transformer_options": options | own}
    return executor(model, conds, x_in, timestep, model_options)


def level_at(sigma: Tensor, options: dict) -> float:
    """The noise level of an evaluation. sigma: one entry per picture."""
    return options[LEVEL] if LEVEL in options else float(sigma.max())


def moment_at(run: MotionRun, sigma: Tensor, options: dict, sampling) -> Moment:
    """The moment at noise level `sigma` (one entry per picture), which is noted in the run: keyframes count levels.

    sampling: the host's `model_sampling`.
    """
    level = level_at(sigma, options)
    run.note(level)
    return Moment(
        full_length=run.full_length,
        levels=run.levels,
        highest=max(levels_of_run(run, options), default=level),
        percent=run.once((sampling, "percent", level), lambda: percent_at(in_memory(run, sampling), level)),
        percent_to_sigma=lambda percent: sigma_at(run, sampling, percent),
        sigma_max=run.once((sampling, "sigma_max"), lambda: float(in_memory(run, sampling).sigma_max)),
    )


def levels_of_run(run: MotionRun, options: dict) -> list[float]:
    """The noise levels that its sampler goes through, falling; none where the host does not say."""
    sigmas: Tensor | None = options.get("sample_sigmas")
    return [] if sigmas is None else run.once((sigmas,), sigmas.tolist)


def sigma_at(run: MotionRun, sampling, percent: float) -> float:
    """The noise level at that part of a whole sampling. sampling: the host's `model_sampling`."""
    return run.once((sampling, "sigma", percent), lambda: float(in_memory(run, sampling).percent_to_sigma(percent)))


def in_memory(run: MotionRun, sampling):
    """A copy of the noise schedule that a GPU need not be asked for."""
    return run.once((sampling, "copy"), lambda: copy.deepcopy(sampling).cpu())


def percent_at(sampling, level: float) -> float:
    """Where in a whole sampling the noise level `level` (sigma) lies: the inverse of the host's `percent_to_sigma`.

    sampling: the host's `model_sampling`. Only those with a table of noise levels have timesteps from 0 to 999.
    """
    if isinstance(sampling, ModelSamplingDiscrete) and not isinstance(sampling, ModelSamplingDiscreteEDM):
        return 1 - float(sampling.timestep(torch.tensor(level))) / 999
    before, after = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (before + after) / 2
        if float(sampling.percent_to_sigma(middle)) > level:
            before = middle
        else:
            after = middle
    return after
