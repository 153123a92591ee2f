"""CameraCtrl files of seeded random weights in the public layout, at any width."""

import torch
from weights import SD15_CHANNELS, filled, image_encoder_shapes, motion_module_shapes, motion_shapes


def encoder_shapes(channels=SD15_CHANNELS) -> dict[str, tuple[int, ...]]:
    """Its blocks are those of AnimateLCM-I2V's image encoder, each with one attention over frames behind."""
    shapes = {"encoder_conv_in.weight": (channels[0], 384, 3, 3), "encoder_conv_in.bias": (channels[0],)}
    for key, shape in image_encoder_shapes(channels).items():
        _, part, *rest = key.split(".")
        if part == "body":
            index = int(rest[0])
            shapes[f"encoder_down_conv_blocks.{index // 2}.{index % 2}.{'.'.join(rest[1:])}"] = shape
    for level, width in enumerate(channels):
        for index in (0, 1):
            block = f"encoder_down_attention_blocks.{level}.{index}."
            module = motion_module_shapes("", width, 16, 1)
            inner = "transformer_blocks.0."
            shapes |= {block + key.removeprefix(inner): v for key, v in module.items() if key.startswith(inner)}
    return shapes


def merge_shapes(channels=SD15_CHANNELS) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for key, shape in motion_shapes(channels).items():
        if key.endswith("attention_blocks.0.to_q.weight"):
            name = key.replace("to_q.weight", "processor.qkv_merge")
            shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def camera_state(channels=SD15_CHANNELS, seed: int = 7) -> dict[str, torch.Tensor]:
    shapes = encoder_shapes(channels) | merge_shapes(channels)
    return filled({key: shape for key, shape in shapes.items() if not key.endswith(".pe")}, seed)


def camera_file(channels=SD15_CHANNELS) -> dict[str, dict[str, torch.Tensor]]:
    """As the published file holds it."""
    state = {key: value.half() for key, value in camera_state(channels).items()}
    merges = {key: value for key, value in state.items() if "qkv_merge" in key}
    encoder = {f"module.{key}": value for key, value in state.items() if key not in merges}
    return {"pose_encoder_state_dict": encoder, "attention_processor_state_dict": merges}
