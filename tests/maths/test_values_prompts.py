"""Prompts over frames."""

import time

import pytest
import torch
from animatediff_native.sampling.values.prompts import MIXES, Stop, over_frames, padded, parsed, shares, slerp
from animatediff_native.sampling.values.schedules import ScheduleError

RIVER = (Stop(0, "a river in summer"), Stop(8, "the same river in snow"))


@pytest.mark.parametrize(
    "text",
    [
        "0: a river in summer\n8: the same river in snow",
        '"0": "a river in summer",\n"8": "the same river in snow"',
        '{\n"0": "a river in summer",\n"8": "the same river in snow"\n}',
        "0 = a river in summer\n\n8 =the same river in snow\n",
        "  0:a river in summer,\n  8: 'the same river in snow'",
        "0：a river in summer\n8：the same river in snow",
        "｛\n“０”： “a river in summer”，\n“８”＝‘the same river in snow’\n｝",
        "\u30000 ： a river in summer，\n\u3000\n+8 ：the same river in snow、",
    ],
)
def test_forgiving(text):
    assert parsed(text) == RIVER


def test_prompts_of_several_lines_and_with_colons():
    stops = parsed("0: a (river:1.2),\n  in summer\n-1: 4k: sharp")
    assert stops == (Stop(0, "a (river:1.2),\n  in summer"), Stop(-1, "4k: sharp"))


def test_prompts_that_are_hardly_there():
    assert parsed("0: \n8:") == (Stop(0, ""), Stop(8, ""))
    assert parsed('0: "\n8: ""') == (Stop(0, '"'), Stop(8, ""))


def test_prompts_keep_their_own_full_width_characters():
    stops = parsed("0：夏天，河流：“静” （细节：1.2）\n，远山％\n－1：冬天，雪；夜")
    assert stops == (Stop(0, "夏天，河流：“静” （细节：1.2）\n，远山％"), Stop(-1, "冬天，雪；夜"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Line 1, column 1: there is no prompt"),
        ("a river", "Line 1, column 1: 'a river' has no frame"),
        ("\n\na river\n8: snow", "Line 3, column 1: 'a river' has no frame"),
        ("，\n河\n8：雪", "Line 2, column 1: '河' has no frame"),
        ("0: a\n8: b\n8: c", "Line 2, column 1: frame 8 has two prompts|Line 3"),
    ],
)
def test_mistakes_are_told_with_their_place(text, message):
    with pytest.raises(ScheduleError, match=message):
        parsed(text)


def test_shares_are_even():
    """k / 8 after k of 8 frames, not the compounding of the incumbent."""
    found = shares(RIVER, 12)
    assert [share for _, _, share in found[:8]] == [k / 8 for k in range(8)]
    assert found[8:] == [(1, 1, 0.0)] * 4
    assert shares((Stop(4, "x"), Stop(-1, "y")), 9)[:5] == [(0, 0, 0.0)] * 4 + [(0, 1, 0.0)]
    assert [share for _, _, share in shares(RIVER, 12, "jump")] == [0.0] * 12


def test_rows_are_mixed():
    a, b = torch.randn(2, 1, 77, 8, generator=torch.Generator().manual_seed(0))
    found = over_frames([a, b], shares(RIVER, 9))
    assert found.shape == (9, 77, 8)
    assert torch.equal(found[0], a[0]) and torch.equal(found[8], b[0])
    assert torch.allclose(found[2], 0.75 * a[0] + 0.25 * b[0], atol=1e-6)


def test_slerp_keeps_the_length():
    a, b = torch.randn(2, 1, 7, 8, generator=torch.Generator().manual_seed(0))
    b = b * a.norm() / b.norm()
    assert torch.allclose(slerp(a, b, 0.5).norm(), a.norm(), rtol=1e-4)
    assert torch.allclose(slerp(a, a, 0.5), a) and torch.allclose(slerp(a, b, 0.0), a, atol=1e-5)
    assert torch.allclose(slerp(a, -a, 0.25), a / 2)  # there is no arc between opposites
    assert set(MIXES) == {"lerp", "slerp"}


EMPTY = torch.zeros(1, 77, 8)


def test_prompts_of_other_lengths_are_repeated():
    """Attention over a prompt twice is attention over it once."""
    short, long = torch.rand(1, 77, 8), torch.rand(1, 154, 8)
    found = padded([short, long], EMPTY)
    assert [each.shape[1] for each in found] == [154, 154] and torch.equal(found[0][:, 77:], short)
    assert [each.shape[1] for each in padded([torch.rand(1, 154, 8), torch.rand(1, 231, 8)], EMPTY)] == [462, 462]
    query = torch.rand(1, 5, 8)
    attend = torch.nn.functional.scaled_dot_product_attention
    assert torch.allclose(attend(query, found[0], found[0]), attend(query, short, short), atol=1e-6)


def test_prompts_that_have_few_tokens_in_common_are_filled_up():
    """Of 3, 4, 5 and 7 chunks: repeated, each would have 420."""
    chunks, empty = (3, 4, 5, 7), torch.rand(1, 77, 8)
    prompts = [torch.rand(1, 77 * count, 8) for count in chunks]
    for count, prompt, found in zip(chunks, prompts, padded(prompts, empty), strict=True):
        assert found.shape == (1, 539, 8) and torch.equal(found[:, : 77 * count], prompt)
        assert torch.equal(found[:, 77 * count :], empty.repeat(1, 7 - count, 1))


def test_embeddings_that_would_fill_the_memory_are_refused():
    with pytest.raises(ValueError, match="Use shorter prompts, or at most 13617 frames"):
        over_frames([torch.zeros(1, 77, 2048)], [(0, 0, 0.0)] * 20000)


def test_thousands_of_prompts():
    """In a time that grows with them, not with their square."""
    start = time.perf_counter()
    stops = parsed("\n".join(f"{frame}: prompt {frame}" for frame in range(0, 40000, 2)))
    assert len(shares(stops, 40000)) == 40000 and time.perf_counter() - start < 5


@pytest.mark.parametrize("line", ["24, the same river", " '24', the same river", "24； the same river", "24，同一条河"])
def test_a_comma_for_a_colon(line):
    with pytest.raises(ScheduleError, match="Line 2, column 1: '.*' has no colon. Write a frame, a colon and a prompt"):
        parsed(f"0: a river\n{line}")


@pytest.mark.parametrize("line", ["3 birds in the sky", "8k, detailed", "1girl, smile", "2.5 metres high, wide"])
def test_a_prompt_may_go_on_with_a_number(line):
    assert parsed(f"0: a river\n{line}") == (Stop(0, f"a river\n{line}"),)
