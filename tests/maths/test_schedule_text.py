"""What the page draws of a schedule's text is what Python computes of it: the same numbers, the same sentences."""

import json
import math
import random
import re
from pathlib import Path

import pytest
import quickjs
from animatediff_native.sampling.values import prompts
from animatediff_native.sampling.values.schedules import EASINGS, FrameValues, parsed, step_values, value_at
from animatediff_native.sampling.values.travel import head_and_tail, looped_shares

SCRIPT = Path(__file__).resolve().parents[2] / "web" / "js" / "schedule_text.js"
TEXTS = [
    *(
        "0: 1.0",
        "0: 1.0, 16: 0.6, 32: 1.2 ease",
        "0: 0\n8: 1 jump;12: .5 ease-in",
        "-1: 2, 0: 1",
        "50%: 1, 0: 0, 100%: 3",
    ),
    *(
        "'0': (1.0), \"16\": (0.5)",
        "０：１．５，１６：０．５　ｅａｓｅ",
        "0 = 1, 8 = -2e-1 hold",
        "  4 :  1   ease   out  ",
        "0:1,,\n\n8:2,",
    ),
    *("8: 1, 0: 0 ease in out, -4: 3 ease_out", "0: 1, 7.5: 2, 7.75: 0", "“0”：1、“9”：2", "20%: 1, 3: 2, -2: 4 ease"),
    *(
        "",
        " \n,",
        "8",
        "0 1",
        "a: 1",
        "0: b",
        "0:",
        "0: 1, 0: 2",
        "5: 1, 3: 2, 3: 4, 5: 6",
        "0: 2000",
        "0: 1 fast",
        "0: 1.0.0",
    ),
    *("0: 1, 5: 2 ease ease", "1e1: 2", "0%: 1, 0: 2", "%: 1", "0: 1\n8: x", "0: inf", "0: 1 (ease)"),
]
PROMPTS = [
    *(
        "a river,\nfilm photograph\n0: in summer\n48: in snow\n\n35 mm\nhigh detail",
        "0: a\n\nb",
        "head\n\n{\n'0': a,\n}\n\ntail",
    ),
    *("开头\n0：甲\n\n8：乙\n还是乙\n　\n结尾", "head\n0: a\nb\n\n4: c", "5: a\n\n}"),
    *("0: a river\n24, the same river", "8, b\n0: a", "0: a\n\n8；b\nc"),
    *(
        "0: a river in summer\n48: the same river in snow",
        '{"0": "a fox",\n "16": "a cat",\n}',
        "0: a\nstill a\n\n8: b",
        "-1: z\n0: a",
    ),
    *(
        "０：一条河，夏天\n８：「雪」",
        "12: c\n4: b\n-3: a",
        "0: 'a'\n 5 = b ,",
        "0: a: b\n3: c",
        "4:a",
        "0: “a”，\n9: ‘b’",
    ),
    *("", "a river", "\n\n  a river\n0: b", "0: a\n0: b", "0: a\n5: b\n\n5: c\n0: d", "{}"),
]


@pytest.fixture(scope="module")
def page():
    context = quickjs.Context()
    context.eval(re.sub(r"^export ", "", SCRIPT.read_text(encoding="utf-8"), flags=re.M))

    def call(expression: str, *arguments):
        words = ", ".join(json.dumps(argument) for argument in arguments)
        code = (
            f"try {{ JSON.stringify(({expression})({words})) }} catch (error) {{ JSON.stringify('' + error.message) }}"
        )
        return json.loads(context.eval(code))

    return call


def said(function, *arguments):
    try:
        return function(*arguments)
    except ValueError as error:
        return str(error)


def stops_of(text: str):
    return prompts.parsed(head_and_tail(text)[1])


def same(a, b) -> bool:
    if isinstance(a, list) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(*pair) for pair in zip(a, b, strict=True))
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12)
    return a == b


def random_text(seed: int) -> str:
    draw = random.Random(seed)
    places = draw.sample([*(f"{n}" for n in range(-3, 20)), "25%", "50 %", "100%"], draw.randint(1, 6))
    values = [draw.choice(["1", ".5", "-0.25", "(2)", "1e-1", "x" if draw.random() < 0.05 else "3.75"]) for _ in places]
    ways = [draw.choice(["", "", " ease", " ease in", " ease-out", " jump", " hold"]) for _ in places]
    marks = [draw.choice([":", " : ", "=", "："]) for _ in places]
    entries = [f"{p}{m}{v}{w}" for p, m, v, w in zip(places, marks, values, ways, strict=True)]
    return draw.choice([", ", ",\n", "\n", "; ", "，"]).join(entries)


@pytest.mark.parametrize("frames", [1, 2, 16, 33])
def test_values_over_frames(page, frames):
    for text in [*TEXTS, *map(random_text, range(300))]:
        found = page("(text, frames) => valuesOver(parseSchedule(text), frames)", text, frames)
        wanted = said(lambda text: FrameValues(parsed(text)).over(frames), text)
        assert same(found, wanted), (text, found, wanted)


def test_values_over_the_sampling(page):
    places = [index / 20 for index in range(21)]
    code = "(text, places) => { const all = placed(parseSteps(text)); return places.map(x => valueAt(all, x)) }"

    def computed(text):
        points = sorted(step_values(text).points, key=lambda point: point.position)
        return [value_at(points, place) for place in places]

    for text in ["0%: 1.0, 100%: 1.0", "0: 1, .5: 0.6 jump, 1: 2", "50%: 1, 120%: 2", "3: 1", "-1: 2", *TEXTS]:
        assert same(page(code, text, places), said(computed, text)), text


def test_the_points_of_a_text_stand_where_it_says(page):
    """So that the page can write another number in their place."""
    for text in [*TEXTS, *map(random_text, range(100))]:
        if isinstance(said(parsed, text), str):
            continue
        code = "text => parseSchedule(text).map(({at}) => [at.position, at.value].map(([a, b]) => text.slice(a, b)))"
        for (position, value), point in zip(page(code, text), parsed(text), strict=True):
            (again,) = parsed(f"{position}: {value}")
            assert (again.position, again.value, again.is_percent) == (point.position, point.value, point.is_percent)


@pytest.mark.parametrize("easing", EASINGS)
def test_prompts(page, easing):
    for text in PROMPTS:
        found = page("text => parsePrompts(text).map(({frame, prompt}) => [frame, prompt])", text)
        wanted = said(lambda text: [[stop.frame, stop.prompt] for stop in stops_of(text)], text)
        assert found == wanted, text
        if isinstance(wanted, list):
            for frames in (1, 13, 50):
                for loop, computed in ((False, prompts.shares), (True, looped_shares)):
                    code = "(t, frames, easing, loop) => sharesOf(parsePrompts(t), frames, easing, loop)"
                    shares = page(code, text, frames, easing, loop)
                    assert same(shares, computed(stops_of(text), frames, easing)), (text, frames, loop)


def test_a_text_with_other_numbers_in_it(page):
    code = """text => {
        const [first, second] = parseSchedule(text)
        return replaced(text, [[...first.at.value, '2'], [...second.at.position, '20'], [...second.at.value, '0.5']])
    }"""
    assert page(code, "0: 1.0,  16: 0.6 ease") == "0: 2,  20: 0.5 ease"
