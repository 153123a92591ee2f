"""Weights that are built instead of trained: checkpoints that know clouds of colour, motion models that let them drift.

Every file has its public key layout and goes through the real loaders, and every number that matters is written down
here. The UNet takes for noise what is not smooth: eps = STEEP (x - KEPT L x), where L goes down to half of the size and
up again. A prompt's mean tints the picture. The motion model's one attention is the mean over near frames (T), so
together eps = STEEP (x - KEPT L T x), and the clouds of neighbouring frames become alike. What passes a layer passes it
in pairs of channels, +a and -a, since silu(a) - silu(-a) = a; beside them two constants keep the divisor of each norm
the same. The VAE mixes latents to colours as ComfyUI's preview does.
"""

import math
import re

import torch
from torch import Tensor

State = dict[str, Tensor]

BINOMIAL = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
PAIRS, CONSTANT, GROUP = 8, 10.0, 10
"""Channels of the four pairs; with +CONSTANT and -CONSTANT after them they fill one group of a group norm."""
SIGNS = [((2 * k, 1.0), (2 * k + 1, -1.0)) for k in range(4)]
"""Of each latent channel: where it is, and with which sign."""
STEEP, KEPT = 1.5, 0.9
CONTRAST = 2.5
"""Of the colours over those of the preview: clouds are faint."""
TINT, HINT, PICTURE = 0.00025, 0.15, 0.5
"""How much a prompt, a hint and a picture add to what is smooth, at every step."""
FRAMES_ALIKE = 2.2
"""Standard deviation of the attention over time, in frames."""
RATE = 30
"""Which pair of the position table it looks at: 0.178 rad a frame."""


def latent_format(arch: str):
    """The host's, which also has the colours of its preview."""
    import comfy.latent_formats

    return {"sd15": comfy.latent_formats.SD15, "sdxl": comfy.latent_formats.SDXL}[arch]()


def rgb(arch: str) -> Tensor:
    """(4, 3): what each latent channel adds to red, green and blue."""
    return CONTRAST * torch.tensor(latent_format(arch).latent_rgb_factors)


def zeros(shapes: dict[str, tuple[int, ...]]) -> State:
    """Every layer adds nothing; norms only normalise."""
    norm = re.compile(r"norm|in_layers\.0|out_layers\.0|out\.0|layer_norm")
    return {
        key: torch.ones(shape)
        if len(shape) == 1 and key.endswith("weight") and norm.search(key)
        else torch.zeros(shape)
        for key, shape in shapes.items()
    }


def put(state: State, key: str, rows: list[int], columns: list[int], value: float | list[float] = 1.0) -> None:
    """Single numbers of a matrix; of a convolution, in the middle of its kernel."""
    weight = state[key]
    weight = weight[..., weight.shape[-2] // 2, weight.shape[-1] // 2] if weight.ndim == 4 else weight
    weight[rows, columns] = torch.as_tensor(value, dtype=weight.dtype)


def blur(state: State, key: str, channels: list[int]) -> None:
    for channel in channels:
        state[key][channel, channel] = BINOMIAL


def constants(state: State, bias: str) -> None:
    state[bias][PAIRS], state[bias][PAIRS + 1] = CONSTANT, -CONSTANT


def unet(shapes: dict[str, tuple[int, ...]]) -> State:
    """SD1.5's or SDXL's UNet in the host's names, all of its blocks on 320 channels."""
    state, pairs, group = zeros(shapes), list(range(PAIRS)), list(range(GROUP))
    for k, places in enumerate(SIGNS):
        for channel, sign in places:
            put(state, "input_blocks.0.0.weight", [channel], [k], sign)
            put(state, "out.2.weight", [k], [channel], sign * STEEP * CONSTANT / math.sqrt(GROUP / 2))
    constants(state, "input_blocks.0.0.bias")
    for key in shapes:
        if re.search(r"input_blocks\.\d+\.0\.op\.weight$|output_blocks\.\d+\.\d\.conv\.weight$", key):
            blur(state, key, pairs)
            constants(state, key.replace("weight", "bias"))
    last = max(int(found[1]) for key in shapes if (found := re.match(r"output_blocks\.(\d+)", key)))
    half = last - 5  # the first block at half of the size
    for block in range(half, last + 1):
        skip = f"output_blocks.{block}.0.skip_connection.weight"
        channels = state[skip].shape[0]
        if block == half:
            put(state, skip, group, [channels + each for each in group])
        elif block < last:
            put(state, skip, group, group)
        else:
            put(state, skip, group, [channels + each for each in group])
            put(state, skip, pairs, pairs, -KEPT)
    tint(state, f"output_blocks.{half}.1.")
    return state


def tint(state: State, transformer: str) -> None:
    """A prompt's mean, of which four random directions become a colour."""
    attention = f"{transformer}transformer_blocks.0.attn2."
    width = state[f"{attention}to_v.weight"].shape[1]
    directions = torch.randn(4, width, generator=torch.Generator().manual_seed(4)) * TINT
    state[f"{attention}to_v.weight"][:4] = directions
    for k, places in enumerate(SIGNS):
        for channel, sign in places:
            put(state, f"{attention}to_out.0.weight", [channel], [k], sign)
            put(state, f"{transformer}proj_out.weight", [channel], [channel])


def taesd(shapes: dict[str, tuple[int, ...]], arch: str) -> State:
    """The host's small autoencoder: linear but for the clamp, its own inverse for what is smooth."""
    state, colours = zeros(shapes), rgb(arch)
    state["vae_scale"] = torch.tensor(latent_format(arch).scale_factor)
    rows = list(range(PAIRS))
    for k in range(4):
        put(state, "taesd_decoder.1.weight", [k, 4 + k], [k, k], [1.0, -1.0])
    for key, shape in shapes.items():
        if re.fullmatch(r"taesd_(?:de|en)coder\.\d+\.weight", key) and shape[:2] == (64, 64):
            blur(state, key, rows)
    put(state, "taesd_encoder.0.weight", [0, 1, 2], [0, 1, 2])
    first, last = ("taesd_encoder.14", "taesd_decoder.19")
    for k in range(4):
        for colour in range(3):
            value = float(colours[k, colour]) / 2
            put(state, f"{last}.weight", [colour, colour], [k, 4 + k], [value, -value])
            put(state, f"{first}.weight", [k], [colour], 2 * float(torch.linalg.pinv(colours)[colour, k]))
    state[f"{last}.bias"] += 0.5
    state[f"{first}.bias"] -= torch.linalg.pinv(colours).sum(0)
    return state


def checkpoint(shapes: dict[str, tuple[int, ...]], arch: str) -> State:
    """The UNet and the VAE of a whole checkpoint with those shapes; its text encoders are left out."""
    state = {}
    for prefix, build in (
        ("model.diffusion_model.", unet),
        ("first_stage_model.", lambda shapes: taesd(shapes, arch)),
    ):
        own = {key.removeprefix(prefix): shape for key, shape in shapes.items() if key.startswith(prefix)}
        state |= {prefix + key: value for key, value in build(own).items()}
    return state


def motion_model(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> State:
    """A motion model under guoyww's names, of which one module moves: the first at half of the size.

    seed: of no effect, since nothing is random.
    """
    state = zeros(shapes) | (image_encoder(shapes) if "img_encoder.conv_in.weight" in shapes else {})
    levels = 1 + max(int(found[1]) for key in shapes if (found := re.match(r"up_blocks\.(\d+)", key)))
    module = f"up_blocks.{levels - 2}.motion_modules.0.temporal_transformer."
    attention = f"{module}transformer_blocks.0.attention_blocks.0."
    # The last channels of the position table stay the same from frame to frame (the even ones are 0).
    width = shapes[f"{module}norm.weight"][0]
    far = width - GROUP
    put(state, f"{module}proj_in.weight", [far + each for each in range(GROUP)], list(range(GROUP)))
    alike = (1 / (10000 ** (-2 * RATE / width) * FRAMES_ALIKE)) ** 2 * math.sqrt(width / 8)
    for layer in ("to_q", "to_k"):
        put(state, f"{attention}{layer}.weight", [0, 1], [2 * RATE, 2 * RATE + 1], math.sqrt(alike))
    normalised, divided = math.sqrt(GROUP / 2), math.sqrt(width / 2)
    for k, places in enumerate(SIGNS):
        put(state, f"{attention}to_v.weight", [k], [far + 2 * k])
        put(state, f"{attention}to_out.0.weight", [k], [k])
        for channel, sign in places:
            put(state, f"{module}proj_out.weight", [channel], [k], sign * CONSTANT / divided)
            put(state, f"{module}proj_out.weight", [channel], [far + 2 * k], -sign * CONSTANT / normalised)
    return state


def luminance(arch: str = "sd15") -> Tensor:
    """What a grey makes of the four latent channels."""
    return torch.linalg.pinv(rgb(arch)).sum(0)


def controlnet(shapes: dict[str, tuple[int, ...]]) -> State:
    """A ControlNet in the host's names: clouds are bright where the hint is."""
    state, first = zeros(shapes), "input_hint_block.0.weight"
    for colour in range(3):
        put(state, first, [0], [colour], 1.0)
    for key in shapes:
        if re.search(r"input_hint_block\.\d+\.weight$", key) and key != first:
            put(state, key, [0], [0], 1.2)  # silu makes it a little less each time
        if re.search(r"input_blocks\.\d+\.0\.op\.weight$", key):
            blur(state, key, [0])
    for k, places in enumerate(SIGNS):
        for channel, sign in places:
            put(state, "zero_convs.5.0.weight", [channel], [0], sign * HINT * float(luminance()[k]))
    return state


def sparse(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> State:
    """SparseCtrl under guoyww's names, without motion of its own: clouds go to the pictures, or are bright where a
    drawing is, in the frames that have one.

    seed: of no effect, since nothing is random.
    """
    state, embedding = zeros(shapes), "controlnet_cond_embedding."
    rgb_pictures = f"{embedding}weight" in shapes
    for key in shapes:
        if key.endswith("downsamplers.0.conv.weight"):
            blur(state, key, list(range(4)))
        elif key.startswith(embedding) and key.endswith("weight") and not rgb_pictures:
            colours = range(3) if key == f"{embedding}conv_in.weight" else (0,)
            for colour in colours:
                put(state, key, [0], [colour], 1.2)  # silu makes it a little less each time
    for k, places in enumerate(SIGNS):
        if rgb_pictures:
            put(state, f"{embedding}weight", [k], [k])
        for channel, sign in places:
            value, source = (PICTURE, k) if rgb_pictures else (HINT * float(luminance()[k]), 0)
            put(state, "controlnet_down_blocks.5.weight", [channel], [source], sign * value)
    return state


def image_encoder(shapes: dict[str, tuple[int, ...]]) -> State:
    """AnimateLCM-I2V's image encoder: the picture's latents at half of their size, for the clouds to go there."""
    state = zeros({key: shape for key, shape in shapes.items() if key.startswith("img_encoder.")})
    width = shapes["img_encoder.conv_in.weight"][0]
    far = width - GROUP  # where the drift of the position table is next to nothing
    for k in range(4):
        put(state, "img_encoder.conv_in.weight", [far + 2 * k], [k])
    last = "img_encoder.body.3."  # the second block of the second level
    for number, channel in enumerate([*range(GROUP), *(far + 2 * k for k in range(4))]):
        put(state, f"{last}block1.weight", [2 * number, 2 * number + 1], [channel, channel], [1.0, -1.0])
        both = [2 * number, 2 * number + 1]
        if number < GROUP:  # the drift, which is not what the pairs hold
            put(state, f"{last}block2.weight", [channel, channel], both, [-1.0, 1.0])
            continue
        for target, sign in SIGNS[number - GROUP]:
            put(state, f"{last}block2.weight", [target, target], both, [sign * PICTURE, -sign * PICTURE])
    return state
