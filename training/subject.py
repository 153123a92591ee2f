"""What is trained: private copies of MODEL and motion model, and which of their parameters learn.

Nodes run in the host's inference mode, whose tensors no gradient goes through, and share their weights with every other
branch of a graph. So a subject is a copy of all that it runs, made outside of that mode; nothing of a graph changes.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import comfy.model_management
import torch
from comfy.model_patcher import ModelPatcher
from torch import nn

from ..motion.attach import attach
from ..motion.families import SDXL_BETA, V2, V3
from ..motion.fit import base_name, check_fit
from ..motion.formats import MotionFormat
from ..motion.load import host_patcher, patcher_of
from ..motion.lora import LORAS, STRENGTH, running_lora
from ..motion.settings import MotionSettings
from ..sampling.sigmas.beta_schedules import AUTO, KEEP, with_beta_schedule
from .fresh import low_rank, motion_state, widened
from .plan import ATTENTION_AND_FF, DOMAIN_ADAPTER, MOTION_LORA, TrainingPlan
from .spatial import SpatialLoRA, add_spatial_lora
from .start import factors_to_start_from

APPEARANCE_RANK, APPEARANCE_RATE = 32, 1e-4
"""Source: MotionDirector's presets."""


@dataclass(eq=False)
class Subject:
    model: ModelPatcher
    """A private MODEL with everything on it that runs in training."""
    modules: dict[str, nn.Module]
    """What learns, by name: "motion" (a RunningLoRA or a MotionModel), "spatial" (a SpatialLoRA)."""
    motion_format: MotionFormat | None = None
    """None where single pictures are learnt."""
    alone: ModelPatcher | None = None
    """The same MODEL with the checkpoint's own noise schedule, for single frames."""
    rates: dict[str, float] = field(default_factory=dict)
    """Learning rates of modules that have one of their own."""
    sources: dict[str, str] = field(default_factory=dict)
    """What all of it was made of, for headers and saves: see files.source_facts."""

    @property
    def spatial(self) -> SpatialLoRA | None:
        return self.modules.get("spatial")

    @property
    def device(self) -> torch.device:
        return self.model.load_device

    def parameters(self) -> dict[str, nn.Parameter]:
        return {
            f"{name}.{key}": parameter
            for name, module in self.modules.items()
            for key, parameter in module.named_parameters()
        }

    def load(self, memory: float = 0.0) -> None:
        """Onto the device, where it is not there any more: a sample was decoded, or another node ran."""
        models = [self.model, *self.model.get_nested_additional_models()]
        comfy.model_management.load_models_gpu(models, memory_required=memory, force_full_load=True)
        if self.spatial is not None:
            self.spatial.to(self.device)
        self.model.pre_run()

    @contextmanager
    def without_motion(self) -> Iterator[ModelPatcher]:
        """The MODEL as it was trained on pictures, with its own noise schedule."""
        self.alone.patch_model(load_weights=False)
        self.alone.pre_run()
        try:
            yield self.alone
        finally:
            self.model.patch_model(load_weights=False)
            self.model.pre_run()

    def release(self) -> None:
        """Leaves nothing on the device."""
        for each in (self.model, *self.model.get_nested_additional_models()):
            each.detach()
        self.model.cleanup()


def own_copy(patcher: ModelPatcher) -> ModelPatcher:
    """The same with weights of its own, held outside of the host's dynamic VRAM, which would take them away."""
    if patcher.is_dynamic():
        return patcher.clone(disable_dynamic=True)
    config, current = (getattr(patcher.model, name, None) for name in ("model_config", "current_patcher"))
    model = copy.deepcopy(patcher.model, {id(config): config, id(current): None})  # the config cannot be copied
    return patcher.clone(model_override=(model, ({}, {}, {}, set())))


def subject_of(model: ModelPatcher, motion_model: ModelPatcher | None, plan: TrainingPlan) -> Subject:
    """model, motion_model: as a graph has them, checked. Call it outside of inference mode."""
    comfy.model_management.unload_all_models()  # so that no weight is copied with LoRAs baked into it
    base = own_copy(model)
    base.model.requires_grad_(False)
    set_precision(base, plan.options.precision)
    if plan.kind == DOMAIN_ADAPTER:
        lora = add_spatial_lora(base, plan.rank, plan.seed)
        schedule = KEEP if plan.options.beta_schedule == AUTO else plan.options.beta_schedule
        base = with_beta_schedule(base, schedule)
        return Subject(base, {"spatial": lora}, alone=base)
    if plan.kind == MOTION_LORA:
        return lora_subject(base, own_copy(motion_model), plan)
    motion = new_motion_model(base, plan) if motion_model is None else own_copy(motion_model)
    return motion_subject(base, motion, plan)


def set_precision(model: ModelPatcher, precision: str) -> None:
    """What a private MODEL's UNet computes in. auto: bfloat16 in place of float16 where the device has it."""
    if precision != "auto":
        model.set_model_compute_dtype(getattr(torch, precision))
    elif model.model.get_dtype_inference() == torch.float16 and comfy.model_management.should_use_bf16(
        model.load_device, manual_cast=True
    ):
        model.set_model_compute_dtype(torch.bfloat16)


def lora_subject(base: ModelPatcher, motion: ModelPatcher, plan: TrainingPlan) -> Subject:
    motion.model.requires_grad_(False)
    shapes = dict(lora_layers(motion.model, plan.layers))
    start = factors_to_start_from(plan, motion.model, shapes)
    new = low_rank(shapes.items(), plan.rank, plan.seed)
    layers = {name: widened(factors, start.get(name)) for name, factors in new.items()}
    running = running_lora(motion, layers, disable_dynamic=True, dtype=torch.float32)
    running.model.requires_grad_(True)
    running.set_attachments(STRENGTH, 1.0)
    motion.set_additional_models(LORAS, [*motion.get_additional_models_with_key(LORAS), running])
    modules, rates = {"motion": running.model}, {}
    if plan.trains_appearance:
        modules["spatial"] = add_spatial_lora(base, APPEARANCE_RANK, plan.seed)
        rates["spatial"] = APPEARANCE_RATE
    return Subject(moving(base, motion, plan), modules, motion.model.format, with_own_schedule(base), rates)


def motion_subject(base: ModelPatcher, motion: ModelPatcher, plan: TrainingPlan) -> Subject:
    model = motion.model
    for parameter in model.parameters():
        parameter.data = parameter.data.to(torch.float32, copy=True)
    model.requires_grad_(True)
    motion = host_patcher(model, motion.load_device, motion.offload_device, disable_dynamic=True)
    return Subject(moving(base, motion, plan), {"motion": model}, model.format, base)


def moving(base: ModelPatcher, motion: ModelPatcher, plan: TrainingPlan) -> ModelPatcher:
    """The MODEL with the motion model on it, exactly as Apply Motion Model puts it there."""
    schedule = plan.options.beta_schedule
    if schedule == AUTO:
        schedule = motion.model.format.family.beta_schedule
    return with_beta_schedule(attach(base, motion, MotionSettings()), schedule)


def with_own_schedule(model: ModelPatcher) -> ModelPatcher:
    """A clone with its noise schedule as a patch, which so takes the place of that of a clone that ran before."""
    clone = model.clone()
    clone.add_object_patch("model_sampling", model.get_model_object("model_sampling"))
    return clone


def lora_layers(motion: nn.Module, layers: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """(name, (out, in)) of the linear layers that a motion LoRA changes."""
    wanted = (".attention_blocks.", ".ff.") if layers == ATTENTION_AND_FF else (".attention_blocks.",)
    for name, layer in motion.named_modules():
        weight = getattr(layer, "weight", None)
        if weight is not None and weight.ndim == 2 and any(part in name for part in wanted):
            yield name, tuple(weight.shape)


def new_motion_model(model: ModelPatcher, plan: TrainingPlan) -> ModelPatcher:
    """A motion model that has learnt nothing, of the layout that the plan names, for that MODEL."""
    motion_format = new_format(model, plan.new_model)
    check_fit(model, motion_format)
    return patcher_of(motion_format, motion_state(motion_format, plan.seed), disable_dynamic=True, dtype=torch.float32)


def new_format(model: ModelPatcher, kind: str) -> MotionFormat:
    """Raises ValueError where the layout is for another kind of checkpoint."""
    family = {"v3": V3, "v2": V2, "SDXL": SDXL_BETA}[kind]
    config = model.model.model_config.unet_config
    multipliers, blocks = config.get("channel_mult", ()), config.get("num_res_blocks", ())
    if base_name(model) != family.base or len(multipliers) != (3 if kind == "SDXL" else 4):
        raise ValueError(
            f"A new motion model of the layout {kind} is for {family.base}, but the connected model is "
            f"{base_name(model)}. Choose {'SDXL' if family.base == 'SD1.5' else 'v3 or v2'} as new_model."
        )
    channels = tuple(config["model_channels"] * multiplier for multiplier in multipliers)
    up = tuple(count + 1 for count in reversed(blocks))
    return MotionFormat(family, channels, tuple(blocks), up, kind == "v2", 2, family.max_frames)
