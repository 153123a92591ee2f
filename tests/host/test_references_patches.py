"""One call of the UNet with ContextRef: what it takes from an earlier window, and what it leaves for later ones."""

import pytest
import torch
from animatediff_native.sampling.references.attention import (
    Mode,
    Tune,
    adain_blocks,
    mean_and_variance,
    with_statistics,
)
from animatediff_native.sampling.references.patches import ReferenceCall, WindowReferences
from animatediff_native.sampling.references.settings import ReferenceNow


def call_of(references, number, model):
    """One frame of each prompt in a call of the UNet, in window `number`; and the first of its self-attentions."""
    options = {"uuids": [1, 2], "cond_or_uncond": [0, 1]}
    call = ReferenceCall(references, number, model.model, (2, 4, 8, 8), options)
    place = next(iter(call.places))
    return call, place, {"block": place[:2], "block_index": place[2], "cond_or_uncond": options["cond_or_uncond"]}


@pytest.mark.parametrize(("arch", "share"), [("sd15", 0.5), ("sdxl", 0.125)])
def test_what_a_fidelity_of_one_half_leaves_the_negative_prompt(arch, share, request):
    """SDXL answers to the third power. Seen in an attention that gives the number of its keys: 3 own, 6 in all."""
    references = WindowReferences(ReferenceNow(1.0, Tune(0.5), Mode()), False, [[0]])
    call, place, extra = call_of(references, 0, request.getfixturevalue(arch))
    call.others_attention = {place: lambda q, k, v, extra: torch.full_like(q, k.shape[1])}
    call.own_tokens[place] = 3
    positive, negative = call.attend(*torch.zeros(3, 2, 6, 1), extra)
    assert (positive == 6).all() and torch.allclose(negative, torch.tensor(3 * share + 6 * (1 - share)))


def test_each_prompt_looks_at_what_it_held_itself(sd15):
    """After its own tokens; a half of it by the frame's strength, and a half of that by attention_strength."""
    now = ReferenceNow(torch.tensor([1.0, 0.5]).view(2, 1, 1), Tune(attention_strength=0.5), Mode())
    references = WindowReferences(now, False, [[0], [1]])
    call, place, extra = call_of(references, 1, sd15)
    for cond, held in ((1, 8.0), (2, 4.0)):
        references.bank[cond, place] = torch.full((1, 6, 1), held)
    _, keys, values = call.add_reference(*torch.zeros(3, 2, 6, 1), extra)
    assert torch.equal(keys, values) and keys.shape == (2, 12, 1) and not keys[:, :6].any()
    assert keys[:, 6:].mean(dim=(1, 2)).tolist() == [2.0, 1.0]


def test_statistics_are_those_of_a_whole_block(sd15):
    """They are taken behind its last layer, and given to the same prompt of a later window."""
    tune, block = Tune(0.6, 0.0, 0.0, 0.0, 1.0, 1.0), ("middle", 0)
    references = WindowReferences(ReferenceNow(1.0, tune, Mode()), True, [[0], [1]])
    first, last = (sd15.model.diffusion_model.middle_block[index] for index in (0, -1))
    (early, *_), (late, *_) = (call_of(references, number, sd15) for number in (0, 1))
    x, other = (torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    x[1] = x[1] * 3 + 2
    assert early.take_statistics(first, x, block) is x and not references.statistics
    assert torch.equal(early.take_statistics(last, x, block), x)
    assert late.take_statistics(first, other, block) is other
    for found, wanted in zip(
        mean_and_variance(late.take_statistics(last, other, block)), mean_and_variance(x), strict=True
    ):
        assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("arch", "share"), [("sd15", 0.5), ("sdxl", 0.125)])
def test_how_much_of_the_statistics_is_taken(arch, share, request):
    """A half by adain_strength; and of that the negative prompt leaves what a fidelity of one half says."""
    model, block = request.getfixturevalue(arch), ("middle", 0)
    tune = Tune(0.0, 0.0, 0.0, adain_fidelity=0.5, adain_weight=1.0, adain_strength=0.5)
    references = WindowReferences(ReferenceNow(1.0, tune, Mode()), True, [[0], [1]])
    call, *_ = call_of(references, 1, model)
    assert call.blocks == adain_blocks(arch, 1.0)
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    mean, variance = torch.full((1, 3, 1, 1), 4.0), torch.full((1, 3, 1, 1), 9.0)
    references.statistics |= dict.fromkeys(((1, block), (2, block)), (mean, variance))
    half = (x + with_statistics(x, mean, variance)) / 2
    positive, negative = call.take_statistics(model.model.diffusion_model.middle_block[-1], x.clone(), block)
    assert torch.allclose(positive, half[0], atol=1e-5)
    assert torch.allclose(negative, share * x[1] + (1 - share) * half[1], atol=1e-5)


def test_a_model_without_such_a_unet_is_refused():
    class Other:
        diffusion_model = torch.nn.Identity()

    waiting = WindowReferences(None, False, [[0]])
    options = {"uuids": [1], "cond_or_uncond": [0]}
    with pytest.raises(ValueError, match="the connected model is Other"):
        ReferenceCall(waiting, 0, Other(), (1, 4, 8, 8), options)
