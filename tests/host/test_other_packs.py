"""The real IPAdapter plus and Advanced-ControlNet on our MODEL: what they do per frame goes with its frame.

Each is found through an environment variable (`support/other_packs.py`), and skipped where that is not set.
"""

import pytest
import torch
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import BATCHED, STANDARD_SHIFTED, STANDARD_STATIC, WindowPlan
from clips import animated, conditioning, controlnet, latents, motion_model, sample
from other_packs import pack_nodes
from unets import SD15_CHANNELS
from weights import filled

FRAMES = 12
STATIC = WindowPlan(STANDARD_STATIC, 8, 4)
SHIFTED = WindowPlan(STANDARD_SHIFTED, 5, 2)
APART = WindowPlan(BATCHED, 6, 0)


def clip_of(model, frames: int = FRAMES, **words):
    return sample(model, latent_image=latents(frames, 8, 8), **words)


def random(*shape, seed: int = 7):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def share_of_difference(clip, other) -> float:
    """The largest difference, as a share of the largest value: random weights give large latents."""
    return float((clip - other).abs().max() / other.abs().max())


def same(clip, other) -> bool:
    return share_of_difference(clip, other) < 1e-4


def differs(clip, other) -> bool:
    return share_of_difference(clip, other) > 1e-2


@pytest.fixture(scope="module")
def ipadapter():
    return pack_nodes("IPADAPTER_PLUS_DIR")


@pytest.fixture(scope="module")
def advanced():
    return pack_nodes("ADVANCED_CONTROLNET_DIR")


def ipadapter_weights() -> dict:
    """The layout of `ip-adapter_sd15`, for the small UNet: four tokens, one pair of projections per cross-attention."""
    low, middle, high = SD15_CHANNELS[:3]
    widths = [low, low, middle, middle, high, high, *[high] * 3, *[middle] * 3, *[low] * 3, high]
    layers = {f"{2 * i + 1}.to_{kind}_ip.weight": (width, 768) for i, width in enumerate(widths) for kind in ("k", "v")}
    projection = {"proj.weight": (4 * 768, 1024), "proj.bias": (4 * 768,), "norm.weight": (768,), "norm.bias": (768,)}
    return {"image_proj": filled(projection, 21), "ip_adapter": filled(layers, 22)}


WEIGHTS = [0.0, 0.3, 2.5, 1.0, 0.2, 1.7, 0.6, 3.0, 0.1, 1.2, 2.0, 0.8]


def with_pictures(nodes, model, weights=WEIGHTS, embeds=None, **words):
    """`model` with IPAdapter's batch node: a weight and a picture for each frame."""
    embeds = random(FRAMES, 1, 1024)[:, 0] if embeds is None else embeds
    words = {"neg_embed": torch.zeros_like(embeds), "start_at": 0.0, "end_at": 1.0} | words
    node = nodes["IPAdapterEmbedsBatch"]()
    return node.apply_ipadapter(model, ipadapter_weights(), embeds, weights, "linear", **words)[0]


IPADAPTER = {
    "weights": {},
    "one picture": {"embeds": random(1, 1024)},
    "fewer pictures than frames": {"embeds": random(5, 1024)},
    "masks": {"attn_mask": random(FRAMES, 16, 16).sigmoid()},
    "K+V": {"embeds_scaling": "K+V"},
}


@pytest.mark.parametrize("case", IPADAPTER)
def test_ipadapter_in_windows_gives_each_frame_what_it_gets_alone(ipadapter, sd15, case):
    """Still frames: windows change nothing where each has its own weight, picture and mask."""
    alone = clip_of(with_pictures(ipadapter, sd15, **IPADAPTER[case]))
    assert differs(alone, clip_of(sd15))
    shuffled = clip_of(with_pictures(ipadapter, sd15, WEIGHTS[::-1], **IPADAPTER[case]))
    assert differs(alone, shuffled)
    still = animated(sd15, motion_model(), effect=0.0)
    for plan, windows_per_call in ((STATIC, 1), (SHIFTED, 3)):
        windowed = with_windows(still, plan, windows_per_call=windows_per_call)
        clip = clip_of(with_pictures(ipadapter, windowed, **IPADAPTER[case]))
        assert same(clip, alone), plan


def test_ipadapter_with_motion_gives_a_window_its_own_frames(ipadapter, sd15):
    """Windows without overlap: each is a clip of its own, with the weights and pictures of its frames."""
    model = animated(sd15, motion_model())
    noise, embeds = random(FRAMES, 4, 8, 8, seed=3), random(FRAMES, 1024)
    clip = clip_of(with_pictures(ipadapter, with_windows(model, APART), WEIGHTS, embeds), noise=noise)
    for part in (slice(0, 6), slice(6, 12)):
        own = clip_of(with_pictures(ipadapter, model, WEIGHTS[part], embeds[part]), 6, noise=noise[part])
        assert same(clip[part], own)


def test_ipadapter_in_one_window_is_bit_equal_to_none(ipadapter, sd15):
    model = animated(sd15, motion_model())
    one = WindowPlan(STANDARD_STATIC, FRAMES, 2, fuse_method="flat", use_on_equal_length=True)
    whole = clip_of(with_pictures(ipadapter, model))
    assert torch.equal(clip_of(with_pictures(ipadapter, with_windows(model, one))), whole)


def hints():
    return torch.rand(FRAMES, 128, 128, 3, generator=torch.Generator().manual_seed(2))


def keyframes(nodes, strengths):
    """Latent keyframes: a strength for each frame."""
    keys = None
    for frame, strength in enumerate(strengths):
        keys = nodes["LatentKeyframe"].execute(frame, strength, keys)[0]
    return keys


def controlled(nodes, strengths=WEIGHTS, hint=None, mask=None):
    """Both prompts with Advanced-ControlNet: two timestep keyframes, the second with a strength for each frame."""
    first = nodes["TimestepKeyframe"].execute(0.0, 0.4)[0]
    second = nodes["TimestepKeyframe"].execute(
        0.3, 1.5, latent_keyframe=keyframes(nodes, strengths), prev_timestep_kf=first
    )[0]
    apply = nodes["ACN_AdvancedControlNetApply_v2"].execute
    hint = hints() if hint is None else hint
    prompts = (conditioning(5), conditioning(6))
    positive, negative = apply(*prompts, controlnet(), hint, 1.0, 0.0, 1.0, mask_optional=mask, timestep_kf=second).args
    return {"positive": positive, "negative": negative}


CONTROLS = {
    "a hint per frame": {},
    "one hint": {"hint": hints()[:1]},
    "masks": {"mask": random(FRAMES, 128, 128).sigmoid()},
}


@pytest.mark.parametrize("case", CONTROLS)
def test_advanced_controlnet_in_windows_gives_each_frame_what_it_gets_alone(advanced, sd15, case):
    words = {"steps": 4} | controlled(advanced, **CONTROLS[case])
    alone = clip_of(sd15, **words)
    reverse = {"steps": 4} | controlled(advanced, WEIGHTS[::-1], **CONTROLS[case])
    assert differs(alone, clip_of(sd15, **reverse))
    still = animated(sd15, motion_model(), effect=0.0)
    for plan in (STATIC, SHIFTED):
        clip = clip_of(with_windows(still, plan, windows_per_call=3), **words)
        assert same(clip, alone), plan


def test_advanced_controlnet_with_motion_gives_a_window_its_own_frames(advanced, sd15):
    model, noise = animated(sd15, motion_model()), random(FRAMES, 4, 8, 8, seed=3)
    clip = clip_of(with_windows(model, APART), noise=noise, steps=4, **controlled(advanced))
    for part in (slice(0, 6), slice(6, 12)):
        own = clip_of(model, 6, noise=noise[part], steps=4, **controlled(advanced, WEIGHTS[part], hints()[part]))
        assert same(clip[part], own)
