"""The noise that a clip starts from, frame by frame. Tensors are (frames, channels, height, width), float32, CPU.

Sources: FreeNoise, arXiv:2310.15169, section 3.2; the generators as in ComfyUI (one for the whole batch) and the A1111
web UI (one per frame, seeds counting up). `tests/maths/test_noise_draw.py` holds them to ComfyUI-AnimateDiff-Evolved's.
"""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ...motion.settings import in_range

DEFAULT, CONSTANT, EMPTY, REPEATED, FREENOISE = "default", "constant", "empty", "repeated_context", "FreeNoise"
NOISE_TYPES = [DEFAULT, CONSTANT, EMPTY, REPEATED, FREENOISE]
COMFY, A1111 = "comfy", "auto1111"
ON_GPU = " [gpu]"
"""After a generator's name: drawn on the device that samples, so with other numbers than on the CPU."""
GENERATORS = [COMFY, COMFY + ON_GPU, A1111, A1111 + ON_GPU]

ADD, ADD_WEIGHTED, NORMALIZED_SUM, REPLACE = "add", "add weighted", "normalized sum", "replace"
LAYER_MODES = [ADD, ADD_WEIGHTED, NORMALIZED_SUM, REPLACE]
SEEDS = 2**64
MOST_NUMBERS = 2**31
"""Of a random stream: 8 GB."""


@dataclass(frozen=True)
class Draw:
    """One drawing of noise for a whole clip."""

    noise_type: str = DEFAULT
    generator: str = COMFY
    seed_offset: int = 0
    """Added to the sampler's seed."""
    batch_offset: int = 0
    """Leaves out that many frames at the start of the random stream."""
    seed_override: int | None = None
    """Instead of the sampler's seed."""
    frame_seeds: tuple[int, ...] = ()
    """A seed of its own for every frame, instead of `generator`; seed_offset is added to each."""

    def __post_init__(self):
        for name, value, choices in (
            ("noise_type", self.noise_type, NOISE_TYPES),
            ("seed_gen", self.generator, GENERATORS),
        ):
            if value not in choices:
                raise ValueError(f"'{value}' is not a {name}. Choose one of: {', '.join(choices)}.")
        if self.batch_offset < 0:
            raise ValueError(f"batch_offset is {self.batch_offset}, and must be 0 or more.")


@dataclass(frozen=True)
class Layer:
    """More noise on top of the first."""

    draw: Draw
    mode: str = ADD
    weight: float = 1.0
    balance: float = 1.0
    """add weighted: how much of the old noise gives way to the new."""
    mask: Tensor | None = None
    """(m, h, w), 0 to 1: where the layer counts; everywhere if None. Fewer masks than frames are taken in turn."""

    def __post_init__(self):
        if self.mode not in LAYER_MODES:
            raise ValueError(f"'{self.mode}' is not a way to add noise. Choose one of: {', '.join(LAYER_MODES)}.")
        in_range("weight", self.weight, -10.0, 10.0)
        in_range("balance", self.balance, -1e6, 1e6)


@dataclass(frozen=True)
class NoiseOptions:
    base: Draw = Draw()
    layers: tuple[Layer, ...] = ()
    samplers_own: bool = False
    """The sampler's noise stays as the first one, and only layers count from the base's seed."""


@dataclass(frozen=True)
class Clip:
    """What noise is drawn for."""

    shape: torch.Size
    seed: int
    """The sampler's."""
    context_length: int
    context_overlap: int
    first_frame: int = 0
    """Of a clip that goes on: how many frames of its noise are left out, having been used before."""
    device: torch.device | str = "cpu"
    """Where generators that end in ON_GPU draw."""


def added(options: NoiseOptions | None, layer: Layer) -> NoiseOptions:
    """`options` with one more layer. One that replaces everything is the new base: later seeds count from its seed."""
    options = options or NoiseOptions()
    if layer.mode == REPLACE and layer.mask is None:
        return NoiseOptions(base=layer.draw)
    return NoiseOptions(options.base, (*options.layers, layer))


def seeds_in(text: str) -> tuple[int, ...]:
    """The whole numbers of a line like "7, 7, 8"."""
    words = text.replace(",", " ").split()
    wrong = [word for word in words if not word.isdecimal() or int(word) >= SEEDS]
    if wrong:
        raise ValueError(f"frame_seeds has '{wrong[0]}', which is not a seed. Give whole numbers, as in 7, 7, 8.")
    return tuple(int(word) for word in words)


def clip_noise(options: NoiseOptions, host: Tensor, clip: Clip) -> Tensor:
    """The noise of a clip. host: the host's own, which stays where nothing is chosen, in whatever precision it is."""
    noise = host.float() if options.samplers_own or options.base == Draw() else drawn(options.base, clip)
    clip = replace(clip, seed=_seed(options.base, clip.seed))
    for layer in options.layers:
        noise = layered(noise, drawn(layer.draw, clip), layer)
    return noise


def drawn(draw: Draw, clip: Clip) -> Tensor:
    frames, length = clip.first_frame + clip.shape[0], clip.context_length
    if draw.noise_type == EMPTY:
        return torch.zeros(clip.shape)
    seed = _seed(draw, clip.seed)
    noise = _stream(draw, frames, clip, seed)
    if draw.noise_type == CONSTANT:
        noise = noise[:1].expand_as(noise)
    elif draw.noise_type == REPEATED and frames > length:
        noise = noise[:length].repeat(math.ceil(frames / length), 1, 1, 1)[:frames]
    elif draw.noise_type == FREENOISE:
        noise = freenoise(noise, length, clip.context_overlap, seed)
    return noise[clip.first_frame :].clone()


def freenoise(noise: Tensor, length: int, overlap: int, seed: int) -> Tensor:
    """Frames after the first window are shuffled copies of the frames one window earlier.

    Source: FreeNoise, arXiv:2310.15169, section 3.2 (window `length`, stride length - overlap).
    """
    noise = noise.clone()
    generator = torch.Generator().manual_seed(seed)
    frames, stride = noise.shape[0], length - overlap
    for start in range(0, frames - length, stride):
        place = start + length
        count = min(stride, frames - place)
        noise[place : place + count] = noise[start + torch.randperm(count, generator=generator)]
    return noise


def layered(old: Tensor, new: Tensor, layer: Layer) -> Tensor:
    """`new` on `old` as the layer's mode says; only `normalized sum` and `replace` keep the variance."""
    weight = layer.weight
    if layer.mode == REPLACE:
        mixed = new
    elif layer.mode == ADD:
        mixed = old + new * weight
    elif layer.mode == ADD_WEIGHTED:
        mixed = old * (1 - weight * layer.balance) + new * weight
    else:
        norm = math.sqrt((1 - weight) ** 2 + weight**2)
        mixed = (old * (1 - weight) + new * weight) / norm
    if layer.mask is None:
        return mixed
    mask = F.interpolate(layer.mask.unsqueeze(1).float(), size=old.shape[-2:], mode="bilinear")
    return torch.lerp(old, mixed, mask[torch.arange(len(old)) % len(mask)])


def _seed(draw: Draw, seed: int) -> int:
    """Wrapped to 64 bits, so that no offset can push a seed out of what a generator takes."""
    return ((seed if draw.seed_override is None else draw.seed_override) + draw.seed_offset) % SEEDS


def _stream(draw: Draw, frames: int, clip: Clip, seed: int) -> Tensor:
    picture = tuple(clip.shape[1:])
    if (draw.batch_offset + frames) * math.prod(picture) > MOST_NUMBERS:
        raise ValueError(
            f"A batch_offset of {draw.batch_offset} would draw more noise than fits in memory. Use a smaller one, or "
            "seed_offset for other noise."
        )
    device = clip.device if draw.generator.endswith(ON_GPU) else "cpu"
    if draw.frame_seeds:
        if len(draw.frame_seeds) < frames:
            raise ValueError(f"There are {len(draw.frame_seeds)} seeds for {frames} frames. Give one seed per frame.")
        seeds = [(frame_seed + draw.seed_offset) % SEEDS for frame_seed in draw.frame_seeds[:frames]]
        return torch.cat([_randn(1, picture, frame_seed, device) for frame_seed in seeds])
    if draw.generator.startswith(A1111):
        seeds = [(seed + draw.batch_offset + frame) % SEEDS for frame in range(frames)]
        return torch.cat([_randn(1, picture, frame_seed, device) for frame_seed in seeds])
    return _randn(draw.batch_offset + frames, picture, seed, device)[draw.batch_offset :]


def _randn(frames: int, picture: tuple[int, ...], seed: int, device) -> Tensor:
    """As the host draws: one generator, float32."""
    generator = torch.Generator(device).manual_seed(seed)
    return torch.randn((frames, *picture), generator=generator, device=device).cpu()
