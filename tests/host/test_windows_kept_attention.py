"""Self-Attention Guidance in windows: the node lays the whole clip's attention on the clip."""

import pytest
import torch
from animatediff_native.sampling.references.settings import Links, Reference
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import LOOPED_UNIFORM, STANDARD_STATIC, WindowPlan
from clips import animated, conditioning, first, latents, motion_model, sample
from comfy_extras.nodes_sag import SelfAttentionGuidance

STATIC = WindowPlan(STANDARD_STATIC, 8, 4)


def guided(model):
    return first(SelfAttentionGuidance.execute(model, 2.0, 2.0))


def clip(model, frames=14, **words):
    return sample(model, latent_image=latents(frames, 16, 16), steps=1, **words)


@pytest.mark.parametrize("per_call", [1, 3])
@pytest.mark.parametrize("plan", [STATIC, WindowPlan(LOOPED_UNIFORM, 8, 4, closed_loop=True)])
def test_still_windows_are_the_clip_in_one_piece(sd15, plan, per_call):
    still = guided(animated(sd15, motion_model(still=True)))
    whole = clip(still)
    assert torch.allclose(clip(with_windows(still, plan, windows_per_call=per_call)), whole, atol=1e-3)
    assert not torch.allclose(clip(animated(sd15, motion_model(still=True))), whole, atol=1e-1)


def test_windows_that_a_long_clip_gets_by_itself(sd15):
    still = guided(animated(sd15, motion_model(still=True)))
    assert torch.allclose(clip(still, 33), clip(guided(sd15), 33), atol=1e-3)


def test_a_prompt_for_each_region_and_context_ref(sd15):
    moving = guided(animated(sd15, motion_model()))
    negative = conditioning(6) + conditioning(7, area=(16, 16, 0, 0))
    assert clip(with_windows(moving, STATIC), negative=negative).isfinite().all()
    referring = with_windows(moving, STATIC, links=Links(Reference(end_percent=1.0)))
    assert clip(referring).isfinite().all()
