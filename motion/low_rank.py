"""Low-rank changes of a motion model's linear layers, in every published layout. Pure mathematics.

Source: AnimateDiff, arXiv:2307.04725, section 4.3 (MotionLoRA): W + strength up(down). Layouts: guoyww/AnimateDiff,
diffusers (processor and PEFT names), MotionDirector, kohya and the A1111 web UI.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

FACTOR = re.compile(
    r"^(?P<layer>.+?)(?:_lora\.|\.lora\.|\.lora_linear_layer\.|\.lora_)(?P<kind>down|up|A|B)(?:\.default)?\.weight$"
)
ALPHA = re.compile(r"^(?P<layer>.+)\.alpha$")
TEMPORAL = re.compile(r"motion_modules|temporal_attentions")


HEADER = "animatediff."
"""What this pack's own entries in a file's header begin with."""


class NotAMotionLoRA(ValueError):
    """The file is something else, or was made for another motion model."""


@dataclass
class Factors:
    """One layer's change: W + strength scale up @ down."""

    down: Tensor | None = None
    """(rank, in)"""
    up: Tensor | None = None
    """(out, rank)"""
    alpha: float | None = None

    @property
    def is_whole(self) -> bool:
        return all(factor is not None and factor.ndim == 2 for factor in (self.down, self.up))

    @property
    def scale(self) -> float:
        """alpha / rank where the file gives an alpha, else 1."""
        return 1.0 if self.alpha is None else self.alpha / self.down.shape[0]


@dataclass(frozen=True)
class MotionLoRA:
    """A file's temporal layers, under the names that the file has (`processor` and prefixes cut off)."""

    name: str
    layers: Mapping[str, Factors]
    others: int = 0
    """How many of the file's layers are the checkpoint's."""
    training: str = ""
    """How it was trained, where the file's header says so."""

    @property
    def base(self) -> str:
        """Whose layers these are: "SD1.5" or "SDXL"."""
        levels = {int(level) for layer in self.layers for level in re.findall(r"down_blocks[._](\d+)", layer)}
        return "SDXL" if levels and max(levels) < 3 else "SD1.5"

    @property
    def made_for(self) -> str:
        if self.base == "SDXL":
            return "an SDXL motion model (mm_sdxl_v10_beta)"
        mid = any("mid_block" in layer for layer in self.layers)
        return "AnimateDiff v2 (mm_sd_v15_v2)" if mid else "an SD1.5 motion model (v3_sd15_mm)"


def trained_as(entries: Mapping[str, str] | None) -> str:
    """What a file's header says of its training, as training.layouts.header wrote it; "" where it says nothing."""
    own = {key.removeprefix(HEADER): value for key, value in (entries or {}).items() if key.startswith(HEADER)}
    parts = [f"trained on {own['made_for']}"] if "made_for" in own else []
    parts += [f"{own[key]} {key}" for key in ("steps", "clips") if key in own]
    parts += [f"{what} {own[what]}" for what in ("rank", "trigger") if what in own]
    return ", ".join(parts)


def what_else(state: Mapping[str, Tensor], layers: Mapping[str, Factors]) -> str:
    """The sentence after the file's name, for a file without temporal low-rank layers."""
    if layers:
        return (
            "is a LoRA for the checkpoint, not a motion LoRA. Put it into models/loras and apply it to the MODEL with "
            "the Load LoRA node; for v3_sd15_adapter, strength_model is its alpha (1 as trained)."
        )
    if any(TEMPORAL.search(key) for key in state):
        return "is a motion model, not a motion LoRA. Put it into models/animatediff_models."
    first = ", ".join(sorted(state)[:2]) or "nothing at all"
    return f"holds no motion LoRA (it begins with {first}). Choose one that was made for your motion model."


def factors_of(state: Mapping[str, Tensor]) -> dict[str, Factors]:
    """{layer name: its two factors}; layers of which one is missing are left out."""
    found: dict[str, Factors] = {}
    for key, value in state.items():
        key = key.removeprefix("base_model.model.").removeprefix("unet.").replace(".processor", "")
        if match := FACTOR.match(key):
            factors = found.setdefault(match["layer"], Factors())
            if match["kind"] in ("down", "A"):
                factors.down = value
            else:
                factors.up = value
        elif match := ALPHA.match(key):
            found.setdefault(match["layer"], Factors()).alpha = float(value)
    return {layer: factors for layer, factors in found.items() if factors.is_whole}


def aliases(linear: str) -> list[str]:
    """The names that files give to the linear layer with that canonical name."""
    theirs = linear.replace(".temporal_transformer.", ".")
    for canonical, name in ((".attention_blocks.0.", ".attn1."), (".attention_blocks.1.", ".attn2.")):
        theirs = theirs.replace(canonical, name)
    hotshot = re.sub(r"\.motion_modules\.(\d+)\.temporal_transformer\.", r".temporal_attentions.\1.", linear)
    names = [linear, theirs, hotshot]
    names += [name.removesuffix(".0") for name in names if name.endswith(".to_out.0")]
    return names + [f"lora_unet_{name.replace('.', '_')}" for name in names]


def matched(lora: MotionLoRA, model: nn.Module) -> dict[str, Factors]:
    """{canonical name of the linear layer: factors} for the layers of `lora` that `model` has, of its shape."""
    found = {}
    for name, layer in model.named_modules():
        if getattr(layer, "weight", None) is None or layer.weight.ndim != 2:
            continue
        for alias in aliases(name):
            factors = lora.layers.get(alias)
            if factors is not None and (factors.up.shape[0], factors.down.shape[1]) == tuple(layer.weight.shape):
                found[name] = factors
    return found
