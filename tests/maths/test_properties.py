"""What holds for all values of the pure rooms, tried on many."""

import math

import torch
from animatediff_native.motion.convert import canonical
from animatediff_native.motion.formats import detect
from animatediff_native.motion.low_rank import Factors, aliases, factors_of
from animatediff_native.sampling.sigmas.tables import SigmaTable, interpolated, place_in, split, weighted
from animatediff_native.sampling.values import schedules, travel
from animatediff_native.sampling.values.keyframes import holding
from animatediff_native.sampling.values.prompts import Stop, shares
from animatediff_native.sampling.windows import fuse
from animatediff_native.sampling.windows.blend import Blend
from animatediff_native.sampling.windows.plan import BATCHED, SCHEDULES, WHOLE_CLIP, WindowPlan, longest, windows
from animatediff_native.training.layouts import LAYOUTS, lora_state, model_state
from hypothesis import given
from hypothesis import strategies as st
from properties import quick
from weights import FAMILIES, motion_state


@st.composite
def plans(draw) -> WindowPlan:
    length = draw(st.integers(1, 32))
    return WindowPlan(
        draw(st.sampled_from(sorted(SCHEDULES))),
        length,
        draw(st.integers(0, length - 1)),
        draw(st.integers(1, 4)),
        draw(st.booleans()),
        draw(st.sampled_from(fuse.ALL)),
    )


@quick
@given(plans(), st.integers(1, 200), st.integers(0, 60))
def test_windows_hold_every_frame_once_each(plan, frames, step):
    found = windows(plan, frames, step)
    assert set().union(*found) == set(range(frames))
    assert all(len(window) == len(set(window)) <= longest(plan, frames) for window in found)
    assert found == windows(plan, frames, step)
    if plan.context_schedule not in (BATCHED, WHOLE_CLIP) and frames <= plan.context_length:
        assert sorted(found[0]) == list(range(frames))


@quick
@given(plans(), st.integers(1, 120), st.integers(0, 20), st.floats(0, 15))
def test_a_clip_that_all_windows_agree_on_comes_out_of_them(plan, frames, step, sigma):
    found = windows(plan, frames, step)
    clip = torch.arange(frames, dtype=torch.float64).view(-1, 1, 1, 1)
    weights = fuse.together(plan.fuse_method, found, frames, plan.context_overlap, sigma, "7")
    assert all(weight >= 0 for own in weights for weight in own)
    blend = Blend(clip, clips=1)
    for window, own in zip(found, weights, strict=True):
        blend.add(window, own, [clip[window]])
    torch.testing.assert_close(blend.clips()[0], clip)


@quick
@given(plans(), st.integers(1, 120), st.integers(0, 20), st.floats(0, 15))
def test_shares_add_up_to_one_and_keep_the_weights_ratio(plan, frames, step, sigma):
    found = windows(plan, frames, step)
    words = (plan.fuse_method, found, frames, plan.context_overlap, sigma, "7")
    totals = [0.0] * frames
    for window, own in zip(found, fuse.shares(*words), strict=True):
        for frame, share in zip(window, own, strict=True):
            totals[frame] += share
    assert all(math.isclose(total, 1.0, rel_tol=1e-9) for total in totals)


POINTS = st.lists(
    st.tuples(st.integers(0, 60), st.floats(-10, 10), st.sampled_from(list(schedules.EASINGS))),
    min_size=1,
    max_size=6,
    unique_by=lambda point: point[0],
)


@quick
@given(POINTS, st.integers(1, 64))
def test_a_schedule_has_its_values_at_its_points_and_stays_between_them(entries, frames):
    points = tuple(schedules.Point(float(place), value, easing) for place, value, easing in entries)
    found = schedules.FrameValues(points).over(frames)
    low, high = min(point.value for point in points), max(point.value for point in points)
    assert len(found) == frames and all(low - 1e-9 <= value <= high + 1e-9 for value in found)
    for point in points:
        if point.position < frames:
            assert math.isclose(found[int(point.position)], point.value, abs_tol=1e-9)
    assert found == schedules.FrameValues(points[::-1]).over(frames)  # the order of writing does not count


@quick
@given(
    st.lists(st.floats(0, 15), min_size=1, max_size=5),
    st.lists(st.floats(0.01, 15), min_size=1, max_size=12),
    st.integers(0, 3),
)
def test_keyframes_take_over_one_after_the_other(starts, levels, guarantee):
    starts, levels = sorted(starts, reverse=True), sorted(levels, reverse=True)
    held = [holding(starts, [guarantee] * len(starts), levels[: step + 1], levels[0]) for step in range(len(levels))]
    assert held == sorted(held) and held[0] >= 0
    for index, level in zip(held, levels, strict=True):
        assert index == 0 or starts[index] >= level  # none before its start
    if guarantee == 0:
        assert held == [max([0, *(i for i in range(1, len(starts)) if starts[i] >= level)]) for level in levels]


FRAMES = st.lists(st.integers(-40, 60), min_size=1, max_size=5, unique=True)


@quick
@given(FRAMES, st.integers(1, 48), st.sampled_from(list(schedules.EASINGS)))
def test_prompts_have_their_frames_and_share_the_others(places, frames, easing):
    stops = [Stop(frame, "") for frame in places]
    for found in (shares(stops, frames, easing), travel.looped_shares(stops, frames, easing)):
        assert len(found) == frames
        assert all(0 <= share <= 1 and max(a, b) < len(stops) for a, b, share in found)
        for index, place in enumerate(places):
            if 0 <= place < frames:
                before, after, share = found[place]
                assert (before, share) == (index, 0.0) or (after, share) == (index, 1.0) or places.count(place - frames)


TABLES = st.lists(st.floats(0.01, 20), min_size=2, max_size=40).map(sorted).map(torch.tensor)


@quick
@given(TABLES, st.floats(0, 1), st.floats(0, 1), st.sampled_from(list(schedules.EASINGS)))
def test_mixed_tables_lie_between_the_two(sigmas, start, end, easing):
    a, b = SigmaTable("a", sigmas), SigmaTable("b", sigmas.flip(0).cumsum(0))
    low, high = torch.minimum(a.sigmas, b.sigmas), torch.maximum(a.sigmas, b.sigmas)
    for found in (weighted(a, b, start), interpolated(a, b, start, end, easing), split(a, b, start)):
        assert (found.sigmas >= low - 1e-3).all() and (found.sigmas <= high + 1e-3).all()
    assert torch.equal(weighted(a, b, 1.0).sigmas, a.sigmas) and torch.equal(split(a, b, 1.0).sigmas, a.sigmas)
    assert torch.equal(split(a, b, 0.0).sigmas, b.sigmas)
    torch.testing.assert_close(interpolated(a, a, start, end, easing).sigmas, a.sigmas)


@quick
@given(st.lists(st.floats(0.01, 20), min_size=1, max_size=20, unique_by=lambda level: round(level, 1)), st.data())
def test_a_part_of_a_schedule_is_found_in_it(levels, data):
    whole = [*sorted(levels, reverse=True), 0.0]
    first = data.draw(st.integers(0, len(whole) - 2))
    assert place_in(whole, whole[first:]) == first
    assert place_in(whole, [level * 1.5 + 40 for level in whole]) is None


WIDTHS = (32, 32, 32, 32)


@quick
@given(st.sampled_from(sorted(set(FAMILIES) - {"hotshot", "pia"})), st.sampled_from(LAYOUTS), st.integers(0, 3))
def test_a_motion_model_goes_there_and_back_in_every_layout(family, layout, seed):
    whole = canonical(motion_state(family, WIDTHS[:3] if family == "sdxl" else WIDTHS, seed))
    again = canonical(model_state(whole, detect(whole), layout))
    assert whole.keys() <= again.keys() and all(torch.equal(again[key], value) for key, value in whole.items())
    assert detect(again).channels == detect(whole).channels


@quick
@given(
    st.sampled_from(LAYOUTS),
    st.sampled_from(["to_q", "to_k", "to_v", "to_out.0"]),
    st.integers(0, 1),
    st.integers(1, 8),
    st.sampled_from([None, 1.0, 4.0, 0.5]),
)
def test_a_lora_goes_there_and_back_in_every_layout(layout, linear, attention, rank, alpha):
    layer = "up_blocks.1.motion_modules.0.temporal_transformer.transformer_blocks.0"
    layer = f"{layer}.attention_blocks.{attention}.{linear}"
    factors = Factors(torch.randn(rank, 12), torch.randn(10, rank), alpha)
    (name,), (found,) = zip(*factors_of(lora_state({layer: factors}, layout)).items(), strict=True)
    assert name in aliases(layer)
    torch.testing.assert_close(found.scale * found.up @ found.down, factors.scale * factors.up @ factors.down)
