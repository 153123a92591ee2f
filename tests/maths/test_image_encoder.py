"""AnimateLCM-I2V's image encoder: shapes, the frame embedding, odd sizes."""

import pytest
import torch
import torch.nn.functional as F
from animatediff_native.motion.image_encoder import ImageEncoder, fed_level, laid_on
from animatediff_native.motion.temporal import sinusoid
from weights import filled, image_encoder_shapes

CHANNELS = (32, 64, 128, 128)


@pytest.fixture(scope="module")
def encoder():
    model = ImageEncoder(CHANNELS).requires_grad_(False)
    weights = filled(image_encoder_shapes(CHANNELS), 1)
    model.load_state_dict({key.removeprefix("img_encoder."): value for key, value in weights.items()})
    return model


def latents(frames, height=8, width=8, seed=2):
    return torch.randn(frames, 4, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (1, 5), (64, 96)])
def test_each_level_has_the_size_of_the_unets(encoder, size):
    """A stride-2 convolution with padding rounds halves up, too."""
    height, width = size
    for channels, feature in zip(CHANNELS, encoder(latents(2, *size), 2), strict=True):
        assert feature.shape == (2, channels, height, width)
        height, width = (height + 1) // 2, (width + 1) // 2


def test_an_odd_edge_is_halved_as_if_it_were_there_twice(encoder):
    block = encoder.body[2]
    x = torch.randn(1, 32, 5, 7, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(block(x), block(F.pad(x, (0, 1, 0, 1), mode="replicate")), atol=1e-6)


def test_without_drift_every_frame_gets_the_same(encoder):
    features = encoder(latents(1).expand(6, -1, -1, -1), 6, 0.0)
    assert all(torch.allclose(feature, feature[:1].expand_as(feature), atol=1e-5) for feature in features)


def test_drift_adds_the_frames_place_to_the_first_convolution(encoder):
    seen = []
    hook = encoder.body[0].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    x = latents(6)
    for drift in (0.0, 0.8):
        encoder(x, 3, drift)
    hook.remove()
    place = (seen[1] - seen[0])[:, :, 2, 5]
    assert torch.allclose(place, 0.8 * sinusoid(3, 32).repeat(2, 1), atol=1e-5)  # two videos, each from 0


def test_each_picture_is_encoded_alone(encoder):
    x = latents(4)
    together, apart = encoder(x, 2, 0.8), encoder(x[2:], 2, 0.8)
    assert all(torch.allclose(a[2:], b, atol=1e-5) for a, b in zip(together, apart, strict=True))


def test_the_second_module_of_each_down_block_is_fed():
    fed = {f"down_blocks.{level}.motion_modules.{module}": level for level in range(4) for module in (0, 1)}
    assert {site: fed_level(site) for site in fed} == {
        site: level if site.endswith("1") else None for site, level in fed.items()
    }
    assert fed_level("up_blocks.0.motion_modules.1") is None and fed_level("mid_block.motion_modules.0") is None


def test_a_feature_is_laid_on_every_cond_and_on_smaller_states():
    feature = torch.arange(24.0).view(3, 2, 2, 2)
    laid = laid_on(feature, torch.empty(6, 2, 2, 2))
    assert torch.equal(laid, torch.cat([feature, feature]))
    assert laid_on(feature, torch.empty(3, 2, 1, 1)).flatten().tolist() == feature.mean((2, 3)).flatten().tolist()
