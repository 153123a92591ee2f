"""Head, tail and loop of Prompt Travel."""

import pytest
from animatediff_native.sampling.values.prompts import ScheduleError, Stop, parsed, shares
from animatediff_native.sampling.values.schedules import EASINGS
from animatediff_native.sampling.values.travel import head_and_tail, looped_shares


def test_lines_before_the_first_frame_and_behind_an_empty_line():
    head, text, tail = head_and_tail(
        "a river,\nfilm\n0: in summer\nwith boats\n\n48: in snow\nat dusk\n\n35 mm\nsharp\n"
    )
    assert (head, tail) == ("a river, film", "35 mm sharp")
    assert parsed(text) == (Stop(0, "in summer\nwith boats"), Stop(48, "in snow\nat dusk"))


@pytest.mark.parametrize(
    "text", ["0: a\n8: b", '{\n"0": "a",\n"8": "b"\n}\n', "0: a\nb\n\n8: c", "0: a\n\n}\n", "no frame"]
)
def test_a_text_without_them_stays_as_it_is(text):
    assert head_and_tail(text) == ("", text, "")


def test_mistakes_keep_their_places():
    _, text, _ = head_and_tail("a river\n0: in summer\n0: in snow\n\nfilm")
    with pytest.raises(ScheduleError, match="Line 3, column 1: frame 0 has two prompts"):
        parsed(text)
    with pytest.raises(ScheduleError, match="'a river' has no frame"):
        parsed(head_and_tail("a river")[1])


def test_a_frame_with_a_comma_is_a_mistake_wherever_it_stands():
    for text in ("24, snow\n0: rain", "0: rain\n\n24, snow"):
        with pytest.raises(ScheduleError, match="'24, snow' has no colon"):
            parsed(head_and_tail(text)[1])


@pytest.mark.parametrize("easing", EASINGS)
@pytest.mark.parametrize("stops", [(0, 8), (3, 9), (9, 3, -2), (5,), (0, 15)])
def test_a_loop_goes_around_the_end(stops, easing):
    """The clip twice over, as one: its second time is the loop's, but for the end."""
    frames = 16
    found = looped_shares([Stop(frame, str(frame)) for frame in stops], frames, easing)
    places = [frame % frames for frame in stops]
    three_times = [Stop(frame + turn * frames, "") for turn in range(3) for frame in places]
    for (a, b, share), (c, d, other) in zip(found, shares(three_times, 3 * frames, easing)[frames:], strict=False):
        assert (a, b) == (c % len(stops), d % len(stops)) and share == pytest.approx(other)


def test_a_loop_in_numbers():
    assert looped_shares([Stop(0, "a"), Stop(2, "b")], 4) == [(0, 1, 0.0), (0, 1, 0.5), (1, 0, 0.0), (1, 0, 0.5)]
