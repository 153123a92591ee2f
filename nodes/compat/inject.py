"""Image Injection of shared workflows."""

import torch
from comfy_api.latest import io

from ...sampling.injection import Injection
from .timing import percent
from .types import MANY, ImageInjections, InjectOptions, Multival, form

REPLACED = "two KSampler (Advanced) with VAE Decode, Image Composite and VAE Encode between them"


class NoisedImageInjection(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [
            io.Image.Input("image", tooltip="Laid over what the sampler sees; one picture, or one per frame."),
            io.Vae.Input("vae", tooltip="The checkpoint's."),
            io.Mask.Input("mask_opt", optional=True, tooltip="Where the image counts."),
            io.Boolean.Input("invert_mask", default=False, optional=True, tooltip="Where the mask is black, instead."),
            io.Boolean.Input(
                "resize_image", default=True, optional=True, tooltip="Stretches the image over the whole frame."
            ),
            percent("start_percent", 0.0, optional=True),
            io.Int.Input(
                "guarantee_steps", default=1, min=1, max=MANY, optional=True, tooltip="Before how many steps in a row."
            ),
            InjectOptions.Input("img_inject_opts", optional=True, tooltip="Where the image lies."),
            Multival.Input("strength_multival", optional=True, tooltip="How much of it; all of it without."),
            ImageInjections.Input("prev_image_inject", optional=True, tooltip="Injections at other times."),
        ]
        output = ImageInjections.Output(display_name="IMAGE_INJECT")
        return form("ADE_NoisedImageInjection", "Image Injection", inputs, output, REPLACED)

    @classmethod
    def execute(
        cls,
        image,
        vae,
        mask_opt=None,
        invert_mask: bool = False,
        resize_image: bool = True,
        start_percent: float = 0.0,
        guarantee_steps: int = 1,
        img_inject_opts: tuple[int, int] = (0, 0),
        strength_multival=1.0,
        prev_image_inject: tuple[Injection, ...] = (),
    ) -> io.NodeOutput:
        if invert_mask:
            mask_opt = 1 - (torch.ones(1, 1, 1) if mask_opt is None else mask_opt)
        where = {"mask": mask_opt, "strength": strength_multival, "stretch": resize_image, "place": img_inject_opts}
        own = Injection(image, vae, start_percent, guarantee_steps, **where)
        return io.NodeOutput((*prev_image_inject, own))


class NoisedImageInjectOptions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        words = {"default": 0, "min": 0, "max": 16384, "step": 1, "optional": True}
        inputs = [
            io.Int.Input("composite_x", tooltip="From the left edge of the frame, in pixels.", **words),
            io.Int.Input("composite_y", tooltip="From its upper edge.", **words),
        ]
        output = InjectOptions.Output(display_name="IMG_INJECT_OPTS")
        return form("ADE_NoisedImageInjectOptions", "Image Injection Options", inputs, output, REPLACED)

    @classmethod
    def execute(cls, composite_x: int = 0, composite_y: int = 0) -> io.NodeOutput:
        return io.NodeOutput((composite_x, composite_y))


NODES = [NoisedImageInjection, NoisedImageInjectOptions]
