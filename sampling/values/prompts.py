"""Prompts over frames: text -> which prompt at which frame, and their embeddings mixed in between. Pure mathematics.

0: a river in summer
48: the same river in snow
"""

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .schedules import EASINGS, HALF_WIDTH, ScheduleError, refuse_long

KEY = re.compile(r"""^[\s,{]*(?:["']\s*)?(?P<frame>[-+]?\d+)\s*(?:["']\s*)?[:=]\s*""")

NO_COLON = re.compile(r"""^[\s{]*(?:["']\s*)?(?P<frame>[-+]?\d+)\s*(?:["']\s*)?[,;]""")
"""No two parts of these match the same letters one behind the other: a line of a million blanks takes no time."""
DIGITS = 9
"""No frame has more."""


@dataclass(frozen=True)
class Stop:
    """A frame and its prompt."""

    frame: int
    """A negative one counts from the end: -1 is the last frame."""
    prompt: str


def parsed(text: str) -> tuple[Stop, ...]:
    """The stops of a text: a line for each, `frame: prompt`. Lines without a frame go on with the prompt before them.
    A line that begins with a number and a comma is a frame with a typing mistake.

    Quotes around frames and prompts, commas at line ends and braces are forgiven, as are full-width forms of all
    these and of the colon; within prompts every character stays. Raises ScheduleError.
    """
    refuse_long(text)
    found: list[tuple[int, int, str]] = []
    at = 0
    for line in text.split("\n"):
        plain = line.translate(HALF_WIDTH)
        if match := KEY.match(plain):
            if len(match["frame"]) > DIGITS:
                raise ScheduleError(text, at, f"frame {match['frame']} is beyond any clip. Write a smaller one")
            found.append((int(match["frame"]), at, line[match.end() :]))
        elif match := NO_COLON.match(plain):
            what = (
                f"'{line.strip()}' has no colon. Write a frame, a colon and a prompt, as in {match['frame']}: a river"
            )
            raise ScheduleError(text, at, what)
        elif plain.strip(" \t,{}"):
            if not found:
                raise ScheduleError(text, at, f"'{line.strip()}' has no frame. Write the frame first, as in 0: a river")
            frame, place, before = found[-1]
            found[-1] = (frame, place, f"{before}\n{line}")
        at += len(line) + 1
    if not found:
        raise ScheduleError(text, 0, "there is no prompt. Write a frame, a colon and a prompt, as in 0: a river")
    count = Counter(frame for frame, _, _ in found)
    for frame, place, _ in found[1:]:
        if count[frame] > 1:
            raise ScheduleError(text, place, f"frame {frame} has two prompts. Leave one of them out")
    return tuple(Stop(frame, unquoted(prompt)) for frame, _, prompt in found)


def unquoted(prompt: str) -> str:
    """`prompt` without the brace, the comma and the quotes of a list around it."""
    prompt = prompt.strip()
    for mark in "},":
        if prompt[-1:].translate(HALF_WIDTH) == mark:
            prompt = prompt[:-1].rstrip()
    if len(prompt) > 1 and (prompt[0] + prompt[-1]).translate(HALF_WIDTH) in ('""', "''"):
        prompt = prompt[1:-1]
    return prompt.strip()


def shares(stops: Sequence[Stop], frames: int, easing: str = "linear") -> list[tuple[int, int, float]]:
    """For each frame: (stop before, stop after, share of the latter), indices into `stops` in the order of frames."""
    placed = sorted(range(len(stops)), key=lambda i: place(stops[i], frames))
    places = [place(stops[i], frames) for i in placed]
    result = []
    for frame in range(frames):
        after = bisect_right(places, frame)
        if after in (0, len(placed)):
            only = placed[min(after, len(placed) - 1)]
            result.append((only, only, 0.0))
            continue
        first, second, start, end = placed[after - 1], placed[after], places[after - 1], places[after]
        result.append((first, second, EASINGS[easing]((frame - start) / (end - start))))
    return result


def place(stop: Stop, frames: int) -> int:
    return stop.frame + frames if stop.frame < 0 else stop.frame


Mix = Callable[[Tensor, Tensor, float], Tensor]


def lerp(a: Tensor, b: Tensor, share: float) -> Tensor:
    return torch.lerp(a, b, share)


def slerp(a: Tensor, b: Tensor, share: float, alike: float = 1 - 5e-7) -> Tensor:
    """Along the arc between the two, all of their numbers taken as one vector.

    Straight where they point alike or apart: where the cosine of their angle is above `alike`, or below its negative.
    """
    cosine = F.cosine_similarity(a.flatten(), b.flatten(), dim=0).clamp(-1, 1)
    if cosine.abs() > alike:
        return lerp(a, b, share)
    angle = torch.arccos(cosine)
    return (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / angle.sin()


MIXES: dict[str, Mix] = {"lerp": lerp, "slerp": slerp}


def over_frames(embeddings: Sequence[Tensor], places: Sequence[tuple[int, int, float]], mix: Mix = lerp) -> Tensor:
    """(frames, ...) from one embedding (1, ...) for each stop and what `shares` gave."""
    check_size(len(places), max(embeddings, key=Tensor.numel))
    rows = [
        embeddings[a] if a == b or share == 0.0 else mix(embeddings[a], embeddings[b], share) for a, b, share in places
    ]
    return torch.cat(rows)


REPEATS = 4
"""How many times as many tokens as the longest prompt's are worth it (the host's own limit)."""


def padded(embeddings: Sequence[Tensor], empty: Tensor) -> list[Tensor]:
    """Embeddings (1, tokens, channels) brought to one number of tokens. empty: the embedding of no text.

    They are repeated: attention over the same tokens several times is attention over them once, so no prompt is
    weakened. Where that would take far more tokens than the longest has, they are filled up with empty chunks, as the
    text encoder fills its last one.
    """
    longest = max(each.shape[1] for each in embeddings)
    tokens = math.lcm(*(each.shape[1] for each in embeddings))
    if tokens <= REPEATS * longest:
        return [each.repeat(1, tokens // each.shape[1], 1) for each in embeddings]
    chunks = math.ceil(longest / empty.shape[1])
    return [torch.cat([each, *[empty] * chunks], dim=1)[:, :longest] for each in embeddings]


MOST_NUMBERS = 2**31
"""In what a text encoder gives for all frames of a clip: 8 GB."""


def check_size(frames: int, longest: Tensor) -> None:
    """Raises ValueError where a clip's embeddings would not fit in memory. longest: a frame's (1, tokens, channels)."""
    if frames * longest.numel() > MOST_NUMBERS:
        most = MOST_NUMBERS // longest.numel()
        raise ValueError(
            f"{frames} frames with a prompt of {longest.shape[1]} tokens each would need "
            f"{frames * longest.numel() * 4 / 2**30:.0f} GB of memory. Use shorter prompts, or at most {most} frames."
        )
