"""What a motion file is, read from its keys and shapes (never from its name).

Everything here is plain data about state dicts in the canonical layout (guoyww's key names, see `convert`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .families import Family, Norms, Signs, family_of, frames_of

HEADS = 8
"""Attention heads of every published motion module, whatever its width."""

ENCODER = "img_encoder."
"""What the keys of AnimateLCM-I2V's image encoder begin with."""
ENCODER_BLOCKS = 2
"""Residual blocks per level of the image encoder."""
LATENT_CHANNELS = 4
PICTURE_CONV = "picture_conv.weight"
"""The further channels of PIA's first convolution, under our name."""
PICTURE_CHANNELS = 1 + LATENT_CHANNELS
"""Of PIA: how much of its picture a frame shows, and the picture."""

AS_ADE = ("as ADE", "as early ADE")
NORM_MODES = ("official", "as diffusers", *AS_ADE)


@dataclass(frozen=True)
class MotionFormat:
    """The shape of one motion model. Levels go from the widest picture to the smallest, as `down_blocks` do."""

    family: Family
    channels: tuple[int, ...]
    """Channels per level of `down_blocks`; `up_blocks` mirror them."""
    down_modules: tuple[int, ...]
    """Motion modules per level of `down_blocks`."""
    up_modules: tuple[int, ...]
    """Motion modules per level of `up_blocks`, the smallest picture first."""
    mid_block: bool
    attentions: int
    """Temporal self-attentions per motion module (2; SparseCtrl has 1)."""
    table_length: int
    """Length of the positional encoding that the model was trained with."""
    stretched_to: int = 0
    """Length of the positional encoding after an adjustment; 0 where there was none."""
    image_encoder: bool = False
    """Whether it has AnimateLCM-I2V's image encoder, whose levels have the same channels."""
    picture_conv: bool = False
    """Whether it has the further channels of PIA's first convolution."""
    encoder_only: bool = False
    """Whether its motion modules only add the image encoder's features, and have no weights."""

    @property
    def max_frames(self) -> int:
        """Frames that can be sampled together."""
        return self.stretched_to or self.table_length

    @property
    def modules(self) -> int:
        return sum(self.down_modules) + self.mid_block + sum(self.up_modules)

    def norms(self, mode: str) -> Norms:
        """The norms that average over frames in one of NORM_MODES.

        "as ADE" is what ComfyUI-AnimateDiff-Evolved does: every norm, for each model without a mid block
        that is not SD1.5 with a table of 32. "as early ADE" does so for v2 (a mid block), too.
        """
        if mode == "official":
            return self.family.norms
        if mode == "as diffusers":
            return Norms(motion_modules=True)
        if mode in AS_ADE:
            v3 = self.family.base == "SD1.5" and self.table_length == 32 and not self.mid_block
            per_frame = not self.picture_conv and (v3 or (self.mid_block and mode == "as ADE"))
            return Norms() if per_frame else Norms(motion_modules=True, resblocks=True, spatial_transformers=True)
        raise ValueError(f"'{mode}' is not a norm mode. Choose one of: {', '.join(NORM_MODES)}.")

    def summary(self) -> str:
        """One line for the log and the node."""
        if self.encoder_only:
            return f"the image encoder of {self.family.name} for {self.family.base}, without its motion modules"
        return f"{self.family.name} for {self.family.base}, up to {self.max_frames} frames"


class NotAMotionModel(ValueError):
    """The file is something else. The message goes on after the file's name: "is a SparseCtrl model, ..."."""


SITE = re.compile(r"^(down_blocks|up_blocks)\.(\d\d?)\.motion_modules\.(\d\d?)\.|^mid_block\.motion_modules\.(\d\d?)\.")
TABLE = re.compile(r"attention_blocks\.\d+\.pos_encoder\.pe$")
NORM_GROUPS = 32
"""The UNet's widths are multiples of it."""


def detect(state: Mapping, hotshot: bool = False, file_name: str = "") -> MotionFormat:
    """The format of a canonical state dict {key: tensor}.

    `hotshot` says that the file had HotShot-XL's own key names. `file_name` only chooses between families that
    are the same in shape. Raises NotAMotionModel where modules are missing or of the wrong shape.
    """
    down, up, mid = _count_modules(state)
    norms = (f"down_blocks.{level}.motion_modules.0.temporal_transformer.norm.weight" for level in range(len(down)))
    channels = tuple(state[norm].numel() for norm in norms if norm in state)
    if len(channels) != len(down) or len(down) not in (3, 4) or len(up) != len(down):
        raise NotAMotionModel(
            f"has motion modules on {len(down)} down and {len(up)} up levels; "
            "a motion model has 4 of each (SD1.5) or 3 of each (SDXL). It may be cut short: download it again."
        )
    refuse_widths(channels)
    lengths = {int(table.shape[1]) for key, table in state.items() if TABLE.search(key) and table.ndim == 3}
    signs = Signs(
        levels=len(down),
        mid_block=mid,
        table_length=min(lengths, default=0),
        hotshot=hotshot,
        image_encoder=any(key.startswith(ENCODER) for key in state),
        picture_conv=PICTURE_CONV in state,
        file_name=file_name.lower(),
    )
    family = family_of(signs)
    indices = {int(k) for key in state for k in re.findall(r"attention_blocks\.(\d{1,2})\.", key)}
    attentions = 1 + max(indices, default=0)
    shape = channels, down, up, mid, attentions, frames_of(family, signs.table_length)
    motion_format = MotionFormat(family, *shape, image_encoder=signs.image_encoder, picture_conv=signs.picture_conv)
    _check_shapes(state, motion_format)
    return motion_format


def refuse_widths(channels: tuple[int, ...]) -> None:
    """Raises NotAMotionModel for widths that no UNet has."""
    if strange := [width for width in channels if width < NORM_GROUPS or width % NORM_GROUPS]:
        raise NotAMotionModel(
            f"has motion modules of {strange[0]} channels, and those of a UNet are multiples of {NORM_GROUPS}. It is "
            "damaged or made for another program: choose another file."
        )


def _count_modules(state: Mapping) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
    sites = {match.group(0) for key in state if (match := SITE.match(key))}
    down, up = (
        {(int(m.group(2)), int(m.group(3))) for site in sites if (m := SITE.match(site)).group(1) == part}
        for part in ("down_blocks", "up_blocks")
    )

    def per_level(modules: set[tuple[int, int]]) -> tuple[int, ...]:
        levels = 1 + max((level for level, _ in modules), default=-1)
        return tuple(sum(level == at for at, _ in modules) for level in range(levels))

    return per_level(down), per_level(up), any(site.startswith("mid_block") for site in sites)


def module_shapes(channels: int, attentions: int) -> dict[str, tuple[int, ...]]:
    """Key after `.temporal_transformer.` -> shape, for one motion module without position tables.

    Source: guoyww/AnimateDiff, `VanillaTemporalModule`; 22 C^2 + 21 C values with two attentions.
    """
    c = channels
    block = "transformer_blocks.0."
    shapes: dict[str, tuple[int, ...]] = {"norm.weight": (c,), "norm.bias": (c,)}
    for name in ("proj_in", "proj_out"):
        shapes |= {f"{name}.weight": (c, c), f"{name}.bias": (c,)}
    for k in range(attentions):
        attention = f"{block}attention_blocks.{k}."
        shapes |= {f"{attention}{name}.weight": (c, c) for name in ("to_q", "to_k", "to_v", "to_out.0")}
        shapes |= {f"{attention}to_out.0.bias": (c,)}
        shapes |= {f"{block}norms.{k}.weight": (c,), f"{block}norms.{k}.bias": (c,)}
    shapes |= {f"{block}ff.net.0.proj.weight": (8 * c, c), f"{block}ff.net.0.proj.bias": (8 * c,)}
    shapes |= {f"{block}ff.net.2.weight": (c, 4 * c), f"{block}ff.net.2.bias": (c,)}
    return shapes | {f"{block}ff_norm.weight": (c,), f"{block}ff_norm.bias": (c,)}


def image_encoder_shapes(channels: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Key -> shape of an image encoder. Source: G-U-N/AnimateLCM; 76.8 million values at SD1.5's channels."""
    shapes: dict[str, tuple[int, ...]] = {"conv_in.weight": (channels[0], LATENT_CHANNELS, 3, 3)}
    shapes["conv_in.bias"] = (channels[0],)
    for index in range(ENCODER_BLOCKS * len(channels)):
        c, before = (channels[max(each, 0) // ENCODER_BLOCKS] for each in (index, index - 1))
        kernels = {"block1": (c, c, 3, 3), "block2": (c, c, 1, 1)}
        if before != c:
            kernels["in_conv"] = (c, before, 1, 1)
        for name, shape in kernels.items():
            shapes |= {f"body.{index}.{name}.weight": shape, f"body.{index}.{name}.bias": (c,)}
    return {ENCODER + key: shape for key, shape in shapes.items()}


def sites(motion_format: MotionFormat) -> dict[str, int]:
    """Name of each motion module -> its channels, in the order in which the UNet runs them."""
    f = motion_format
    down = {
        f"down_blocks.{level}.motion_modules.{j}": f.channels[level]
        for level, count in enumerate(f.down_modules)
        for j in range(count)
    }
    mid = {"mid_block.motion_modules.0": f.channels[-1]} if f.mid_block else {}
    up = {
        f"up_blocks.{level}.motion_modules.{j}": f.channels[-1 - level]
        for level, count in enumerate(f.up_modules)
        for j in range(count)
    }
    return down | mid | up


def state_shapes(motion_format: MotionFormat) -> dict[str, tuple[int, ...]]:
    """Key -> shape of a whole motion model in the canonical layout, without position tables."""
    modules = {
        f"{site}.temporal_transformer.{key}": shape
        for site, channels in sites(motion_format).items()
        for key, shape in module_shapes(channels, motion_format.attentions).items()
    }
    if motion_format.image_encoder:
        modules |= image_encoder_shapes(motion_format.channels)
    if motion_format.picture_conv:
        modules[PICTURE_CONV] = (motion_format.channels[0], PICTURE_CHANNELS, 3, 3)
    return modules


def _check_shapes(state: Mapping, motion_format: MotionFormat) -> None:
    expected = state_shapes(motion_format)
    found = {key: tuple(value.shape) for key, value in state.items() if not TABLE.search(key)}
    for what, keys in (
        ("lacks", sorted(expected.keys() - found.keys())),
        ("has unknown tensors, as", sorted(found.keys() - expected.keys())),
    ):
        if keys:
            raise NotAMotionModel(
                f"looks like {motion_format.family.name} but {what} {keys[0]} ({len(keys)} such tensors). "
                "It may be cut short or made for another program: download it again, or choose another motion model."
            )
    for key, shape in expected.items():
        if found[key] != shape:
            raise NotAMotionModel(
                f"looks like {motion_format.family.name} but {key} has the shape {list(found[key])} instead of "
                f"{list(shape)}. It is damaged or made for another program: choose another motion model."
            )
    for key in (key for key in state if TABLE.search(key)):
        refuse_table(key, state[key], expected)


def refuse_table(key: str, table, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises NotAMotionModel for a position table that fits no attention. shapes: of the other tensors."""
    width = shapes.get(key.replace(".pos_encoder.pe", ".to_q.weight"), (None,))[0]
    if table.ndim != 3 or len(table) != 1 or not table.shape[1] or table.shape[2] != width:
        raise NotAMotionModel(
            f"has a position table {key} of the shape {list(table.shape)}, which fits no attention of it. It is "
            "damaged or made for another program: choose another file."
        )
