"""Nonsense in: one clear sentence, and the next run works. The nodes' own `execute`, on real objects."""

import math

import animatediff_native.nodes as nodes
import pytest
import torch
from animatediff_native.motion.lora import with_motion_lora
from animatediff_native.motion.low_rank import MotionLoRA, factors_of
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import STANDARD_STATIC, WindowPlan
from clips import animated, latents, motion_model, sample
from unets import unet_model

FORMS = {node.GET_SCHEMA().node_id: node for node in nodes.NODES}


@pytest.fixture(scope="module")
def world():
    return {
        "model": unet_model(),
        "sdxl": unet_model("sdxl"),
        "motion": motion_model(),
        "hotshot": motion_model("hotshot"),
    }


def run(node_id, **inputs):
    return FORMS[node_id].execute(**inputs).result[0]


def apply(world, **words):
    inputs = {"model": world["model"], "motion_model": world["motion"], "motion_scale": 1.0, "effect": 1.0}
    inputs |= {"beta_schedule": "auto", "start_percent": 0.0, "end_percent": 1.0, "norms": "official"}
    return run("ADN_ApplyMotionModel", **(inputs | words))


def windows(world, **words):
    inputs = {"model": apply(world), "preset": "custom", "context_length": 16, "context_overlap": 4}
    inputs |= {
        "context_schedule": "standard_static",
        "fuse_method": "pyramid",
        "context_stride": 1,
        "closed_loop": False,
    }
    return run("ADN_ContextWindows", **(inputs | words))


def noise(world, **words):
    inputs = {"model": apply(world), "noise_type": "default", "mode": "replace", "weight": 1.0, "seed_offset": 0}
    inputs |= {"batch_offset": 0, "seed_gen": "comfy", "balance": 1.0, "frame_seeds": ""}
    return run("ADN_NoiseOptions", **(inputs | words))


def freeinit(world, **words):
    inputs = {"model": apply(world), "iterations": 2, "filter": "gaussian", "d_s": 0.25, "d_t": 0.25}
    return run("ADN_FreeInit", **(inputs | {"n_butterworth": 4, "iter_seed_offset": 1} | words))


def blocks(world, **words):
    inputs = {"part": "all", "level": -1, "module": -1, "effect": 1.0, "motion_scale": 1.0, "motion_scale_2": 1.0}
    return run("ADN_BlockWeights", **(inputs | words))


def lora(world, strength=1.0, outputs=32):
    name = "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.to_q"
    state = {f"{name}.lora_down.weight": torch.ones(2, 32), f"{name}.lora_up.weight": torch.ones(outputs, 2)}
    three = {key.replace("blocks.0.motion", "blocks.3.motion"): value for key, value in state.items()}
    return with_motion_lora(world["motion"], MotionLoRA("x.safetensors", factors_of(state | three)), strength)


def frames(text, **words):
    return run("ADN_FrameSchedule", text=text, **words)


def steps(text):
    return run("ADN_StepSchedule", text=text)


def travel(text):
    return run("ADN_PromptTravel", clip=None, prompts=text, frames=8, easing="linear", mix="lerp")


def guided(world, cfg):
    return run("ADN_GuidanceSchedule", model=world["model"], cfg=cfg)


NAN = math.nan
CASES = {
    "a motion scale of NaN": (lambda w: apply(w, motion_scale=NAN), "motion_scale is nan, and must be from 0 to 10"),
    "a motion scale of 10^9": (lambda w: apply(w, motion_scale=1e9), "motion_scale is 1e.09, and must be"),
    "a motion scale below 0": (lambda w: apply(w, motion_scale=-1.0), "motion_scale is -1, and must be"),
    "an effect of 2": (lambda w: apply(w, effect=2.0), "effect is 2, and must be from 0 to 1"),
    "an effect of NaN": (lambda w: apply(w, effect=NAN), "effect is nan"),
    "a start of 50": (lambda w: apply(w, start_percent=50.0), "start_percent is 50, and must be from 0 to 1"),
    "an end of -1": (lambda w: apply(w, end_percent=-1.0), "end_percent is -1"),
    "a range turned round": (
        lambda w: apply(w, start_percent=0.8, end_percent=0.2),
        "start_percent is 0.8 and end_percent 0.2: the motion would never run",
    ),
    "an unknown noise schedule": (lambda w: apply(w, beta_schedule="lin"), "'lin' is not a noise schedule. Choose one"),
    "an unknown norm mode": (lambda w: apply(w, norms="mine"), "'mine' is not a norm mode. Choose one"),
    "SD1.5 motion on SDXL": (lambda w: apply(w, model=w["sdxl"]), "motion model for SD1.5 .* connected model is SDXL"),
    "SDXL motion on SD1.5": (lambda w: apply(w, motion_model=w["hotshot"]), "motion model for SDXL .* is SD1.5"),
    "an overlap as long as the window": (
        lambda w: windows(w, context_overlap=16),
        "context_overlap is 16 and context_len",
    ),
    "an overlap below 0": (lambda w: windows(w, context_overlap=-1), "context_overlap is -1"),
    "a window of 0 frames": (lambda w: windows(w, context_length=0), "context_length is 0, and a window needs"),
    "a stride of 0": (lambda w: windows(w, context_stride=0), "context_stride is 0, and must be 1 or more"),
    "an unknown window schedule": (lambda w: windows(w, context_schedule="x"), "'x' is not a context_schedule. Choose"),
    "an unknown blend": (lambda w: windows(w, fuse_method="x"), "'x' is not a fuse_method. Choose one"),
    "an unknown kind of noise": (lambda w: noise(w, noise_type="pink"), "'pink' is not a noise_type. Choose one"),
    "an unknown generator": (lambda w: noise(w, seed_gen="dice"), "'dice' is not a seed_gen. Choose one"),
    "a batch offset below 0": (lambda w: noise(w, batch_offset=-1), "batch_offset is -1, and must be 0 or more"),
    "a word among the seeds": (lambda w: noise(w, frame_seeds="1, two"), "frame_seeds has 'two', which is not a seed"),
    "an unknown way to add noise": (lambda w: noise(w, mode="mix"), "'mix' is not a way to add noise. Choose one"),
    "a weight of NaN": (lambda w: noise(w, weight=NAN), "weight is nan, and must be from -10 to 10"),
    "too few seeds": (lambda w: sample(noise(w, frame_seeds="1 2")), "There are 2 seeds for 8 frames"),
    "an unknown filter": (lambda w: freeinit(w, filter="sharp"), "'sharp' is not a filter of FreeInit. Choose one"),
    "no iteration": (lambda w: freeinit(w, iterations=0), "iterations is 0, and must be 1 or more"),
    "a stop frequency of NaN": (lambda w: freeinit(w, d_s=NAN), "d_s is nan, and must be from 0 to 1"),
    "an empty schedule": (lambda w: frames(""), "Line 1, column 1: the schedule is empty"),
    "a schedule without colon": (lambda w: frames("0: 1, 8 2"), "Line 1, column 7: '8 2' has no colon"),
    "a word for a value": (lambda w: frames("0: one"), "Line 1, column 4: 'one' is not a number"),
    "a schedule up to 10^9": (lambda w: frames("0: 1000000000"), "is more than any strength can be"),
    "a schedule of NaN": (lambda w: frames("0: nan"), "'nan' is not a number"),
    "an unknown easing": (lambda w: frames("0: 1, 8: 2 bounce"), "'bounce' is none of linear, ease"),
    "one frame twice": (lambda w: frames("0: 1, 0: 2"), "the position 0 is there twice"),
    "a frame among the steps": (lambda w: steps("16: 1"), "the position 16 is not within the sampling"),
    "a percent beyond 100": (lambda w: steps("120%: 1"), "the position 120% is not within the sampling"),
    "no prompt": (lambda w: travel(""), "there is no prompt. Write a frame"),
    "a prompt without frame": (lambda w: travel("a river"), "'a river' has no frame"),
    "two prompts for a frame": (lambda w: travel("0: a\n0: b"), "frame 0 has two prompts"),
    "guidance of NaN": (lambda w: guided(w, NAN), "cfg is nan, and must be from 0 to 100"),
    "guidance of 10^9": (lambda w: guided(w, 1e9), "cfg is 1e.09, and must be"),
    "a LoRA at NaN": (lambda w: lora(w, NAN), "strength is nan, and must be from -10 to 10"),
    "a LoRA at 10^9": (lambda w: lora(w, 1e9), "strength is 1e.09"),
    "a LoRA of another width": (lambda w: lora(w, outputs=320), "none of its 2 layers fits this motion model"),
    "a block scale of NaN": (lambda w: blocks(w, motion_scale=NAN), "motion_scale is nan"),
    "a block effect of 3": (lambda w: blocks(w, effect=3.0), "effect is 3, and must be from 0 to 1"),
    "more frames than the motion model holds": (
        lambda w: sample(with_windows(apply(w), WindowPlan(STANDARD_STATIC, 40, 4)), frames=41),
        "A context_length of 40 frames is more than this motion model takes at once .32.",
    ),
    "a window that is longer than the clip and the motion model": (
        lambda w: sample(with_windows(apply(w), WindowPlan(STANDARD_STATIC, 100, 4)), frames=48),
        "A context_length of 100 frames is more than this motion model takes at once .32.",
    ),
}


def test_there_are_enough():
    assert len(CASES) >= 40


@pytest.mark.parametrize("case", CASES)
def test_nonsense(world, case):
    act, message = CASES[case]
    with pytest.raises(ValueError, match=message):
        act(world)


def test_the_next_run_works(world):
    """After all of the above, with the same objects."""
    assert torch.equal(sample(apply(world), steps=1), sample(apply(world), steps=1))


def test_a_mask_of_another_size_is_brought_to_the_latents(world):
    mask = torch.zeros(3, 50, 70)
    mask[..., 35:] = 1
    clip = sample(apply(world, effect_schedule=frames("0: 1", mask=mask)), steps=1, latent_image=latents(8, 16, 24))
    assert clip.isfinite().all()
    assert not torch.allclose(clip, sample(animated(world["model"], world["motion"]), latent_image=latents(8, 16, 24)))
