"""Blend weights: how much each frame of a window counts where windows overlap. Plain numbers, no torch.

Sources: pyramid from FreeNoise (arXiv:2310.15169, window-based attention fusion); the others as in
ComfyUI-AnimateDiff-Evolved, whose weights `tests/maths/test_windows_fuse.py` holds them to.
"""

import math
import random
from collections.abc import Sequence

RELATIVE = "relative"
"""Weights by the distance from the window's middle; see `relative_bias`."""
TINY = 1e-37
"""The outermost weight of overlap-linear: never quite 0, so that a frame which only one window holds is kept."""
LEAST = 1e-30
"""Where a frame's weights add up to less, they are brought to 1: a tensor would hold them as 0."""


def weights(method: str, window: Sequence[int], frames: int, overlap: int, sigma: float, seed: str = "") -> list[float]:
    """Weight per frame of `window` (frame indices of a clip of `frames`). Of a frame that it holds twice, the last one
    counts.

    sigma: the step's noise level; seed: of `random`, which each window draws anew.
    """
    own = _weights(method, window, frames, overlap, sigma, seed)
    places = {frame: place for place, frame in enumerate(window)}
    return [
        weight if places[frame] == place else 0.0 for place, (frame, weight) in enumerate(zip(window, own, strict=True))
    ]


def _weights(method: str, window: Sequence[int], frames: int, overlap: int, sigma: float, seed: str) -> list[float]:
    length = len(window)
    if method == "overlap-linear":
        return overlap_linear(length, overlap, first=0 in window, last=frames - 1 in window)
    if method == "random":
        return uniform(length, f"{seed} {window[0]}")
    if method == RELATIVE:
        return relative_bias(window)
    if method not in METHODS:
        raise ValueError(f"'{method}' is not a fuse_method. Choose one of: {', '.join(ALL)}.")
    return METHODS[method](length, sigma)


def together(
    method: str, windows: Sequence[Sequence[int]], frames: int, overlap: int, sigma: float, seed: str = ""
) -> list[list[float]]:
    """`weights` of all windows of one step, which hold every frame: in no frame do they add up to nothing."""
    found = [weights(method, window, frames, overlap, sigma, seed) for window in windows]
    return _divided(windows, found, [total if total < LEAST else 1.0 for total in _totals(windows, found, frames)])


def shares(
    method: str, windows: Sequence[Sequence[int]], frames: int, overlap: int, sigma: float, seed: str = ""
) -> list[list[float]]:
    """The same, adding up to 1 in every frame."""
    found = [weights(method, window, frames, overlap, sigma, seed) for window in windows]
    return _divided(windows, found, _totals(windows, found, frames))


def _totals(windows: Sequence[Sequence[int]], found: list[list[float]], frames: int) -> list[float]:
    totals = [0.0] * frames
    for window, own in zip(windows, found, strict=True):
        for frame, weight in zip(window, own, strict=True):
            totals[frame] += weight
    return totals


def _divided(windows: Sequence[Sequence[int]], found: list[list[float]], by: list[float]) -> list[list[float]]:
    return [
        [weight / by[frame] for frame, weight in zip(window, own, strict=True)]
        for window, own in zip(windows, found, strict=True)
    ]


def flat(length: int) -> list[float]:
    return [1.0] * length


def pyramid(length: int) -> list[float]:
    """Highest in the middle. length 5 -> 1, 2, 3, 2, 1; length 4 -> 1, 2, 2, 1"""
    return [float(min(i, length - 1 - i) + 1) for i in range(length)]


def overlap_linear(length: int, overlap: int, first: bool, last: bool) -> list[float]:
    """1, with ramps over the overlap, but not at the clip's own ends."""
    overlap = min(overlap, length)
    ramp = [TINY + (1 - TINY) * i / max(overlap - 1, 1) for i in range(overlap)]
    found = flat(length)
    if overlap and not first:
        found[:overlap] = ramp
    if overlap and not last:
        found[-overlap:] = ramp[::-1]
    return found


def delayed_reverse_sawtooth(length: int) -> list[float]:
    """Almost nothing in the first half, then falling from the middle."""
    middle = math.ceil(length / 2)
    falling = [float(i) for i in range(length // 2 + length % 2, 0, -1)]
    return [0.01] * (length - len(falling) - (length % 2 == 0)) + [float(middle)] * (length % 2 == 0) + falling


def pyramid_sigma(length: int, sigma: float, inverse: bool = False) -> list[float]:
    """A pyramid at high noise that narrows to its middle as the noise falls below sigma 4 (inverse: the other way)."""
    share = min(4.0, sigma) / 4
    share = 1 - share if inverse else share
    middle = math.ceil(length / 2)
    peak = {(length - 1) // 2, length // 2}
    wide = pyramid(length)
    narrow = [float(middle if i in peak else -middle) for i in range(length)]
    mixed = [share * a + (1 - share) * b for a, b in zip(wide, narrow, strict=True)]
    return [min(max(value, 0.001), float(middle)) for value in mixed]


def gauss_sigma(length: int, sigma: float, inverse: bool = False) -> list[float]:
    """A bell of standard deviation 1 to 9 frames, widest at high noise (inverse: at low noise)."""
    share = min(4.0, sigma) / 4
    deviation = 1 + 8 * (1 - share if inverse else share)
    bell = [max(math.exp(-((i - (length - 1) / 2) ** 2) / (2 * deviation**2)), 1e-300) for i in range(length)]
    norm = math.sqrt(sum(value**2 for value in bell))
    return [value * math.ceil(length / 2) / norm for value in bell]


def uniform(length: int, seed: str) -> list[float]:
    """Random weights, the same for the same seed."""
    generator = random.Random(seed)
    return [generator.random() * math.ceil(length / 2) + 0.001 for _ in range(length)]


def relative_bias(window: Sequence[int]) -> list[float]:
    """1 at the window's middle frame, falling to 0.01 at its ends. (The host's running mean of these is the same.)"""
    first, last = window[0], window[-1]
    return [max(0.01, 1 - abs(i - (first + last) / 2) / ((last - first + 0.01) / 2)) for i in window]


METHODS = {
    "pyramid": lambda length, sigma: pyramid(length),
    "flat": lambda length, sigma: flat(length),
    "delayed reverse sawtooth": lambda length, sigma: delayed_reverse_sawtooth(length),
    "pyramid-sigma": pyramid_sigma,
    "pyramid-sigma inverse": lambda length, sigma: pyramid_sigma(length, sigma, inverse=True),
    "gauss-sigma": gauss_sigma,
    "gauss-sigma inverse": lambda length, sigma: gauss_sigma(length, sigma, inverse=True),
}
ALL = [*METHODS, "overlap-linear", RELATIVE, "random"]
