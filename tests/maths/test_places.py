"""Which frame each picture is for, and what a window shows of them."""

import pytest
from animatediff_native.sampling.values.places import SPREADS, Places, places, shown_in, spread_over


@pytest.mark.parametrize(
    ("text", "frames"),
    [("0", (0,)), (" 0, 5 ,10,-1 ", (0, 5, 10, -1)), ("0，8，-1", (0, 8, -1)), ("3 4\n7", (3, 4, 7)), ("+2;", (2,))],
)
def test_frames_as_people_type_them(text, frames):
    assert places(text).frames == frames
    assert places(str(places(text))) == places(text)


@pytest.mark.parametrize("spread", SPREADS)
def test_words(spread):
    assert places(f" {spread.upper()} ") == Places(spread=spread)
    assert places(str(places(spread))) == places(spread)


@pytest.mark.parametrize("text", ["", " , ", "first", "0.5", "0: 1", "1-4", "99999999999"])
def test_what_is_no_list_of_frames(text):
    with pytest.raises(ValueError, match="^frames is '.*', and must name a frame for each picture, as in '0, 8, -1'"):
        places(text)


def test_a_frame_twice():
    with pytest.raises(ValueError, match="^frames names frame 5 twice"):
        places("0, 5, 5")


def test_in_a_clip():
    assert Places((0, 5, -1)).of(3, 16) == [0, 5, 15]
    assert Places((0, 5, -1)).of(2, 16) == [0, 5]
    assert Places((-16,)).of(1, 16) == [0]


@pytest.mark.parametrize(
    ("frames", "pictures", "total", "message"),
    [
        ((0, 5), 3, 16, r"There are 3 pictures, and frames names 2 \(0, 5\)"),
        ((), 17, 16, "There are 17 pictures for a clip of 16 frames. Connect 16 or fewer"),
        ((16,), 1, 16, "frames names frame 16, and the clip has 16: from 0 to 15, or from -1 back to -16"),
        ((-17,), 1, 16, "frames names frame -17, and the clip has 16"),
        ((0, 15, -1), 3, 16, "frames is '0, 15, -1', which puts two pictures on frame 15 of a clip of 16 frames"),
    ],
)
def test_what_has_no_place(frames, pictures, total, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Places(frames).of(pictures, total)


def test_spreads():
    assert spread_over("spread", 3, 9) == [0, 4, 8]
    assert spread_over("from the start", 2, 9) == [0, 4]
    assert spread_over("to the end", 2, 9) == [4, 8]
    assert spread_over("middle", 1, 9) == [4]
    assert [spread_over(spread, 1, 9) for spread in SPREADS] == [[0], [0], [8], [4]]


@pytest.mark.parametrize("spread", SPREADS)
def test_every_spread_is_one_frame_each_in_order_in_the_clip(spread):
    for total in range(1, 40):
        for pictures in range(1, total + 1):
            found = spread_over(spread, pictures, total)
            assert len(set(found)) == pictures and found == sorted(found)
            assert set(found) <= set(range(total))


def test_a_window_shows_its_own_pictures():
    assert shown_in([0, 20], range(16), True) == {0: 0}
    assert shown_in([20, 0], range(8, 24), True) == {12: 0}
    assert shown_in([0, 20], [22, 23, 0, 1], True) == {2: 0}
    assert shown_in([0, 20], [20, 0], True) == {0: 1, 1: 0}


def test_a_window_without_a_picture():
    """The nearest one at the end on its side; nothing where nothing is asked for."""
    assert shown_in([0], range(8, 24), True) == {0: 0}
    assert shown_in([40], range(8, 24), True) == {15: 0}
    assert shown_in([0, 40], range(8, 24), True) == {0: 0}
    assert shown_in([4, 27], range(8, 24), True) == {0: 0, 15: 1}
    assert shown_in([30], [34, 35, 24, 25, 26], True) == {2: 0}
    assert all(shown_in(places, range(8, 24), False) == {} for places in ([0], [0, 40]))
