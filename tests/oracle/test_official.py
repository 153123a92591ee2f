"""Our numbers against tensors that the official implementations made (tests/data/README.md)."""

import pytest
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.convert import canonical
from animatediff_native.motion.formats import TABLE, detect
from animatediff_native.motion.image_encoder import ImageEncoder
from animatediff_native.motion.model import MotionModel
from animatediff_native.motion.settings import MotionSettings
from animatediff_native.motion.temporal import Steering, TemporalTransformer
from animatediff_native.motion.views import views_on
from animatediff_native.sampling.windows import fuse
from einops import rearrange
from oracles import data, relative_error
from tiny_unet import motion_of, predicted_noise
from weights import diffusers_name

ONE_MODULE = "down_blocks.0.motion_modules.0.temporal_transformer."


@pytest.fixture(scope="module")
def module():
    weights = {
        key.removeprefix(ONE_MODULE): value
        for key, value in canonical(data("mm_c64.weights.guoyww")).items()
        if not TABLE.search(key)
    }
    transformer = TemporalTransformer(64, attentions=2)
    transformer.load_state_dict(weights)
    return transformer.requires_grad_(False)


@pytest.mark.parametrize("clip", ["x", "x_f1", "x_f32"])
@pytest.mark.parametrize(
    ("maker", "across_frames"), [("guoyww_main", False), ("guoyww_sdxl", True), ("diffusers", True)]
)
def test_motion_module(module, clip, maker, across_frames):
    tensors = data("mm_c64.io")
    x = tensors[clip]
    frames = x.shape[2]
    y = module(rearrange(x, "b c f h w -> (b f) c h w"), Steering(frames, across_frames))
    expected = rearrange(tensors[f"{clip}.out.{maker}"], "b c f h w -> (b f) c h w")
    assert relative_error(y, expected) < 1e-5


def test_views_are_freenoises_windows(module):
    """diffusers' FreeNoiseTransformerBlock: windows of 8, stride 4, pyramid weights; tokens (b h w) f c."""
    tensors = data("freenoise")
    windows = [tuple(range(start, end)) for start, end in tensors["block.f20.windows"].tolist()]
    shares = [tuple(own) for own in fuse.shares("pyramid", windows, 20, 4, 1.0)]
    views = tuple(zip(windows, shares, strict=True))
    steering = Steering(20, views=views_on(torch.device("cpu"), views))
    found = module.transformer_blocks[0](tensors["block.f20.in"], steering)
    assert relative_error(found, tensors["block.f20.out"]) < 1e-5
    assert [torch.tensor(fuse.pyramid(n)).equal(tensors[f"weights.pyramid.{n}"]) for n in (8, 15, 16)] == [True] * 3


def test_diffusers_names_are_the_same_weights():
    ours = canonical(data("mm_c64.weights.guoyww"))
    theirs = canonical(data("mm_c64.weights.diffusers"))
    assert {key for key in ours if not TABLE.search(key)} == {key for key in theirs if not TABLE.search(key)}
    for key, value in theirs.items():
        if not TABLE.search(key):
            assert torch.equal(value, ours[key]), key


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
@pytest.mark.parametrize(("norms", "name"), [("official", "y.{}"), ("as diffusers", "y.{}.diffusers")])
def test_unet_with_motion(unet, version, norms, name):
    patcher, weights = unet
    tensors = data("tiny_unet.io")
    model = attach(patcher, motion_of(weights, version), MotionSettings(norms=norms))
    assert relative_error(predicted_noise(model, tensors), tensors[name.format(version)]) < 1e-4


def test_unet_without_motion(unet):
    tensors = data("tiny_unet.io")
    assert relative_error(predicted_noise(unet[0].clone(), tensors), tensors["y.no_motion_inflated"]) < 1e-4


@pytest.mark.parametrize(("drift", "name"), [(0.8, "out.feature"), (0.5, "out.feature_scale0.5")])
def test_image_encoder(drift, name):
    """AnimateLCM-I2V's, on a picture of odd size."""
    tensors = data("animatelcm_i2v_encoder")
    encoder = ImageEncoder((16, 24, 32, 32))
    encoder.load_state_dict({key[2:]: value for key, value in tensors.items() if key.startswith("w.")})
    latents = tensors["in.latent"]
    features = encoder(rearrange(latents, "b c f h w -> (b f) c h w"), latents.shape[2], drift)
    expected = [rearrange(tensors[f"{name}.{level}"], "b c f h w -> (b f) c h w") for level in range(4)]
    assert all(relative_error(*pair) < 1e-6 for pair in zip(features, expected, strict=True))


def test_the_modes_differ(unet):
    """The oracles can tell the norm modes apart; else the tests above could not fail."""
    tensors = data("tiny_unet.io")
    for version in ("v1", "v2", "v3"):
        assert relative_error(tensors[f"y.{version}"], tensors[f"y.{version}.diffusers"]) > 1e-2


def test_against_the_diffusers_package():
    """The same random weights in diffusers' own motion adapter, all modules, at 8 frames."""
    from diffusers import MotionAdapter

    adapter = MotionAdapter(block_out_channels=(32, 64, 64, 64), use_motion_mid_block=True, motion_max_seq_length=32)
    adapter.requires_grad_(False)
    weights = canonical(adapter.state_dict())
    model = MotionModel(detect(weights))
    model.load_state_dict({key: value for key, value in weights.items() if not TABLE.search(key)})
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for ours in model.sites().values():
        for parameter in (*ours.proj_out.parameters(), *ours.norm.parameters()):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    for name, value in model.state_dict().items():
        adapter.get_parameter(diffusers_name(name)).copy_(value)
    for site, ours in model.sites().items():
        theirs = adapter.get_submodule(site)
        channels = ours.norm.num_channels
        x = torch.randn(2 * 8, channels, 4, 6, generator=generator) * torch.linspace(0.3, 2, 16).view(-1, 1, 1, 1)
        expected = theirs(x, num_frames=8)
        expected = getattr(expected, "sample", expected)
        assert relative_error(ours(x, Steering(8, norm_across_frames=True)), expected) < 1e-5, site
        assert relative_error(ours(x, Steering(8)), expected) > 1e-3, site
