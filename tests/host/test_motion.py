"""Motion in the host's UNet: where it runs, and that nothing of it stays."""

import gc
import logging
import weakref

import comfy.model_management
import pytest
import torch
from animatediff_native.motion.formats import sites
from animatediff_native.motion.norms import AcrossFrames
from animatediff_native.motion.options import KEY
from animatediff_native.sampling.sigmas.beta_schedules import with_beta_schedule
from clips import FRAMES, animated, latents, motion_model, sample
from comfy.patcher_extension import CallbacksMP, WrappersMP
from unets import unet_model


def structure(model):
    """The UNet's module tree: what stands where."""
    return [(name, id(module), type(module)) for name, module in model.model.named_modules()]


@pytest.mark.parametrize(
    ("family", "arch", "places"),
    [
        ("v1", "sd15", 20),
        ("v2", "sd15", 21),
        ("v3", "sd15", 20),
        ("animatelcm", "sd15", 21),
        ("long", "sd15", 21),
        ("sdxl", "sdxl", 15),
        ("hotshot", "sdxl", 15),
    ],
)
def test_every_family_runs_at_every_place(request, family, arch, places):
    model, motion = request.getfixturevalue(arch), motion_model(family)
    runs = []
    for site, module in motion.model.sites().items():
        module.register_forward_hook(lambda *_, site=site: runs.append(site))
    moved = sample(animated(model, motion), steps=1)
    assert runs == list(sites(motion.model.format))  # each once (cond and uncond in one call), in the UNet's order
    assert len(runs) == places
    assert not torch.allclose(moved, sample(model, steps=1), atol=1e-2)
    assert moved.isfinite().all()


@pytest.mark.parametrize("family", ["v1", "v2", "v3"])
def test_zeroed_output_projections_are_bit_equal_to_no_motion(sd15, family):
    still = motion_model(family, still=True)
    norms = "as ADE" if family != "v1" else None  # v1's ResBlocks average over frames whatever its modules do
    if norms:
        assert torch.equal(sample(animated(sd15, still, norms=norms)), sample(sd15))
    else:
        moving = sample(animated(sd15, motion_model(family)))
        assert not torch.equal(sample(animated(sd15, still)), moving)


def test_effect_zero_is_bit_equal_to_no_motion(sd15):
    assert torch.equal(sample(animated(sd15, motion_model(), effect=0.0)), sample(sd15))


def test_effect_mixes_the_module_with_its_input(sd15):
    motion = motion_model()
    site = motion.model.sites()["down_blocks.0.motion_modules.0"]
    pairs = []
    site.register_forward_hook(lambda _, inputs, output: pairs.append((inputs[0], output)))
    after = []
    model = animated(sd15, motion, effect=0.25)
    model.set_model_input_block_patch(
        lambda h, options: after.append(h) or h if options["block"] == ("input", 1) else h
    )
    sample(model, steps=1)
    x, moved = pairs[0]
    assert torch.allclose(after[0], 0.75 * x + 0.25 * moved, atol=1e-5)
    assert not torch.allclose(after[0], moved, atol=1e-2)


def test_motion_scale_changes_the_clip(sd15):
    assert not torch.allclose(
        sample(animated(sd15, motion_model())), sample(animated(sd15, motion_model(), motion_scale=1.4)), atol=1e-3
    )


def test_range_of_percents(sd15, motion):
    whole = sample(animated(sd15, motion_model()), steps=4)
    first = sample(animated(sd15, motion.patcher, end_percent=0.5), steps=4)
    assert 0 < motion.runs_of_every_site() < 4
    assert not torch.equal(first, whole)
    motion.runs.clear()
    assert torch.equal(sample(animated(sd15, motion.patcher, start_percent=1.0), steps=4), sample(sd15, steps=4))
    assert motion.runs_of_every_site() == 0


def test_v1_normalises_the_resblocks_across_frames_only_while_it_runs(sd15):
    before = structure(sd15)
    moved = sample(animated(sd15, motion_model("v1")))
    assert structure(sd15) == before
    assert not torch.allclose(moved, sample(animated(sd15, motion_model("v1"), norms="as diffusers")), atol=1e-2)


def test_as_ade_every_norm_of_the_unet_averages_over_frames(sd15):
    unet, inside = sd15.model.diffusion_model, set()
    norms = {module for module in unet.modules() if isinstance(module, torch.nn.GroupNorm)}

    def note(q, k, v, extra):
        inside.update(module.norm for module in unet.modules() if isinstance(module, AcrossFrames))
        return q, k, v

    model = animated(sd15, motion_model("v1"), norms="as ADE")
    model.set_model_attn1_patch(note)
    sample(model, steps=1)
    assert inside == norms


@pytest.mark.parametrize("family", ["v1", "v3"])
def test_the_plain_model_is_bit_equal_after_a_motion_run(sd15, family):
    before, tree = sample(sd15), structure(sd15)
    sample(animated(sd15, motion_model(family)))
    assert structure(sd15) == tree
    assert KEY not in sd15.wrappers.get(WrappersMP.APPLY_MODEL, {})
    assert torch.equal(sample(sd15), before)


class Stop(BaseException):
    """As the host's InterruptProcessingException: not an Exception."""


@pytest.mark.parametrize("error", [RuntimeError, comfy.model_management.InterruptProcessingException, Stop])
@pytest.mark.parametrize("family", ["v1", "v3"])
def test_the_plain_model_is_bit_equal_after_a_run_that_broke(sd15, family, error):
    before, tree = sample(sd15), structure(sd15)
    motion = motion_model(family)
    whole = sample(animated(sd15, motion))
    hook = motion.model.sites()["up_blocks.1.motion_modules.1"].register_forward_hook(
        lambda *_: (_ for _ in ()).throw(error())
    )
    with pytest.raises(error):
        sample(animated(sd15, motion))
    assert structure(sd15) == tree
    assert torch.equal(sample(sd15), before)
    hook.remove()
    assert torch.equal(sample(animated(sd15, motion)), whole)


def test_the_same_run_twice_gives_the_same_bits(sd15):
    model = animated(sd15, motion_model())
    assert torch.equal(sample(model), sample(model))


def test_one_frame_is_bit_equal_to_the_plain_model(sd15, motion, caplog):
    with caplog.at_level(logging.INFO, "animatediff"):
        one = sample(animated(sd15, motion.patcher), frames=1)
    assert torch.equal(one, sample(sd15, frames=1))
    assert not motion.runs and "One frame" in caplog.text
    with_schedule = with_beta_schedule(animated(sd15, motion.patcher), "AnimateDiff SD1.5")
    assert torch.equal(sample(with_schedule, frames=1), sample(with_beta_schedule(sd15, "AnimateDiff SD1.5"), frames=1))


def test_few_frames_warn_and_run(sd15, motion, caplog):
    sample(animated(sd15, motion.patcher), frames=4)
    assert motion.runs_of_every_site() == 2
    assert "4 frames are few" in caplog.text


def test_as_many_frames_as_the_model_holds(sd15):
    assert sample(animated(sd15, motion_model("v1")), frames=24, steps=1).isfinite().all()


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float8_e4m3fn, torch.float8_e5m2]
)
@pytest.mark.parametrize("motion_dtype", [torch.float16, torch.float32])
def test_dtypes_of_the_unet(dtype, motion_dtype):
    model = unet_model(dtype=dtype)
    moved = sample(animated(model, motion_model(dtype=motion_dtype)))
    assert moved.isfinite().all() and moved.dtype == torch.float32
    assert not torch.allclose(moved, sample(model), atol=1e-2)


def test_memory_is_given_back(sd15):
    motion = motion_model()
    model = animated(sd15, motion)
    sample(model)
    loaded = [entry.model for entry in comfy.model_management.current_loaded_models]
    assert any(patcher.model is motion.model for patcher in loaded)  # the host knows it, so the host can unload it
    freed = weakref.ref(motion.model)
    del motion, model, loaded
    comfy.model_management.unload_all_models()
    gc.collect()
    assert freed() is None


@pytest.mark.parametrize("share", [0.5, 1.0], ids=["lowvram", "novram"])
def test_weights_that_stay_behind(sd15, share):
    """The host's low-VRAM loading, half or nothing loaded: each layer's weights are cast when it runs."""
    motion = motion_model()
    whole = sample(animated(sd15, motion))
    left = []

    def unload(patcher):
        for each in (patcher, *patcher.get_additional_models()):
            each.partially_unload(each.offload_device, int(each.model_size() * share))
            left.append(each.loaded_size() / each.model_size())

    model = animated(sd15, motion)
    model.add_callback(CallbacksMP.ON_PRE_RUN, unload)
    assert torch.equal(sample(model), whole)
    assert len(left) == 2 and max(left) < 1.01 - share


def test_image_to_image_and_masks(sd15, motion):
    start = latents(seed=4)
    model = animated(sd15, motion.patcher)
    half = sample(model, latent_image=start, steps=4, denoise=0.5)
    assert motion.runs_of_every_site() == 4
    assert not torch.allclose(half, sample(sd15, latent_image=start, steps=4, denoise=0.5), atol=1e-2)
    mask = torch.zeros(FRAMES, 1, 16, 16)
    mask[..., 8:] = 1
    inpainted = sample(model, latent_image=start, noise_mask=mask)
    assert torch.allclose(inpainted[..., :7], start[..., :7], atol=1e-4)
    assert not torch.allclose(inpainted[..., 9:], sample(sd15, latent_image=start, noise_mask=mask)[..., 9:], atol=1e-2)
