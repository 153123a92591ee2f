"""How much memory a training run takes, reckoned before its first step. Pure mathematics."""

from dataclasses import dataclass

GIB = 2**30
HELD = {("SD1.5", False): 410e3, ("SD1.5", True): 62e3, ("SDXL", False): 570e3, ("SDXL", True): 57e3}
"""Bytes of activations and their gradients that a step holds at once for each pixel of the latents, in 16 bits: (base,
with checkpointing, where two thirds of it are the layer that runs again). Counted by benchmarks/training_memory.py on
full-size UNets, and a little more: small ones hold up to a tenth more than their share."""
WORKSPACE = 1.0 * GIB
"""What the device takes for itself."""
BYTES_PER_PARAMETER = {"adamw": 16, "adamw 8 bit": 10, "prodigy": 24}
"""Of what is trained: its value and gradient in 32 bits, and the optimizer's moments."""


@dataclass(frozen=True)
class Clips:
    """What goes through the UNet together."""

    base: str
    pixels: int
    """Of the latents of all frames."""
    itemsize: int
    """Of the activations."""
    channels: int = 320
    """Of the UNet at its widest picture."""

    def held(self, recomputes: bool) -> float:
        return HELD[self.base, recomputes] * self.pixels * self.itemsize / 2 * self.channels / 320


@dataclass(frozen=True)
class Needs:
    """What a step takes, in bytes."""

    weights: float
    """Everything that is loaded, and what the optimizer keeps."""
    plain: float
    """Activations as they are."""
    recomputed: float
    """Activations with checkpointing."""

    def total(self, recomputes: bool) -> float:
        return self.weights + WORKSPACE + (self.recomputed if recomputes else self.plain)


def needs(clips: Clips, frozen: float, trained: int, optimizer: str, cast: int = 0) -> Needs:
    """frozen: bytes of the weights that stay. trained: parameters that do not. cast: parameters, of all, that have
    another type than the activations; without checkpointing they are kept in that type, too, for gradients."""
    weights = frozen + trained * BYTES_PER_PARAMETER[optimizer]
    return Needs(weights, clips.held(False) + cast * clips.itemsize, clips.held(True))


def recomputes(asked: str, need: Needs, free: float) -> bool:
    """Whether layers run again for their gradients. auto: where there is no room for all that they would keep."""
    return need.total(False) > 0.9 * free if asked == "auto" else asked == "on"


def refusal(need: Needs, recomputing: bool, total: float, frames: int, width: int, height: int) -> str:
    """The sentence for a device of so many bytes; "" where the step fits."""
    if need.total(recomputing) <= total:
        return ""
    on, off = need.total(True) / GIB, need.total(False) / GIB
    advice = "fewer frames, a smaller size or batch 1"
    if not recomputing and on * GIB <= total:
        advice = "checkpointing on or auto"
    return (
        f"A step needs more than the {total / GIB:.1f} GB of this device: {frames} frames of {width} x {height} take "
        f"about {on:.1f} GB with checkpointing and {off:.1f} without. Use {advice}."
    )
