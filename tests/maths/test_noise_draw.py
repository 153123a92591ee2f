"""Noise per frame: the host's stream, the incumbent's shuffles, and what each kind promises."""

import gzip
import json

import comfy.sample
import pytest
import torch
from animatediff_native.sampling.noise.draw import (
    A1111,
    ADD,
    ADD_WEIGHTED,
    COMFY,
    CONSTANT,
    EMPTY,
    FREENOISE,
    LAYER_MODES,
    NORMALIZED_SUM,
    ON_GPU,
    REPEATED,
    REPLACE,
    Clip,
    Draw,
    Layer,
    NoiseOptions,
    clip_noise,
    drawn,
    freenoise,
    seeds_in,
)
from oracles import DATA

SHAPE = torch.Size((24, 4, 6, 5))
VECTORS = json.loads(gzip.decompress((DATA / "ade_vectors.json.gz").read_bytes()))["freenoise"]


def host_noise(frames=24, seed=7):
    return comfy.sample.prepare_noise(torch.zeros(frames, *SHAPE[1:]), seed)


CLIP = Clip(SHAPE, 7, 16, 4)


def made(seed=7, first_frame=0, frames=24, **words):
    return drawn(Draw(**words), Clip(torch.Size((frames, *SHAPE[1:])), seed, 16, 4, first_frame))


def test_the_default_is_the_hosts_own():
    host = host_noise()
    assert clip_noise(NoiseOptions(), host, CLIP) is host
    assert torch.equal(made(), host)


def test_batch_offset_goes_on_in_the_hosts_stream():
    assert torch.equal(made(batch_offset=5), host_noise(29)[5:])
    assert torch.equal(made(batch_offset=5, noise_type=CONSTANT)[3], host_noise(29)[5])


def test_seeds():
    assert torch.equal(made(seed_offset=3), host_noise(seed=10))
    assert torch.equal(made(seed_override=3, seed_offset=2), host_noise(seed=5))
    assert made(seed=2**64 - 1, seed_offset=5).isfinite().all()  # wraps instead of overflowing
    assert torch.equal(made(seed=2**64 - 1, generator=A1111)[1:2], host_noise(1, seed=0))
    assert torch.equal(made(generator=A1111)[4:5], host_noise(1, seed=11))
    assert torch.equal(made(generator=A1111, batch_offset=2)[4:5], host_noise(1, seed=13))
    seeds = tuple(range(100, 124))
    assert torch.equal(made(frame_seeds=seeds)[3:4], host_noise(1, seed=103))
    assert torch.equal(made(frame_seeds=seeds, seed_offset=5)[3:4], host_noise(1, seed=108))
    with pytest.raises(ValueError, match="There are 3 seeds for 24 frames. Give one seed per frame."):
        made(frame_seeds=(1, 2, 3))


def test_kinds():
    assert made(noise_type=EMPTY).abs().max() == 0
    constant = made(noise_type=CONSTANT)
    assert all(torch.equal(frame, host_noise()[0]) for frame in constant)
    constant[0] = 0  # each frame has its own memory
    assert torch.equal(constant[1], host_noise()[0])
    repeated = made(noise_type=REPEATED)
    assert torch.equal(repeated, host_noise()[[*range(16), *range(8)]])


def test_freenoise_is_the_incumbents_shuffle():
    assert len(VECTORS) > 2
    for vector in VECTORS:
        numbered = torch.arange(vector["frames"], dtype=torch.float32).view(-1, 1, 1, 1)
        found = freenoise(numbered, vector["length"], vector["overlap"], vector["seed"])
        assert found.flatten().int().tolist() == vector["source_index"], vector


@pytest.mark.parametrize("noise_type", [CONSTANT, EMPTY, REPEATED, FREENOISE, "default"])
@pytest.mark.parametrize("generator", [COMFY, A1111])
def test_the_noise_of_a_piece_goes_on(noise_type, generator):
    whole = made(frames=48, noise_type=noise_type, generator=generator)
    assert torch.equal(made(frames=20, first_frame=28, noise_type=noise_type, generator=generator), whole[28:])


def test_generators_on_the_gpu_draw_on_the_clips_device():
    assert torch.equal(made(generator=COMFY + ON_GPU), made())  # here the device is the CPU
    assert torch.equal(made(generator=A1111 + ON_GPU), made(generator=A1111))


def test_seeds_as_text():
    assert seeds_in("") == () and seeds_in("7, 7 8,9") == (7, 7, 8, 9)
    with pytest.raises(ValueError, match="frame_seeds has 'x', which is not a seed"):
        seeds_in("1, x")
    with pytest.raises(ValueError, match=f"frame_seeds has '{2**64}', which is not a seed"):
        seeds_in(f"{2**64 - 1}, {2**64}")


def test_freenoise_only_shuffles():
    noise = made(noise_type=FREENOISE)
    assert torch.equal(noise[:16], host_noise()[:16])
    assert {tuple(frame.flatten()[:3].tolist()) for frame in noise} <= {
        tuple(frame.flatten()[:3].tolist()) for frame in host_noise()[:16]
    }


@pytest.mark.parametrize("mode", LAYER_MODES)
def test_layers(mode):
    old, new, weight, balance = host_noise(), host_noise(seed=18), 0.3, 0.5
    layer = Layer(Draw(seed_offset=11), mode, weight, balance)
    expected = {
        REPLACE: new,
        ADD: old + 0.3 * new,
        ADD_WEIGHTED: old * (1 - 0.15) + 0.3 * new,
        NORMALIZED_SUM: (0.7 * old + 0.3 * new) / (0.7**2 + 0.3**2) ** 0.5,
    }[mode]
    assert torch.allclose(clip_noise(NoiseOptions(layers=(layer,)), old, CLIP), expected, atol=1e-6)


def test_layers_count_from_the_seed_of_the_base():
    options = NoiseOptions(Draw(seed_override=100, seed_offset=3), (Layer(Draw(seed_offset=11), REPLACE),))
    assert torch.equal(clip_noise(options, host_noise(), CLIP), host_noise(seed=114))


def test_a_masked_layer_counts_only_inside():
    mask = torch.zeros(1, 6, 5)
    mask[..., 3:] = 1
    layer = Layer(Draw(seed_offset=11), REPLACE, mask=mask)
    mixed = clip_noise(NoiseOptions(layers=(layer,)), host_noise(), CLIP)
    assert torch.equal(mixed[..., :3], host_noise()[..., :3])
    assert torch.allclose(mixed[..., 3:], host_noise(seed=18)[..., 3:], atol=1e-6)


def test_fewer_masks_than_frames_are_taken_in_turn():
    """As the host does with masks of latents."""
    masks = torch.tensor([0.0, 1.0, 0.5]).view(3, 1, 1).expand(3, 6, 5)
    layer = Layer(Draw(seed_offset=11), REPLACE, mask=masks)
    mixed, old, new = clip_noise(NoiseOptions(layers=(layer,)), host_noise(), CLIP), host_noise(), host_noise(seed=18)
    for frame in range(24):
        share = (0.0, 1.0, 0.5)[frame % 3]
        assert torch.allclose(mixed[frame], torch.lerp(old[frame], new[frame], share), atol=1e-6), frame


def test_the_samplers_own_noise_may_stay_below_layers_of_another_seed():
    layer = Layer(Draw(seed_offset=11), ADD)
    options = NoiseOptions(Draw(seed_override=100), (layer,), samplers_own=True)
    assert torch.allclose(clip_noise(options, host_noise(), CLIP), host_noise() + host_noise(seed=111))


def test_a_stream_that_would_fill_the_memory_is_refused():
    with pytest.raises(ValueError, match="A batch_offset of 1000000000 would draw more noise than fits in memory"):
        made(batch_offset=10**9)


def test_a_balance_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="balance is nan"):
        Layer(Draw(), ADD_WEIGHTED, balance=float("nan"))


def test_normalized_sum_keeps_the_variance():
    old, new = torch.randn(2, 50, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    from animatediff_native.sampling.noise.draw import layered

    for weight in (0.1, 0.5, 0.9):
        assert layered(old, new, Layer(Draw(), NORMALIZED_SUM, weight)).std().item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"noise_type": "pink"}, "'pink' is not a noise_type"),
        ({"generator": "dice"}, "seed_gen"),
        ({"batch_offset": -1}, "batch_offset is -1"),
    ],
)
def test_nonsense_is_refused(words, message):
    with pytest.raises(ValueError, match=message):
        Draw(**words)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("mode", LAYER_MODES)
def test_a_masked_layer_on_latents_in_half_precision(mode, dtype):
    """As ComfyUI has them with --fp16-intermediates."""
    options = NoiseOptions(layers=(Layer(Draw(seed_offset=1), mode, 0.3, mask=torch.ones(1, 2, 2)),))
    found = clip_noise(options, host_noise().to(dtype), CLIP)
    assert torch.allclose(found, clip_noise(options, host_noise(), CLIP), atol=0.02)
