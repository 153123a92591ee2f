"""A world so simple that its motion is learnt on a CPU: a disc that drifts, under a light that changes.

The picture is a torus: what leaves it on one side comes in on the other, so that every place and every direction are
as likely as any other. UNet and motion model of that world are `tests/data/drifting.safetensors`, made by
`make_drifting.py`. The UNet has two channels for each group of its norms: with one, a norm would take the mean of every
channel away, and with it how light a frame is.
"""

import math
from pathlib import Path

import torch
from torch import Tensor

FRAMES, SIZE = 8, 8
DIRECTIONS = {
    "left": (-1, 0), "up left": (-1, -1), "up": (0, -1), "up right": (1, -1),
    "right": (1, 0), "down right": (1, 1), "down": (0, 1), "down left": (-1, 1),
}  # fmt: skip
"""Pixels a frame, to the right and down."""
COLOURS = {"red": (0.6, -0.1, -0.1), "green": (-0.1, 0.5, 0.0), "blue": (-0.1, 0.1, 0.6)}
"""What a disc has beyond its ground, in shares of white; a prompt names it."""
GROUND, RADIUS = 0.4, 2.0
LIGHTS = {"bright": (1.0, 1.0, 1.0), "red": (1.0, 0.0, -1.0)}
"""Ways in which the light of a whole frame changes."""
WIDTH = 64
CONTRAST = 8.0
"""How many units of a latent are from black to white."""
SCALE = 0.18215
"""Of SD1.5's latents."""
CONFIG = {
    "model_channels": 64, "num_res_blocks": [1] * 4, "channel_mult": [1] * 4, "transformer_depth": [0, 1, 1, 0],
    "transformer_depth_output": [0, 0, 1, 1, 1, 1, 0, 0], "transformer_depth_middle": -1, "num_heads": 4,
    "context_dim": WIDTH,
}  # fmt: skip
DATA = Path(__file__).resolve().parents[1] / "data" / "drifting.safetensors"
SCHEDULE = "AnimateDiff SD1.5"


def encoded(picture: Tensor) -> Tensor:
    """(…, h, w, 3), 0 to 1 -> latents (…, 4, h, w): the colours, and their mean."""
    colours = (picture.movedim(-1, -3) - 0.5) * CONTRAST
    return torch.cat([colours, colours.mean(-3, keepdim=True)], dim=-3)


def decoded(latents: Tensor) -> Tensor:
    """The inverse; where the fourth channel is not the mean of the others, half of the difference counts."""
    colours, mean = latents[..., :3, :, :], latents[..., 3:, :, :]
    colours = colours + (mean - colours.mean(-3, keepdim=True)) / 2
    return (colours / CONTRAST + 0.5).movedim(-3, -1).clamp(0, 1)


def disc(x: Tensor, y: Tensor, size: int = SIZE) -> Tensor:
    """(len(x), size, size), 0 to 1: how much of each pixel a disc at these places covers."""
    place = (torch.arange(size) + 0.5) * SIZE / size

    def apart(middle: Tensor) -> Tensor:
        return (place - middle.view(-1, 1) + SIZE / 2) % SIZE - SIZE / 2

    distance = (apart(x).unsqueeze(1).square() + apart(y).unsqueeze(2).square()).sqrt()
    return torch.sigmoid((RADIUS - distance) * 3)


def clip(generator: torch.Generator, direction: str | None = None, colour: str | None = None, **slopes: float):
    """((frames, 4, SIZE, SIZE), its colour). None: any. slopes: how far the lights of LIGHTS rise over the clip, at
    most 0.4; those that are not named rise or fall by anything."""

    def drawn() -> float:
        return float(torch.rand((), generator=generator))

    def one_of(choices) -> str:
        return list(choices)[int(drawn() * len(choices))]

    colour, any_direction, places = (
        one_of(COLOURS) if colour is None else colour,
        one_of(DIRECTIONS),
        (drawn(), drawn()),
    )
    steps, time_ = DIRECTIONS[direction or any_direction], torch.arange(FRAMES).float()
    covered = disc(*(SIZE * place + step * time_ for place, step in zip(places, steps, strict=True))).unsqueeze(-1)
    picture = GROUND + covered * torch.tensor(COLOURS[colour])
    for light, axis in LIGHTS.items():
        first, last = (drawn() * 0.4 - 0.2 for _ in range(2))
        if light in slopes:
            first = (first + 0.2) * (0.4 - abs(slopes[light])) / 0.4 - 0.2 + max(-slopes[light], 0)
            last = first + slopes[light]
        picture = picture + torch.linspace(first, last, FRAMES).view(-1, 1, 1, 1) * torch.tensor(axis) / 2
    return encoded(picture), colour


def clips(count: int, seed: int, *directions: str, **slopes: float) -> list[tuple[Tensor, str]]:
    """Several directions take turns; without one every clip has its own."""
    generator = torch.Generator().manual_seed(seed)
    turns = directions or (None,)
    return [clip(generator, turns[number % len(turns)], **slopes) for number in range(count)]


def panned(count: int, seed: int, move: str) -> list[tuple[Tensor, str]]:
    """Clips of still pictures: a camera moves over each by a pixel a frame, as Camera Move makes it."""
    from animatediff_native.training.camera import fitted, path, seen

    generator, side, found = torch.Generator().manual_seed(seed), 16 * SIZE, []
    views = path(move, (FRAMES - 1) / SIZE, FRAMES, aspect=1.0)
    for _ in range(count):
        colour = list(COLOURS)[int(torch.randint(len(COLOURS), (), generator=generator))]
        x, y, light, *place = torch.rand(5, generator=generator)
        once = disc(SIZE * x[None], SIZE * y[None], side // 2)[0].tile(2, 2).unsqueeze(-1)
        picture = GROUND + once * torch.tensor(COLOURS[colour]) + 0.2 * light - 0.1
        shown = fitted(views, side, side, tuple(place), share=(2 * SIZE - 1) / (2 * SIZE))
        found.append((encoded(seen([picture] * FRAMES, shown, SIZE, SIZE)), colour))
    return found


def token(colour: str | None) -> Tensor:
    """(1, 1, WIDTH): the prompt that names it; None for an empty one."""
    found = torch.zeros(1, 1, WIDTH)
    if colour is not None:
        found[..., list(COLOURS).index(colour)] = WIDTH**0.5
    return found


def conditioning(colour: str | None = None) -> list:
    return [[token(colour), {}]]


def examples(found: list[tuple[Tensor, str]]):
    from animatediff_native.training.examples import Example, Examples

    items = (Example(f"clip {i}", each[None] / SCALE, conditioning(colour)) for i, (each, colour) in enumerate(found))
    return Examples(tuple(items), conditioning(), hash="drifting")


def flow(latents: Tensor) -> tuple[float, float]:
    """Where a clip goes, pixels a frame to the right and down, by the phase of its longest wave along each side; frames
    c h w."""
    waves = torch.fft.fft2(latents - latents.mean((-1, -2), keepdim=True))
    found = []
    for wave in (waves[..., 0, 1], waves[..., 1, 0]):
        turned = (wave[1:] * wave[:-1].conj()).sum()
        found.append(-float(turned.angle()) * SIZE / (2 * math.pi))
    return found[0], found[1]


def coherence(latents: Tensor) -> float:
    """The mean correlation of each frame with the next, which is moved by up to a pixel to where it is most alike."""
    shapes = latents - latents.mean((-1, -2), keepdim=True)
    pairs = [
        torch.nn.functional.cosine_similarity(shapes[:-1].flatten(1), shapes[1:].roll((y, x), (-2, -1)).flatten(1))
        for x in (-1, 0, 1)
        for y in (-1, 0, 1)
    ]
    return float(torch.stack(pairs).amax(0).mean())


def rise(latents: Tensor, light: str = "bright") -> float:
    """How far a light rises over the clip, in shares of white, by the line through all frames."""
    axis = torch.tensor(LIGHTS[light])
    seen = (latents[:, :3].mean((-1, -2)) / CONTRAST) @ axis * 2 / axis.square().sum()
    frames = len(seen)
    places = torch.arange(frames).float() - (frames - 1) / 2
    return float((seen * places).sum() / places.square().sum() * (frames - 1))


def motion_format():
    from animatediff_native.motion.families import V3
    from animatediff_native.motion.formats import MotionFormat

    return MotionFormat(V3, (64,) * 4, (1,) * 4, (2,) * 4, mid_block=False, attentions=2, table_length=32)


def world(path: Path = DATA):
    """(MODEL, MOTION_MODEL) as they were trained."""
    import unets
    from animatediff_native.motion.load import patcher_of
    from safetensors.torch import load_file

    state = {"unet": {}, "motion": {}}
    for key, value in unpacked(load_file(path)).items():
        part, _, name = key.partition(".")
        state[part][name] = value
    model = unets.patcher_of("sd15", unets.SD15 | CONFIG, state["unet"], torch.float32)
    return model, patcher_of(motion_format(), state["motion"], disable_dynamic=True) if state["motion"] else None


def packed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Matrices in 8 bits with a scale for each row, so that the file is small; vectors in 16."""
    found = {}
    for key, value in state.items():
        if value.ndim < 2:
            found[key] = value.half()
            continue
        scale = value.flatten(1).abs().amax(1).clamp_min(1e-8) / 127
        rows = (-1, *[1] * (value.ndim - 1))
        found[key], found[f"{key}|scale"] = (value / scale.view(rows)).round().to(torch.int8), scale
    return found


def unpacked(state: dict[str, Tensor]) -> dict[str, Tensor]:
    def whole(key: str, value: Tensor) -> Tensor:
        scale = state.get(f"{key}|scale")
        return value.float() if scale is None else value * scale.view(-1, *[1] * (value.ndim - 1))

    return {key: whole(key, value) for key, value in state.items() if not key.endswith("|scale")}
