"""How much of a hidden state goes through a layer at once."""

import pytest
import torch
from animatediff_native.motion.chunks import CPU_ELEMENTS, CPU_TOKENS, ELEMENTS, chunks

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def as_a_sampler_runs():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("device", [CPU, CUDA])
@pytest.mark.parametrize("unit", [1, 16])
@pytest.mark.parametrize("total", [16, 32, 48, 256])
@pytest.mark.parametrize(("tokens", "channels"), [(64, 1280), (1024, 320), (16384, 320)])
def test_chunks_hold_every_part_once_in_whole_units(device, unit, total, tokens, channels):
    found = chunks(total, tokens, channels, device, unit)
    assert [index for part in found for index in range(total)[part]] == list(range(total))
    sizes = {part.stop - part.start for part in found}
    assert max(sizes) - min(sizes) <= unit
    assert all(size % unit == 0 for size in sizes)
    limit = CPU_TOKENS if device == CPU else ELEMENTS // channels
    if total * tokens * channels > CPU_ELEMENTS:
        assert max(sizes) <= max(limit // tokens, unit)


def test_what_fits_is_not_cut():
    assert chunks(32, 64, 32, CPU) == [slice(0, 32)]
    assert chunks(32, 4096, 320, CUDA) == [slice(0, 32)]
    assert len(chunks(32, 1024, 320, CPU)) == 32
    assert len(chunks(256, 4096, 320, CUDA)) == 6


def test_what_is_trained_goes_whole():
    with torch.enable_grad():
        assert chunks(256, 4096, 320, CUDA) == [slice(0, 256)]
