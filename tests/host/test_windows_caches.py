"""EasyCache and LazyCache with windows and iterations: each window, and each iteration, has a cache of its own."""

import gc
import logging
import re

import pytest
import torch
from animatediff_native.sampling.iterations import Iterations, with_iterations
from animatediff_native.sampling.noise.freeinit import FreeInit
from animatediff_native.sampling.references.settings import Links, Reference
from animatediff_native.sampling.windows.caches import Kept, held, kept_for
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import BATCHED, STANDARD_STATIC, WindowPlan, windows
from animatediff_native.sampling.windows.presets import preset
from clips import animated, latents, motion_model, sample
from comfy.patcher_extension import WrappersMP
from comfy_extras.nodes_easycache import EasyCacheHolder, EasyCacheNode, LazyCacheNode
from oracles import relative_error

APART = WindowPlan(BATCHED, 4, 0, fuse_method="flat")
"""Windows that share no frame: each is a clip of its own."""


def easy(model, threshold: float = 0.3):
    return EasyCacheNode.execute(model, threshold, 0.0, 1.0, False).args[0]


def lazy(model, threshold: float = 0.3):
    return LazyCacheNode.execute(model, threshold, 0.0, 1.0, False).args[0]


def halves():
    """Noise of two windows, the second one's fainter: at this threshold one skips two steps, the other one."""
    return torch.cat([latents(4, 8, 8, 7), 0.1 * latents(4, 8, 8, 7)])


def clip(model, start):
    return sample(model, noise=start, latent_image=torch.zeros_like(start), steps=6)


def seen_by_unet(model, start) -> tuple[list[tuple], torch.Tensor]:
    """(the frames of each call that the UNet's blocks got, the clip)"""
    seen = []

    def note(emb, channels, options):
        seen.append(tuple(options["ad_params"]["sub_idxs"]))
        return emb

    model = model.clone()
    model.set_model_emb_patch(note)
    return seen, clip(model, start)


@pytest.fixture
def skipped(caplog):
    """What the host's log says: steps that were skipped, run by run."""
    caplog.set_level(logging.INFO)
    return lambda: [float(each) for each in re.findall(r"skipped ([\d.]+)/", caplog.text)]


@pytest.mark.parametrize("order", ["cache last", "cache first"])
def test_each_window_is_cached_as_if_it_were_alone(sd15, skipped, order):
    motion = motion_model()
    alone = animated(sd15, motion)
    if order == "cache last":
        together = easy(with_windows(alone, APART))
    else:
        together = with_windows(animated(easy(sd15), motion), APART)
    expected = torch.cat([clip(easy(alone), half) for half in halves().split(4)])
    assert torch.allclose(clip(together, halves()), expected, atol=1e-3)
    assert skipped() == [2, 1, 1.5]


@pytest.mark.parametrize(
    ("plan", "frames"),
    [
        (WindowPlan(STANDARD_STATIC, 6, 1), 14),
        (preset("stable", 6), 14),
        (preset("loop", 6), 14),
        (preset("long", 6), 30),
    ],
    ids=["static", "stable", "loop", "long"],
)
def test_windows_change_no_more_by_it_than_one_clip(sd15, skipped, plan, frames):
    """Also where windows move from step to step: what is kept goes with the frames."""
    alone = animated(sd15, motion_model())
    start = latents(frames, 8, 8, 7)
    of_one = relative_error(clip(easy(alone), start[:6]), clip(alone, start[:6]))
    model = with_windows(alone, plan)
    of_windows = relative_error(clip(easy(model), start), clip(model, start))
    assert skipped()[1] >= 1
    assert 0 < of_windows < 1.5 * of_one


def test_one_window_of_all_frames_is_cached_as_none(sd15):
    alone = animated(sd15, motion_model())
    one = WindowPlan(STANDARD_STATIC, 4, 2, fuse_method="flat", use_on_equal_length=True)
    start = halves()[:4]
    assert torch.equal(clip(easy(with_windows(alone, one)), start), clip(easy(alone), start))


def test_windows_in_one_call_are_skipped_together(sd15, skipped):
    alone = animated(sd15, motion_model())
    half = halves()[:4]
    both = clip(easy(with_windows(alone, APART, windows_per_call=2)), torch.cat([half, half]))
    assert torch.allclose(both, torch.cat([clip(easy(alone), half)] * 2), atol=1e-3)
    assert skipped() == [2, 2]


@pytest.mark.parametrize("cache", [easy, lazy])
@pytest.mark.parametrize("plan", [None, APART])
def test_each_iteration_begins_anew(sd15, skipped, cache, plan):
    model = cache(animated(sd15, motion_model()))
    model = model if plan is None else with_windows(model, plan)
    runs = []

    def keep(executor, guider, sigmas, extra_args, callback, start, latent_image, *others, **words):
        result = executor(guider, sigmas, extra_args, callback, start, latent_image, *others, **words)
        runs.append((start.clone(), result.clone()))
        return result

    twice = with_iterations(model, Iterations(2, FreeInit()))
    twice.add_wrapper_with_key(WrappersMP.SAMPLER_SAMPLE, "keep", keep)
    clip(twice, halves()[: 4 if plan is None else 8])
    for start, result in runs:
        assert torch.allclose(clip(model, start) * 0.18215, result, atol=1e-3)
    both, first, second = skipped()
    assert both == pytest.approx((first + second) / 2, abs=0.01)
    assert first > 0


@pytest.mark.parametrize("plan", [APART, preset("loop", 4)], ids=["apart", "loop"])
def test_lazycache_skips_the_whole_clip(sd15, skipped, plan):
    """Also where windows move: it keeps nothing of theirs."""
    seen, _ = seen_by_unet(lazy(with_windows(animated(sd15, motion_model()), plan)), halves())
    count, computed = len(windows(plan, 8)), 6 - skipped()[0]
    assert computed < 6 and len(seen) == count * computed
    for number in range(0, len(seen), count):
        assert set().union(*seen[number : number + count]) == set(range(8))


def test_nothing_is_skipped_while_windows_refer_to_each_other(sd15, skipped, caplog):
    model = with_windows(animated(sd15, motion_model()), APART, links=Links(Reference(end_percent=1.0)))
    assert torch.equal(clip(easy(model), halves()), clip(model, halves()))
    assert skipped() == [0]
    assert caplog.text.count("EasyCache skips no step while ContextRef is at work.") == 1


def test_nothing_is_kept_after_a_run(sd15):
    clip(easy(with_windows(animated(sd15, motion_model()), APART)), halves())
    gc.collect()
    left = [each for each in gc.get_objects() if type(each) is EasyCacheHolder]
    assert not any(each.uuid_cache_diffs or each.has_x_prev_subsampled() for each in left)


def holder(frames, mark: int):
    """A holder whose rows are (mark, frame), and whose rate is the mark."""
    found = EasyCacheHolder(0.2, 0.15, 0.95, 8, False, output_channels=4)
    rows = torch.tensor([[mark, frame] for frame in frames])
    found.first_cond_uuid, found.uuid_cache_diffs = "cond", {"cond": rows, "uncond": rows + 100}
    found.x_prev_subsampled, found.output_prev_subsampled = rows, rows
    found.relative_transformation_rate, found.cumulative_change_rate = torch.tensor(mark), torch.tensor(0.5)
    return found


def kept(*windows) -> list[Kept]:
    return [
        Kept([(number, frame) for frame in window], holder(window, number), 0) for number, window in enumerate(windows)
    ]


def test_what_is_kept_goes_with_the_frames():
    before = kept(range(0, 4), range(3, 7), range(6, 9))
    found = held(before, [(1, frame) for frame in (2, 3, 4, 5, 6)])
    expected = [[0, 2], [1, 3], [1, 4], [1, 5], [1, 6]]
    assert found.uuid_cache_diffs["cond"].tolist() == found.x_prev_subsampled.tolist() == expected
    assert found.uuid_cache_diffs["uncond"].tolist() == [[mark + 100, frame + 100] for mark, frame in expected]
    assert float(found.relative_transformation_rate) == 1
    found.cumulative_change_rate += 1
    found.uuid_cache_diffs["cond"] = None
    assert float(before[1].holder.cumulative_change_rate) == 0.5
    assert before[1].holder.uuid_cache_diffs["cond"] is not None
    assert held(before, before[1].places) is before[1].holder


def test_a_frame_of_which_nothing_is_known_is_computed():
    before = kept(range(0, 4), range(3, 7))
    pristine = EasyCacheHolder(0.2, 0.15, 0.95, 8, False, output_channels=4)
    (found,) = kept_for(before, pristine, [[[5, 6, 7]]])
    assert found.holder is not pristine and found.holder.uuid_cache_diffs == {}
    found.holder.uuid_cache_diffs["cond"] = 1
    assert pristine.uuid_cache_diffs == {}
    del before[1].holder.uuid_cache_diffs["uncond"]
    assert held(before, [(0, frame) for frame in (1, 2, 3, 4)]) is None
