"""Blend weights against the incumbent's, and what must hold of all."""

import gzip
import json

import pytest
import torch
from animatediff_native.sampling.windows.blend import Blend
from animatediff_native.sampling.windows.fuse import (
    ALL,
    RELATIVE,
    overlap_linear,
    relative_bias,
    shares,
    together,
    weights,
)
from animatediff_native.sampling.windows.plan import SCHEDULES, WindowPlan, windows
from oracles import DATA

VECTORS = json.loads(gzip.decompress((DATA / "ade_vectors.json.gz").read_bytes()))["fuse_weights"]
FRAMES = 48


def window_at(place: str, length: int) -> list[int]:
    start = {"first": 0, "middle": 5, "last": FRAMES - length}[place]
    return list(range(start, start + length))


def test_the_incumbents_weights():
    known = [v for v in VECTORS if len(v["weights"]) == v["n"]]  # some of its methods fail on odd lengths
    assert len(known) == 67
    for vector in known:
        method = vector["fuse"].lstrip("🔬")
        window = window_at(vector["pos"], vector["n"])
        found = weights(method, window, FRAMES, vector["overlap"], vector["sigma"])
        assert found == pytest.approx(vector["weights"], abs=1e-5), vector


@pytest.mark.parametrize("method", [name for name in ALL if name != RELATIVE])
@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 16])
def test_every_frame_counts(method, length):
    for sigma in (0.0, 1.0, 3.0, 14.6):
        for place in ("first", "middle", "last"):
            found = weights(method, window_at(place, length), FRAMES, min(3, length - 1), sigma)
            assert len(found) == length and min(found) > 0


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_sweep_no_frame_has_weights_that_add_up_to_nothing(method, schedule):
    """As the tensors hold them: float32 for windows, half precision for the shares of views."""
    for length, overlap in ((1, 0), (2, 1), (16, 1), (16, 4), (32, 2), (100, 1)):
        for frames in (length, length + 1, 2 * length + 3):
            plan = WindowPlan(schedule, length, overlap)
            for sigma in (0.0, 0.03, 1.0, 14.6):
                each = windows(plan, frames, 2)
                for found, dtype in ((together, torch.float32), (shares, torch.float16), (shares, torch.bfloat16)):
                    total = torch.zeros(frames, dtype=dtype)
                    for window, own in zip(each, found(method, each, frames, overlap, sigma), strict=True):
                        total[window] += torch.tensor(own, dtype=dtype)
                    assert total.isfinite().all() and total.min() > 1e-30, (length, frames, sigma)
                    assert dtype == torch.float32 or (total - 1).abs().max() < 0.02


def test_the_shares_of_a_frame_keep_its_weights_ratio():
    assert together("pyramid", [[0, 1, 2], [2, 3, 4]], 5, 1, 1.0) == [[1, 2, 1], [1, 2, 1]]
    assert shares("pyramid", [[0, 1, 2], [1, 2, 3]], 4, 2, 1.0) == [[1, 2 / 3, 1 / 3], [1 / 3, 2 / 3, 1]]
    assert together("overlap-linear", [[0, 1], [1, 2]], 3, 1, 1.0) == [[1, 0.5], [0.5, 1]]


@pytest.mark.parametrize("method", ["flat", "pyramid", "pyramid-sigma", "pyramid-sigma inverse", "gauss-sigma"])
def test_symmetry(method):
    for length in (7, 8):
        found = weights(method, window_at("middle", length), FRAMES, 2, 1.0)
        assert found == pytest.approx(found[::-1])


def test_overlap_linear():
    assert overlap_linear(6, 0, first=False, last=False) == [1.0] * 6
    assert overlap_linear(6, 3, first=True, last=True) == [1.0] * 6
    assert overlap_linear(6, 3, first=False, last=True) == pytest.approx([0, 0.5, 1, 1, 1, 1])
    assert overlap_linear(6, 3, first=True, last=False) == pytest.approx([1, 1, 1, 1, 0.5, 0])


def test_relative():
    assert relative_bias([0, 1, 2, 3, 4]) == pytest.approx([0.01, 0.5, 1, 0.5, 0.01], abs=0.01)
    assert relative_bias(range(16))[0] == relative_bias(range(16))[-1] == 0.01


def test_random_weights_come_from_the_seed():
    window = window_at("middle", 8)
    assert weights("random", window, FRAMES, 2, 1.0, seed="3") == weights("random", window, FRAMES, 2, 1.0, seed="3")
    assert weights("random", window, FRAMES, 2, 1.0, seed="3") != weights("random", window, FRAMES, 2, 1.0, seed="4")
    later = [frame + 6 for frame in window]
    assert weights("random", window, FRAMES, 2, 1.0, seed="3") != weights("random", later, FRAMES, 2, 1.0, seed="3")


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="'triangle' is not a fuse_method. Choose one of: pyramid, flat"):
        weights("triangle", [0, 1], FRAMES, 0, 1.0)


def test_of_a_frame_that_a_window_holds_twice_the_last_one_counts():
    assert weights("pyramid", [4, 0, 2, 4, 0], 6, 1, 1.0) == [0.0, 0.0, 3.0, 2.0, 1.0]
    clip, parts = torch.zeros(3, 1, 1, 1), torch.tensor([5.0, 1.0, 2.0, 3.0]).view(4, 1, 1, 1)
    blend = Blend(clip, 1)
    blend.add([1, 0, 2, 1], weights("flat", [1, 0, 2, 1], 3, 1, 1.0), [parts])
    assert blend.clips()[0].flatten().tolist() == [1.0, 3.0, 2.0]
