"""MotionCtrl files of seeded random weights in the public layout, at any width."""

import torch
from weights import SD15_CHANNELS, filled, motion_shapes

OVERWRITTEN = (".attention_blocks.1.", ".norms.1.", ".cc_projection.")


def camera_shapes(channels=SD15_CHANNELS) -> dict[str, tuple[int, ...]]:
    """Of v3: what takes the place of each second attention, and the layer that takes poses in."""
    shapes = {key: shape for key, shape in motion_shapes(channels).items() if any(n in key for n in OVERWRITTEN)}
    for key, (width,) in [(key, shape) for key, shape in shapes.items() if key.endswith(".norms.1.bias")]:
        name = key.replace("norms.1.bias", "cc_projection")
        shapes |= {f"{name}.weight": (width, width + 12), f"{name}.bias": (width,)}
    return shapes


def object_shapes(channels=SD15_CHANNELS) -> dict[str, tuple[int, ...]]:
    shapes = {"conv_in.weight": (channels[0], 128, 3, 3), "conv_in.bias": (channels[0],)}
    for index in range(2 * len(channels)):
        width, before = channels[index // 2], channels[max(index - 1, 0) // 2]
        names = ["block1", "block2"] + ["in_conv"] * (before != width)
        for name in names:
            comes_in = before if name == "in_conv" else width
            shapes[f"body.{index}.{name}.weight"] = (width, comes_in, 3, 3)
            shapes[f"body.{index}.{name}.bias"] = (width,)
    return shapes


def camera_state(channels=SD15_CHANNELS, seed: int = 7) -> dict[str, torch.Tensor]:
    return filled({key: shape for key, shape in camera_shapes(channels).items() if not key.endswith(".pe")}, seed)


def object_state(channels=SD15_CHANNELS, seed: int = 8) -> dict[str, torch.Tensor]:
    return filled(object_shapes(channels), seed)


def camera_file(channels=SD15_CHANNELS) -> dict[str, dict[str, torch.Tensor]]:
    """As the published file holds it."""
    return {"state_dict": {f"module.{key}": value.half() for key, value in camera_state(channels).items()}}


def object_file(channels=SD15_CHANNELS) -> dict[str, dict[str, torch.Tensor]]:
    return {"omcm_state_dict": {f"module.{key}": value.half() for key, value in object_state(channels).items()}}
