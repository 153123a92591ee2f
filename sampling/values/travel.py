"""Prompt Travel's text as people write it elsewhere, too: what stands before and behind all prompts, and a way back to
the first one. Pure mathematics.

    a river, film photograph
    0: in summer
    48: in snow

    35 mm, high detail
"""

from collections.abc import Sequence

from .prompts import KEY, NO_COLON, Stop, place, shares
from .schedules import HALF_WIDTH

NOTHING = " \t,{}"
"""What a line of a list may hold besides its entries."""


def head_and_tail(text: str) -> tuple[str, str, str]:
    """(head, the text without head and tail, tail).

    The head are the lines before the first frame; the tail are those behind the last prompt and an empty line. The
    text keeps an empty line in the place of each, so that the places of mistakes stay.
    """
    lines = text.split("\n")
    plain = [line.translate(HALF_WIDTH) for line in lines]
    frames = [number for number, line in enumerate(plain) if KEY.match(line)]
    if not frames:
        return "", text, ""
    first, last = frames[0], frames[-1]
    gap = next((number for number in range(last + 1, len(lines)) if not plain[number].strip()), len(lines))

    def is_words(number: int) -> bool:
        return bool(plain[number].strip(NOTHING)) and not NO_COLON.match(plain[number])

    head = [number for number in range(first) if is_words(number)]
    tail = [number for number in range(gap, len(lines)) if is_words(number)]
    rest = "\n".join("" if number in {*head, *tail} else line for number, line in enumerate(lines))
    return joined(lines, head), rest, joined(lines, tail)


def joined(lines: list[str], numbers: list[int]) -> str:
    return " ".join(lines[number].strip() for number in numbers).strip(" ,")


def looped_shares(stops: Sequence[Stop], frames: int, easing: str = "linear") -> list[tuple[int, int, float]]:
    """`shares` of a clip that begins anew: behind the last prompt it goes on to the first one, around the end.

    Prompts at frames outside of the clip never come, unless all are.
    """
    inside = [index for index, stop in enumerate(stops) if 0 <= place(stop, frames) < frames]
    if not inside:
        return shares(stops, frames, easing)
    places = [place(stops[index], frames) for index in inside]
    first = min(range(len(inside)), key=places.__getitem__)
    inside.append(inside[first])
    around = shares([Stop(at, "") for at in [*places, places[first] + frames]], 2 * frames, easing)
    turns = (around[frame if frame >= places[first] else frame + frames] for frame in range(frames))
    return [(inside[before], inside[after], share) for before, after, share in turns]
