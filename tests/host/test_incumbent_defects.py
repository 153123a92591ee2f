"""What fails or gives wrong pictures in ComfyUI-AnimateDiff-Evolved is right here.

Each docstring says what happens there. Rows that other tests hold already are not repeated.
"""

import random

import comfy.model_management
import comfy.model_patcher
import comfy.sample
import comfy.samplers
import comfy.supported_models
import numpy
import pytest
import torch
from animatediff_native.motion.settings import BlockStrength, Keyframe
from animatediff_native.nodes.compat.extras import with_scale_factor
from animatediff_native.sampling.noise.draw import ADD, REPLACE, Draw, Layer
from animatediff_native.sampling.run import chosen_noise, noise_options, with_noise
from animatediff_native.sampling.values.keyframes import Keyframes
from animatediff_native.sampling.values.schedules import FrameValues, Region, parsed
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import BATCHED, STANDARD_STATIC, WindowPlan, windows
from clips import animated, conditioning, first, latents, motion_model, sample
from comfy.patcher_extension import WrappersMP
from comfy_extras import nodes_custom_sampler, nodes_perpneg
from unets import SD15, unet_model, unet_shapes
from weights import filled

WINDOWS = WindowPlan(STANDARD_STATIC, 8, 4)
FRAMES = 12


def test_block_strengths_survive_a_clone_of_the_model(sd15):
    """There a LoRA or FreeU node behind the motion node drops them, and all blocks run at full strength."""
    off = animated(sd15, motion_model(), blocks=(BlockStrength(effect=0.0),))
    keyed = animated(sd15, motion_model(), keyframes=Keyframes((Keyframe(0.0, blocks=(BlockStrength(effect=0.0),)),)))
    plain = sample(sd15, steps=1)
    for model in (off, keyed):
        assert torch.equal(sample(model.clone().clone(), steps=1), plain)


def dual_model(model):
    words = {"model": model, "model_negative": model, "positive": conditioning(1), "negative": conditioning(2)}
    return nodes_custom_sampler.DualModelGuider.execute(**words, cfg=4.0)


GUIDERS = {
    "CFGGuider": lambda m: nodes_custom_sampler.CFGGuider.execute(m, conditioning(1), conditioning(2), 4.0),
    "DualCFGGuider": lambda m: nodes_custom_sampler.DualCFGGuider.execute(
        m, conditioning(1), conditioning(3), conditioning(2), 4.0, 3.0, "regular"
    ),
    "PerpNegGuider": lambda m: nodes_perpneg.PerpNegGuider.execute(
        m, conditioning(1), conditioning(2), conditioning(4), 4.0, 0.5
    ),
}
if hasattr(nodes_custom_sampler, "DualModelGuider"):
    GUIDERS["DualModelGuider"] = dual_model


def guided(name: str, model, frames: int = FRAMES, steps: int = 1):
    guider = first(GUIDERS[name](model))
    sigmas = comfy.samplers.calculate_sigmas(guider.model_patcher.get_model_object("model_sampling"), "normal", steps)
    with torch.inference_mode():
        sampler = comfy.samplers.sampler_object("euler")
        return guider.sample(latents(frames, seed=3), latents(frames), sampler, sigmas, seed=3)


NEVER = {
    "keyframes": {"keyframes": Keyframes((Keyframe(0.0, effect=0.0),))},
    "start_percent": {"start_percent": 1.0},
}


@pytest.mark.parametrize("name", GUIDERS)
def test_guiders_know_keyframes_ranges_and_windows(sd15, motion, name):
    """There DualCFGGuider, PerpNegGuider and DualModelGuider leave keyframes and ranges out, and fail with windows."""
    plain = guided(name, sd15, 8)
    for words in NEVER.values():
        assert torch.equal(guided(name, animated(sd15, motion_model(), **words), 8), plain)
    guided(name, animated(sd15, motion.patcher), 8)
    whole = motion.runs_of_every_site()
    guided(name, animated(sd15, motion.patcher, end_percent=0.4), 8, steps=2)
    assert motion.runs_of_every_site() == 2 * whole  # the first of two steps
    still = with_windows(animated(sd15, motion_model(), effect=0.0), WINDOWS)
    assert torch.allclose(guided(name, still), guided(name, sd15), atol=1e-3)
    lengths = []
    moving = with_windows(animated(sd15, motion_model()), WINDOWS)
    moving.set_model_attn2_patch(lambda q, k, v, extra: (lengths.append(extra["ad_params"]["sub_idxs"]), (q, k, v))[1])
    assert guided(name, moving).isfinite().all()
    assert {tuple(found) for found in lengths} == {tuple(window) for window in windows(WINDOWS, FRAMES)}


def evaluated_by_another_pack(called: list):
    def evaluate(arguments):
        called.append("calc_cond_batch")
        options = {key: value for key, value in arguments["model_options"].items() if key not in OWN}
        return comfy.samplers.calc_cond_batch(
            arguments["model"], arguments["conds"], arguments["input"], arguments["sigma"], options
        )

    return evaluate


OWN = ("sampler_calc_cond_batch_function",)


@pytest.mark.parametrize("plan", [None, WINDOWS], ids=["whole", "windows"])
def test_other_packs_functions_around_the_guidance_are_called(sd15, plan):
    """There `sampler_pre_cfg_function` (APG, FreSca) and `sampler_calc_cond_batch_function` are silently left out."""
    model = animated(sd15, motion_model())
    model = with_windows(model, plan) if plan else model
    expected = sample(model, FRAMES, steps=1)
    called = []
    model.set_model_sampler_pre_cfg_function(lambda arguments: called.append("pre_cfg") or arguments["conds_out"])
    model.set_model_sampler_calc_cond_batch_function(evaluated_by_another_pack(called))
    assert torch.equal(sample(model, FRAMES, steps=1), expected)
    assert called == ["calc_cond_batch", "pre_cfg"]


def norm_runs(motion, across: list):
    """Notes for each run of a motion module whether its norm averaged over frames."""
    for module in motion.model.sites().values():
        module.register_forward_pre_hook(lambda _, inputs: across.append(inputs[1].norm_across_frames))
    return motion


def test_each_motion_model_of_a_chain_has_its_own_norms(sd15):
    """There the newest motion model decides for all: v1 and v3 in one chain give one of them the wrong norms."""
    for order in (("v1", "v3"), ("v3", "v1")):
        seen = {"v1": [], "v3": []}
        model = sd15
        for family in order:
            model = animated(model, norm_runs(motion_model(family), seen[family]), norms="as ADE")
        sample(model, steps=1)
        assert seen == {"v1": [True] * 20, "v3": [False] * 20}


def test_the_unets_norms_are_v1s_only_while_v1_runs(sd15):
    """As above: once v1's range is over, v3 has the norms that it was trained with, at either place in the chain."""
    v1, v3 = motion_model("v1"), motion_model("v3", seed=2)
    alone = animated(sd15, v3)
    for model in (animated(animated(sd15, v1, start_percent=1.0), v3), animated(alone, v1, start_percent=1.0)):
        assert torch.equal(sample(model), sample(alone))


def test_sdxl_models_are_normalised_frame_by_frame(sdxl):
    """There AnimateDiff-SDXL's UNet averages over frames, against the code that it was trained with."""
    still = motion_model("sdxl", still=True)
    assert torch.equal(sample(animated(sdxl, still), steps=1), sample(sdxl, steps=1))


@pytest.mark.parametrize("frames", [20, 22])
def test_a_shorter_last_window_is_a_clip_of_its_own(sd15, frames):
    """There v1's norms divide by zero (a last window of 2), or mix cond and uncond (of 4)."""
    model = animated(sd15, motion_model("v1"))
    clip = sample(with_windows(model, WindowPlan(BATCHED, 8, 0)), frames, steps=1)
    noise = comfy.sample.prepare_noise(latents(frames), 11)
    last = sample(model, frames - 16, steps=1, noise=noise[16:])
    assert torch.allclose(clip[16:], last, atol=1e-3)


def regions():
    left = torch.zeros(1, 16, 16)
    left[..., :8] = 1
    return {
        "area": conditioning(1, area=(16, 8, 0, 0), strength=1.0) + conditioning(3),
        "mask": conditioning(1, mask=left, mask_strength=1.0) + conditioning(3),
    }


@pytest.mark.parametrize("what", ["effect", "motion_scale"])
@pytest.mark.parametrize("kind", ["area", "mask"])
def test_regional_prompts_go_with_strengths_over_frames(sd15, kind, what):
    """There the shapes do not fit. A motion scale of frames without effect changes nothing in them."""
    positive = regions()[kind]
    values = FrameValues(parsed("0: 1, 4: 0 jump"))
    words = {"effect": values} if what == "effect" else {"motion_scale": FrameValues(parsed("0: 1, 7: 1.5"))}
    clip = sample(animated(sd15, motion_model(), **words), steps=1, positive=positive)
    plain = sample(sd15, steps=1, positive=positive)
    if what == "effect":
        assert torch.allclose(clip[4:], plain[4:], atol=1e-4)
    assert not torch.allclose(clip[:4], plain[:4], atol=1e-1)
    whole = sample(animated(sd15, motion_model()), steps=1, positive=positive)
    assert clip.isfinite().all() and not torch.allclose(clip, whole, atol=1e-2)


@pytest.mark.parametrize("size", [(16, 8), (99, 99)], ids=["to the edge", "beyond it"])
def test_a_mask_for_motion_keeps_its_place_under_an_area(sd15, size):
    """There the shapes do not fit. The motion's mask lies on the picture, not on each prompt's area."""
    left = torch.zeros(1, 16, 16)
    left[..., :8] = 1
    positive = conditioning(1, area=(*size, 0, 8), strength=1.0)
    words = {"steps": 1, "cfg": 1.0, "positive": positive}
    masked = sample(animated(sd15, motion_model(), effect=Region(left, 1.0)), **words)
    plain = sample(sd15, **words)
    assert torch.allclose(masked[..., 8:], plain[..., 8:], atol=1e-4)


def test_chosen_noise_is_the_hosts_for_latents_of_16_bits(sd15):
    """There the generator draws in the latents' dtype, which gives other numbers than the host's."""
    half = latents(8).half()
    seen = []
    model = with_noise(sd15, Layer(Draw(seed_offset=4), REPLACE))
    model.add_wrapper_with_key(
        WrappersMP.SAMPLER_SAMPLE,
        "spy",
        lambda executor, guider, sigmas, extra, callback, noise, *others, **words: (
            seen.append(noise.clone()) or executor(guider, sigmas, extra, callback, noise, *others, **words)
        ),
    )
    sample(model, steps=1, latent_image=half, seed=11)
    assert torch.equal(seen[0].cpu(), comfy.sample.prepare_noise(half, 15).to(seen[0]))


def test_another_layer_of_noise_keeps_the_hosts_batch_index(sd15):
    """There the rows of a latent that Latent From Batch took are forgotten as soon as any noise is chosen."""
    noise = comfy.sample.prepare_noise(latents(4), 11, noise_inds=[3, 4, 5, 6])
    model = with_noise(sd15, Layer(Draw(seed_offset=1), ADD, weight=0.0))
    assert torch.equal(chosen_noise(noise_options(model), noise, 11, None), noise)


def inpainting():
    model = unet_model(in_channels=9)
    assert model.model.concat_keys == ("mask", "masked_image")
    return model


def instruct():
    config = SD15 | {"in_channels": 8}
    model_config = comfy.supported_models.SD15_instructpix2pix(dict(config))
    model_config.set_inference_dtype(torch.float32, None)
    model = model_config.get_model({}, "")
    model.diffusion_model.load_state_dict(filled(unet_shapes(config)))
    return comfy.model_patcher.CoreModelPatcher(
        model,
        load_device=comfy.model_management.get_torch_device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )


@pytest.mark.parametrize("make", [inpainting, instruct])
def test_checkpoints_with_more_channels(make):
    """Inpainting and instruct-pix2pix: the latents beside the noise go with the frames, in windows too."""
    model = make()
    words = {"concat_latent_image": latents(FRAMES, seed=7), "concat_mask": torch.ones(FRAMES, 1, 16, 16)}
    words["concat_mask"][:6, ..., 8:] = 0
    prompts = {"positive": conditioning(5, **words), "negative": conditioning(6, **words), "steps": 1}
    plain = sample(model, FRAMES, **prompts)
    still = with_windows(animated(model, motion_model(), effect=0.0), WINDOWS)
    assert torch.allclose(sample(still, FRAMES, **prompts), plain, atol=1e-3)
    for moving in (animated(model, motion_model()), with_windows(animated(model, motion_model()), WINDOWS)):
        moved = sample(moving, FRAMES, **prompts)
        assert moved.isfinite().all() and not torch.allclose(moved, plain, atol=1e-1)


@pytest.mark.skipif(
    not hasattr(comfy.model_patcher.ModelPatcher, "deepclone_multigpu"), reason="this ComfyUI has no multi-GPU"
)
def test_a_model_cloned_for_another_gpu_keeps_its_motion(sd15_from_file, motion_from_file):
    """There: "Cannot create multigpu deepclone". Each copy has motion weights and strengths of its own."""
    model, motion = sd15_from_file, motion_from_file
    twice = animated(animated(model, motion, end_percent=0.5), motion, start_percent=0.5, motion_scale=1.4)
    for moving in (animated(model, motion, motion_scale=1.3), twice):
        copy = moving.deepclone_multigpu(new_load_device=moving.load_device)
        for mine, theirs in zip(moving.get_additional_models(), copy.get_additional_models(), strict=True):
            assert mine.model is not theirs.model
            assert mine.get_attachment("animatediff") == theirs.get_attachment("animatediff")
        assert torch.equal(sample(copy), sample(moving))


def test_the_scale_factor_of_a_loader_is_for_its_own_model(sd15):
    """There the loaded checkpoint itself gets it. The UNet sees latents times it, and what comes out is divided."""
    start, words = latents(4, 8, 8, seed=3), {"steps": 1, "denoise": 0.5}
    plain = sample(sd15, latent_image=2 * start, **words)
    doubled = with_scale_factor(sd15, 2 * 0.18215)
    assert torch.allclose(2 * sample(doubled, latent_image=start, **words), plain, atol=1e-3)
    assert torch.equal(sample(sd15, latent_image=2 * start, **words), plain)
    with pytest.raises(ValueError, match="scale_factor is 0, and must be more than 0. SD1.5's own is 0.18215"):
        with_scale_factor(sd15, 0.0)


def test_random_blending_comes_from_the_samplers_seed(sd15):
    """There it comes from numpy's generator, and no clip can be made twice."""
    model = with_windows(animated(sd15, motion_model()), WindowPlan(STANDARD_STATIC, 8, 4, fuse_method="random"))
    clips = []
    for seed in (1, 2):
        for library in (random.seed, numpy.random.seed, torch.manual_seed):
            library(seed)
        clips.append(sample(model, FRAMES))
    assert torch.equal(*clips)
