"""What users type: what is understood prints back to the same, and what is not is told, with its place, at once."""

import re
import time

import pytest
from animatediff_native.motion.camera_poses import MOVES, Leg, Path, camera_path
from animatediff_native.sampling.values import indexed, lists, prompts, schedules
from hypothesis import given
from hypothesis import strategies as st
from properties import quick

PLACE = re.compile(r"Line (\d+), column (\d+): ")
NUMBERS = st.floats(-1000, 1000, allow_nan=False).map(lambda value: round(value, 4))
TYPED = st.text(alphabet="01289:=,;%()[]{}\"'. -+eEasinx@\n\t，：％０、“”", max_size=60)


def told(read, text: str):
    """What `read` makes of a text; None where it says what is wrong, in one line, with a place that is in the text."""
    try:
        return read(text)
    except schedules.ScheduleError as error:
        line, column = map(int, PLACE.match(str(error)).groups())
        assert 1 <= line <= text.count("\n") + 1 and 1 <= column <= len(text.split("\n")[line - 1]) + 1
    return None


@st.composite
def points(draw) -> tuple[schedules.Point, ...]:
    percent = st.tuples(st.integers(0, 100).map(lambda share: share / 100), st.just(True))
    frame = st.tuples(st.integers(-400, 400).map(float), st.just(False))
    places = draw(st.lists(percent | frame, min_size=1, max_size=6, unique=True))
    easings = st.sampled_from(list(schedules.EASINGS))
    return tuple(schedules.Point(place, draw(NUMBERS), draw(easings), is_percent) for place, is_percent in places)


def printed(point: schedules.Point) -> str:
    place = f"{round(point.position * 100)}%" if point.is_percent else f"{point.position:g}"
    return f"{place}: {point.value!r} {point.easing}"


@quick
@given(points(), st.sampled_from([", ", "\n", ";", " ,\n", "，", "；"]))
def test_a_schedule_prints_back(found, between):
    assert schedules.parsed(between.join(map(printed, found))) == found


@quick
@given(points(), st.sampled_from([":", "=", "："]), st.sampled_from(["{0}", '"{0}"', " {0} "]))
def test_a_schedule_in_other_spellings(found, colon, quotes):
    texts = [printed(point).partition(": ") for point in found]
    assert (
        schedules.parsed(
            ", ".join(f"{quotes.format(a)}{colon}({b})" if " " not in b else f"{a}:{b}" for a, _, b in texts)
        )
        == found
    )


STOPS = st.dictionaries(
    st.integers(-400, 400), st.text("abc (:1.2) é湖", min_size=1, max_size=20), min_size=1, max_size=5
)


def words(prompt: str) -> bool:
    """Whether a line of these letters is a prompt, and one that stays what it is."""
    return bool(prompt.strip()) and prompts.unquoted(prompt) == prompt


@quick
@given(STOPS, st.sampled_from([": ", " = ", "：", '": ']))
def test_prompts_print_back(frames, colon):
    stops = tuple(prompts.Stop(frame, text) for frame, text in frames.items() if words(text))
    quote = '"' if colon.startswith('"') else ""
    if stops:
        assert prompts.parsed("\n".join(f"{quote}{stop.frame}{colon}{stop.prompt}" for stop in stops)) == stops


@quick
@given(st.lists(st.tuples(st.integers(0, 400), st.text("ab ,=:1.é", max_size=12)), min_size=1, max_size=5))
def test_entries_print_back(entries):
    found = [indexed.Entry(index, value.strip()) for index, value in entries]
    for spelling in ('{0.index} = "{0.value}"', '"{0.index}": "{0.value}"'):
        text = ", ".join(map(spelling.format, found))
        assert indexed.prompts_in(text, 500) == indexed.prompts_in(f"{{{text}}}", 500) == found


@quick
@given(st.lists(st.tuples(st.integers(0, 400), NUMBERS), min_size=1, max_size=6))
def test_numbers_print_back(entries):
    found = [indexed.Entry(index, value) for index, value in entries]
    assert indexed.numbers_in(", ".join(f"{index} = ({value!r})" for index, value in entries), 500) == found


@quick
@given(st.lists(st.integers(-99, 99) | st.sampled_from(["euler", "a, b", "7 ways", "x..y"]), min_size=1, max_size=9))
def test_lists_print_back(found):
    assert lists.values("\n".join(map(str, found)), read=str) == found
    assert lists.values("\n".join(map(str, found)) + "\n0.5", read=str)[:-1] == found  # 7 == 7.0


@quick
@given(st.integers(-400, 400), st.integers(-400, 400))
def test_a_range_has_both_its_ends(first, last):
    found = lists.values(f"{first}..{last}", read=str)
    assert (found[0], found[-1], len(found)) == (first, last, abs(last - first) + 1)


@st.composite
def paths(draw) -> list[tuple[int, list[tuple[str, float]], bool]]:
    starts = [0, *sorted(draw(st.sets(st.integers(1, 400), max_size=4)))]
    move = st.tuples(st.sampled_from(sorted(MOVES)), st.integers(-30, 30).map(lambda tenths: tenths / 10))
    return [(start, draw(st.lists(move, min_size=1, max_size=3)), draw(st.booleans())) for start in starts]


@quick
@given(paths(), st.sampled_from([", ", "\n", "；"]))
def test_a_cameras_path_prints_back(legs, between):
    text = between.join(
        f"{start}: {' + '.join(f'{name.title()}  {speed}' for name, speed in moves)}{' ease' * ease}"
        for start, moves, ease in legs
    )
    expected = []
    for start, moves, ease in legs:
        vector = [0.0] * 6
        for name, speed in moves:
            vector = [a + speed * b for a, b in zip(vector, MOVES[name], strict=True)]
        expected.append(Leg(start, tuple(vector), ease))
    assert camera_path(text) == Path(tuple(expected))


@quick
@given(TYPED)
def test_anything_is_understood_or_told(text):
    for read in (schedules.parsed, schedules.step_values, prompts.parsed):
        told(read, text)
    for read in (indexed.prompts_in, indexed.numbers_in):
        told(lambda each, read=read: read(each, 16), text)
        told(lambda each, read=read: read(each, 0), text)
    for read in (lambda each: lists.values(each, read=lambda name: "a"), camera_path):
        try:
            read(text)
        except ValueError as error:
            assert str(error).endswith(".") and "\n" not in str(error)


MANY = 300_000
LONG = {
    "digits": "1" * MANY,
    "blanks": " " * MANY + "x",
    "blanks behind a number": "1" + " " * MANY + "x",
    "blanks in an entry": "0: 1" + " " * MANY + "x",
    "blanks in a numbered entry": "0 = 1" + " " * MANY + "\nx",
    "blanks in a move": "0: pan left" + " " * MANY + "x",
    "blanks in a name": "pan" + " " * MANY + "left 1",
    "quotes": '"' * MANY,
    "colons": ":" * MANY,
    "commas": "," * MANY,
    "braces": "{" * MANY,
    "one entry again and again": "0: 1, " * MANY,
    "a frame without an end": "9" * 5000 + ": 1",
    "an index without an end": "9" * 5000 + ' = "a"',
    "a number without an end": "0: " + "9" * 5000,
    "a far frame": "0: pan left, 999999999: zoom in",
    "a far range": "0:999999999 = 1",
    "lines": "\n" * MANY,
    "a word of ten megabytes": "0: " + "x" * 10_000_000,
    "ten megabytes": "x" * 10_000_000,
    "a range without an end": "1" * 5000 + ".." + "2" * 5000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_long_texts_take_no_time(text):
    readers = [schedules.parsed, prompts.parsed, lambda each: indexed.prompts_in(each, 16)]
    readers += [lambda each: indexed.numbers_in(each, 16), lambda each: lists.values(each, read=str)]
    for read in (*readers, lambda each: camera_path(each).poses(32)):
        start = time.monotonic()
        try:
            read(text)
        except ValueError as error:
            assert len(str(error)) < 1000 and "digits" not in str(error)
        assert time.monotonic() - start < 5
