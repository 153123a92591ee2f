"""Texts of `index = value` entries, as shared workflows have them for prompts and numbers. Pure mathematics.

    0:8 = "a lake at dawn", 16 = "the lake at noon"        or        "0": "a lake at dawn", "16": "the lake at noon"

An index is a frame, a negative one (from the end), a share of the clip (0.5), or a range (0:8, without 8); a colon
after it holds its value until the next one. Source: ComfyUI-AnimateDiff-Evolved's scheduling, whose mixes this gives.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from .prompts import Mix, lerp, slerp
from .schedules import ScheduleError

INDEX = r"[\d:\-\.]+"
PROMPT = re.compile(rf"""(?:"(?P<json>{INDEX})\s*"\s*:|(?P<plain>{INDEX})\s*=)\s*"(?P<value>[^"]*)"\s*(?:,|$)""")
NUMBER = re.compile(rf"""(?:"(?P<json>{INDEX})\s*"\s*:|(?P<plain>{INDEX})\s*=)\s*(?P<value>[^,\s]+)\s*(?:,|$)""")

MIXES: dict[str, Mix] = {"lerp": lerp, "slerp": partial(slerp, alike=0.9995)}
"""As in that pack: prompts that are much alike are mixed straight."""


@dataclass(frozen=True)
class Entry:
    index: int
    value: str
    hold: bool = False


def entries(text: str, pattern: re.Pattern, length: int) -> list[Entry]:
    """The entries of a text in the order of their frames, a later one of the same frame instead of an earlier one.

    length: frames of the clip; 0 where it is not known, when only whole numbers from 0 can be meant.
    """
    found: dict[int, Entry] = {}
    at = 0
    for match in pattern.finditer(text):
        _check_gap(text, at, match.start())
        at = match.end()
        key = match["json"] or match["plain"]
        for index in indices(key.removesuffix(":"), length, text, match.start()):
            found[index] = Entry(index, match["value"].strip(), key.endswith(":"))
    _check_gap(text, at, len(text))
    if not found:
        raise ScheduleError(text, 0, 'there is no entry. Write an index, = and a value, as in 0 = "a lake"')
    return [found[index] for index in sorted(found)]


def _check_gap(text: str, start: int, end: int) -> None:
    if rest := text[start:end].strip(" \t\n\r,{}"):
        at = text.index(rest, start)
        raise ScheduleError(text, at, f"'{rest[:30]}' is no entry. Write an index, = and a value in quotes")


def indices(key: str, length: int, text: str, at: int) -> list[int]:
    first, _, last = key.partition(":")
    start = index_of(first, length, text, at)
    if not last:
        return [start]
    end = index_of(last, length, text, at)
    return [start] if start == end else list(range(min(start, end), max(start, end)))


def index_of(word: str, length: int, text: str, at: int) -> int:
    try:
        index = float(word) * length if "." in word else int(word)
    except ValueError:
        raise ScheduleError(text, at, f"'{word}' is not an index. Write 16, -1 or 0.5") from None
    if length == 0 and (index < 0 or "." in word):
        raise ScheduleError(text, at, f"{word} needs the length of the clip. Set max_length, or use whole numbers")
    index = int(index) + (length if index < 0 else 0)
    if length and not 0 <= index <= length:
        what = f"{word} is outside of the clip's {length} frames. Write 0 to {length - 1}, or -1 to -{length}"
        raise ScheduleError(text, at, what)
    return min(index, length - 1) if length and "." in word else index


def numbers(found: Sequence[Entry], length: int, text: str) -> list[float]:
    """A number for each frame: linear between the entries, unless one holds."""
    points = []
    for entry in found:
        try:
            points.append((entry.index, float(entry.value), entry.hold))
        except ValueError:
            raise ScheduleError(text, 0, f"'{entry.value}' is not a number. Write one, as in 16 = 0.5") from None
    result = []
    for frame in range(length):
        before = [point for point in points if point[0] <= frame] or points[:1]
        after = next((point for point in points if point[0] > frame), None)
        index, value, hold = before[-1]
        if after is None or hold or frame <= index:
            result.append(value)
        else:
            result.append(value + (after[1] - value) * (frame - index) / (after[0] - index))
    return result


Encoded = tuple[Tensor, Tensor | None]
"""(1, tokens, channels), and the pooled one."""


def travelled(
    found: Sequence[Entry], length: int, encode: Callable[[str], Encoded], at: Callable[[str, int], str], mix: Mix
) -> Encoded:
    """Embeddings for each frame. at(prompt, frame): the prompt with the values of that frame filled in.

    In between, each frame is mixed from the frame before it and the next prompt, so that a transition runs ahead of its
    even course; where the prompt changes with the frame, from that prompt itself.
    """
    rows, pooled = [], []
    carried: tuple[str, Tensor] | None = None
    for frame in range(length):
        before = next((entry for entry in reversed(found) if entry.index <= frame), found[0])
        after = next((entry for entry in found if entry.index > frame), None)
        source = at(before.value, frame)
        row, pool = encode(source)
        if after is not None and not before.hold and frame > before.index:
            target, pool = encode(at(after.value, frame))
            if carried is not None and carried[0] == source:
                row = carried[1]
            row = mix(*centred(row, target), (frame - before.index) / (after.index - before.index))
        carried = (source, row)
        rows.append(row)
        pooled.append(pool)
    longest = max(rows, key=lambda row: row.shape[1])
    text = torch.cat([centred(row, longest)[0] for row in rows])
    return text, None if pooled[0] is None else torch.cat(pooled)


def centred(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both with as many tokens as the longer one, zeros before and after the shorter one's."""
    tokens = max(a.shape[1], b.shape[1])

    def filled(each: Tensor) -> Tensor:
        missing = tokens - each.shape[1]
        return F.pad(each, (0, 0, missing // 2, missing - missing // 2))

    return filled(a), filled(b)
