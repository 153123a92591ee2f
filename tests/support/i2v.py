"""AnimateLCM-I2V on the small UNet: its files, its forms, and MODELs with a picture to start from."""

import comfy.sd
import comfy.taesd.taesd
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.settings import MotionSettings
from animatediff_native.nodes.apply import ApplyMotionModel
from animatediff_native.nodes.compat.i2v import NODES
from animatediff_native.nodes.picture import StartFromPicture
from animatediff_native.sampling.run import watch
from animatediff_native.sampling.sigmas.beta_schedules import KEEP
from clips import latents
from weights import filled

I2V, PLAIN, SDXL = "random_i2v.safetensors", "random_lcm.safetensors", "random_xl.safetensors"
FORMS = {node.GET_SCHEMA().node_id.removeprefix("ADE_"): node for node in NODES}


def applied(model, motion, reference=None, **words):
    """The MODEL that Apply AnimateLCM-I2V Model and Use Evolved Sampling give."""
    inputs = {"ref_drift": 0.8, "apply_ref_when_disabled": False, "start_percent": 0.0, "end_percent": 1.0}
    reference = latents(1, seed=21) if reference is None else reference
    apply = FORMS["ApplyAnimateLCMI2VModel"].execute
    (pair,) = apply(motion_model=motion, ref_latent={"samples": reference}, **(inputs | words)).result[0]
    return watch(attach(model, *pair))


def without_picture(model, motion, **settings):
    return watch(attach(model, motion, MotionSettings(norms="as ADE", **settings)))


def small_vae(latent_channels: int = 4) -> comfy.sd.VAE:
    """The host's class around a small autoencoder of seeded random weights, 8 pixels to a latent."""
    like = comfy.taesd.taesd.TAESD(latent_channels=latent_channels).state_dict()
    return comfy.sd.VAE(sd=filled({key: tuple(value.shape) for key, value in like.items()}))


def pictures(count: int = 1, height: int = 96, width: int = 160, seed: int = 8) -> torch.Tensor:
    """An IMAGE: count height width 3."""
    return torch.rand(count, height, width, 3, generator=torch.Generator().manual_seed(seed))


def started(motion, image=None, **words):
    """The MOTION_MODEL that Start from Picture gives."""
    image = pictures() if image is None else image
    inputs = {"vae": small_vae(), "latent_image": {"samples": latents(8)}, "drift": 0.8, "strength": 1.0}
    inputs |= {"keep_without_motion": False}
    return StartFromPicture.execute(motion, image, **(inputs | words)).result[0]


def own(model, motion, **words):
    """The MODEL that Apply Motion Model gives, with the checkpoint's own noise schedule."""
    inputs = {"motion_scale": 1.0, "effect": 1.0, "beta_schedule": KEEP, "start_percent": 0.0, "end_percent": 1.0}
    return ApplyMotionModel.execute(model, motion, **(inputs | {"norms": "official"} | words)).result[0]


class Fed:
    """What the image encoder of a MOTION_MODEL gives, and what its motion modules get and give, while it is open."""

    def __init__(self, motion):
        self.encoded, self.inputs, self.hooks = [], {}, []
        model = motion.model
        self.hooks.append(model.img_encoder.register_forward_hook(self.note_encoded, with_kwargs=False))
        for site, module in model.sites().items():
            hook = module.register_forward_hook(
                lambda _, inputs, output, site=site: self.inputs.setdefault(site, []).append((inputs[0], output))
            )
            self.hooks.append(hook)

    def note_encoded(self, _, inputs, output):
        self.encoded.append((inputs, output))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()
