"""SparseCtrl's network: a ControlNet of the host whose blocks end in motion modules with one attention.

Source: SparseCtrl, arXiv:2311.16933; guoyww/AnimateDiff, `SparseControlNetModel`.
"""

from collections.abc import Mapping
from pathlib import Path

import comfy.ldm.modules.attention
import comfy.model_management
import comfy.ops
import comfy.utils
import torch
from comfy.cldm.cldm import ControlNet
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock, TimestepEmbedSequential
from comfy.ldm.modules.diffusionmodules.util import timestep_embedding
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from .convert import canonical
from .families import V3
from .foreign import refuse_other_numbers
from .formats import LATENT_CHANNELS, TABLE, MotionFormat, NotAMotionModel, refuse_table, refuse_widths
from .load import held_dtype, host_patcher, opened, tensors_of
from .model import MotionModel
from .temporal import Steering

RGB, SCRIBBLE = "rgb", "scribble"
CHOOSE = "Choose v3_sd15_sparsectrl_rgb or v3_sd15_sparsectrl_scribble."
EMBEDDING = "controlnet_cond_embedding."
MASK_CHANNELS = 1
COLOURS = 3
TABLE_LENGTH = 32
RESBLOCKS = 2
"""Per level."""
FIRST_BLOCK = "down_blocks.0.attentions.0.transformer_blocks.0."
SD15 = {
    "image_size": 32,
    "in_channels": LATENT_CHANNELS,
    "num_heads": 8,
    "num_head_channels": -1,
    "use_spatial_transformer": True,
    "use_linear_in_transformer": False,
    "transformer_depth_middle": 1,
    "legacy": False,
}
AGAIN = "It may be cut short: download it again, or choose another file."


class SparseNet(ControlNet):
    """Weights under the host's names, and those of the motion modules under `motion.` and guoyww's."""

    def __init__(self, config: dict, kind: str, channels: tuple[int, ...], attention, operations, **place):
        """config: of the host's ControlNet. kind: RGB or SCRIBBLE. channels: per level. place: dtype and device."""
        hint_channels = (LATENT_CHANNELS if kind == RGB else COLOURS) + MASK_CHANNELS
        super().__init__(**config, hint_channels=hint_channels, operations=operations, **place)
        self.kind, self.config = kind, config
        if kind == RGB:
            first = operations.conv_nd(2, hint_channels, self.model_channels, 3, padding=1, **place)
            self.input_hint_block = TimestepEmbedSequential(first)
        modules = (2,) * len(channels)
        motion_format = MotionFormat(V3, channels, modules, (), False, attentions=1, table_length=TABLE_LENGTH)
        self.motion = MotionModel(motion_format, attention, operations, **place)

    def motion_behind(self) -> dict[int, torch.nn.Module]:
        """Index of an input block -> the motion module behind it."""
        blocks = [index for index, block in enumerate(self.input_blocks) if isinstance(block[0], ResBlock)]
        return dict(zip(blocks, self.motion.sites().values(), strict=True))

    def forward(
        self,
        like: Tensor,
        hint: Tensor,
        timesteps: Tensor,
        context: Tensor,
        steering: Steering,
        effect: float = 1.0,
    ) -> dict[str, list[Tensor]]:
        """What is added to the UNet's skips and its middle, as the host's ControlNets give it.

        like: latents ((conds videos frames) 4 h w), whose values do not count: the network sees the pictures alone.
        hint: of one cond, pictures and mask ((videos frames) c h w). steering, effect: of its motion modules.
        """
        emb = self.time_embed(timestep_embedding(timesteps, self.model_channels, repeat_only=False).to(like.dtype))
        pictures = self.input_hint_block(hint, emb, context)
        motion, h, skips = self.motion_behind(), torch.zeros_like(like), []
        for index, (block, zero_conv) in enumerate(zip(self.input_blocks, self.zero_convs, strict=True)):
            h = block(h, emb, context)
            if index == 0:
                h = h + pictures.repeat(len(h) // len(pictures), 1, 1, 1)
            if index in motion and effect != 0.0:
                moved = motion[index](h, steering)
                h = moved if effect == 1.0 else torch.lerp(h, moved, effect)
            skips.append(zero_conv(h, emb, context))
        h = self.middle_block(h, emb, context)
        return {"middle": [self.middle_block_out(h, emb, context)], "output": skips}


def load_sparse_net(path: str) -> ModelPatcher:
    """The patcher of a SparseCtrl file in guoyww's or diffusers' layout. Raises ValueError for another file."""
    name = Path(path).name
    try:
        loaded = opened(path)
        part = loaded.get("controlnet")
        return sparse_net(tensors_of(part if isinstance(part, Mapping) else loaded))
    except NotAMotionModel as reason:
        raise ValueError(f"'{name}' {reason}") from None


def sparse_net(state: dict[str, Tensor]) -> ModelPatcher:
    """state: the file's tensors. Raises NotAMotionModel with a sentence that goes on after the file's name."""
    kind = kind_of(state)
    try:
        config = config_of(state)
    except (KeyError, IndexError) as missing:
        raise NotAMotionModel(f"looks like a SparseCtrl, but lacks {missing.args[0]}. {AGAIN}") from None
    motion = {f"motion.{key}": value for key, value in canonical(state).items() if "attention_blocks.1" not in key}
    names = host_names(config, kind)
    weights = {names[key]: value for key, value in state.items() if key in names}
    weights |= {key: value for key, value in motion.items() if not TABLE.search(key)}
    return patcher_of(config, kind, weights, motion)


def config_of(state: dict[str, Tensor]) -> dict:
    """What the host's ControlNet is made from: SD1.5's layout, at the widths of the file."""
    width = state["conv_in.bias"].numel()
    levels = range(len({key.split(".")[1] for key in state if key.startswith("down_blocks.")}))
    channels = tuple(state[f"down_blocks.{i}.resnets.0.conv1.bias"].numel() for i in levels)
    refuse_widths((width, *channels))
    depth = [int(f"down_blocks.{i}.attentions.{j}.norm.weight" in state) for i in levels for j in range(RESBLOCKS)]
    return SD15 | {
        "model_channels": width,
        "channel_mult": [channel // width for channel in channels],
        "num_res_blocks": [RESBLOCKS for _ in levels],
        "transformer_depth": depth,
        "context_dim": state[f"{FIRST_BLOCK}attn2.to_k.weight"].shape[1],
    }


def patcher_of(config: dict, kind: str, weights: dict[str, Tensor], tables: dict[str, Tensor]) -> ModelPatcher:
    """weights: under the names of SparseNet. tables: position tables among other things."""
    device, offload_device = comfy.model_management.get_torch_device(), comfy.model_management.unet_offload_device()
    refuse_other_numbers(weights)
    dtype = held_dtype(comfy.utils.weight_dtype(weights))
    net = SparseNet(
        config,
        kind,
        channels=tuple(config["model_channels"] * mult for mult in config["channel_mult"]),
        attention=comfy.ldm.modules.attention.optimized_attention_for_device(device, small_input=True),
        operations=comfy.ops.manual_cast,
        dtype=dtype,
        device=torch.device("meta"),
    )
    check_shapes(weights, {key: tuple(value.shape) for key, value in net.state_dict().items()})
    for key in (key for key in tables if TABLE.search(key)):
        refuse_table(key, tables[key], {name: tuple(value.shape) for name, value in weights.items()})
    patcher = host_patcher(net, device, offload_device, disable_dynamic=False)
    net.motion.keep_learnt_tables({key.removeprefix("motion."): value for key, value in tables.items()})
    if not patcher.is_dynamic():
        weights = {key: value.to(dtype) for key, value in weights.items()}
    net.load_state_dict(weights, assign=True)
    net.requires_grad_(False).eval()
    return patcher


def kind_of(state: dict[str, Tensor]) -> str:
    """RGB or SCRIBBLE. Raises NotAMotionModel where it is no SparseCtrl."""
    has_motion = any(".motion_modules." in key for key in state)
    if not any(key.startswith(EMBEDDING) for key in state):
        if any(key.startswith(("control_model.", "controlnet_", "input_hint_block.")) for key in state):
            raise NotAMotionModel("is a ControlNet, not a SparseCtrl. Load it with Load ControlNet Model.")
        if has_motion:
            raise NotAMotionModel(
                f"is a motion model, not a SparseCtrl. Load it with Load Motion Model, and here: {CHOOSE}"
            )
        first = ", ".join(sorted(state)[:2]) or "nothing at all"
        raise NotAMotionModel(f"is no SparseCtrl (it begins with {first}). {CHOOSE}")
    if not has_motion:
        raise NotAMotionModel("is a ControlNet, not a SparseCtrl. Load it with Load ControlNet Model.")
    return RGB if f"{EMBEDDING}weight" in state else SCRIBBLE


def host_names(config: dict, kind: str) -> dict[str, str]:
    """Key in a file -> the host's, for all but the motion modules."""
    parts = ("input_blocks.", "middle_block.", "time_embed.")
    unet = config | {"transformer_depth_output": [0] * sum(count + 1 for count in config["num_res_blocks"])}
    names = {key: host for key, host in comfy.utils.unet_to_diffusers(unet).items() if host.startswith(parts)}
    blocks = sum(count + 1 for count in config["num_res_blocks"])
    layers = {f"controlnet_down_blocks.{index}": f"zero_convs.{index}.0" for index in range(blocks)}
    layers["controlnet_mid_block"] = "middle_block_out.0"
    if kind == RGB:
        layers[EMBEDDING.rstrip(".")] = "input_hint_block.0"
    else:
        convs = ["conv_in", *(f"blocks.{index}" for index in range(6)), "conv_out"]
        layers |= {EMBEDDING + name: f"input_hint_block.{2 * index}" for index, name in enumerate(convs)}
    return names | {f"{key}.{end}": f"{host}.{end}" for key, host in layers.items() for end in ("weight", "bias")}


def check_shapes(weights: dict[str, Tensor], expected: dict[str, tuple[int, ...]]) -> None:
    """Raises NotAMotionModel where a tensor is missing, left over or of another shape."""
    wrong = sorted(expected.keys() ^ weights.keys()) or sorted(
        key for key, shape in expected.items() if tuple(weights[key].shape) != shape
    )
    if wrong:
        raise NotAMotionModel(
            f"looks like a SparseCtrl, but {len(wrong)} of its tensors are missing, unknown or of another shape "
            f"({wrong[0]}). {AGAIN}"
        )
