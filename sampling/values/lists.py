"""Lists that users type, a line for each entry: prompts, numbers, names of files."""

import math
import re
from collections.abc import Callable

from .schedules import HALF_WIDTH

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$", re.I)
RANGE = re.compile(r"(-?\d{1,9})\s*\.\.\s*(-?\d{1,9})$")
MOST = 1000

Value = int | float | str


def lines(text: str, read: Callable[[str], str]) -> list[str]:
    """The entries of a text: its lines that are not empty. `@name` stands for the lines of a file, which `read` gives.

    Raises ValueError where there is none.
    """
    found: list[str] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        found += filter(None, map(str.strip, read(line[1:].strip()).splitlines())) if line.startswith("@") else [line]
    if not found:
        raise ValueError("The list is empty. Write one entry a line, or @ and the name of a text file.")
    if len(found) > MOST:
        raise ValueError(
            f"The list has {len(found)} entries, more than {MOST}: that would be as many clips. Shorten it."
        )
    return found


def for_each(entries: list[str], others: list[str]) -> list[str]:
    """`others` with an entry for each of `entries`: one holds for all of them. Raises ValueError."""
    if len(others) not in (1, len(entries)):
        raise ValueError(
            f"There are {len(entries)} prompts and {len(others)} negative ones. Write one negative prompt for all of "
            "them, or one for each."
        )
    return others * len(entries) if len(others) == 1 else others


def values(text: str, read: Callable[[str], str]) -> list[Value]:
    """Entries as what they look like: 7 whole, 0.8 a number, anything else text. `1..4` is 1, 2, 3, 4.

    Where one number has a point, all whole ones become numbers with one.
    """
    found: list[Value] = []
    for line in lines(text, read):
        plain = line.translate(HALF_WIDTH)
        if match := RANGE.match(plain):
            first, last = int(match[1]), int(match[2])
            if abs(last - first) >= MOST:
                raise ValueError(f"{line} are {abs(last - first) + 1} values, more than {MOST}. Shorten it.")
            found += range(first, last + 1) if first <= last else range(first, last - 1, -1)
        elif NUMBER.match(plain) and math.isfinite(float(plain)):
            found.append(float(plain) if re.search(r"[.eE]", plain) else int(plain))
        else:
            found.append(line)
    if any(isinstance(value, float) for value in found):
        found = [float(value) if isinstance(value, int) else value for value in found]
    return found


def crossed(across: list[Value], down: list[Value]) -> tuple[list[Value], list[Value]]:
    """Every value of the one with every value of the other, row by row: two lists of one length."""
    return [value for _ in down for value in across], [value for value in down for _ in across]


def titled(name: str, entries: list[Value]) -> str:
    """A title for each value, in lines: `cfg 7.5`."""
    return "\n".join(f"{name.strip()} {value}".strip() for value in entries)
