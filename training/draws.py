"""Everything that is drawn in training, as a function of what it is drawn for. Pure mathematics.

No state of a random generator is kept anywhere: step 412 draws the same whether the steps before it ran a moment ago,
or before a restart, or on another machine.
"""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


def generator(seed: int, step: int, slot: int, what: str) -> torch.Generator:
    """A generator on the CPU for one draw: `what`, for the clip in `slot` of `step`.

    The slots of a step are the clips whose gradients it sums, counted through batches, accumulation and processes.
    """
    digest = hashlib.blake2b(f"{seed} {step} {slot} {what}".encode(), digest_size=8).digest()
    return torch.Generator("cpu").manual_seed(int.from_bytes(digest, "little") >> 1)


def number(seed: int, step: int, slot: int, what: str) -> float:
    """From 0 to 1."""
    return float(torch.rand((), generator=generator(seed, step, slot, what), dtype=torch.float64))


def whole(seed: int, step: int, slot: int, what: str, below: int) -> int:
    return min(int(number(seed, step, slot, what) * below), below - 1)


def normal(seed: int, step: int, slot: int, what: str, shape: Sequence[int]) -> Tensor:
    """float32 on the CPU."""
    return torch.randn(tuple(shape), generator=generator(seed, step, slot, what))


def turn(seed: int, position: int, repeats: Sequence[int]) -> int:
    """Which clip has its turn at that position: each as often as it repeats, in a new order every time round."""
    deck = [index for index, times in enumerate(repeats) for _ in range(times)]
    round_, place = divmod(position, len(deck))
    order = torch.randperm(len(deck), generator=generator(seed, round_, 0, "order"))
    return deck[int(order[place])]
