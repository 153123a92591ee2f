"""Measure Motion and Sound Schedule in a graph: windows of a MODEL, and motion that a sound drives."""

import math

import pytest
import torch
from animatediff_native.nodes.apply import ApplyMotionModel
from animatediff_native.nodes.context import ContextWindows
from animatediff_native.nodes.measure import MeasureMotion
from animatediff_native.nodes.sound import SoundSchedule
from clips import sample

CUSTOM = {
    "preset": "custom",
    "context_length": 4,
    "context_overlap": 0,
    "context_schedule": "batched",
    "fuse_method": "flat",
    "context_stride": 1,
    "closed_loop": False,
}
APPLIED = {
    "motion_scale": 1.0,
    "effect": 1.0,
    "beta_schedule": "keep the checkpoint's",
    "start_percent": 0.0,
    "end_percent": 1.0,
    "norms": "official",
}


def test_seams_of_a_models_windows(sd15, motion):
    """Two windows of four frames: the picture jumps between them and creeps inside."""
    (model,) = ApplyMotionModel.execute(sd15, motion.patcher, **APPLIED).result
    (model,) = ContextWindows.execute(model, **CUSTOM).result
    picture = torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    frames = torch.arange(8).view(-1, 1, 1, 1)
    clip = (picture * (0.5 + 0.01 * frames + 0.2 * (frames >= 4))).clamp(0, 1)
    *_, seam, _, text = MeasureMotion.execute(clip, model).result
    assert seam > 5 and "seam: change at the windows' borders is" in text
    *_, alone, _, text = MeasureMotion.execute(clip).result
    assert math.isnan(alone) and "seam" not in text
    *_, whole, _, text = MeasureMotion.execute(clip[:4], model).result  # one window
    assert math.isnan(whole)


@pytest.mark.parametrize("waveform, like", [(torch.zeros(1, 1, 8_000), 0.5), (torch.ones(1, 2, 64_000), None)])
def test_a_sound_drives_motion_as_the_numbers_would(sd15, motion, waveform, like):
    """Silence is the low value in every frame; a sound is not."""
    words = {"frame_rate": 8.0, "source": "loudness", "attack": 0.0, "release": 0.0, "low": 0.5, "high": 1.5}
    waveform = waveform * torch.sin(torch.arange(waveform.shape[-1]) / 3) * torch.linspace(0, 1, waveform.shape[-1])
    schedule, _ = SoundSchedule.execute({"waveform": waveform, "sample_rate": 8_000}, **words).result

    def clip(**settings):
        return sample(ApplyMotionModel.execute(sd15, motion.patcher, **APPLIED | settings).result[0], frames=8)

    driven, plain = clip(motion_scale_schedule=schedule), clip(motion_scale=like or 0.5)
    assert torch.isfinite(driven).all() and torch.equal(driven, plain) == (like is not None)
