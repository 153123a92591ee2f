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
from animatediff_native.sampling.references.bank import Bank
from animatediff_native.sampling.references.patches import ReferenceCall, WindowReferences
from animatediff_native.sampling.references.settings import ReferenceNow
from second_device import DEVICE, FETCHED, HOST, SecondDevice


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
    place = call_of(references, 1, sd15)[1]
    references.bank.keep([1, 2], place, [torch.tensor([8.0, 4.0]).view(2, 1, 1).expand(2, 6, 1)])
    call, _, extra = call_of(references, 1, sd15)
    _, keys, values = call.add_reference(*torch.zeros(3, 2, 6, 1), extra)
    assert torch.equal(keys, values) and keys.shape == (2, 12, 1) and not keys[:, :6].any()
    assert keys[:, 6:].mean(dim=(1, 2)).tolist() == [2.0, 1.0]


def test_statistics_are_those_of_a_whole_block(sd15):
    """They are taken behind its last layer, and given to the same prompt of a later window."""
    tune, block = Tune(0.6, 0.0, 0.0, 0.0, 1.0, 1.0), ("middle", 0)
    references = WindowReferences(ReferenceNow(1.0, tune, Mode()), True, [[0], [1]])
    first, last = (sd15.model.diffusion_model.middle_block[index] for index in (0, -1))
    early, *_ = call_of(references, 0, sd15)
    x, other = (torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    x[1] = x[1] * 3 + 2
    assert early.take_statistics(first, x, block) is x and not early.noted
    assert torch.equal(early.take_statistics(last, x, block), x)
    early.leave(block)
    late, *_ = call_of(references, 1, sd15)
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
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    mean, variance = torch.full((1, 3, 1, 1), 4.0), torch.full((1, 3, 1, 1), 9.0)
    references.bank.keep([1, 2], block, [each.repeat(2, 1, 1, 1) for each in (mean, variance)])
    call, *_ = call_of(references, 1, model)
    assert call.blocks == adain_blocks(arch, 1.0)
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


def test_the_bank_stays_on_the_device_as_far_as_it_has_room():
    with SecondDevice() as device:
        bank = Bank(room=2 * 4 * 3)
        for place in range(3):
            bank.keep(["a", "b"], place, [torch.full((2, 3), float(place), device=DEVICE)])
        places = {key: held[0].device for key, held in bank.kept.items()}
        bank.keep(["a", "b"], 0, [torch.zeros(2, 3, device=DEVICE)])  # in the room of what was there before
        again = [held[0].device for (_, place), held in bank.kept.items() if place == 0]
        assert again == [DEVICE] * 2 and device.counts[FETCHED] == 4
    assert places == {(cond, place): HOST if place else DEVICE for place in range(3) for cond in "ab"}
    assert [held[0][0].tolist() for held in bank.held(["b"]).values()] == [[[1.0] * 3], [[2.0] * 3], [[0.0] * 3]]
