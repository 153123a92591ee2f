"""How much memory a training run takes, reckoned before its first step. Pure mathematics."""

from dataclasses import dataclass, replace

GIB = 2**30
KEPT = {("SD1.5", False): 330e3, ("SD1.5", True): 18e3, ("SDXL", False): 475e3, ("SDXL", True): 16e3}
"""Bytes of activations that a step keeps for each pixel of the latents, in 16 bits: (base, with checkpointing).
Counted on full-size UNets."""
WORKSPACE = 1.5 * GIB
"""One layer that runs again, gradients on their way, and what the device takes for itself."""
BYTES_PER_PARAMETER = {"adamw": 16, "adamw 8 bit": 10, "prodigy": 24}
"""Of what is trained: its value and gradient in 32 bits, and the optimizer's moments."""


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


def needs(base: str, pixels: int, itemsize: int, frozen: float, trained: int, optimizer: str) -> Needs:
    """pixels: of the latents of all frames that go through the UNet together. itemsize: of the activations. frozen:
    bytes of the weights that stay. trained: parameters that do not."""
    plain, recomputed = (KEPT[base, on] * pixels * itemsize / 2 for on in (False, True))
    return Needs(frozen + trained * BYTES_PER_PARAMETER[optimizer], plain, recomputed)


def scaled(need: Needs, channels: int) -> Needs:
    """The same for a UNet of so many channels at its widest picture; those that were counted have 320."""
    return replace(need, plain=need.plain * channels / 320, recomputed=need.recomputed * channels / 320)


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
