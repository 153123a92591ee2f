"""Loaders, latents and helpers of shared workflows."""

import copy

import comfy.model_management
import comfy.sd
import folder_paths
import torch
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from ...motion.attach import detached
from .gen2 import beta_schedule, with_named_schedule
from .types import form


class CheckpointLoaderWithNoiseSelect(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        schema = form(
            "CheckpointLoaderSimpleWithNoiseSelect",
            "Load Checkpoint w/ Noise Select",
            [
                io.Combo.Input(
                    "ckpt_name",
                    options=folder_paths.get_filename_list("checkpoints"),
                    tooltip="A file in models/checkpoints.",
                ),
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
            io.Model.Output(display_name="MODEL"),
            "Load Checkpoint and Apply Motion Model",
        )
        schema.outputs += [io.Clip.Output(display_name="CLIP"), io.Vae.Output(display_name="VAE")]
        return schema

    @classmethod
    def execute(
        cls,
        ckpt_name: str,
        beta_schedule: str,
        use_custom_scale_factor: bool = False,
        scale_factor: float = 0.18215,
    ) -> io.NodeOutput:
        path = folder_paths.get_full_path_or_raise("checkpoints", ckpt_name)
        embeddings = folder_paths.get_folder_paths("embeddings")
        model, clip, vae, *_ = comfy.sd.load_checkpoint_guess_config(path, embedding_directory=embeddings)
        model = with_named_schedule(model, beta_schedule, ())
        if use_custom_scale_factor:
            model = with_scale_factor(model, scale_factor)
        return io.NodeOutput(model, clip, vae)


def with_scale_factor(model: ModelPatcher, scale_factor: float) -> ModelPatcher:
    """A clone of `model` whose UNet gets latents times `scale_factor`."""
    if not scale_factor > 0.0:
        raise ValueError(f"scale_factor is {scale_factor:g}, and must be more than 0. SD1.5's own is 0.18215.")
    model = model.clone()
    latent_format = copy.copy(model.get_model_object("latent_format"))
    latent_format.scale_factor = scale_factor
    model.add_object_patch("latent_format", latent_format)
    return model


class EmptyLatentImageLarge(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        size = {"default": 512, "min": 64, "max": 16384, "step": 8}
        inputs = [
            io.Int.Input("width", tooltip="In pixels.", **size),
            io.Int.Input("height", tooltip="In pixels.", **size),
            io.Int.Input("batch_size", default=1, min=1, max=262144, tooltip="Frames of the clip."),
        ]
        output = io.Latent.Output(display_name="LATENT")
        ids = "ADE_EmptyLatentImageLarge", "Empty Latent Image (Big Batch)"
        return form(*ids, inputs, output, "Empty Latent Image, or Sampler (Context Windows) in pieces")

    @classmethod
    def execute(cls, width: int, height: int, batch_size: int) -> io.NodeOutput:
        device = comfy.model_management.intermediate_device()
        return io.NodeOutput({"samples": torch.zeros(batch_size, 4, height // 8, width // 8, device=device)})


class AnimateDiffUnload(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.Model.Input("model", tooltip="A MODEL with motion.")]
        output = io.Model.Output(display_name="MODEL")
        return form(
            "ADE_AnimateDiffUnload", "AnimateDiff Unload", inputs, output, "the MODEL before Apply Motion Model"
        )

    @classmethod
    def execute(cls, model) -> io.NodeOutput:
        return io.NodeOutput(detached(model))


NODES = [CheckpointLoaderWithNoiseSelect, EmptyLatentImageLarge, AnimateDiffUnload]
