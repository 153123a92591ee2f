"""Values over frames and over the sampling, from text or from points. Plain numbers and small tensors.

    0: 1.0, 16: 0.6, 32: 1.2 ease

A position, a colon, a value; then, if wanted, how the value comes there from the one before.
"""

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...motion.strength import Amount, Moment, Strength, amount_at, product
from .keyframes import holding

LIMIT = 1000.0
"""No strength means anything beyond it."""
MOST_FRAMES = 262144
"""As many as the host's largest batch of latents; no schedule is asked for more."""

EASINGS: dict[str, Callable[[float], float]] = {
    "linear": lambda x: x,
    "ease": lambda x: (1 - math.cos(math.pi * x)) / 2,
    "ease in": lambda x: x * x,
    "ease out": lambda x: 1 - (1 - x) ** 2,
    "jump": lambda x: float(x >= 1),
}
"""The way from one value to the next, both 0 to 1. jump: the old value until the new one's place."""
SYNONYMS = {"hold": "jump", "step": "jump", "ease in out": "ease", "ease_in": "ease in", "ease_out": "ease out"}

HALF_WIDTH = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)} | str.maketrans("、“”‘’\u3000", ",\"\"'' ")
"""For `str.translate`: the full-width forms that Chinese and Japanese keyboards give (：，％０), one for one."""

ENTRY = re.compile(r"[^,;\n]+")
PARTS = re.compile(
    r"(?P<lead>\s*[\"']?)(?P<position>[^:=\"']*)[\"']?\s*(?P<colon>[:=]?)\s*\(?(?P<value>[^\s()]*)\)?\s*(?P<easing>.*)$"
)
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$")


MOST_LETTERS = 1_000_000
LETTERS = 160
"""Of the beginning and the end of a long sentence."""


class ScheduleError(ValueError):
    """A mistake in a schedule's text, told with its line and column."""

    def __init__(self, text: str, at: int, what: str):
        line = text.count("\n", 0, at) + 1
        column = at - (text.rfind("\n", 0, at) + 1) + 1
        if len(what) > 2 * LETTERS:  # it quotes what was typed
            what = f"{what[:LETTERS]} ... {what[-LETTERS:]}"
        super().__init__(f"Line {line}, column {column}: {what}")


def refuse_long(text: str) -> None:
    """Raises ScheduleError for what nobody has typed: it would keep the server busy."""
    if len(text) > MOST_LETTERS:
        raise ScheduleError(text, 0, f"the text has {len(text)} letters, more than {MOST_LETTERS}. Write a shorter one")


@dataclass(frozen=True)
class Point:
    position: float
    value: float
    easing: str = "linear"
    """One of EASINGS: how the value comes here from the point before."""
    is_percent: bool = False
    """Whether the position is a share (0 to 1) of the whole, instead of a frame."""


def parsed(text: str) -> tuple[Point, ...]:
    """The points of a schedule's text, in half-width or full-width characters. Raises ScheduleError."""
    text = text.translate(HALF_WIDTH)
    refuse_long(text)
    points = [_point(text, match) for match in ENTRY.finditer(text) if match[0].strip()]
    if not points:
        raise ScheduleError(text, 0, "the schedule is empty. Write a position, a colon and a value, as in 0: 1.0")
    places = Counter((point.position, point.is_percent) for point in points)
    for place, count in places.items():
        if count > 1:
            raise ScheduleError(text, 0, f"the position {place[0]:g} is there twice. Leave one of them out")
    return tuple(points)


def _point(text: str, match: re.Match) -> Point:
    parts, start = PARTS.match(match[0]), match.start()
    position = parts["position"].strip()
    if not parts["colon"]:
        what = f"'{match[0].strip()}' has no colon. Write a position, a colon and a value, as in 16: 0.6"
        raise ScheduleError(text, start + len(match[0]) - len(match[0].lstrip()), what)
    is_percent = position.endswith("%")
    place = position.removesuffix("%").strip()
    if not NUMBER.match(place):
        raise ScheduleError(text, start + parts.start("position"), f"'{position}' is not a position (16, or 50%)")
    value, at = parts["value"], start + parts.start("value")
    if not NUMBER.match(value):
        what = f"'{value}' is not a number" if value else "a number is missing after the colon"
        raise ScheduleError(text, at, f"{what}. Write one, as in 16: 0.6")
    if abs(float(value)) > LIMIT:
        raise ScheduleError(text, at, f"{value} is more than any strength can be ({LIMIT:g})")
    easing = " ".join(parts["easing"].lower().replace("-", " ").split()) or "linear"
    easing = SYNONYMS.get(easing, easing)
    if easing not in EASINGS:
        choices = ", ".join(EASINGS)
        raise ScheduleError(text, start + parts.start("easing"), f"'{parts['easing'].strip()}' is none of {choices}")
    return Point(float(place) / 100 if is_percent else float(place), float(value), easing, is_percent)


def value_at(points: Sequence[Point], position: float) -> float:
    """The value at `position`; before the first point and after the last one, theirs. points: in order."""
    place = bisect_left(points, position, key=lambda point: point.position)
    if place in (0, len(points)):
        return points[min(place, len(points) - 1)].value
    before, after = points[place - 1], points[place]
    share = EASINGS[after.easing]((position - before.position) / (after.position - before.position))
    return before.value + (after.value - before.value) * share


@dataclass(frozen=True)
class FrameValues:
    """A value for each frame of the clip. A negative position counts from the end: -1 is the last frame."""

    points: tuple[Point, ...]

    def __call__(self, moment: Moment) -> Amount:
        return torch.tensor(self.over(moment.full_length)).view(-1, 1, 1)

    def over(self, frames: int) -> list[float]:
        placed = sorted(
            (Point(self._frame(point, frames), point.value, point.easing) for point in self.points),
            key=lambda point: point.position,
        )
        return [value_at(placed, frame) for frame in range(frames)]

    @staticmethod
    def _frame(point: Point, frames: int) -> float:
        if point.is_percent:
            return point.position * (frames - 1)
        return point.position + frames if point.position < 0 else point.position


def outside(positions: Sequence[float], frames: int) -> str:
    """A sentence about frames that a clip does not have, nor by counting from its end; "" where it has all."""
    strange = [f"{each:g}" for each in positions if not -frames <= each <= frames - 1]
    if not strange:
        return ""
    return f"{', '.join(strange)}: outside of this clip (frames 0 to {frames - 1}), which goes a part of the way there."


@dataclass(frozen=True)
class StepValues:
    """A value for each noise level; positions are shares of a whole sampling, 0 its first step, 1 its end.

    A point that is reached holds for `guarantee_steps` noise levels at least, however few steps there are.
    """

    points: tuple[Point, ...]
    guarantee_steps: int = 1

    def __call__(self, moment: Moment) -> Amount:
        points = sorted(self.points, key=lambda point: point.position)
        starts = [moment.percent_to_sigma(point.position) for point in points]
        index = holding(starts, [self.guarantee_steps] * len(points), moment.levels, moment.highest)
        if index + 1 < len(points) and moment.levels[-1] <= starts[index + 1]:
            return points[index].value  # the next point's place is reached, but this one is still owed steps
        return value_at(points, max(moment.percent, points[index].position))


def step_values(text: str, guarantee_steps: int = 1) -> StepValues:
    """StepValues of a text whose positions are 0 to 1, or percents. Raises ScheduleError."""
    points = parsed(text)
    for point in points:
        if not 0 <= point.position <= 1:
            written = f"{point.position * 100:g}%" if point.is_percent else f"{point.position:g}"
            raise ScheduleError(
                text, 0, f"the position {written} is not within the sampling. Write 0 to 1, or percents, as in 50%: 0.6"
            )
    return StepValues(points, guarantee_steps)


@dataclass(frozen=True)
class Curve:
    """A curve from 0 to 1 over the frames or over the sampling, as a host's curve gives it."""

    interp: Callable[[float], float]
    low: float
    high: float
    over: str
    """"frames" or "steps"."""

    def __call__(self, moment: Moment) -> Amount:
        if self.over == "steps":
            return self._value(min(max(moment.percent, 0.0), 1.0))
        last = max(moment.full_length - 1, 1)
        return torch.tensor([self._value(frame / last) for frame in range(moment.full_length)]).view(-1, 1, 1)

    def _value(self, x: float) -> float:
        return self.low + (self.high - self.low) * float(self.interp(x))


@dataclass(frozen=True)
class Product:
    a: Strength
    b: Strength

    def __call__(self, moment: Moment) -> Amount:
        return product(amount_at(self.a, moment), amount_at(self.b, moment))


@dataclass(frozen=True)
class Region:
    """`inside` where the mask (m height width, 0 to 1) is white, `outside` where it is black."""

    mask: Tensor
    inside: Strength
    outside: float = 0.0

    def __call__(self, moment: Moment) -> Amount:
        inside = amount_at(self.inside, moment)
        difference = inside - self.outside
        return product(self.mask.float(), difference) + self.outside


def times(a: Strength | None, b: Strength | None) -> Strength:
    """The product of two strengths, where None is 1. Numbers are multiplied at once."""
    if a is None or b is None:
        return 1.0 if a is None and b is None else (b if a is None else a)
    if callable(a) or callable(b):
        return Product(a, b)
    return product(a, b)
