"""Clips side by side, their letters, and the lists that they are made from."""

import pytest
import torch
from animatediff_native.sampling.clips.captions import broken, lettering
from animatediff_native.sampling.clips.grid import HOLD, LOOP, Sheet, bytes_of, grid, sources, titles
from animatediff_native.sampling.values.lists import crossed, for_each, lines, titled, values
from memory import PeakMemory


def clip(frames: int, height: int, width: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 255, (frames, height, width, 3), generator=generator, dtype=torch.uint8)


def nothing(name: str) -> str:
    raise AssertionError(name)


def test_a_clip_alone_stays_as_it_is():
    one = clip(3, 64, 32, 0)
    assert torch.equal(bytes_of(grid([one], Sheet(gap=0))), one)
    assert torch.equal(bytes_of(one / 255), one)


@pytest.mark.parametrize("columns, shape", [(0, (32, 5 * 40 + 8)), (2, (3 * 40 + 8, 2 * 40 + 8)), (9, (48, 208))])
def test_every_clip_has_its_place(columns, shape):
    clips = [clip(4, 32, 32, seed) for seed in range(5)]
    result = bytes_of(grid(list(clips), Sheet(columns, gap=8)))
    rows = -(-5 // (columns or 5)) if columns < 5 else 1
    assert result.shape[1:3] == (rows * 40 + 8, min(columns or 5, 5) * 40 + 8)
    for index, one in enumerate(clips):
        row, column = divmod(index, min(columns or 5, 5))
        y, x = 8 + row * 40, 8 + column * 40
        assert torch.equal(result[:, y : y + 32, x : x + 32], one), index
    assert (result[:, :8] == 255).all() and (result[:, :, :8] == 255).all()


def test_shorter_clips_hold_or_begin_anew():
    assert sources(2, 5, HOLD) == [0, 1, 1, 1, 1] and sources(2, 5, LOOP) == [0, 1, 0, 1, 0]
    short, long = clip(2, 16, 16, 0), clip(5, 16, 16, 1)
    held, looped = (bytes_of(grid([short, long], Sheet(gap=0), how)) for how in (HOLD, LOOP))
    assert torch.equal(held[:, :, :16], short[[0, 1, 1, 1, 1]]) and torch.equal(held[:, :, 16:], long)
    assert torch.equal(looped[:, :, :16], short[[0, 1, 0, 1, 0]])


def test_clips_of_several_sizes_lie_in_the_middle_and_are_let_go():
    clips = [clip(1, 16, 32, 0), clip(1, 32, 16, 1)]
    small, tall = clips
    result = bytes_of(grid(clips, Sheet(gap=0)))
    assert result.shape == (1, 32, 64, 3) and not clips
    assert torch.equal(result[:, 8:24, :32], small) and torch.equal(result[:, :, 40:56], tall)


def test_letters_stand_under_and_beside_the_clips():
    clips = [clip(2, 64, 96, seed) for seed in range(4)]
    plain = grid(list(clips), Sheet(2, gap=8))
    sheet = Sheet(
        0, 8, captions=("a fox", "a cat", "a dog", "a boat"), above=("0.8", "1.2"), beside=("seed 1", "seed 2")
    )
    lettered = bytes_of(grid(list(clips), sheet))
    assert lettered.shape[1] > plain.shape[1] and lettered.shape[2] > plain.shape[2]
    assert not lettered.shape[1] % 2 and not lettered.shape[2] % 2
    letters = lettering("a fox", 96, 11)
    assert letters.min() < 80  # dark on white
    left = lettered.shape[2] - 2 * 104
    top = next(y for y in range(lettered.shape[1]) if torch.equal(lettered[0, y, left : left + 96], clips[0][0, 0]))
    for frame in range(2):
        under = lettered[frame, top + 64 : top + 64 + letters.shape[0], left : left + 96, 0]
        assert torch.equal(under, letters)


def test_long_captions_break_and_end_in_dots():
    assert broken("a b", 1000, 12) == ["a b"]
    found = broken("a river in summer " * 20, 120, 12)
    assert len(found) == 3 and found[-1].endswith("...") and all(line.startswith("a river"[:1]) for line in found[:1])
    assert broken("", 100, 12) == [""] and len(broken("x" * 200, 60, 12)) == 3


@pytest.mark.parametrize(
    "sheet, said",
    [
        (Sheet(captions=("a", "b")), "There are 2 captions for 3 clips"),
        (Sheet(above=("a", "b"), columns=3), "There are 2 titles above 3 columns"),
        (Sheet(beside=("a", "b")), "There are 2 titles beside 1 rows"),
    ],
)
def test_texts_that_do_not_fit(sheet, said):
    with pytest.raises(ValueError, match=said):
        grid([clip(1, 8, 8, 0) for _ in range(3)], sheet)


def test_titles_are_a_list_or_the_lines_of_a_text():
    assert titles(None) == titles([]) == titles([""]) == ()
    assert titles(["a\nb"]) == titles(["a", "b"]) == ("a", "b")


def test_entries_are_lines_and_lines_of_files():
    files = {"prompts.txt": "one\n\n two \n"}
    assert lines("zero\n@prompts.txt\n  three  \n", files.__getitem__) == ["zero", "one", "two", "three"]
    with pytest.raises(ValueError, match="The list is empty"):
        lines(" \n", nothing)
    with pytest.raises(ValueError, match="more than 1000"):
        lines("\n".join(["x"] * 1001), nothing)
    assert for_each(["a", "b"], ["no"]) == ["no", "no"] and for_each(["a", "b"], ["c", "d"]) == ["c", "d"]
    with pytest.raises(ValueError, match="2 prompts and 3 negative"):
        for_each(["a", "b"], ["c", "d", "e"])


def test_values_are_what_they_look_like():
    found = values("1..3\n7\nname.safetensors\n", nothing)
    assert found == [1, 2, 3, 7, "name.safetensors"] and [type(each) for each in found[:4]] == [int] * 4
    assert values("3..1", nothing) == [3, 2, 1]
    mixed = values("1\n0.8\n１．２", nothing)
    assert mixed == [1.0, 0.8, 1.2] and all(isinstance(each, float) for each in mixed)
    with pytest.raises(ValueError, match="are 5000 values"):
        values("1..5000", nothing)


def test_every_value_with_every_other():
    across, down = crossed([0.8, 1.2], [1, 2, 3])
    assert list(zip(across, down, strict=True)) == [(0.8, 1), (1.2, 1), (0.8, 2), (1.2, 2), (0.8, 3), (1.2, 3)]
    assert titled("seed", [1, 2]) == "seed 1\nseed 2" and titled("", [0.8]) == "0.8"


def test_pictures_are_taken_frame_by_frame():
    """The host keeps all clips of a list as floats: a grid has no room for them once more."""
    clips = [torch.rand(16, 64, 64, 3, generator=torch.Generator().manual_seed(index)) for index in range(8)]
    expected = grid([bytes_of(clip) for clip in clips], Sheet(columns=4))
    frame = clips[0][0].nbytes
    with PeakMemory() as memory:
        result = grid(list(clips), Sheet(columns=4))
    assert torch.equal(result, expected) and memory.peak < result.nbytes + 4 * frame
