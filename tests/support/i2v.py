"""AnimateLCM-I2V on the small UNet: its files, its forms, and MODELs with a picture to start from."""

from animatediff_native.motion.attach import attach
from animatediff_native.motion.settings import MotionSettings
from animatediff_native.nodes.compat.i2v import NODES
from animatediff_native.sampling.run import watch
from clips import latents

I2V, PLAIN, SDXL = "random_i2v.safetensors", "random_lcm.safetensors", "random_xl.safetensors"
FORMS = {node.GET_SCHEMA().node_id.removeprefix("ADE_"): node for node in NODES}


def applied(model, motion, reference=None, **words):
    """The MODEL that Apply AnimateLCM-I2V Model and Use Evolved Sampling give."""
    inputs = {"ref_drift": 0.8, "apply_ref_when_disabled": False, "start_percent": 0.0, "end_percent": 1.0}
    reference = latents(1, seed=21) if reference is None else reference
    apply = FORMS["ApplyAnimateLCMI2VModel"].execute
    (pair,) = apply(motion, {"samples": reference}, **(inputs | words)).result[0]
    return watch(attach(model, *pair))


def without_picture(model, motion, **settings):
    return watch(attach(model, motion, MotionSettings(norms="as ADE", **settings)))
