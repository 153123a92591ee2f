"""ContextRef and NaiveReuse on the host: what they change, what they leave, and what they leave behind."""

import gc

import pytest
import torch
from animatediff_native.sampling.pieces import sample_piece
from animatediff_native.sampling.references.attention import INDEXES, SLIDING, Mode, Tune, mean_and_variance
from animatediff_native.sampling.references.patches import WindowReferences, attention
from animatediff_native.sampling.references.reuse import with_reuse
from animatediff_native.sampling.references.settings import NO_LINKS, LinkKeyframe, Links, Reference, Reuse
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import BATCHED, STANDARD_STATIC, WindowPlan, windows
from clips import animated, conditioning, latents, motion_model, sample

FRAMES = 10
PLAN = WindowPlan(BATCHED, 4, 0, fuse_method="flat")
"""Windows 0-3, 4-7, 8-9: no frame is in two, so that each shows what happened in its window."""
BOTH = Tune(0.6, 0.7, 0.9, 0.4, 0.9, 0.7)
ADAIN = Tune(0.6, 0.0, 0.0, 0.4, 1.0, 1.0)


def referring(**words):
    return Links(Reference(end_percent=1.0, **words))


def clip(model, links, plan=PLAN, motion=True, frames=FRAMES, **words):
    model = animated(model, motion_model()) if motion else model
    return small(with_windows(model, plan, links=links), frames, **words)


def small(model, frames=FRAMES, **words):
    return sample(model, frames, **({"steps": 1, "latent_image": latents(frames, 8, 8)} | words))


@pytest.mark.parametrize("tune", [Tune(), BOTH, ADAIN], ids=["attention", "both", "adain"])
@pytest.mark.parametrize("arch", ["sd15", "sdxl"])
def test_later_windows_change_and_the_first_does_not(arch, tune, request):
    model = request.getfixturevalue(arch)
    for motion in (False,) if arch == "sdxl" else (False, True):
        plain, with_reference = (clip(model, links, motion=motion) for links in (NO_LINKS, referring(tune=tune)))
        assert torch.equal(with_reference[:4], plain[:4])
        for frame in range(4, FRAMES):
            assert not torch.allclose(with_reference[frame], plain[frame], atol=1e-3), frame
        assert torch.equal(clip(model, referring(tune=tune), motion=motion), with_reference)


@pytest.mark.parametrize(
    "links",
    [
        referring(strength=0.0),
        referring(tune=Tune(attention_strength=0.0)),
        referring(tune=Tune(attention_weight=0.0)),
        referring(keyframes=(LinkKeyframe(mult=0.0),)),
        referring(tune=BOTH, strength=torch.zeros(4, 2, 2)),
        referring(mode=Mode(INDEXES, indexes=frozenset({FRAMES - 1}))),
        Links(Reference(start_percent=1.0, end_percent=1.0)),
        Links(reuse=Reuse(0.0)),
        Links(reuse=Reuse(strength=torch.zeros(3, 1, 1))),
    ],
)
def test_strength_0_is_bit_equal_to_none(sd15, links):
    assert torch.equal(clip(sd15, links, steps=2), clip(sd15, NO_LINKS, steps=2))


def test_without_windows_extras_do_nothing(sd15):
    links = Links(Reference(), Reuse())
    assert torch.equal(clip(sd15, links, frames=4), clip(sd15, NO_LINKS, frames=4))


def test_the_same_window_again_answers_as_attention_to_itself_twice(sd15):
    """Keys that are all there twice change no softmax: where both windows hold the same frames, nothing changes."""
    noise = latents(4, 8, 8, seed=2).repeat(2, 1, 1, 1)
    words = {"motion": False, "frames": 8, "noise": noise}
    same, plain = (clip(sd15, links, **words) for links in (referring(), NO_LINKS))
    assert torch.allclose(same, plain, atol=1e-3)
    noise = torch.cat([noise[:4], latents(4, 8, 8, seed=3)])
    other, plain = (clip(sd15, links, **(words | {"noise": noise})) for links in (referring(), NO_LINKS))
    assert not torch.allclose(other[4:], plain[4:], atol=1e-2)


def test_full_fidelity_leaves_the_negative_prompt_alone(sd15):
    """Seen in what the sampler's cfg function gets."""
    got = {}
    for fidelity in (None, 1.0, 0.5):
        links = NO_LINKS if fidelity is None else referring(tune=Tune(fidelity, 1.0, 1.0, fidelity, 1.0, 1.0))
        model = sd15.clone()
        model.set_model_sampler_cfg_function(
            lambda arguments, key=fidelity: got.setdefault(key, arguments) and arguments["uncond"]
        )
        clip(model, links, motion=False)
    assert torch.allclose(got[1.0]["uncond"], got[None]["uncond"], atol=1e-3)
    assert not torch.allclose(got[0.5]["uncond"], got[None]["uncond"], atol=1e-2)
    assert not torch.allclose(got[1.0]["cond"], got[None]["cond"], atol=1e-2)


@pytest.mark.parametrize("tune", [Tune(), BOTH], ids=["attention", "both"])
def test_conds_in_one_batch_or_apart(sd15, tune, monkeypatch):
    """The host runs conds one by one where memory is short; prompts of other lengths always."""
    together = clip(sd15, referring(tune=tune))
    calls = []
    model = animated(sd15, motion_model())

    def count(apply_model, arguments):
        calls.append(arguments["cond_or_uncond"])
        return apply_model(arguments["input"], arguments["timestep"], **arguments["c"])

    model.set_model_unet_function_wrapper(count)
    monkeypatch.setattr(type(model), "get_free_memory", lambda self, device: 0)
    apart = small(with_windows(model, PLAN, links=referring(tune=tune)))
    assert {len(conds) for conds in calls} == {1}
    assert torch.allclose(apart, together, atol=1e-3)


def test_several_prompts_and_areas_keep_their_own(sd15):
    """A cond that covers a part of the picture has fewer tokens than the others."""
    part = conditioning(3, area=(8, 4, 0, 0), strength=1.0, set_area_to_bounds=False)
    words = {"positive": conditioning(5) + part}
    plain, referenced = (clip(sd15, links, **words) for links in (NO_LINKS, referring(tune=BOTH)))
    assert torch.equal(referenced[:4], plain[:4]) and referenced.isfinite().all()
    assert not torch.allclose(referenced[4:], plain[4:], atol=1e-2)


@pytest.mark.parametrize("mode", [Mode(SLIDING, 2), Mode(INDEXES, indexes=frozenset({4}))], ids=["sliding", "indexes"])
def test_modes(sd15, mode):
    plain, first, other = (clip(sd15, links) for links in (NO_LINKS, referring(), referring(mode=mode)))
    if mode.kind == SLIDING:
        assert torch.equal(other[:8], first[:8])
    else:  # the first window is not kept
        assert torch.equal(other[:8], plain[:8])
    assert not torch.allclose(other[8:], first[8:], atol=1e-2)


@pytest.mark.parametrize("tune", [Tune(), ADAIN], ids=["attention", "adain"])
def test_strengths_over_frames_and_regions(sd15, tune):
    """Frames with strength 0 are as without, those with 1 as with the number, between 0 and 1 between."""
    over_frames = torch.ones(FRAMES, 1, 1)
    over_frames[4:6] = 0
    plain, whole, part = (
        clip(sd15, links, motion=False)
        for links in (NO_LINKS, referring(tune=tune), referring(tune=tune, strength=over_frames))
    )
    assert torch.allclose(part[6:], whole[6:], atol=1e-3)
    assert not torch.allclose(part[4:6], whole[4:6], atol=1e-2)
    if tune is ADAIN:  # attention at strength 0 still has its own keys twice, which changes no softmax
        assert torch.allclose(part[4:6], plain[4:6], atol=1e-3)
    assert torch.allclose(part[4:6], plain[4:6], atol=1e-2)
    left = torch.zeros(1, 32, 32)
    left[..., :16] = 1
    region = clip(sd15, referring(tune=tune, strength=left), motion=False)
    assert not torch.allclose(region[4:], whole[4:], atol=1e-2)
    assert not torch.allclose(region[4:], plain[4:], atol=1e-2)


def test_statistics_are_those_behind_the_motion_modules(sd15):
    """Nothing comes after AdaIN in its block: the later window has the kept one's mean and variance there."""
    seen = []

    def note(h, options):
        if options["block"] == ("input", 4):
            seen.append(torch.cat(mean_and_variance(h)))
        return h

    model = animated(sd15, motion_model())
    model.set_model_input_block_patch(note)
    every_block = Tune(0.0, 0.0, 0.0, 0.0, 2.1, 1.0)
    small(with_windows(model, PLAN, links=referring(tune=every_block)), frames=8)
    assert len(seen) == 2 and torch.allclose(*seen, rtol=1e-3, atol=1e-4)


def test_nothing_is_left_behind(sd15, monkeypatch):
    """The bank goes with its evaluation; a plain run after, and after a broken run, gives the same bits."""
    before = clip(sd15, NO_LINKS)
    tree = [name for name, _ in sd15.model.named_modules()]
    living, most = [], []

    class Watched(WindowReferences):
        def __init__(self, *words):
            super().__init__(*words)
            gc.collect()
            most.append(sum(isinstance(each, WindowReferences) for each in gc.get_objects()))
            living.append(self.bank)

    monkeypatch.setattr("animatediff_native.sampling.windows.call.WindowReferences", Watched)
    clip(sd15, referring(tune=BOTH), steps=3)
    assert most == [1, 1, 1] and all(bank for bank in living)
    monkeypatch.undo()
    gc.collect()
    assert not any(isinstance(each, WindowReferences) for each in gc.get_objects())
    assert torch.equal(clip(sd15, NO_LINKS), before)

    def broken(*_):
        raise KeyError("in the second window")

    with monkeypatch.context() as patch:
        patch.setattr("animatediff_native.sampling.references.patches.with_statistics", broken)
        with pytest.raises(KeyError):
            clip(sd15, referring(tune=BOTH))
    assert torch.equal(clip(sd15, NO_LINKS), before)
    assert [name for name, _ in sd15.model.named_modules()] == tree


@pytest.mark.parametrize("index", [None, 0], ids=["of a block", "of one attention"])
def test_other_patches_go_on(sd15, index):
    """Patches of the same attentions run before the reference is there; replacements get it as more keys."""
    seen = []
    model = sd15.clone()
    model.set_model_attn1_patch(lambda q, k, v, extra: (seen.append(("patch", k.shape[1] // q.shape[1])), (q, k, v))[1])

    def replaced(q, k, v, extra):
        seen.append(("replaced", k.shape[1] // q.shape[1]))
        return attention(q, k, v, extra)

    model.set_model_attn1_replace(replaced, "middle", 0, index)
    expected = clip(sd15, referring(), motion=False)
    assert torch.allclose(clip(model, referring(), motion=False), expected, atol=1e-3)
    assert {entry for entry in seen if entry[0] == "replaced"} == {("replaced", 1), ("replaced", 2)}
    assert [entry for entry in seen if entry[0] == "patch"] == [("patch", 1)] * 3 * 16


def test_tokens_that_another_node_changes_are_refused(sd15):
    """As HyperTile does: what the second window looks at has other tokens than the kept one."""
    model = sd15.clone()

    def halved(q, k, v, extra):
        later = extra["ad_params"]["sub_idxs"][0] > 0
        return (q, k[:, ::2], v[:, ::2]) if later else (q, k, v)

    model.set_model_attn1_patch(halved)
    with pytest.raises(RuntimeError, match="ContextRef found the tokens of a window changed by another node"):
        clip(model, referring(), motion=False)


@pytest.mark.parametrize("extra", ["reference", "reuse"])
def test_a_clip_that_goes_on_has_the_strengths_of_its_own_frames(sd15, extra):
    """Strengths are for the frames of the whole clip; here only for the first, which are not sampled again."""
    early = torch.zeros(20, 1, 1)
    early[:8] = 1

    def new_frames(strength):
        own = {"reference": referring(tune=ADAIN, strength=strength), "reuse": Links(reuse=Reuse(0.7, strength))}
        model = with_windows(animated(sd15, motion_model()), PLAN, links=own[extra])
        words = {"steps": 1, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal"}
        conds, before = (conditioning(5), conditioning(6)), latents(12, 8, 8, seed=4)
        with torch.inference_mode():
            return sample_piece(model, {"samples": latents(8, 8, 8)}, before, 11, *conds, **words)[1]

    none, everywhere = new_frames(0.0), new_frames(1.0)
    assert torch.allclose(new_frames(early), none, atol=1e-3)
    assert not torch.allclose(everywhere, none, atol=1e-2)


def test_a_window_that_another_node_evaluates_twice_does_not_look_at_itself(sd15):
    model = sd15.clone()

    def twice(apply_model, arguments):
        for _ in range(2):
            result = apply_model(arguments["input"], arguments["timestep"], **arguments["c"])
        return result

    model.set_model_unet_function_wrapper(twice)
    links = referring(tune=BOTH)
    assert torch.equal(clip(model, links, motion=False), clip(sd15, links, motion=False))


def test_several_windows_per_call_are_off(sd15):
    model = animated(sd15, motion_model())
    one = small(with_windows(model, PLAN, links=referring()))
    assert torch.equal(small(with_windows(model, PLAN, windows_per_call=3, links=referring())), one)


@pytest.mark.parametrize("method", ["pyramid", "relative"])
def test_reuse_by_hand(sd15, method):
    """One step without cfg: the sampler's result is the model's own."""
    plan = WindowPlan(STANDARD_STATIC, 4, 2, fuse_method=method)
    plain = clip(sd15, NO_LINKS, plan, cfg=1.0)
    first = clip(sd15, NO_LINKS, PLAN, cfg=1.0)[:4]
    mask = torch.rand(FRAMES, 8, 8, generator=torch.Generator().manual_seed(1))
    for strength in (1.0, torch.linspace(0, 1, FRAMES).view(-1, 1, 1), mask):
        found = clip(sd15, Links(reuse=Reuse(0.7, strength, end_percent=1.0)), plan, cfg=1.0)
        amount = 0.7 * strength.unsqueeze(1) if isinstance(strength, torch.Tensor) else 0.7
        assert torch.allclose(found, with_reuse(plain, first, windows(plan, FRAMES)[0], amount), atol=1e-3)
