"""The prompt and value texts of shared workflows, and the mixes that they come to."""

import math

import pytest
import torch
from animatediff_native.sampling.values.indexed import MIXES, NUMBER, PROMPT, Entry, entries, numbers, travelled
from animatediff_native.sampling.values.prompts import lerp, slerp
from animatediff_native.sampling.values.schedules import ScheduleError


def test_both_ways_of_writing():
    expected = [Entry(0, "a lake"), Entry(16, "noon, still")]
    assert entries('0 = "a lake",\n16 = "noon, still"\n', PROMPT, 0) == expected
    assert entries('"0": "a lake", "16": "noon, still",', PROMPT, 32) == expected


def test_indices():
    ranged = entries('0:3 = "a",\n-1 = "b", 0.5: = "c"', PROMPT, 16)
    assert ranged == [*(Entry(i, "a") for i in range(3)), Entry(8, "c", True), Entry(15, "b")]
    assert [entry.index for entry in entries('1.0 = "a", 4:2 = "b"', PROMPT, 8)] == [2, 3, 7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Line 1, column 1: there is no entry"),
        ("a placeholder text", "Line 1, column 1: 'a placeholder text' is no entry"),
        ('0 = "a",\nbad = "b"', "Line 2, column 1: 'bad"),
        ('-1 = "a"', "-1 needs the length of the clip"),
        ('1-2 = "a"', "'1-2' is not an index"),
    ],
)
def test_mistakes(text, message):
    with pytest.raises(ScheduleError, match=message):
        entries(text, PROMPT, 0)


@pytest.mark.parametrize("index", ["9", "-9", "1.5"])
def test_an_index_outside_of_the_clip_is_refused(index):
    with pytest.raises(ScheduleError, match=f"{index} is outside of the clip's 8 frames"):
        entries(f'{index} = "a"', PROMPT, 8)


def test_numbers():
    text = "0 = 1.0, 4: = 2.0, 6 = 5, 8 = 7"
    assert numbers(entries(text, NUMBER, 10), 10, text) == [1, 1.25, 1.5, 1.75, 2, 2, 5, 6, 7, 7]
    with pytest.raises(ScheduleError, match="'x' is not a number"):
        numbers(entries("0 = x", NUMBER, 4), 4, "0 = x")


def share_of_b(length, plain=True, mix=lerp):
    """How much of the second prompt is in each frame."""
    encode = {"a": torch.zeros(1, 4, 2), "b": torch.ones(1, 4, 2)}
    at = (lambda prompt, frame: prompt) if plain else (lambda prompt, frame: f"{prompt}{frame}")
    found = [Entry(0, "a"), Entry(length, "b")]
    rows, _ = travelled(found, length + 1, lambda text: (encode[text[0]], None), at, mix)
    return rows[:, 0, 0].tolist()


def test_a_transition_runs_ahead_as_the_incumbents_does():
    expected = [0, 0.125, 0.344, 0.590, 0.795, 0.923, 0.981, 0.998, 1]
    assert share_of_b(8) == pytest.approx(expected, abs=1e-3)
    assert share_of_b(4) == pytest.approx([0, 0.25, 0.625, 0.906, 1], abs=1e-3)


def test_prompts_much_alike_are_mixed_straight():
    """Where the cosine of their angle is above 0.9995; our own mix goes along the arc there too."""
    a = torch.tensor([[[1.0, 0.0]]])
    for angle, is_straight in ((0.03, True), (0.033, False)):
        b = torch.tensor([[[math.cos(angle), math.sin(angle)]]])
        straight, arc = (a + b) / 2, (a + b) / (2 * math.cos(angle / 2))
        assert torch.equal(MIXES["slerp"](a, b, 0.5), lerp(a, b, 0.5)) == is_straight
        assert torch.allclose(MIXES["slerp"](a, b, 0.5), straight if is_straight else arc, rtol=0, atol=1e-6)
        assert torch.allclose(slerp(a, b, 0.5), arc, rtol=0, atol=1e-6) and slerp(a, b, 0.5).norm() > straight.norm()


def test_prompts_that_change_with_the_frame_are_mixed_evenly():
    assert share_of_b(8, plain=False) == pytest.approx([k / 8 for k in range(9)])


def test_pooled_and_lengths():
    encode = {"a": (torch.ones(1, 4, 2), torch.zeros(1, 3)), "b": (torch.ones(1, 8, 2), torch.ones(1, 3))}
    found = [Entry(0, "a"), Entry(2, "b")]
    rows, pooled = travelled(found, 4, encode.get, lambda prompt, frame: prompt, slerp)
    assert rows.shape == (4, 8, 2) and rows[0, :, 0].tolist() == [0, 0, 1, 1, 1, 1, 0, 0]
    assert pooled[:, 0].tolist() == [0, 1, 1, 1]
