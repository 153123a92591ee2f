"""The prompt and value texts of shared workflows, and the mixes that they come to."""

import math
import time

import pytest
import torch
from animatediff_native.sampling.values.indexed import (
    MIXES,
    Entry,
    frames_of,
    numbers,
    numbers_in,
    prompts_in,
    travelled,
)
from animatediff_native.sampling.values.prompts import lerp, slerp
from animatediff_native.sampling.values.schedules import ScheduleError


def test_both_ways_of_writing():
    expected = [Entry(0, "a lake"), Entry(16, "noon, still")]
    assert prompts_in('0 = "a lake",\n16 = "noon, still"\n', 0) == expected
    assert prompts_in('"0": "a lake", "16": "noon, still",', 32) == expected
    assert prompts_in('  { "0": "a lake", "16": "noon, still" }\n', 32) == expected


@pytest.mark.parametrize("value", ["1.5", '"1.5"', "(1.5)", "[ 1.5 ]", "'1.5'", '{"1.5"}', "15e-1"])
def test_what_may_stand_around_a_number(value):
    assert numbers_in(f"0 = {value}, 4: = 2", 0) == [Entry(0, 1.5), Entry(4, 2.0, True)]
    assert numbers_in(f'{{"0": {value}, "4:": 2}}', 0) == [Entry(0, 1.5), Entry(4, 2.0, True)]


def test_indices():
    """In the order in which they are written."""
    ranged = prompts_in('0:3 = "a",\n-1 = "b", 0.5: = "c"', 16)
    assert ranged == [*(Entry(i, "a") for i in range(3)), Entry(15, "b"), Entry(8, "c", True)]
    assert [entry.index for entry in prompts_in('1.0 = "a", 4:2 = "b", 3:3 = "c", 24 = "d"', 8)] == [7, 2, 3, 3, 24]
    assert [entry.index for entry in numbers_in("-20:2 = 1", 8)] == [0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Line 1, column 1: there is no entry"),
        ("a placeholder text", "Line 1, column 1: 'a placeholder text' is no entry"),
        ('0 = "a",\nbad = "b"', "Line 2, column 1: 'bad"),
        ('{0 = "a",\n bad = "b"}', "Line 2, column 2: 'bad"),
        ('0 = "a"\n8 = "b"', "a comma before the next one"),
        ('-1 = "a"', "-1 needs the length of the clip"),
        ('1-2 = "a"', "'1-2' is not an index"),
        ('2000000000 = "a"', "2000000000 is beyond any clip"),
        ('0:2000000000 = "a"', "2000000000 is beyond any clip"),
        (", ".join(['0:200000 = "a"'] * 2), "there are more than 262144 entries"),
    ],
)
def test_mistakes(text, message):
    with pytest.raises(ScheduleError, match=message):
        prompts_in(text, 0)


@pytest.mark.parametrize(
    ("index", "message"), [("-9", "-9 is outside of the clip's 8 frames"), ("1.5", "1.5 is no share of the clip")]
)
def test_an_index_that_can_mean_no_frame_is_refused(index, message):
    with pytest.raises(ScheduleError, match=message):
        prompts_in(f'{index} = "a"', 8)


@pytest.mark.parametrize("value", ["x", "nan", "inf", "1 2", ""])
def test_what_is_no_number(value):
    with pytest.raises(ScheduleError, match="Line 1, column"):
        numbers_in(f"0 = 1, 4 = {value}", 8)


def values(text: str, length: int = 0) -> list[float]:
    found = numbers_in(text, length)
    return numbers(found, frames_of(found, length, text))


def test_numbers():
    assert values("0 = 1.0, 4: = 2.0, 6 = 5, 8 = 7", 10) == [1, 1.25, 1.5, 1.75, 2, 2, 5, 6, 7, 7]
    assert values("2 = 3, 4 = 5") == [3, 3, 3, 4, 5]


def test_an_index_beyond_the_clip_is_led_towards():
    assert values("0 = 0, 16 = 16", 4) == [0, 1, 2, 3] and values("9 = 5", 3) == [5, 5, 5]
    assert values("0: = 1, 16 = 16", 4) == [1, 1, 1, 1]
    rows = share_of_b(8)
    assert share_of_b(8, frames=4) == rows[:4]


def test_numbers_are_in_single_precision():
    """As there: they are printed into prompts, where each digit counts."""
    assert values("0 = 0.1, 1 = 0.2") == [0.1, 0.2]  # nothing in between
    assert values("0 = 0.1, 2 = 0.2") == torch.linspace(0.1, 0.2, 3).tolist() != [0.1, 0.15, 0.2]


def test_the_order_of_writing_counts():
    assert values("4 = 4, 0 = 0", 6) == [0, 1, 2, 3, 4, 4]
    assert values("0 = 0, 4 = 4, 2: = 9, 1 = 5", 5) == [0, 5, 9, 6.5, 4]
    assert values("0 = 0, 4 = 4, 4 = 8, 6 = 0", 7) == [0, 1, 2, 3, 8, 4, 0]


def test_thousands_of_entries():
    """In a time that grows with them, not with their square."""
    text = ", ".join(f"{frame} = {frame % 7}" for frame in range(0, 80000, 2))
    start = time.perf_counter()
    assert len(values(text, 100000)) == 100000 and time.perf_counter() - start < 10


def share_of_b(length, plain=True, mix=lerp, frames=None):
    """How much of the second prompt is in each frame."""
    encode = {"a": torch.zeros(1, 4, 2), "b": torch.ones(1, 4, 2)}
    at = (lambda prompt, frame: prompt) if plain else (lambda prompt, frame: f"{prompt}{frame}")
    found = [Entry(0, "a"), Entry(length, "b")]
    rows, _ = travelled(found, frames or length + 1, lambda text: (encode[text[0]], None), at, mix)
    return rows[:, 0, 0].tolist()


@pytest.mark.parametrize(
    ("entries", "frames", "expected"),
    [
        ([(3, "a"), (4, "b"), (0, "c")], 4, "ccaa"),  # b is directly behind the last frame: a stays, and goes on to c
        ([(1, "a", True), (4, "b"), (3, "c")], 4, "aaac"),
        ([(0, "a"), (0, "b"), (1, "b"), (2, "b")], 1, "b"),
        ([(0, "a"), (5, "b"), (1, "c")], 4, None),  # b is led towards, and nothing after it is looked at
    ],
)
def test_what_is_written_behind_an_index_beyond_the_clip(entries, frames, expected):
    """As in ComfyUI-AnimateDiff-Evolved: its rows, by the prompt that is most of each."""
    encode = {text: torch.eye(3)["abc".index(text)].expand(1, 4, 3) for text in "abc"}
    found = [Entry(*each) for each in entries]
    rows, _ = travelled(found, frames, lambda text: (encode[text], None), lambda prompt, frame: prompt, lerp)
    if expected is None:
        assert not rows[..., 2].any()
    else:
        assert "".join("abc"[int(row[0].argmax())] for row in rows) == expected


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


def test_prompts_of_one_two_and_three_chunks_are_filled_at_once():
    """Not first to two chunks and then to three: with an odd number that lies one token elsewhere."""
    encode = {"a": (torch.ones(1, 7, 2), None), "b": (torch.ones(1, 14, 2), None), "c": (torch.ones(1, 21, 2), None)}
    found = [Entry(0, "a"), Entry(2, "b"), Entry(4, "c")]
    rows, _ = travelled(found, 5, encode.get, lambda prompt, frame: prompt, lerp)
    assert rows[0, :, 0].tolist() == [0] * 7 + [1] * 7 + [0] * 7
    assert rows[1, :, 0].tolist() == [0] * 3 + [0.5] * 4 + [1] * 7 + [0.5] * 3 + [0] * 4


def test_embeddings_that_would_fill_the_memory_are_refused():
    encode = {"a": (torch.ones(1, 77, 4096), None)}
    with pytest.raises(ValueError, match="20000 frames with a prompt of 77 tokens each would need 23 GB of memory"):
        travelled([Entry(0, "a")], 20000, encode.get, lambda prompt, frame: prompt, lerp)
    with pytest.raises(ScheduleError, match="300000 frames are more than a clip can have"):
        values("0 = 1", 300000)
