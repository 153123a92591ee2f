"""What stands in for ArtVentureX's nodes."""

import pytest
import torch
from animatediff_native.nodes.compat.artventure import animatediff_sampler, sliding_window_options, up_to
from animatediff_native.sampling.sigmas.beta_schedules import with_beta_schedule
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import LOOPED_UNIFORM, WindowPlan
from clips import animated, conditioning, latents, motion_model, sample

PICTURE = latents(1, 8, 8, seed=4)
SAMPLER = {"seed": 11, "steps": 1, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}


def theirs(model, family: str, frames: int, **words):
    """The clip of their sampler, from one picture."""
    conds = {"positive": conditioning(5), "negative": conditioning(6)}
    words = SAMPLER | conds | {"latent_image": {"samples": PICTURE}} | words
    with torch.inference_mode():
        result = animatediff_sampler.execute(
            motion_module=motion_model(family), inject_method="default", frame_number=frames, model=model, **words
        )
    return result.result[0]["samples"]


def expected(model, family: str, frames: int, plan=None):
    model = with_beta_schedule(animated(model, motion_model(family), norms="as ADE"), "AnimateDiff SD1.5")
    model = with_windows(model, plan) if plan else model
    return sample(model, steps=1, latent_image=PICTURE.expand(frames, -1, -1, -1).clone())


@pytest.mark.parametrize("family", ["v1", "v3"])
def test_their_sampler_has_motion_and_its_noise_schedule(sd15, family):
    assert torch.equal(theirs(sd15, family, 8), expected(sd15, family, 8))


def test_a_clip_that_is_longer_than_a_window(sd15):
    """16 frames a window and 4 shared, unless options say otherwise."""
    default = WindowPlan(LOOPED_UNIFORM, 16, 4, fuse_method="flat")
    assert torch.equal(theirs(sd15, "v3", 20), expected(sd15, "v3", 20, default))
    words = {"context_length": 4, "context_stride": 2, "context_overlap": 1, "context_schedule": "uniform"}
    options = sliding_window_options.execute(**words, closed_loop=True).result[0]
    assert options == WindowPlan(LOOPED_UNIFORM, 4, 1, 2, True, "flat")
    assert torch.equal(theirs(sd15, "v3", 8, sliding_window_opts=options), expected(sd15, "v3", 8, options))


def test_the_last_latent_is_repeated_up_to_the_frames():
    two = latents(2, seed=1)
    assert torch.equal(up_to(two, 4), two[[0, 1, 1, 1]])
    assert torch.equal(up_to(two, 1), two)
