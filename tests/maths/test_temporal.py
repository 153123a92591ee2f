import torch
from animatediff_native.motion.temporal import Steering, TemporalTransformer, sinusoid
from animatediff_native.motion.views import views_on
from weights import filled, motion_module_shapes

SIX = Steering(frames=6)


def module(channels=64, seed=0):
    transformer = TemporalTransformer(channels, attentions=2)
    transformer.load_state_dict(filled(motion_module_shapes("", channels, length=None), seed))
    return transformer


def video(frames=6, channels=64, videos=2, seed=3):
    return torch.randn(videos * frames, channels, 3, 5, generator=torch.Generator().manual_seed(seed))


def test_zeroed_output_projection_is_the_identity():
    transformer, x = module(), video()
    torch.nn.init.zeros_(transformer.proj_out.weight)
    torch.nn.init.zeros_(transformer.proj_out.bias)
    assert torch.equal(transformer(x, SIX), x)


def test_position_table():
    table = sinusoid(4, 6)
    assert table[0].tolist() == [0, 1, 0, 1, 0, 1]
    angle = torch.tensor(3 / 10000 ** (2 / 6))
    assert torch.allclose(table[3, 2:4], torch.stack([angle.sin(), angle.cos()]))


def test_videos_of_one_batch_do_not_mix():
    transformer, x = module(), video()
    for steering in (SIX, Steering(6, norm_across_frames=True)):
        together = transformer(x, steering)
        alone = torch.cat([transformer(half, steering) for half in x.chunk(2)])
        assert torch.allclose(together, alone, atol=1e-5)


def test_frames_of_one_video_do_mix_and_know_their_order():
    transformer, x = module(), video(videos=1)
    changed = x.clone()
    changed[0] = x[0].flip(0)
    assert not torch.allclose(transformer(x, SIX)[5], transformer(changed, SIX)[5], atol=1e-3)
    backwards = transformer(x.flip(0), SIX).flip(0)
    assert not torch.allclose(transformer(x, SIX), backwards, atol=1e-3)


def test_pixels_do_not_mix():
    transformer, x = module(), video(videos=1)
    transformer.norm = torch.nn.Identity()
    changed = x.clone()
    changed[..., 0, 0] += 1
    difference = (transformer(x, SIX) - transformer(changed, SIX)).abs().amax(dim=(0, 1))
    assert difference[0, 0] > 0.1
    difference[0, 0] = 0
    assert difference.max() < 1e-5


def test_the_norm_matters_only_between_frames():
    transformer = module()
    one = video(frames=1)
    assert torch.allclose(
        transformer(one, Steering(1)), transformer(one, Steering(1, norm_across_frames=True)), atol=1e-5
    )
    uneven = video() * torch.linspace(0.2, 3, 12).view(-1, 1, 1, 1)
    assert not torch.allclose(
        transformer(uneven, SIX), transformer(uneven, Steering(6, norm_across_frames=True)), atol=0.1
    )


def test_motion_scale_multiplies_the_logits():
    transformer, x = module(), video()
    scaled = transformer(x, Steering(6, scales=(1.7,)))
    for attention in transformer.transformer_blocks[0].attention_blocks:
        attention.to_k.weight.data *= 1.7
    # The position is added before to_k, so scaling its weight is scaling the keys.
    assert torch.allclose(transformer(x, SIX), scaled, atol=1e-5)


def test_views_take_the_strengths_of_their_own_frames():
    """Two views side by side are two clips, each with its half of the scales."""
    transformer, x = module(), video(frames=6, videos=1)
    scale = torch.linspace(0.5, 2.0, 6).view(6, 1, 1, 1)
    halves = views_on(x.device, (((0, 1, 2), (1.0,) * 3), ((3, 4, 5), (1.0,) * 3)))
    found = transformer(x, Steering(6, scales=(scale,), views=halves))
    parts = [transformer(x[i : i + 3], Steering(3, scales=(scale[i : i + 3],))) for i in (0, 3)]
    assert torch.allclose(found, torch.cat(parts), atol=1e-5)
    assert not torch.allclose(found, transformer(x, Steering(6, views=halves)), atol=1e-2)
