"""Image Injection of shared workflows."""

import torch
from comfy_api.latest import io

from ...sampling.injection import Injection
from .form import form
from .timing import percent
from .types import MANY, ImageInjections, InjectOptions, Multival

REPLACED = "two KSampler (Advanced) with VAE Decode, Image Composite and VAE Encode between them"


@form(
    *("ADE_NoisedImageInjection", "Image Injection"),
    [
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
    ],
    *(ImageInjections.Output(display_name="IMAGE_INJECT"), REPLACED),
)
def image_injection(
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
):
    if invert_mask:
        mask_opt = 1 - (torch.ones(1, 1, 1) if mask_opt is None else mask_opt)
    where = {"mask": mask_opt, "strength": strength_multival, "stretch": resize_image, "place": img_inject_opts}
    return (*prev_image_inject, Injection(image, vae, start_percent, guarantee_steps, **where))


PLACE = {"default": 0, "min": 0, "max": 16384, "step": 1, "optional": True}


@form(
    *("ADE_NoisedImageInjectOptions", "Image Injection Options"),
    [
        io.Int.Input("composite_x", tooltip="From the left edge of the frame, in pixels.", **PLACE),
        io.Int.Input("composite_y", tooltip="From its upper edge.", **PLACE),
    ],
    *(InjectOptions.Output(display_name="IMG_INJECT_OPTS"), REPLACED),
)
def image_injection_options(composite_x: int = 0, composite_y: int = 0):
    return composite_x, composite_y


NODES = [image_injection, image_injection_options]
