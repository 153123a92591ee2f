"""Low-rank changes of a motion model's linear layers, in every published layout. Pure mathematics.

Source: AnimateDiff, arXiv:2307.04725, section 4.3 (MotionLoRA): W + strength up(down). Layouts: guoyww/AnimateDiff,
diffusers (processor and PEFT names), MotionDirector, kohya and the A1111 web UI.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

FACTOR = re.compile(
    r"^(?P<layer>.+?)(?:_lora\.|\.lora\.|\.lora_linear_layer\.|\.lora_)(?P<kind>down|up|A|B)(?:\.default)?\.weight$"
)
ALPHA = re.compile(r"^(?P<layer>.+)\.alpha$")
MAGNITUDE = re.compile(r"^(?P<layer>.+?)\.lora_magnitude_vector(?:\.default)?(?:\.weight)?$")
"""PEFT's name of a DoRA's scale."""
OTHER = re.compile(
    r"^(?P<layer>.+?)\.(?P<name>dora_scale|hada_[wt][12](?:_[ab])?|lokr_[wt][12](?:_[ab])?|[ab][12]\.weight"
    r"|oft_blocks|rescale|diff|diff_b|set_weight|w_norm|b_norm|lora_mid\.weight|reshape_weight)$"
)
"""What the host's own LoRA code knows besides: DoRA, LoHa, LoKr, GLoRA, OFT, BOFT, whole differences."""
LORA_WORDS = re.compile(r"lora|lycoris|hada|lokr|oft_|on_input|vera_|dora")
TEMPORAL = re.compile(r"motion_modules|temporal_attentions")


LONGEST_NOTE = 100
"""Letters of what a file says of itself."""
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
    others: dict[str, Tensor] = field(default_factory=dict)
    """The layer's tensors of other kinds of LoRA, under the host's names (`OTHER`)."""

    @property
    def is_whole(self) -> bool:
        if self.down is None and self.up is None:
            return bool(self.others)
        if any(factor is None or factor.ndim != 2 for factor in (self.down, self.up)):
            return False
        return 0 < self.down.shape[0] == self.up.shape[1]

    @property
    def shape(self) -> tuple[int, int] | None:
        """(out, in) of the layer; None where only the host knows."""
        if self.down is not None:
            return self.up.shape[0], self.down.shape[1]
        for name in ("diff", "set_weight"):
            if name in self.others:
                return tuple(self.others[name].shape)
        if {"hada_w1_a", "hada_w1_b"} <= self.others.keys() and self.others["hada_w1_b"].ndim == 2:
            return self.others["hada_w1_a"].shape[0], self.others["hada_w1_b"].shape[1]
        return None

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
    own = {key: value[:LONGEST_NOTE] for key, value in own.items() if value[:LONGEST_NOTE].isprintable()}
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
    temporal = [key for key in state if TEMPORAL.search(key)]
    if strange := [key for key in temporal if LORA_WORDS.search(key)]:
        return (
            f"is a motion LoRA of a kind that neither this pack nor ComfyUI can read (it has {strange[0]}). "
            "Get it as a plain LoRA."
        )
    if temporal:
        return "is a motion model, not a motion LoRA. Put it into models/animatediff_models."
    first = ", ".join(sorted(state)[:2]) or "nothing at all"
    return f"holds no motion LoRA (it begins with {first}). Choose one that was made for your motion model."


def factors_of(state: Mapping[str, Tensor]) -> dict[str, Factors]:
    """{layer name: its factors}; layers of which one is missing are left out."""
    return {layer: factors for layer, factors in _layers(state)[0].items() if factors.is_whole}


def unread(state: Mapping[str, Tensor]) -> list[str]:
    """Keys of temporal layers that nobody here or in the host reads, and layers of which one factor is missing."""
    layers, others = _layers(state)
    halves = [layer for layer, factors in layers.items() if not factors.is_whole and factors.down is not factors.up]
    return [key for key in (*others, *halves) if TEMPORAL.search(key)]


def _layers(state: Mapping[str, Tensor]) -> tuple[dict[str, Factors], list[str]]:
    """({layer name: what it has}, keys of no known kind)."""
    found: dict[str, Factors] = {}
    others = []
    for key, value in state.items():
        key = key.removeprefix("base_model.model.").removeprefix("unet.").replace(".processor", "")
        if match := FACTOR.match(key):
            factors = found.setdefault(match["layer"], Factors())
            if match["kind"] in ("down", "A"):
                factors.down = value
            else:
                factors.up = value
        elif match := ALPHA.match(key):
            found.setdefault(match["layer"], Factors()).alpha = one_number(key, value)
        elif match := MAGNITUDE.match(key):
            found.setdefault(match["layer"], Factors()).others["dora_scale"] = value.reshape(-1, 1)
        elif match := OTHER.match(key):
            found.setdefault(match["layer"], Factors()).others[match["name"]] = value
        else:
            others.append(key)
    return found, others


def one_number(key: str, value: Tensor) -> float:
    """Raises NotAMotionLoRA (the message without the file's name) where a tensor holds more, or none."""
    if value.numel() != 1 or value.is_complex():
        raise NotAMotionLoRA(f"has {value.numel()} numbers as {key}, where one belongs. Download it again.")
    return float(value)


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
            if factors is not None and factors.shape in (None, tuple(layer.weight.shape)):
                found[name] = factors
    return found
