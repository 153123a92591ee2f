"""Sample Settings and Noise Layers of shared workflows."""

from dataclasses import replace

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from ...sampling.ancestral import ANCESTRAL_TYPES, AncestralNoise, with_ancestral_noise
from ...sampling.injection import with_injections
from ...sampling.iterations import with_iterations
from ...sampling.noise.draw import (
    ADD,
    ADD_WEIGHTED,
    GENERATORS,
    NOISE_TYPES,
    NORMALIZED_SUM,
    REPLACE,
    Draw,
    Layer,
    NoiseOptions,
)
from ...sampling.run import with_noise_options
from ...sampling.sigmas.beta_schedules import with_sigma_table
from ..noise import seed_override
from . import types
from .form import form
from .guidance import with_custom_cfg
from .types import MANY, NoiseLayers, SamplingChoices

REPLACED = "Noise per Frame (AnimateDiff)"
USE_EXISTING = "use existing"
"""A layer's seed_gen_override: that of the Sample Settings."""
SEED_OR_LIST = "Instead of the sampler's seed; a list is a seed per frame."


def with_settings(model: ModelPatcher, settings: SamplingChoices | None) -> ModelPatcher:
    """A clone of `model` that samples as Sample Settings say."""
    if settings is None:
        return model
    if settings.noise != NoiseOptions():
        model = with_noise_options(model, settings.noise)
    if settings.iterations is not None:
        model = with_iterations(model, settings.iterations)
    if settings.guidance:
        model = with_custom_cfg(model, settings.guidance)
    if settings.sigmas is not None:
        model = with_sigma_table(model, settings.sigmas)
    if settings.ancestral is not None:
        model = with_ancestral_noise(model, settings.ancestral)
    if settings.injections:
        model = with_injections(model, settings.injections)
    return model


def batch_offset():
    return io.Int.Input("batch_offset", default=0, min=0, max=MANY, tooltip="Skips frames of the random stream.")


def noise_type():
    return io.Combo.Input("noise_type", options=NOISE_TYPES, tooltip="The noise that each frame starts from.")


def seed_offset():
    return io.Int.Input("seed_offset", default=0, min=-MANY, max=MANY, tooltip="Added to the sampler's seed.")


def draw(noise_type: str, seed_gen: str, seed_offset: int, batch_offset: int, seed_override) -> Draw:
    """With a list of seeds noise_type and seed_gen have no use, and layers count from the first seed."""
    if isinstance(seed_override, list | tuple):
        if not seed_override:
            raise ValueError("seed_override is an empty list. Give it one seed per frame.")
        return Draw(seed_offset=seed_offset, seed_override=seed_override[0], frame_seeds=tuple(seed_override))
    return Draw(noise_type, seed_gen, seed_offset, batch_offset, seed_override)


@form(
    *("ADE_AnimateDiffSamplingSettings", "Sample Settings"),
    [
        batch_offset(),
        noise_type(),
        io.Combo.Input("seed_gen", options=GENERATORS, tooltip="How frames get their random numbers."),
        seed_offset(),
        NoiseLayers.Input("noise_layers", optional=True, tooltip="More noise on top."),
        types.IterationOptions.Input("iteration_opts", optional=True, tooltip="Sampling several times over."),
        seed_override(SEED_OR_LIST),
        io.Boolean.Input(
            "adapt_denoise_steps", default=False, optional=True, tooltip="No use here, as it had none there."
        ),
        types.CustomCFG.Input("custom_cfg", optional=True, tooltip="Guidance instead of the sampler's cfg."),
        types.SigmaSchedule.Input("sigma_schedule", optional=True, tooltip="Noise levels instead of beta_schedule's."),
        types.ImageInjections.Input("image_inject", optional=True, tooltip="Pictures laid over the clip on the way."),
        types.AncestralOptions.Input("ancestral_opts", optional=True, tooltip="The noise that the sampler adds."),
    ],
    *(types.SampleSettings.Output(display_name="settings"), REPLACED),
)
def sampling_settings(
    batch_offset: int,
    noise_type: str,
    seed_gen: str,
    seed_offset: int,
    noise_layers=(),
    iteration_opts=None,
    seed_override=None,
    adapt_denoise_steps: bool = False,
    custom_cfg=(),
    sigma_schedule=None,
    image_inject=(),
    ancestral_opts=None,
):
    layers = tuple(
        replace(layer, draw=replace(layer.draw, generator=seed_gen)) if takes_ours else layer
        for layer, takes_ours in noise_layers
    )
    base = draw(noise_type, seed_gen, seed_offset, batch_offset, seed_override)
    only_a_seed = seed_override is not None and base == Draw(seed_override=seed_override)
    noise = NoiseOptions(base, layers, samplers_own=only_a_seed)  # as there
    return SamplingChoices(noise, iteration_opts, custom_cfg, sigma_schedule, ancestral_opts, image_inject)


@form(
    *("ADE_AncestralOptions", "Ancestral Options"),
    [
        io.Combo.Input("noise_type", options=list(ANCESTRAL_TYPES), tooltip="constant: the same in each frame."),
        seed_offset(),
        seed_override("Instead of the sampler's seed: one number."),
    ],
    *(types.AncestralOptions.Output(display_name="ANCESTRAL_OPTS"), "the sampler's own seed"),
)
def ancestral_options(noise_type: str, seed_offset: int, seed_override=None):
    if isinstance(seed_override, list | tuple):
        raise ValueError(
            f"Ancestral Options got a list of {len(seed_override)} seeds, and the noise that samplers add has one. "
            "Connect one seed."
        )
    return AncestralNoise(noise_type, seed_offset, seed_override)


def amount(name: str, default: float, maximum: float | None = None):
    tooltip = {
        "noise_weight": "How much of this noise.",
        "balance_multiplier": "How much of the noise below gives way.",
    }
    return io.Float.Input(name, default=default, min=0.0, max=maximum, step=0.001, tooltip=tooltip[name])


def noise_layer(node_id: str, display_name: str, mode: str, *amounts: io.Input) -> type[io.ComfyNode]:
    """A form that lays one more noise below those of its socket."""
    generators = [USE_EXISTING, *GENERATORS]
    inputs = [
        batch_offset(),
        noise_type(),
        io.Combo.Input("seed_gen_override", options=generators, tooltip="How frames get their random numbers."),
        seed_offset(),
        *amounts,
        NoiseLayers.Input("prev_noise_layers", optional=True, tooltip="Layers that are laid after this one."),
        io.Mask.Input("mask_optional", optional=True, tooltip="Where this noise counts."),
        seed_override(SEED_OR_LIST),
    ]

    @form(node_id, display_name, inputs, NoiseLayers.Output(display_name="NOISE_LAYERS"), REPLACED)
    def layers(
        batch_offset: int,
        noise_type: str,
        seed_gen_override: str,
        seed_offset: int,
        noise_weight: float = 1.0,
        balance_multiplier: float = 1.0,
        prev_noise_layers=(),
        mask_optional=None,
        seed_override=None,
    ):
        takes_ours = seed_gen_override == USE_EXISTING and not isinstance(seed_override, list | tuple)
        generator = GENERATORS[0] if takes_ours else seed_gen_override
        own = draw(noise_type, generator, seed_offset, batch_offset, seed_override)
        layer = Layer(own, mode, noise_weight, balance_multiplier, mask_optional)
        return ((layer, takes_ours), *prev_noise_layers)

    return layers


NODES = [
    sampling_settings,
    ancestral_options,
    noise_layer("ADE_NoiseLayerReplace", "Noise Layer [Replace]", REPLACE),
    noise_layer("ADE_NoiseLayerAdd", "Noise Layer [Add]", ADD, amount("noise_weight", 0.5, 10.0)),
    noise_layer(
        "ADE_NoiseLayerAddWeighted",
        "Noise Layer [Add Weighted]",
        ADD_WEIGHTED,
        amount("noise_weight", 0.5, 10.0),
        amount("balance_multiplier", 1.0),
    ),
    noise_layer(
        "ADE_NoiseLayerNormalizedSum", "Noise Layer [Normalized Sum]", NORMALIZED_SUM, amount("noise_weight", 0.5, 1.0)
    ),
]
