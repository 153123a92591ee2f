"""SparseCtrl files of seeded random weights in the public layouts, at any width."""

import torch
from weights import SD15_CHANNELS, filled, motion_module_shapes, position_table


def layer(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def resnet(name: str, before: int, c: int, emb: int) -> dict[str, tuple[int, ...]]:
    shapes = layer(f"{name}.norm1", before) | layer(f"{name}.conv1", c, before, 3, 3)
    shapes |= layer(f"{name}.time_emb_proj", c, emb) | layer(f"{name}.norm2", c) | layer(f"{name}.conv2", c, c, 3, 3)
    return shapes | (layer(f"{name}.conv_shortcut", c, before, 1, 1) if before != c else {})


def attention(name: str, c: int, text: int) -> dict[str, tuple[int, ...]]:
    shapes = layer(f"{name}.norm", c) | layer(f"{name}.proj_in", c, c, 1, 1) | layer(f"{name}.proj_out", c, c, 1, 1)
    block = f"{name}.transformer_blocks.0"
    for which, keys in (("attn1", c), ("attn2", text)):
        shapes |= {f"{block}.{which}.to_q.weight": (c, c), f"{block}.{which}.to_k.weight": (c, keys)}
        shapes |= {f"{block}.{which}.to_v.weight": (c, keys)} | layer(f"{block}.{which}.to_out.0", c, c)
    for which in (1, 2, 3):
        shapes |= layer(f"{block}.norm{which}", c)
    return shapes | layer(f"{block}.ff.net.0.proj", 8 * c, c) | layer(f"{block}.ff.net.2", c, 4 * c)


def embedding(kind: str, c: int) -> dict[str, tuple[int, ...]]:
    name = "controlnet_cond_embedding"
    if kind == "rgb":
        return layer(name, c, 5, 3, 3)
    widths = [(16, 16), (32, 16), (32, 32), (96, 32), (96, 96), (256, 96)]
    shapes = layer(f"{name}.conv_in", 16, 4, 3, 3) | layer(f"{name}.conv_out", c, 256, 3, 3)
    for index, (after, before) in enumerate(widths):
        shapes |= layer(f"{name}.blocks.{index}", after, before, 3, 3)
    return shapes


def sparse_shapes(kind: str, channels=SD15_CHANNELS, text: int = 768) -> dict[str, tuple[int, ...]]:
    """kind: rgb or scribble; guoyww's names, position tables included."""
    first, emb = channels[0], 4 * channels[0]
    shapes = layer("conv_in", first, 4, 3, 3) | embedding(kind, first)
    shapes |= layer("time_embedding.linear_1", emb, first) | layer("time_embedding.linear_2", emb, emb)
    skips, before, last = [first], first, len(channels) - 1
    for i, c in enumerate(channels):
        for j in (0, 1):
            shapes |= resnet(f"down_blocks.{i}.resnets.{j}", before, c, emb)
            shapes |= attention(f"down_blocks.{i}.attentions.{j}", c, text) if i != last else {}
            shapes |= motion_module_shapes(f"down_blocks.{i}.motion_modules.{j}.temporal_transformer.", c, 32, 1)
            before = c
            skips.append(c)
        if i != last:
            shapes |= layer(f"down_blocks.{i}.downsamplers.0.conv", c, c, 3, 3)
            skips.append(c)
    for j in (0, 1):
        shapes |= resnet(f"mid_block.resnets.{j}", before, before, emb)
    shapes |= attention("mid_block.attentions.0", before, text)
    for index, c in enumerate(skips):
        shapes |= layer(f"controlnet_down_blocks.{index}", c, c, 1, 1)
    return shapes | layer("controlnet_mid_block", before, before, 1, 1)


def sparse_state(kind: str, channels=SD15_CHANNELS, seed: int = 6, build=filled) -> dict[str, torch.Tensor]:
    """build(shapes, seed) gives the weights."""
    shapes = sparse_shapes(kind, channels)
    state = build({key: shape for key, shape in shapes.items() if not key.endswith(".pe")}, seed)
    return state | {key: position_table(*shape[1:]) for key, shape in shapes.items() if key.endswith(".pe")}
