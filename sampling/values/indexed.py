"""Texts of `index = value` entries, as shared workflows have them for prompts and numbers. Pure mathematics.

    0:8 = "a lake at dawn", 16 = "the lake at noon"        or        "0": "a lake at dawn", "16": "the lake at noon"

An index is a frame, a negative one (from the end), a share of the clip (0.5), or a range (0:8, without 8); a colon
after it holds its value until the next one. One beyond the clip is led towards. Source: ComfyUI-AnimateDiff-Evolved's
scheduling, whose numbers and mixes this gives, entries in any order and twice at a frame included.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from .prompts import Mix, check_size, lerp, slerp
from .schedules import MOST_FRAMES, ScheduleError, refuse_long

INDEX = r"[\d:\-\.]+"
KEY = rf"""(?:"(?P<json>{INDEX})\s*"\s*:|(?<![\d:\-.])(?P<plain>{INDEX})\s*=)\s*"""
PROMPT = re.compile(rf"""{KEY}"(?P<value>[^"]*)"\s*(?:,|$)""")
NUMBER = re.compile(rf"""{KEY}(?P<value>[^,\n]*[^,\s])\s*(?:,|$)""")
AROUND = ("()", "[]", "{}", '""', "''")
"""What may stand around a number."""

MIXES: dict[str, Mix] = {"lerp": lerp, "slerp": partial(slerp, alike=0.9995)}
"""As in that pack: prompts that are much alike are mixed straight."""


@dataclass(frozen=True)
class Entry:
    index: int
    value: str | float
    hold: bool = False


def prompts_in(text: str, length: int) -> list[Entry]:
    """The prompts of a text, in the order in which they are written. Raises ScheduleError.

    length: frames of the clip; 0 where it is not known, when only whole numbers from 0 can be meant.
    """
    return entries(text, PROMPT, lambda value, at: value.strip(), length)


def numbers_in(text: str, length: int) -> list[Entry]:
    """The numbers of a text, as `prompts_in`."""

    def read(value: str, at: int) -> float:
        bare = value.strip()
        while any(bare[:1] + bare[-1:] == pair for pair in AROUND):
            bare = bare[1:-1].strip()
        try:
            number = float(bare)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ScheduleError(text, at, f"'{value.strip()}' is not a number. Write one, as in 16 = 0.5")
        return number

    return entries(text, NUMBER, read, length)


def entries(text: str, pattern: re.Pattern, read: Callable, length: int) -> list[Entry]:
    refuse_long(text)
    found: list[Entry] = []
    end = 0
    inside = without_braces(text)
    for match in pattern.finditer(inside):
        _check_gap(inside, end, match.start())
        end = match.end()
        key = match["json"] or match["plain"]
        value = read(match["value"], match.start("value"))
        places = indices(key.removesuffix(":"), length, text, match.start())
        if len(found) + len(places) > MOST_FRAMES:
            raise ScheduleError(text, match.start(), f"there are more than {MOST_FRAMES} entries. Write shorter ranges")
        found += [Entry(index, value, key.endswith(":")) for index in places]
    _check_gap(inside, end, len(inside))
    if not found:
        raise ScheduleError(text, 0, 'there is no entry. Write an index, = and a value, as in 0 = "a lake"')
    return found


def without_braces(text: str) -> str:
    """`text` with spaces for the braces around it, so that every place in it stays."""
    first, last = len(text) - len(text.lstrip()), len(text.rstrip()) - 1
    if first < last and text[first] == "{" and text[last] == "}":
        return f"{text[:first]} {text[first + 1 : last]} {text[last + 1 :]}"
    return text


def _check_gap(text: str, start: int, end: int) -> None:
    if rest := text[start:end].strip(" \t\n\r,"):
        at = text.index(rest, start)
        what = "Write an index, = and a value, a prompt in quotes, and a comma before the next one"
        raise ScheduleError(text, at, f"'{rest[:30]}' is no entry. {what}")


def indices(key: str, length: int, text: str, at: int) -> Sequence[int]:
    first, colon, last = key.partition(":")
    if not colon:
        return [single(first, length, text, at)]
    low, high = sorted(max(index_of(word, length, text, at), 0) for word in (first, last))
    return range(low, high) or [low]


def single(word: str, length: int, text: str, at: int) -> int:
    index = index_of(word, length, text, at)
    if index < 0:
        if not length:
            raise ScheduleError(text, at, f"{word} needs the length of the clip. Set max_length, or use whole numbers")
        what = f"{word} is outside of the clip's {length} frames. Write 0 to {length - 1}, or -1 to -{length}"
        raise ScheduleError(text, at, what)
    return index


def index_of(word: str, length: int, text: str, at: int) -> int:
    """Less than 0 for what lies before the clip."""
    try:
        index = float(word) if "." in word else int(word)
    except ValueError:
        raise ScheduleError(text, at, f"'{word}' is not an index. Write 16, -1 or 0.5") from None
    if abs(index) > MOST_FRAMES:
        raise ScheduleError(text, at, f"{word} is beyond any clip ({MOST_FRAMES} frames). Write a smaller index")
    if isinstance(index, int):
        return index + length if index < 0 else index
    if not length:
        raise ScheduleError(text, at, f"{word} needs the length of the clip. Set max_length, or use whole numbers")
    if not 0.0 <= index <= 1.0:
        raise ScheduleError(text, at, f"{word} is no share of the clip. Write 0.0 to 1.0, as in 0.5 for its middle")
    return length - 1 if math.isclose(index, 1.0) else int(index * length)


def frames_of(found: Sequence[Entry], length: int, text: str) -> int:
    """`length`, or where it is 0 as many frames as the text has."""
    frames = length or max(entry.index for entry in found) + 1
    if frames > MOST_FRAMES:
        where = "max_length or the last index" if length else "the last index"
        raise ScheduleError(text, 0, f"{frames} frames are more than a clip can have ({MOST_FRAMES}). Lower {where}")
    return frames


@dataclass(frozen=True)
class Stretch:
    """Frames of one entry, or on the way from one to another, both ends included."""

    frames: range
    before: Entry
    after: Entry | None = None


def stretches(found: Iterable[Entry]) -> Iterator[Stretch]:
    """The course of a text, in the order in which it is written: later ones come over earlier ones' frames."""
    before = None
    for entry in found:
        if before is None:
            yield Stretch(range(entry.index + 1), entry)
        elif before.hold or entry.index == before.index + 1:
            yield Stretch(range(before.index + 1, entry.index), before)
            yield Stretch(range(entry.index, entry.index + 1), entry)
        else:
            forward = 1 if entry.index >= before.index else -1
            yield Stretch(range(before.index, entry.index + forward, forward), before, entry)
        before = entry


def within(found: Sequence[Entry], length: int) -> Iterator[Entry]:
    """Prompts without those that come directly behind the clip's last frame, where that is the turn of the one before.

    As there: the one before stays, so what is written after them goes on from it.
    """
    before = None
    for entry in found:
        if before and entry.index == length and (before.hold or before.index == length - 1):
            if before.index == length - 1:
                continue
            entry = replace(before, index=length - 1)
        yield entry
        before = entry


def numbers(found: Sequence[Entry], length: int) -> list[float]:
    """A number for each frame: linear between the entries, in single precision as there, unless one holds."""
    result: dict[int, float] = {}
    for stretch in stretches(found):
        if stretch.after is None:
            values = [stretch.before.value] * len(stretch.frames)
        else:
            values = torch.linspace(stretch.before.value, stretch.after.value, len(stretch.frames)).tolist()
        result |= {frame: value for frame, value in zip(stretch.frames, values, strict=True) if frame < length}
    last = result[max(result)]
    return [result.get(frame, last) for frame in range(length)]


Encoded = tuple[Tensor, Tensor | None]
"""(1, tokens, channels), and the pooled one."""


@dataclass(frozen=True)
class Row:
    """A frame's embedding, and the prompt that it comes from."""

    source: str
    """As it is written."""
    text: str
    """As it was encoded for its frame."""
    embedding: Tensor
    pooled: Tensor | None


def travelled(
    found: Sequence[Entry], length: int, encode: Callable[[str], Encoded], at: Callable[[str, int], str], mix: Mix
) -> Encoded:
    """Embeddings for each frame. at(prompt, frame): the prompt with the values of that frame filled in.

    In between, each frame is mixed from the frame before it and the next prompt, so that a transition runs ahead of its
    even course; where the prompt changes with the frame, from that prompt itself. Every embedding has as many tokens
    as the longest.
    """
    longest = max((encode(at(entry.value, 0))[0] for entry in found), key=lambda each: each.shape[1])
    check_size(length, longest)

    def row(prompt: str, frame: int) -> Row:
        text = at(prompt, frame)
        embedding, pooled = encode(text)
        return Row(prompt, text, filled(embedding, longest.shape[1]), pooled)

    rows: dict[int, Row] = {}
    for stretch in stretches(within(found, length)):
        steps = len(stretch.frames) - 1
        carried = None
        for place, frame in enumerate(stretch.frames):
            if frame >= length:
                continue
            own = row(stretch.before.value, frame)
            if stretch.after is not None and place > 0:
                target = row(stretch.after.value, frame)
                start = carried if carried is not None and carried.text == own.text else own
                both = centred(start.embedding, target.embedding)
                mixed = mix(*both, place / steps) if place < steps else target.embedding
                own = replace(own, embedding=mixed, pooled=target.pooled)
            rows[frame] = carried = own
        if stretch.frames and max(stretch.frames[0], stretch.frames[-1]) >= length:
            break  # as there: what comes after one beyond the clip is not looked at
    for frame in range(max(rows) + 1, length):
        last = rows[frame - 1]
        rows[frame] = last if at(last.source, frame) == last.text else row(last.source, frame)
    pooled = [rows[frame].pooled for frame in range(length)]
    tokens = max(each.embedding.shape[1] for each in rows.values())  # more where a later frame's values need them
    text = torch.cat([filled(rows[frame].embedding, tokens) for frame in range(length)])
    return text, None if pooled[0] is None else torch.cat(pooled)


def centred(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both with as many tokens as the longer one."""
    tokens = max(a.shape[1], b.shape[1])
    return filled(a, tokens), filled(b, tokens)


def filled(embedding: Tensor, tokens: int) -> Tensor:
    """(1, n, channels) with at least `tokens` of them: zeros before and after."""
    missing = tokens - embedding.shape[1]
    return F.pad(embedding, (0, 0, missing // 2, missing - missing // 2)) if missing > 0 else embedding
