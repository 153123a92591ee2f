"""The noise that a clip starts from, frame by frame. Tensors are (frames, channels, height, width), float32, CPU.

Sources: FreeNoise, arXiv:2310.15169, section 3.2; the generators as in ComfyUI (one for the whole batch) and the A1111
web UI (one per frame, seeds counting up). `tests/maths/test_noise.py` holds them to ComfyUI-AnimateDiff-Evolved's.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

DEFAULT, CONSTANT, EMPTY, REPEATED, FREENOISE = "default", "constant", "empty", "repeated_context", "FreeNoise"
NOISE_TYPES = [DEFAULT, CONSTANT, EMPTY, REPEATED, FREENOISE]
COMFY, A1111 = "comfy", "auto1111"
GENERATORS = [COMFY, A1111]

ADD, ADD_WEIGHTED, NORMALIZED_SUM, REPLACE = "add", "add weighted", "normalized sum", "replace"
LAYER_MODES = [ADD, ADD_WEIGHTED, NORMALIZED_SUM, REPLACE]
SEEDS = 2**64


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
    """A seed of its own for every frame, instead of `generator`."""

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
    """(m, h, w), 0 to 1: where the layer counts; everywhere if None."""


@dataclass(frozen=True)
class NoiseOptions:
    base: Draw = Draw()
    layers: tuple[Layer, ...] = ()


def added(options: NoiseOptions | None, layer: Layer) -> NoiseOptions:
    """`options` with one more layer. One that replaces everything is the new base: later seeds count from its seed."""
    options = options or NoiseOptions()
    if layer.mode == REPLACE and layer.mask is None:
        return NoiseOptions(base=layer.draw)
    return NoiseOptions(options.base, (*options.layers, layer))


def clip_noise(options: NoiseOptions, host: Tensor, seed: int, length: int, overlap: int) -> Tensor:
    """The noise of a clip.

    host: the host's own noise, which stays where nothing is chosen; length, overlap: those of the context windows.
    """
    noise = host if options.base == Draw() else drawn(options.base, host.shape, seed, length, overlap)
    seed = _seed(options.base, seed)
    for layer in options.layers:
        noise = layered(noise, drawn(layer.draw, host.shape, seed, length, overlap), layer)
    return noise


def drawn(draw: Draw, shape: torch.Size, seed: int, length: int, overlap: int) -> Tensor:
    frames = shape[0]
    seed = _seed(draw, seed)
    if draw.noise_type == EMPTY:
        return torch.zeros(shape)
    noise = _stream(draw, tuple(shape), seed)
    if draw.noise_type == CONSTANT:
        return noise[:1].expand(shape).clone()
    if draw.noise_type == REPEATED and frames > length:
        return noise[:length].repeat(math.ceil(frames / length), 1, 1, 1)[:frames]
    if draw.noise_type == FREENOISE:
        return freenoise(noise, length, overlap, seed)
    return noise


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
    elif layer.mode == NORMALIZED_SUM:
        norm = math.sqrt((1 - weight) ** 2 + weight**2)
        mixed = (old * (1 - weight) + new * weight) / norm
    else:
        raise ValueError(f"'{layer.mode}' is not a way to add noise. Choose one of: {', '.join(LAYER_MODES)}.")
    if layer.mask is None:
        return mixed
    mask = F.interpolate(layer.mask.unsqueeze(1).float(), size=old.shape[-2:], mode="bilinear")
    frames = [min(frame, mask.shape[0] - 1) for frame in range(old.shape[0])]
    return torch.lerp(old, mixed, mask[frames])


def _seed(draw: Draw, seed: int) -> int:
    """Wrapped to 64 bits, so that no offset can push a seed out of what a generator takes."""
    return ((seed if draw.seed_override is None else draw.seed_override) + draw.seed_offset) % SEEDS


def _stream(draw: Draw, shape: tuple[int, ...], seed: int) -> Tensor:
    frames, rest = shape[0], shape[1:]
    if draw.frame_seeds:
        if len(draw.frame_seeds) < frames:
            raise ValueError(f"There are {len(draw.frame_seeds)} seeds for {frames} frames. Give one seed per frame.")
        return torch.cat([_randn(1, rest, frame_seed) for frame_seed in draw.frame_seeds[:frames]])
    if draw.generator == A1111:
        seeds = [(seed + draw.batch_offset + frame) % SEEDS for frame in range(frames)]
        return torch.cat([_randn(1, rest, frame_seed) for frame_seed in seeds])
    return _randn(draw.batch_offset + frames, rest, seed)[draw.batch_offset :]


def _randn(frames: int, rest: tuple[int, ...], seed: int) -> Tensor:
    """As the host draws: one CPU generator, float32."""
    return torch.randn((frames, *rest), generator=torch.Generator().manual_seed(seed))
