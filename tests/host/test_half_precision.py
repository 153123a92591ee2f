"""Every feature once in float16 and once in bfloat16: finite, and near float32."""

from functools import lru_cache

import i2v
import pytest
import torch
from animatediff_native.motion.lora import with_motion_lora
from animatediff_native.motion.settings import BlockStrength, Keyframe
from animatediff_native.sampling.guidance import with_guidance, with_perturbed_attention, with_rescale
from animatediff_native.sampling.iterations import Iterations, with_iterations
from animatediff_native.sampling.noise.draw import FREENOISE, Draw, Layer
from animatediff_native.sampling.noise.freeinit import FreeInit
from animatediff_native.sampling.references.attention import Tune, mean_and_variance, with_statistics
from animatediff_native.sampling.references.settings import Links, Reference, Reuse
from animatediff_native.sampling.run import with_noise
from animatediff_native.sampling.values.keyframes import Keyframes
from animatediff_native.sampling.values.schedules import FrameValues, Region, parsed, step_values
from animatediff_native.sampling.windows.fuse import ALL
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import STANDARD_STATIC, WHOLE_CLIP, WindowPlan
from animatediff_native.sampling.windows.presets import preset
from clips import animated, first, latents, lora, motion_model, sample
from comfy_extras.nodes_easycache import EasyCacheNode
from oracles import relative_error
from unets import unet_model

FRAMES = 8
STATIC = WindowPlan(STANDARD_STATIC, 5, 2)
CALM = FrameValues(parsed("0: 1, 7: 0.2"))
LEFT = torch.zeros(1, 8, 8)
LEFT[..., :4] = 1


@lru_cache
def unet(dtype: torch.dtype, arch: str = "sd15"):
    model = unet_model(arch, dtype)
    model.model.manual_cast_dtype = None if dtype == torch.float32 else dtype  # also where a CPU would rather cast
    return model


@lru_cache
def motion(family: str = "v3", **words):
    return motion_model(family, **words)


def moving(model, family: str = "v3", **settings):
    return animated(model, motion(family), **settings)


def windowed(model, plan=STATIC, **words):
    return with_windows(moving(model), plan, **words)


def in_views(model, method: str, overlap: int = 2):
    return windowed(
        model, WindowPlan(WHOLE_CLIP, 1, 0, views=WindowPlan(STANDARD_STATIC, 5, overlap, fuse_method=method))
    )


FEATURES = {
    **{family: lambda model, family=family: moving(model, family) for family in ("v1", "v2", "v3")},
    "norms over frames": lambda model: moving(model, norms="as diffusers"),
    "windows": windowed,
    "long": lambda model: windowed(model, preset("long", 4)),
    "several windows in a call": lambda model: windowed(model, windows_per_call=2),
    **{f"views, {method}": lambda model, method=method: in_views(model, method) for method in ALL},
    "views, one frame of overlap": lambda model: in_views(model, "overlap-linear", 1),
    "scale over frames": lambda model: moving(model, motion_scale=CALM),
    "effect in a region": lambda model: moving(model, effect=Region(LEFT, 1.0)),
    "blocks": lambda model: moving(model, blocks=(BlockStrength("down", effect=0.3, scales=(2.0, 0.5)),)),
    "over two steps: keyframes": lambda model: moving(
        model, keyframes=Keyframes((Keyframe(motion_scale=0.7), Keyframe(0.5, effect=0.4)))
    ),
    "LoRA": lambda model: animated(model, with_motion_lora(motion(), lora(), 0.7)[0]),
    "LoRA over frames": lambda model: animated(model, with_motion_lora(motion(), lora(), 1.0, CALM)[0]),
    "two motion models": lambda model: animated(moving(model, effect=0.5), motion("v3", seed=2)),
    "I2V": lambda model: i2v.own(model, i2v.started(motion("animatelcm_i2v"))),
    "ContextRef": lambda model: windowed(model, links=Links(Reference(end_percent=1.0))),
    "AdaIN": lambda model: windowed(
        model, links=Links(Reference(tune=Tune(0.6, 0.7, 0.9, 0.4, 0.9, 0.7), end_percent=1.0))
    ),
    "NaiveReuse": lambda model: windowed(model, links=Links(reuse=Reuse(end_percent=1.0))),
    "FreeInit": lambda model: with_iterations(moving(model), Iterations(2, FreeInit())),
    "FreeNoise": lambda model: with_noise(windowed(model), Layer(Draw(FREENOISE))),
    "guidance": lambda model: with_guidance(moving(model), CALM),
    "over two steps: guidance": lambda model: with_guidance(moving(model), step_values("0: 5, 1: 1")),
    "rescale": lambda model: with_rescale(moving(model), 0.7),
    "PAG": lambda model: with_perturbed_attention(windowed(model), 2.0),
    "over two steps: EasyCache": lambda model: first(EasyCacheNode.execute(windowed(model), 0.2, 0.15, 0.95, False)),
}
"""What it is -> what puts it on a MODEL."""


def clip(name: str, dtype: torch.dtype):
    steps = 2 if name.startswith("over two steps") else 1
    return sample(FEATURES[name](unet(dtype)), latent_image=latents(FRAMES, 8, 8), steps=steps)


@lru_cache
def right(name: str):
    return clip(name, torch.float32)


CLOSE = {torch.float16: 0.02, torch.bfloat16: 0.15}


@pytest.mark.parametrize("dtype", CLOSE, ids=["float16", "bfloat16"])
@pytest.mark.parametrize("name", FEATURES)
def test_sweep_of_features(name, dtype):
    found = clip(name, dtype)
    assert found.isfinite().all()
    assert relative_error(found, right(name)) < CLOSE[dtype]


@pytest.mark.parametrize("dtype", CLOSE, ids=["float16", "bfloat16"])
@pytest.mark.parametrize("method", ALL)
def test_sweep_of_views_at_low_noise(method, dtype):
    """Where gauss-sigma's bell is narrowest; its inverse's is at high noise."""
    start = latents(FRAMES, 8, 8, seed=3)
    clips = [
        sample(in_views(unet(each), method), latent_image=start, denoise=0.02, steps=1)
        for each in (dtype, torch.float32)
    ]
    assert clips[0].isfinite().all() and relative_error(*clips) < CLOSE[dtype]


@pytest.mark.parametrize("dtype", CLOSE)
def test_statistics_of_channels_with_a_wide_spread_or_none(dtype):
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * torch.tensor([300.0, 1e-4, 0.0]).view(
        3, 1, 1
    )
    other = x.flip(1) + 5
    expected = with_statistics(other, *mean_and_variance(x))
    found = with_statistics(other.to(dtype), *mean_and_variance(x.to(dtype)))
    assert found.dtype == dtype and found.isfinite().all()
    assert relative_error(found.float(), expected) < CLOSE[dtype]
