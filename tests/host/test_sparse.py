"""SparseCtrl through the host's own Apply ControlNet: which frames see which picture, and what is beside it."""

import gc
import weakref
from contextlib import suppress

import comfy.context_windows
import comfy.controlnet
import comfy.model_management
import comfy.t2i_adapter.adapter
import pytest
import torch
from animatediff_native.sampling.pieces import sample_piece
from animatediff_native.sampling.values.schedules import FrameValues, Region, parsed, step_values
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import STANDARD_STATIC, WindowPlan
from clips import animated, controlnet, latents, motion_model
from i2v import pictures, small_vae
from oracles import relative_error
from sparse_runs import Hints, applied, clip, found_by_the_loader, loaded, plain
from unets import SD15_CHANNELS, unet_model

STATIC = WindowPlan(STANDARD_STATIC, 8, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with found_by_the_loader(tmp_path_factory.mktemp("controlnet")) as folder:
        yield folder


@pytest.fixture(scope="module")
def model(sd15):
    return animated(sd15, motion_model())


@pytest.mark.parametrize("kind", ["rgb", "scribble"])
def test_pictures_change_the_clip(model, folder, kind):
    without = plain(model)
    found = clip(model, applied(loaded(kind, "0, -1"), pictures(2, 64, 64)))
    other = clip(model, applied(loaded(kind, "0, 4"), pictures(2, 64, 64)))
    assert relative_error(found, without) > 1e-2 and relative_error(found, other) > 1e-3


def test_at_strength_0_there_is_no_picture(model, folder):
    without = plain(model, steps=2)
    assert torch.equal(clip(model, applied(loaded(), strength=0.0), steps=2), without)
    nowhere = loaded(strength_schedule=FrameValues(parsed("0: 0")))
    with Hints(nowhere) as hints:
        assert torch.equal(clip(model, applied(nowhere), steps=2), without)
    assert not hints.masks


def test_a_part_of_the_sampling(model, folder):
    """Out of its range the run is the plain one; from the middle on it is not."""
    without = plain(model, steps=4)
    with Hints(control := loaded()) as hints:
        assert torch.equal(clip(model, applied(control, span=(0.45, 0.55)), steps=4), without)
        assert not hints.masks
        assert not torch.equal(clip(model, applied(control, span=(0.5, 1.0)), steps=4), without)
        assert 0 < len(hints.masks) < 4


def test_a_picture_is_encoded_once_a_run(model, folder):
    vae, encoded = small_vae(), []
    encode = vae.encode
    vae.encode = lambda pixels: encoded.append(len(pixels)) or encode(pixels)
    control = loaded(frames="0, -1")
    conds = applied(control, pictures(2, 64, 64), vae=vae)
    clip(with_windows(model, STATIC), conds, 20, steps=3)
    assert encoded == [2]
    clip(model, conds, latent_image=latents(8, 8, 12))
    assert encoded == [2, 2], "another size is encoded anew"


@pytest.mark.parametrize("per_call", [1, 2])
def test_windows(model, folder, per_call):
    """Each window sees its own pictures, or the nearest one; -1 is the last frame of the clip."""
    windows = with_windows(model, STATIC, windows_per_call=per_call)
    control = loaded(frames="1, -1")
    with Hints(control) as hints:
        clip(windows, applied(control, pictures(2, 64, 64)), 20)
    rows = {1: [[1], [0], [7]], 2: [[1, 8], [7]]}
    assert hints.shown() == rows[per_call]
    nothing = loaded(frames="1, -1", without_picture="nothing")
    with Hints(nothing) as hints:
        clip(windows, applied(nothing, pictures(2, 64, 64)), 20)
    rows = {1: [[1], [], [7]], 2: [[1], [7]]}
    assert hints.shown() == rows[per_call]


def test_windows_of_one_call_are_those_of_several(model, folder):
    conds = applied(loaded(frames="1, -1"), pictures(2, 64, 64))
    one, two = (clip(with_windows(model, STATIC, windows_per_call=count), conds, 20) for count in (1, 2))
    assert relative_error(one, two) < 1e-5


def test_a_picture_acts_where_its_window_is(model, folder):
    """Another second picture changes the frames of the last window, and not one frame before."""
    first, last, other = pictures(3, 64, 64).split(1)
    words = {"frames": "0, -1", "without_picture": "nothing"}
    a, b = (
        clip(with_windows(model, STATIC), applied(loaded(**words), torch.cat([first, end])), 20)
        for end in (last, other)
    )
    changed = [not torch.equal(x, y) for x, y in zip(a, b, strict=True)]
    assert changed == [False] * 12 + [True] * 8


def test_the_hosts_own_context_windows(sd15, folder):
    """Without a motion model, and with the frame before each window that its node adds."""
    model = sd15.clone()
    handler = comfy.context_windows.IndexListContextHandler(
        comfy.context_windows.get_matching_context_schedule("standard_static"),
        comfy.context_windows.get_matching_fuse_method("flat"),
        context_length=8,
        context_overlap=2,
        dim=0,
    )
    model.model_options["context_handler"] = handler
    before = getattr(handler, "causal_window_fix", False)
    control = loaded(frames="1, -1")
    with Hints(control) as hints:
        clip(model, applied(control, pictures(2, 64, 64)), 20)
    assert hints.shown() == [[1], [0], [7 + before]]


def test_a_clip_that_goes_on(model, folder):
    """Frames count in the whole clip, also where its beginning is done."""
    control = loaded(frames="0, -1")
    positive, negative = applied(control, pictures(2, 64, 64))
    words = {"steps": 1, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal"}
    with Hints(control) as hints, torch.inference_mode():
        whole, _ = sample_piece(
            with_windows(model, STATIC),
            {"samples": latents(8, 8, 8)},
            latents(8, 8, 8, seed=3),
            11,
            positive,
            negative,
            **words,
        )
    assert len(whole) == 16 and hints.shown()[-1] == [7]


def test_it_is_chained_with_other_controlnets(model, folder):
    """In any order, and each counts."""
    hint = pictures(8, 64, 64, seed=2)
    sparse, other = loaded(), controlnet()
    one = clip(model, applied(other, hint, conds=applied(sparse)))
    two = clip(model, applied(sparse, conds=applied(other, hint)))
    assert relative_error(one, two) < 1e-5
    for alone in (applied(sparse), applied(other, hint)):
        assert relative_error(one, clip(model, alone)) > 1e-2


def test_it_is_chained_with_a_t2i_adapter(model, folder):
    net = comfy.t2i_adapter.adapter.Adapter(
        cin=192, channels=list(SD15_CHANNELS), nums_rb=1, ksize=1, sk=True, xl=False
    )
    generator = torch.Generator().manual_seed(4)
    for parameter in net.requires_grad_(False).parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    adapter = comfy.controlnet.T2IAdapter(net, 3, 8, "nearest-exact", device=torch.device("cpu"))
    hint = pictures(1, 64, 64, seed=2)
    both = clip(model, applied(adapter, hint, conds=applied(loaded())))
    turned = clip(model, applied(loaded(), conds=applied(adapter, hint)))
    assert relative_error(both, turned) < 1e-5
    for alone in (applied(loaded()), applied(adapter, hint)):
        assert relative_error(both, clip(model, alone)) > 1e-3


def test_a_strength_over_frames_regions_and_the_sampling(sd15, folder):
    """Without motion of the UNet or of its own, frames do not meet."""
    still = {"effect": 0.0, "frames": "0, 1, 2, 3, 4, 5, 6, 7"}
    image = pictures(8, 64, 64)
    full, without = clip(sd15, applied(loaded(**still), image)), plain(sd15)
    half = loaded(strength_schedule=FrameValues(parsed("0: 1, 4: 0 jump")), **still)
    found = clip(sd15, applied(half, image))
    assert torch.allclose(found[:4], full[:4], atol=1e-5) and torch.allclose(found[4:], without[4:], atol=1e-5)
    left = torch.zeros(1, 8, 8)
    left[..., :4] = 1
    region = clip(sd15, applied(loaded(strength_schedule=Region(left, 1.0), **still), image))
    assert not torch.allclose(region, full, atol=1e-2) and not torch.allclose(region, without, atol=1e-2)
    late = loaded(strength_schedule=step_values("0%: 0\n50%: 1 jump"), **still)
    with Hints(late) as hints:
        clip(sd15, applied(late, image), steps=4)
    assert 0 < len(hints.masks) < 4


def test_its_motion_modules(sd15, folder):
    """Scale and effect act; without them a frame is what it is alone."""
    image = pictures(1, 64, 64)
    clips = [
        clip(sd15, applied(loaded(frames="4", **words), image))
        for words in ({}, {"motion_scale": 1.5}, {"effect": 0.5}, {"effect": 0.0})
    ]
    assert all(relative_error(clips[0], other) > 1e-4 for other in clips[1:])
    other = clip(sd15, applied(loaded(frames="5", effect=0.0), image))
    same = [torch.allclose(a, b, atol=1e-5) for a, b in zip(clips[3], other, strict=True)]
    assert same == [index not in (4, 5) for index in range(8)]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(folder, dtype):
    image = pictures(2, 64, 64)
    found = []
    for each in (torch.float32, dtype):
        model = animated(unet_model(dtype=each), motion_model())
        found.append(clip(model, applied(loaded("scribble", "0, -1"), image)))
    assert found[1].isfinite().all()
    assert relative_error(found[1], found[0]) < (0.02 if dtype == torch.float16 else 0.1)


def test_it_is_loaded_and_left_by_the_host(model, folder):
    control = loaded()
    conds = applied(control)
    (mine,) = conds[0][0][1]["control"].get_models()
    assert mine is control.patcher
    clip(model, conds)
    held = conds[0][0][1]["control"]
    assert not held.fitted and held.model is None and held.timestep_range is None


def test_a_run_that_was_stopped_keeps_no_checkpoint(folder):
    """The host cleans up ControlNets behind finished runs only, and keeps their conditioning in its cache."""

    def stop(*_):
        raise RuntimeError("stopped")

    conds = applied(loaded())
    with suppress(RuntimeError):
        clip(model := animated(unet_model(), motion_model()), conds, callback=stop)
    left = weakref.ref(model.model.diffusion_model)
    comfy.model_management.unload_all_models()
    del model
    gc.collect()
    assert conds[0][0][1]["control"].timestep_range and left() is None


def test_advanced_controlnet_does_not_take_it_for_its_own(folder):
    assert not hasattr(loaded(), "sub_idxs") and loaded().cond_hint_original is None
