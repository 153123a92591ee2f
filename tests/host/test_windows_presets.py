"""Context windows by what they are good for: less of a seam, and none where a loop closes."""

import pytest
from animatediff_native.sampling.noise.draw import CONSTANT, REPLACE, Draw, Layer
from animatediff_native.sampling.run import with_noise
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import (
    STANDARD_STATIC,
    WindowPlan,
    windows,
)
from animatediff_native.sampling.windows.presets import PRESETS, preset
from clips import animated, latents, motion_model, sample
from seam import seam


def test_presets():
    assert preset("stable", 16) == PRESETS["stable"]
    for name, plan in PRESETS.items():
        short = preset(name, 8).views or preset(name, 8)
        plan = plan.views or plan
        assert (short.context_length, short.context_overlap) == (8, plan.context_overlap // 2)
    assert PRESETS["loop"].closed_loop


def test_stable_has_less_of_a_seam_than_static_windows_and_loop_no_wrap(sd15):
    """All frames from one noise, so that what changes is motion. Equal cost: as many windows at each step."""
    model = with_noise(animated(sd15, motion_model()), Layer(Draw(CONSTANT), REPLACE))
    frames, steps = 32, 8

    def measured(plan):
        clips = [
            sample(with_windows(model, plan), steps=steps, seed=seed, latent_image=latents(frames, 8, 8))
            for seed in (0, 1)
        ]
        rows = [seam(clip, windows(plan, frames, steps - 1)) for clip in clips]
        return [sum(column) / 2 for column in zip(*rows, strict=True)]

    static, stable = measured(WindowPlan(STANDARD_STATIC, 16, 4)), measured(PRESETS["stable"])
    assert abs(stable[0] - 1) < abs(static[0] - 1)
    assert measured(PRESETS["loop"])[1] == pytest.approx(1, abs=0.1)
    assert stable[1] > 1.2  # its last frame does not flow into its first
