"""FreeInit: the incumbent's filter samples, diffusers' whole step, and what a filter promises."""

import gzip
import json

import pytest
import torch
from animatediff_native.sampling.noise.freeinit import (
    AS_ADE,
    DINKINIT,
    FILTERS,
    OFFICIAL,
    FreeInit,
    low_pass_filter,
    mixed,
    reinitialized,
)
from oracles import DATA, data

VECTORS = json.loads(gzip.decompress((DATA / "ade_vectors.json.gz").read_bytes()))["freeinit_filters"]
SHAPE = torch.Size((6, 4, 6, 8))


def noise(seed):
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", FILTERS)
def test_filters_are_the_incumbents(name):
    vector = VECTORS[name]
    frames, _, height, width = vector["shape"]
    settings = FreeInit(name, vector["d_s"], vector["d_t"], vector["n"])
    found = low_pass_filter(settings, torch.Size((frames, 4, height, width)))
    assert found.shape == (frames, 1, height, width)
    assert found.sum().item() == pytest.approx(vector["sum"], rel=1e-5)
    for at in ("center_3_3_4", "at_2_3_4", "at_3_2_4", "at_0_0_0"):
        t, y, x = (int(word) for word in at.split("_")[1:])
        assert found[t, 0, y, x].item() == pytest.approx(vector[at], rel=1e-4, abs=1e-12), at


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("stops", [(0.25, 0.25), (0.3, 0.4)])
def test_filters_are_the_papers(name, stops):
    expected = data("freeinit")[f"freeinit.lpf.{name}.ds{stops[0]}.dt{stops[1]}"]
    found = low_pass_filter(FreeInit(name, *stops), torch.Size((8, 4, 6, 10)))
    assert torch.allclose(found[:, 0], expected, rtol=1e-5, atol=1e-10)


def test_the_mix_is_the_papers():
    tensors = data("freeinit")
    low, high, out = (tensors[f"freeinit.mix.{name}"][0].movedim(1, 0) for name in ("x", "noise", "out"))
    assert torch.allclose(mixed(low, high, low_pass_filter(FreeInit("butterworth"), low.shape)), out, atol=1e-5)


@pytest.mark.parametrize("name", ["gaussian", "butterworth", "ideal"])
def test_a_step_is_diffusers(name):
    """FreeInitMixin's filter and its mix, on b c f h w."""
    from diffusers.pipelines.free_init_utils import FreeInitMixin

    theirs = FreeInitMixin()
    frames, channels, height, width = SHAPE
    low_pass = theirs._get_free_init_freq_filter((1, channels, frames, height, width), "cpu", name, 4, 0.25, 0.3)
    low, high = noise(1), noise(2)
    expected = theirs._apply_freq_filter(*(each.movedim(0, 1).unsqueeze(0) for each in (low, high)), low_pass)
    found = mixed(low, high, low_pass_filter(FreeInit(name, 0.25, 0.3), SHAPE))
    assert torch.allclose(found, expected[0].movedim(1, 0), atol=1e-5)


def test_nothing_and_everything_pass():
    fresh, kept = noise(1), noise(2)
    assert torch.allclose(mixed(kept, fresh, torch.zeros(6, 1, 6, 8)), fresh, atol=1e-5)
    assert torch.allclose(mixed(kept, fresh, torch.ones(6, 1, 6, 8)), kept, atol=1e-5)
    for settings in (FreeInit(d_s=0.0), FreeInit(d_t=0.0)):
        assert low_pass_filter(settings, SHAPE).abs().max() == 0


def test_the_clip_is_diffused_as_the_paper_says():
    """z_T = sqrt(alpha) z_0 + sqrt(1 - alpha) noise; sigma^2 = (1 - alpha) / alpha."""
    alpha, latents, first = 0.0047, noise(3), noise(4)
    sigma = ((1 - alpha) / alpha) ** 0.5
    found = reinitialized(FreeInit("ideal", d_s=1.0, d_t=1e-9), latents, first, noise(5), sigma, 0.18215)
    expected = alpha**0.5 * latents + (1 - alpha) ** 0.5 * first
    low_pass = low_pass_filter(FreeInit("ideal", d_s=1.0, d_t=1e-9), SHAPE)
    assert torch.allclose(found, mixed(expected, noise(5), low_pass), atol=1e-5)


def test_the_incumbents_two_manners():
    latents, used, sigma, scale = noise(3), noise(4), 14.0, 0.18215
    alpha = 1 / ((sigma / scale) ** 2 + 1)
    expected = {
        AS_ADE: (latents / scale) * alpha**0.5 + used * (1 - alpha) ** 0.5,
        DINKINIT: (latents / scale + used * sigma) / (sigma**2 + 1),
    }
    for manner, noised in expected.items():
        settings = FreeInit(manner=manner)
        found = reinitialized(settings, latents, used, noise(5), sigma, scale)
        assert torch.allclose(found, mixed(noised, noise(5), low_pass_filter(settings, SHAPE)), atol=1e-4)


@pytest.mark.parametrize("words", [{"filter": "sharp"}, {"manner": "mine"}])
def test_nonsense_is_refused(words):
    assert FreeInit().manner == OFFICIAL
    with pytest.raises(ValueError, match="Choose one of"):
        FreeInit(**words)
