"""Loaders, latents and helpers of shared workflows."""

import copy

import comfy.model_management
import comfy.sd
import folder_paths
import torch
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from ...motion.attach import detached
from .form import form
from .gen2 import beta_schedule, with_named_schedule


def ckpt_name():
    files = folder_paths.get_filename_list("checkpoints")
    return io.Combo.Input("ckpt_name", options=files, tooltip="A file in models/checkpoints.")


@form(
    *("CheckpointLoaderSimpleWithNoiseSelect", "Load Checkpoint w/ Noise Select"),
    [
        ckpt_name,
        beta_schedule("use existing"),
        io.Boolean.Input(
            "use_custom_scale_factor", default=False, optional=True, tooltip="Whether scale_factor counts."
        ),
        io.Float.Input(
            "scale_factor",
            default=0.18215,
            min=0.0,
            max=1.0,
            step=0.00001,
            optional=True,
            tooltip="Latents are multiplied by it for the UNet.",
        ),
    ],
    [
        io.Model.Output(display_name="MODEL"),
        io.Clip.Output(display_name="CLIP"),
        io.Vae.Output(display_name="VAE"),
    ],
    "Load Checkpoint and Apply Motion Model",
)
def checkpoint_loader_with_noise_select(
    ckpt_name: str, beta_schedule: str, use_custom_scale_factor: bool = False, scale_factor: float = 0.18215
):
    path = folder_paths.get_full_path_or_raise("checkpoints", ckpt_name)
    embeddings = folder_paths.get_folder_paths("embeddings")
    model, clip, vae, *_ = comfy.sd.load_checkpoint_guess_config(path, embedding_directory=embeddings)
    model = with_named_schedule(model, beta_schedule, ())
    if use_custom_scale_factor:
        model = with_scale_factor(model, scale_factor)
    return model, clip, vae


def with_scale_factor(model: ModelPatcher, scale_factor: float) -> ModelPatcher:
    """A clone of `model` whose UNet gets latents times `scale_factor`."""
    if not scale_factor > 0.0:
        raise ValueError(f"scale_factor is {scale_factor:g}, and must be more than 0. SD1.5's own is 0.18215.")
    model = model.clone()
    latent_format = copy.copy(model.get_model_object("latent_format"))
    latent_format.scale_factor = scale_factor
    model.add_object_patch("latent_format", latent_format)
    return model


SIZE = {"default": 512, "min": 64, "max": 16384, "step": 8, "tooltip": "In pixels."}


@form(
    *("ADE_EmptyLatentImageLarge", "Empty Latent Image (Big Batch)"),
    [
        io.Int.Input("width", **SIZE),
        io.Int.Input("height", **SIZE),
        io.Int.Input("batch_size", default=1, min=1, max=262144, tooltip="Frames of the clip."),
    ],
    io.Latent.Output(display_name="LATENT"),
    "Empty Latent Image, or Sampler (Context Windows) in pieces",
)
def empty_latent_image_large(width: int, height: int, batch_size: int):
    device = comfy.model_management.intermediate_device()
    return {"samples": torch.zeros(batch_size, 4, height // 8, width // 8, device=device)}


@form(
    *("ADE_AnimateDiffUnload", "AnimateDiff Unload"),
    [io.Model.Input("model", tooltip="A MODEL with motion.")],
    io.Model.Output(display_name="MODEL"),
    "the MODEL before Apply Motion Model",
)
def animatediff_unload(model):
    return detached(model)


NODES = [checkpoint_loader_with_noise_select, empty_latent_image_large, animatediff_unload]
