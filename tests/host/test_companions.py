"""Motion beside the host's own guiders, samplers and model patches: it runs, at every site, and it changes the clip."""

import comfy.hooks
import comfy.model_management
import comfy.samplers
import pytest
import torch
from clips import FRAMES, animated, conditioning, controlnet, first, latents, motion_model, sample
from comfy_extras import (
    nodes_custom_sampler,
    nodes_easycache,
    nodes_freelunch,
    nodes_hypertile,
    nodes_model_advanced,
    nodes_pag,
    nodes_perpneg,
    nodes_sag,
    nodes_tomesd,
)
from unets import unet_model
from weights import filled

import nodes

MODEL_PATCHES = {
    "FreeU": lambda model: first(nodes_freelunch.FreeU.execute(model, 1.1, 1.2, 0.9, 0.2)),
    "FreeU_V2": lambda model: first(nodes_freelunch.FreeU_V2.execute(model, 1.3, 1.4, 0.9, 0.2)),
    "PAG": lambda model: first(nodes_pag.PerturbedAttentionGuidance.execute(model, 3.0)),
    "SAG": lambda model: first(nodes_sag.SelfAttentionGuidance.execute(model, 0.5, 2.0)),
    "RescaleCFG": lambda model: nodes_model_advanced.RescaleCFG().patch(model, 0.7)[0],
    "HyperTile": lambda model: first(nodes_hypertile.HyperTile.execute(model, 64, 2, 0, False)),
    "ToMe": lambda model: first(nodes_tomesd.TomePatchModel.execute(model, 0.3)),
    "PerpNeg": lambda model: first(nodes_perpneg.PerpNeg.execute(model, conditioning(8), 0.5)),
    "ModelSamplingDiscrete": lambda model: nodes_model_advanced.ModelSamplingDiscrete().patch(
        model, "v_prediction", True
    )[0],
}


@pytest.mark.parametrize("name", MODEL_PATCHES)
@pytest.mark.parametrize("order", ["before", "after"])
def test_model_patches(sd15, motion, name, order):
    patch = MODEL_PATCHES[name]
    torch.manual_seed(0)  # HyperTile and ToMe draw from the global generator
    still = sample(patch(sd15))
    torch.manual_seed(0)
    model = patch(animated(sd15, motion.patcher)) if order == "after" else animated(patch(sd15), motion.patcher)
    moved = sample(model)
    assert motion.runs_of_every_site() >= 2
    assert moved.isfinite().all() and not torch.allclose(moved, still, atol=1e-2)
    torch.manual_seed(0)
    assert not torch.allclose(moved, sample(animated(sd15, motion.patcher)), atol=1e-3)


def test_easycache_skips_calls_and_not_motion(sd15, motion):
    cached = first(nodes_easycache.EasyCacheNode.execute(animated(sd15, motion.patcher), 100.0, 0.1, 0.95, False))
    assert sample(cached, steps=6).isfinite().all()
    assert 0 < motion.runs_of_every_site() < 6


def guided(guider, steps=2, seed=3):
    sigmas = comfy.samplers.calculate_sigmas(guider.model_patcher.get_model_object("model_sampling"), "normal", steps)
    noise = latents(seed=seed)
    with torch.inference_mode():
        return guider.sample(noise, latents(), comfy.samplers.sampler_object("euler"), sigmas, seed=seed)


GUIDERS = {
    "CFGGuider": lambda m: nodes_custom_sampler.CFGGuider.execute(m, conditioning(1), conditioning(2), 4.0),
    "BasicGuider": lambda m: nodes_custom_sampler.BasicGuider.execute(m, conditioning(1)),
    "DualCFGGuider": lambda m: nodes_custom_sampler.DualCFGGuider.execute(
        m, conditioning(1), conditioning(3), conditioning(2), 4.0, 3.0, "regular"
    ),
    "DualCFGGuider nested": lambda m: nodes_custom_sampler.DualCFGGuider.execute(
        m, conditioning(1), conditioning(3), conditioning(2), 4.0, 3.0, "nested"
    ),
    "PerpNegGuider": lambda m: nodes_perpneg.PerpNegGuider.execute(
        m, conditioning(1), conditioning(2), conditioning(4), 4.0, 0.5
    ),
}


@pytest.mark.parametrize("name", GUIDERS)
def test_guiders(sd15, motion, name):
    moved = guided(first(GUIDERS[name](animated(sd15, motion.patcher))))
    assert motion.runs_of_every_site() >= 2
    assert not torch.allclose(moved, guided(first(GUIDERS[name](sd15))), atol=1e-2)


@pytest.mark.skipif(not hasattr(nodes_custom_sampler, "DualModelGuider"), reason="this ComfyUI has no DualModelGuider")
@pytest.mark.parametrize("second", ["with motion", "without"])
def test_dual_model_guider(sd15, motion, second):
    other, other_motion = unet_model(seed=5), motion_model("v2", seed=6)
    runs = []
    other_motion.model.sites()["mid_block.motion_modules.0"].register_forward_hook(lambda *_: runs.append(1))

    def guider(model):
        negative = animated(other, other_motion) if second == "with motion" else other
        words = {
            "model": model,
            "model_negative": negative,
            "positive": conditioning(1),
            "cfg": 4.0,
            "negative": conditioning(2),
        }
        return first(nodes_custom_sampler.DualModelGuider.execute(**words))

    moved = guided(guider(animated(sd15, motion.patcher)))
    assert motion.runs_of_every_site() == 2
    assert len(runs) == (2 if second == "with motion" else 0)
    assert moved.isfinite().all() and not torch.allclose(moved, guided(guider(sd15)), atol=1e-2)


def test_sampler_nodes_of_the_host(sd15, motion):
    model = animated(sd15, motion.patcher)
    positive, negative, latent = conditioning(1), conditioning(2), {"samples": latents()}
    with torch.inference_mode():
        results = {
            "KSampler": nodes.KSampler().sample(model, 1, 2, 4.0, "euler", "normal", positive, negative, latent)[0],
            "KSamplerAdvanced": nodes.KSamplerAdvanced().sample(
                model, "enable", 1, 2, 4.0, "euler", "normal", positive, negative, latent, 0, 2, "disable"
            )[0],
        }
        sampler = first(nodes_custom_sampler.KSamplerSelect.execute("euler"))
        sigmas = first(nodes_custom_sampler.BasicScheduler.execute(model, "normal", 2, 1.0))
        results["SamplerCustom"] = first(
            nodes_custom_sampler.SamplerCustom.execute(model, True, 1, 4.0, positive, negative, sampler, sigmas, latent)
        )
        guider = first(nodes_custom_sampler.CFGGuider.execute(model, positive, negative, 4.0))
        noise = first(nodes_custom_sampler.RandomNoise.execute(1))
        results["SamplerCustomAdvanced"] = first(
            nodes_custom_sampler.SamplerCustomAdvanced.execute(noise, guider, sampler, sigmas, latent)
        )
    assert motion.runs_of_every_site() == 8
    for name, result in results.items():
        assert torch.allclose(result["samples"], results["KSampler"]["samples"], atol=1e-4), name


def test_ksampler_advanced_in_two_parts(sd15):
    model = animated(sd15, motion_model())
    words = (1, 4, 4.0, "euler", "normal", conditioning(1), conditioning(2))
    with torch.inference_mode():
        whole = nodes.KSamplerAdvanced().sample(model, "enable", *words, {"samples": latents()}, 0, 4, "disable")[0]
        part = nodes.KSamplerAdvanced().sample(model, "enable", *words, {"samples": latents()}, 0, 2, "enable")[0]
        both = nodes.KSamplerAdvanced().sample(model, "disable", *words, part, 2, 4, "disable")[0]
    assert torch.allclose(both["samples"], whole["samples"], atol=1e-3)


def test_controlnet_with_a_hint_per_frame(sd15, motion):
    hints = torch.rand(FRAMES, 3, 128, 128, generator=torch.Generator().manual_seed(2))
    control = controlnet().set_cond_hint(hints, 0.8)
    positive, negative = (conditioning(seed, control=control, control_apply_to_uncond=False) for seed in (1, 2))
    moved = sample(animated(sd15, motion.patcher), positive=positive, negative=negative)
    assert motion.runs_of_every_site() == 2
    assert not torch.allclose(moved, sample(sd15, positive=positive, negative=negative), atol=1e-2)
    assert not torch.allclose(moved, sample(animated(sd15, motion.patcher)), atol=1e-2)


def test_lora_hooks_on_conditioning(sd15, motion):
    target = "lora_unet_input_blocks_1_1_transformer_blocks_0_attn2_to_q"
    lora = filled({f"{target}.lora_up.weight": (32, 4), f"{target}.lora_down.weight": (4, 32)})
    hooked = comfy.hooks.set_hooks_for_conditioning(conditioning(5), comfy.hooks.create_hook_lora(lora, 3.0, 0.0))
    moved = sample(animated(sd15, motion.patcher), positive=hooked)
    assert motion.runs_of_every_site() == 4  # cond and uncond have different weights, so the host calls them apart
    assert not torch.allclose(moved, sample(animated(sd15, motion_model())), atol=1e-4)
    assert not torch.allclose(moved, sample(sd15, positive=hooked), atol=1e-2)


def test_regional_prompts(sd15, motion):
    left = torch.zeros(1, 16, 16)
    left[..., :8] = 1
    regions = {
        "area": conditioning(1, area=(8, 16, 0, 0)) + conditioning(3, area=(8, 16, 8, 0)),
        "mask": conditioning(1, mask=left, mask_strength=1.0) + conditioning(3, mask=1 - left, mask_strength=1.0),
        "mask per frame": conditioning(1, mask=torch.rand(FRAMES, 16, 16), mask_strength=1.0) + conditioning(3),
    }
    for name, positive in regions.items():
        motion.runs.clear()
        moved = sample(animated(sd15, motion.patcher), positive=positive)
        assert motion.runs_of_every_site() >= 2, name
        assert not torch.allclose(moved, sample(sd15, positive=positive), atol=1e-2), name


def tiled(model):
    """As tiled-diffusion packs do: both halves of every picture in one batch, tile by tile."""

    def call(apply_model, arguments):
        x, c = arguments["input"], dict(arguments["c"])
        c["c_crossattn"] = torch.cat([c["c_crossattn"]] * 2)
        return torch.cat(
            apply_model(torch.cat(x.chunk(2, dim=-1)), arguments["timestep"].repeat(2), **c).chunk(2), dim=-1
        )

    model = model.clone()
    model.set_model_unet_function_wrapper(call)
    return model


def test_tiles_in_one_batch_stay_separate_videos(sd15):
    """The half that is the same in two runs comes out the same, whatever the other half holds."""
    model = tiled(animated(sd15, motion_model()))
    start = latents(seed=4)
    changed = start.clone()
    changed[..., 8:] = latents(seed=9)[..., 8:]
    one, other = (sample(model, latent_image=image, steps=1, denoise=0.5) for image in (start, changed))
    assert torch.allclose(one[..., :8], other[..., :8], atol=1e-3)
    assert not torch.allclose(one[..., 8:], other[..., 8:], atol=1e-1)


def test_a_batch_that_is_no_whole_number_of_clips_is_an_error(sd15):
    def call(apply_model, arguments):
        cut = {**arguments["c"], "c_crossattn": arguments["c"]["c_crossattn"][:-3]}
        return apply_model(arguments["input"][:-3], arguments["timestep"][:-3], **cut)

    model = animated(sd15, motion_model())
    model.set_model_unet_function_wrapper(call)
    with pytest.raises(RuntimeError, match="13 pictures, which is not a whole number of clips of 8 frames"):
        sample(model)
