"""--vary: names that mean one input, values of its kind, and what is said about all others."""

import pytest
from animatediff_native.farm.job import Job
from animatediff_native.farm.vary import combinations, parse

PROMPT = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 5, "steps": 20, "cfg": 7, "denoise": 1.0, "model": ["4", 0]}},
    "4": {"class_type": "Loader", "inputs": {"ckpt_name": "a.safetensors", "fast": False}, "_meta": {"title": "Which"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat"}, "_meta": {"title": "Positive"}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "bad"}, "_meta": {"title": "Negative"}},
    "9:1": {"class_type": "KSamplerAdvanced", "inputs": {"noise_seed": 5, "steps": 20, "cfg": ["3", 0]}},
}


@pytest.mark.parametrize(
    ("text", "places", "values"),
    [
        ("seed=1..3", [("3", "seed"), ("9:1", "noise_seed")], (1, 2, 3)),
        ("noise_seed=7", [("9:1", "noise_seed")], (7,)),
        ("3.seed=-2..6..4", [("3", "seed")], (-2, 2, 6)),
        ("steps@9:1=20,25", [("9:1", "steps")], (20, 25)),
        ("9:1.steps=20", [("9:1", "steps")], (20,)),
        ("KSampler.steps=8", [("3", "steps")], (8,)),
        ("cfg=1.5,8", [("3", "cfg")], (1.5, 8)),
        ("text@6=a cat, asleep|a dog", [("6", "text")], ("a cat, asleep", "a dog")),
        ("text@Positive=a cat, asleep", [("6", "text")], ("a cat, asleep",)),
        ('text@"Negative"=x', [("7", "text")], ("x",)),
        ("ckpt_name=a.ckpt,b.ckpt", [("4", "ckpt_name")], ("a.ckpt", "b.ckpt")),
        ("fast=true,False", [("4", "fast")], (True, False)),
        ("text@6=1..3", [("6", "text")], ("1..3",)),
        ("text@6=a=b", [("6", "text")], ("a=b",)),
    ],
)
def test_names_and_values(text, places, values):
    found = parse(text, PROMPT)
    assert (list(found.places), found.values) == (places, values)
    assert [type(value) for value in found.values] == [type(value) for value in values]


def test_a_great_many_values_are_read_at_once():
    assert len(parse("seed=1..200000", PROMPT).values) == 200_000


def test_values_from_a_file(tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text("\ufeffa cat, asleep\n\n  a dog  \n", encoding="utf-8")
    assert parse(f"text@6=@{file}", PROMPT).values == ("a cat, asleep", "a dog")
    file.write_text("\n")
    with pytest.raises(ValueError, match="is empty. Write one value a line"):
        parse(f"text@6=@{file}", PROMPT)
    with pytest.raises(ValueError, match="missing.txt cannot be read: No such file"):
        parse("text@6=@missing.txt", PROMPT)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("seed", "needs a name and values, as in: --vary seed=1..100"),
        ("sede=1", "no such input. It has: cfg, ckpt_name, .*, text."),
        ("text=x", r"names 2 inputs. Say which one: text@6 \(Positive\), text@7 \(Negative\)"),
        ("text@8=x", r"no such input. text is at text@6 \(Positive\), text@7"),
        ("nothing@6=x", "Positive has: text."),
        ("cfg@9:1=3", r"comes from KSampler \(3\) by a link. Vary that node's input"),
        ("steps@3=many", "takes numbers, and 'many' is none"),
        ("fast=1", "takes true or false"),
        ("seed=5..1", "1 is before 5"),
        ("seed=1,1", "has 1 twice"),
    ],
)
def test_what_cannot_be_varied(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse(text, PROMPT)


def test_each_with_each_and_in_step():
    seeds, steps = parse("seed=1..2", PROMPT), parse("steps@3=8,9", PROMPT)
    assert combinations([seeds, steps], together=False) == [(1, 8), (1, 9), (2, 8), (2, 9)]
    assert combinations([seeds, steps], together=True) == [(1, 8), (2, 9)]
    with pytest.raises(ValueError, match="as many values of each, and seed has 2, steps@3 has 1"):
        combinations([seeds, parse("steps@3=8", PROMPT)], together=True)
    with pytest.raises(ValueError, match=r"Two --vary name the same input \(seed@3\)"):
        Job("x", PROMPT, (seeds, parse("3.seed=7", PROMPT)))
