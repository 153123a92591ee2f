"""Captions of clips."""

import pytest
from animatediff_native.training.captions import caption, captions_of_csv, repeats


@pytest.mark.parametrize(
    "text, trigger, fallback, expected",
    [
        ("a cat", "", "", "a cat"),
        ("a cat", "zoomy", "", "zoomy, a cat"),
        ("a cat, [trigger] style", "zoomy", "", "a cat, zoomy style"),
        ("a [trigger] cat", "", "", "a cat"),
        ("", "zoomy", "", "zoomy"),
        ("", "zoomy", "a landscape", "zoomy, a landscape"),
        (" \n", "", "a landscape", "a landscape"),
        ("a cat\nin the  sun\n", "", "a landscape", "a cat in the sun"),
        ("", "", "", ""),
    ],
)
def test_caption(text, trigger, fallback, expected):
    assert caption(text, trigger, fallback) == expected


@pytest.mark.parametrize(
    "folder, expected", [("10_waves", 10), ("waves", 1), ("0_waves", 0), ("3d_waves", 1), ("10", 1), ("", 1)]
)
def test_repeats(folder, expected):
    assert repeats(folder) == expected


def test_csv():
    text = '\ufeffvideoid,name,page_dir\n12,"waves, at night",000\nabc,,000\n'
    assert captions_of_csv(text, "x.csv") == {"12": "waves, at night", "abc": ""}


@pytest.mark.parametrize("text, column", [("id,name\n", "videoid"), ("videoid,text\n1,a\n", "name"), ("", "videoid")])
def test_csv_without_a_column(text, column):
    with pytest.raises(ValueError, match=f"'x.csv' lacks the column {column}; guoyww's have videoid, name, page_dir."):
        captions_of_csv(text, "x.csv")


def test_a_csv_with_an_open_quote():
    with pytest.raises(
        ValueError, match=r"'x.csv' is no CSV that can be read \(field larger than .*\): a quote may be"
    ):
        captions_of_csv('videoid,name\n1,"waves' + "\n2,sea" * 50_000, "x.csv")
