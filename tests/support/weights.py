"""Small seeded random weights in the exact public key layouts, since trained ones cannot be shipped.

Every tensor depends on the seed and its own key alone. The layouts are written down here once more, apart from the
pack's own, so that a mistake in either is seen.
"""

import math
import re
import zlib

import torch

SD15_CHANNELS = (320, 640, 1280, 1280)
SDXL_CHANNELS = (320, 640, 1280)


def tensor_for(key: str, shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    """Activations keep about unit size: weights by their fan-in, norms near 1, biases small."""
    generator = torch.Generator().manual_seed((zlib.crc32(key.encode()) + seed) & 0x7FFFFFFF)
    values = torch.randn(shape, generator=generator)
    if len(shape) > 1:
        return values / math.sqrt(math.prod(shape[1:]))
    return 1 + 0.1 * values if key.endswith("weight") else 0.02 * values


def filled(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, torch.Tensor]:
    return {key: tensor_for(key, tuple(shape), seed) for key, shape in shapes.items()}


def position_table(length: int, channels: int) -> torch.Tensor:
    """(1, length, channels), as published files store it."""
    position = torch.arange(length).unsqueeze(1)
    rate = torch.exp(torch.arange(0, channels, 2) * (-math.log(10000.0) / channels))
    table = torch.zeros(1, length, channels)
    table[0, :, 0::2] = torch.sin(position * rate)
    table[0, :, 1::2] = torch.cos(position * rate)
    return table


def motion_module_shapes(
    prefix: str, channels: int, length: int | None, attentions: int = 2
) -> dict[str, tuple[int, ...]]:
    """One motion module under guoyww's names, position tables included where `length` is given."""
    c = channels
    block = f"{prefix}transformer_blocks.0."
    shapes = {f"{prefix}norm.weight": (c,), f"{prefix}norm.bias": (c,)}
    for name in ("proj_in", "proj_out"):
        shapes |= {f"{prefix}{name}.weight": (c, c), f"{prefix}{name}.bias": (c,)}
    for k in range(attentions):
        attention = f"{block}attention_blocks.{k}."
        shapes |= {f"{attention}{name}.weight": (c, c) for name in ("to_q", "to_k", "to_v", "to_out.0")}
        shapes |= {f"{attention}to_out.0.bias": (c,)}
        shapes |= {f"{block}norms.{k}.weight": (c,), f"{block}norms.{k}.bias": (c,)}
        if length:
            shapes |= {f"{attention}pos_encoder.pe": (1, length, c)}
    shapes |= {f"{block}ff.net.0.proj.weight": (8 * c, c), f"{block}ff.net.0.proj.bias": (8 * c,)}
    shapes |= {f"{block}ff.net.2.weight": (c, 4 * c), f"{block}ff.net.2.bias": (c,)}
    shapes |= {f"{block}ff_norm.weight": (c,), f"{block}ff_norm.bias": (c,)}
    return shapes


def motion_shapes(channels=SD15_CHANNELS, mid: bool = False, length: int | None = 32) -> dict[str, tuple[int, ...]]:
    """A whole motion model under guoyww's names."""
    places = [(f"down_blocks.{i}.motion_modules.{j}", c) for i, c in enumerate(channels) for j in range(2)]
    places += [("mid_block.motion_modules.0", channels[-1])] if mid else []
    places += [(f"up_blocks.{i}.motion_modules.{j}", c) for i, c in enumerate(reversed(channels)) for j in range(3)]
    shapes = {}
    for place, c in places:
        shapes |= motion_module_shapes(f"{place}.temporal_transformer.", c, length)
    return shapes


def image_encoder_shapes(channels=SD15_CHANNELS) -> dict[str, tuple[int, ...]]:
    """AnimateLCM-I2V's image encoder."""
    shapes = {"conv_in.weight": (channels[0], 4, 3, 3), "conv_in.bias": (channels[0],)}
    for i, c in enumerate(channels):
        for j in (0, 1):
            block = f"body.{2 * i + j}."
            if j == 0 and i and channels[i - 1] != c:
                shapes |= {f"{block}in_conv.weight": (c, channels[i - 1], 1, 1), f"{block}in_conv.bias": (c,)}
            shapes |= {f"{block}block1.weight": (c, c, 3, 3), f"{block}block1.bias": (c,)}
            shapes |= {f"{block}block2.weight": (c, c, 1, 1), f"{block}block2.bias": (c,)}
    return {f"img_encoder.{key}": shape for key, shape in shapes.items()}


FAMILIES = {
    "v1": {"mid": False, "length": 24},
    "v2": {"mid": True, "length": 32},
    "v3": {"mid": False, "length": 32},
    "animatelcm": {"mid": True, "length": None},
    "animatelcm_i2v": {"mid": True, "length": None},
    "pia": {"mid": False, "length": 32},
    "long": {"mid": True, "length": 64},
    "sdxl": {"mid": False, "length": 32},
    "hotshot": {"mid": False, "length": 24},
}


def motion_state(
    family: str, channels: tuple[int, ...], seed: int = 1, layout: str = "guoyww", build=filled
) -> dict[str, torch.Tensor]:
    """A motion model of `family` as its file holds it; `layout`: guoyww or diffusers (HotShot-XL has its own).

    build(shapes, seed) gives the weights under guoyww's names.
    """
    shapes = motion_shapes(channels, **FAMILIES[family])
    shapes |= image_encoder_shapes(channels) if family == "animatelcm_i2v" else {}
    if family == "pia":
        shapes |= {"conv_in.weight": (channels[0], 9, 3, 3), "conv_in.bias": (channels[0],)}
    state = build({key: shape for key, shape in shapes.items() if not key.endswith(".pe")}, seed)
    state |= {key: position_table(*shape[1:]) for key, shape in shapes.items() if key.endswith(".pe")}
    if family == "hotshot":
        return {hotshot_name(key): value for key, value in state.items()}
    if layout == "diffusers":
        return {diffusers_name(key): value for key, value in state.items()}
    return state


def hotshot_name(key: str) -> str:
    key = key.replace("motion_modules", "temporal_attentions").replace(".temporal_transformer", "")
    return key.replace("pos_encoder.pe", "pos_encoder.positional_encoding")


def diffusers_name(key: str) -> str:
    key = key.replace(".temporal_transformer", "")
    for k in (0, 1):
        key = key.replace(f"attention_blocks.{k}.pos_encoder.pe", "pos_embed.pe")
        key = key.replace(f"attention_blocks.{k}.", f"attn{k + 1}.").replace(f"norms.{k}.", f"norm{k + 1}.")
    return key.replace("ff_norm.", "norm3.")


def clip_l_shapes(prefix: str = "cond_stage_model.transformer.text_model.") -> dict[str, tuple[int, ...]]:
    """SD1.5's text encoder (CLIP ViT-L/14)."""
    shapes = {"embeddings.token_embedding.weight": (49408, 768), "embeddings.position_embedding.weight": (77, 768)}
    for i in range(12):
        layer = f"encoder.layers.{i}."
        for name in ("layer_norm1", "layer_norm2"):
            shapes |= {f"{layer}{name}.weight": (768,), f"{layer}{name}.bias": (768,)}
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= {f"{layer}self_attn.{name}.weight": (768, 768), f"{layer}self_attn.{name}.bias": (768,)}
        shapes |= {f"{layer}mlp.fc1.weight": (3072, 768), f"{layer}mlp.fc1.bias": (3072,)}
        shapes |= {f"{layer}mlp.fc2.weight": (768, 3072), f"{layer}mlp.fc2.bias": (768,)}
    shapes |= {"final_layer_norm.weight": (768,), "final_layer_norm.bias": (768,)}
    return {prefix + key: shape for key, shape in shapes.items()}


def clip_g_shapes(prefix: str = "conditioner.embedders.1.model.") -> dict[str, tuple[int, ...]]:
    """SDXL's second text encoder (OpenCLIP ViT-bigG), as its checkpoints hold it."""
    width, inner = 1280, 5120
    shapes = {"positional_embedding": (77, width), "text_projection": (width, width), "logit_scale": ()}
    shapes |= {"token_embedding.weight": (49408, width), "ln_final.weight": (width,), "ln_final.bias": (width,)}
    for i in range(32):
        layer = f"transformer.resblocks.{i}."
        for name in ("ln_1", "ln_2"):
            shapes |= {f"{layer}{name}.weight": (width,), f"{layer}{name}.bias": (width,)}
        shapes |= {f"{layer}attn.in_proj_weight": (3 * width, width), f"{layer}attn.in_proj_bias": (3 * width,)}
        shapes |= {f"{layer}attn.out_proj.weight": (width, width), f"{layer}attn.out_proj.bias": (width,)}
        shapes |= {f"{layer}mlp.c_fc.weight": (inner, width), f"{layer}mlp.c_fc.bias": (inner,)}
        shapes |= {f"{layer}mlp.c_proj.weight": (width, inner), f"{layer}mlp.c_proj.bias": (width,)}
    return {prefix + key: shape for key, shape in shapes.items()}


def motion_lora_state(
    channels=SD15_CHANNELS, seed: int = 3, rank: int = 4, family: str = "v3"
) -> dict[str, torch.Tensor]:
    """A MotionLoRA under guoyww's names, for that family's motion model (v3 has no mid block, v2 has one)."""
    shapes = {}
    for key, shape in motion_shapes(channels, **FAMILIES[family]).items():
        if found := re.match(r"(.*attention_blocks\.\d+\.)(to_[qkv]|to_out)(?:\.0)?\.weight$", key):
            base = f"{found[1]}processor.{found[2]}_lora."
            shapes |= {f"{base}down.weight": (rank, shape[1]), f"{base}up.weight": (shape[0], rank)}
    return filled(shapes, seed)
