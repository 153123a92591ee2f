"""Guidance besides cfg: rescaled, and by perturbed attention, over frames, regions and the sampling."""

import pytest
import torch
from animatediff_native.motion.moments import moment_at
from animatediff_native.motion.options import MotionRun
from animatediff_native.nodes.compat.guidance import (
    NODES,
    perturbed_by,
    rescaled_by,
    with_custom_cfg,
)
from animatediff_native.nodes.compat.types import CFGKeyframe, GuidanceExtras
from animatediff_native.sampling.guidance import (
    Perturbed,
    Rescaled,
    with_guidance,
    with_perturbed_attention,
    with_rescale,
)
from animatediff_native.sampling.rescale import rescaled
from animatediff_native.sampling.values.keyframes import InTurns, Keyed
from animatediff_native.sampling.values.schedules import FrameValues, Region, parsed, step_values
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import STANDARD_STATIC, WindowPlan
from clips import animated, motion_model, sample


def test_rescale_is_the_hosts(sd15):
    from comfy_extras.nodes_model_advanced import RescaleCFG

    model = animated(sd15, motion_model())
    expected = sample(RescaleCFG().patch(model, 0.7)[0], cfg=5.0)
    assert torch.allclose(sample(with_rescale(model, 0.7), cfg=5.0), expected, atol=1e-3)
    assert torch.allclose(sample(with_rescale(model, 0.0), cfg=5.0), sample(model, cfg=5.0), atol=1e-3)
    for both in (with_rescale(with_guidance(model, 5.0), 0.7), with_guidance(with_rescale(model, 0.7), 5.0)):
        assert torch.allclose(sample(both, cfg=7.0), expected, atol=1e-3)


def test_no_rescale_leaves_what_the_model_did_before(sd15):
    own = sd15.clone()
    own.set_model_sampler_cfg_function(lambda arguments: arguments["cond"] * arguments["cond_scale"])
    guided = with_guidance(own, 0.5)
    assert torch.equal(sample(with_rescale(guided, 0.0), 2, steps=1), sample(guided, 2, steps=1))


def test_perturbed_attention_is_the_hosts(sd15):
    from comfy_extras.nodes_pag import PerturbedAttentionGuidance

    model = animated(sd15, motion_model())
    hosts = sample(PerturbedAttentionGuidance.execute(model, 2.0).result[0], steps=1)
    assert torch.equal(sample(with_perturbed_attention(model, 2.0), steps=1), hosts)
    plain = sample(model, steps=1)
    assert not torch.allclose(hosts, plain, atol=1e-3)
    frames = sample(with_perturbed_attention(model, FrameValues(parsed("0: 2, 4: 0 jump"))), steps=1)
    assert torch.allclose(frames[:4], hosts[:4], atol=1e-4) and torch.allclose(frames[4:], plain[4:], atol=1e-4)
    left = torch.zeros(1, 16, 16)
    left[..., :8] = 1
    halves = sample(with_perturbed_attention(model, Region(left, 2.0)), steps=1)
    assert torch.allclose(halves[..., :8], hosts[..., :8], atol=1e-4)
    assert torch.allclose(halves[..., 8:], plain[..., 8:], atol=1e-4)


def test_perturbed_attention_leaves_the_steps_after_it_alone(sd15):
    from comfy_extras.nodes_pag import PerturbedAttentionGuidance

    hosts = PerturbedAttentionGuidance.execute(sd15, 2.0).result[0]
    assert torch.equal(sample(with_perturbed_attention(sd15, 2.0), 2), sample(hosts, 2))


def test_perturbed_attention_in_windows_and_only_where_it_counts(sd15, motion):
    model = with_windows(animated(sd15, motion.patcher), WindowPlan(STANDARD_STATIC, 8, 4))
    hosts = sample(with_perturbed_attention(model, 2.0), frames=12, steps=1)
    assert motion.runs_of_every_site() == 4  # two windows of the clip, twice
    frames = with_perturbed_attention(model, FrameValues(parsed("0: 2, 10: 0 jump")))
    clip = sample(frames, frames=12, steps=1)
    assert torch.allclose(clip[:10], hosts[:10], atol=1e-4) and not torch.allclose(clip[10:], hosts[10:], atol=1e-3)
    before = motion.runs_of_every_site()
    sample(with_perturbed_attention(model, step_values("0: 2, 0.4: 0 jump")), frames=12, steps=4)
    assert before + 2 * 4 < motion.runs_of_every_site() < before + 4 * 4


def test_extras_of_shared_workflows_take_turns_with_their_cfg(sd15):
    key = {"pag": GuidanceExtras(perturbed=2.0), "rescale": GuidanceExtras(rescale=0.7), "none": None}
    model = animated(sd15, motion_model())

    def one(name, **words):
        return sample(with_custom_cfg(model, (CFGKeyframe(Keyed(0.0, 5.0), key[name]),)), **words)

    assert torch.allclose(one("pag"), sample(with_perturbed_attention(model, 2.0), cfg=5.0), atol=1e-3)
    assert torch.allclose(one("rescale"), sample(with_rescale(model, 0.7), cfg=5.0), atol=1e-3)
    assert torch.allclose(one("none"), sample(model, cfg=5.0), atol=1e-3)
    seen = []
    keys = (CFGKeyframe(Keyed(0.0, 5.0), key["pag"]), CFGKeyframe(Keyed(0.4, 3.0), key["rescale"]))
    watched = with_custom_cfg(model, keys)
    watched.set_model_sampler_post_cfg_function(lambda arguments: seen.append(arguments) or arguments["denoised"])
    sample(watched, steps=4)
    assert len(seen) == 4
    first, last = seen[0], seen[-1]
    guided = first["uncond_denoised"] + (first["cond_denoised"] - first["uncond_denoised"]) * 5.0
    assert not torch.allclose(first["denoised"], guided, atol=1e-2)
    cond, uncond = last["cond_denoised"], last["uncond_denoised"]
    assert torch.allclose(last["denoised"], rescaled(last["input"], cond, uncond, last["sigma"], 3.0, 0.7), atol=1e-3)


def test_scales_of_several_extras_add_up():
    both = perturbed_by(torch.tensor([1.0, 2.0]).view(2, 1, 1), rescaled_by(0.5, perturbed_by(3.0, None)))
    assert both.perturbed.flatten().tolist() == [4.0, 5.0] and both.rescale == 0.5


FORMS = {node.GET_SCHEMA().node_id.removeprefix("ADE_"): node.execute for node in NODES}


def of(name, **inputs):
    return FORMS[name](**inputs).result[0]


def test_forms_that_guide_a_model(sd15):
    rescaling = of("RescaleCFGMultival", model=sd15, mult_multival=0.7)
    assert rescaling.model_options["sampler_cfg_function"] == Rescaled(0.7)
    perturbing = of("PerturbedAttentionGuidanceMultival", model=sd15, scale_multival=2.0)
    assert perturbing.model_options["sampler_post_cfg_function"] == [Perturbed(2.0)]


def test_forms_of_extras_go_on_from_the_one_before():
    simple = of("CFGExtrasRescaleCFGSimple", multiplier=0.5, prev_extras=of("CFGExtrasPAGSimple", scale=3.0))
    multival = of("CFGExtrasPAG", scale_multival=1.0, prev_extras=of("CFGExtrasRescaleCFG", mult_multival=0.7))
    assert (simple, multival) == (GuidanceExtras(3.0, 0.5), GuidanceExtras(1.0, 0.7))


def test_forms_of_custom_cfg():
    extras = GuidanceExtras(perturbed=3.0)
    assert of("CustomCFGSimple", cfg=5.0, cfg_extras=extras) == (CFGKeyframe(Keyed(0.0, 5.0), extras),)
    assert of("CustomCFG", cfg_multival=5.0, cfg_extras=extras) == (CFGKeyframe(Keyed(0.0, 5.0), extras),)
    words = {"start_percent": 0.2, "guarantee_steps": 3, "cfg_extras": extras}
    first = of("CustomCFGKeyframeSimple", cfg=6.0, **words)
    assert first == (CFGKeyframe(Keyed(0.2, 6.0, 3), extras),)
    assert of("CustomCFGKeyframeSimple", cfg=6.0, prev_custom_cfg=first, **words) == first * 2
    assert of("CustomCFGKeyframe", cfg_multival=6.0, prev_custom_cfg=first, **words) == first * 2


def test_forms_of_custom_cfg_over_the_sampling():
    """Evenly from start to end; only the first is owed a step."""
    before, extras = of("CustomCFGSimple", cfg=5.0), GuidanceExtras(rescale=0.7)
    words = {"start_percent": 0.2, "end_percent": 0.6, "print_keyframes": False, "cfg_extras": extras}
    ramp = {"cfg_start": 8.0, "cfg_end": 2.0, "interpolation": "linear", "intervals": 3}
    found = of("CustomCFGKeyframeInterpolation", prev_custom_cfg=before, **ramp, **words)
    assert found[:1] == before and all(key.extras == extras for key in found[1:])
    keys = [(key.cfg.start_percent, key.cfg.strength, key.cfg.guarantee_steps) for key in found[1:]]
    assert keys == [(0.2, 8.0, 1), (pytest.approx(0.4), 5.0, 0), (pytest.approx(0.6), 2.0, 0)]
    listed = of("CustomCFGKeyframeFromList", cfgs_float=[8.0, 5.0, 2.0], prev_custom_cfg=before, **words)
    assert listed == found
    eased = of("CustomCFGKeyframeInterpolation", **(ramp | {"interpolation": "ease_in"}), **words)
    assert [key.cfg.strength for key in eased[::2]] == [8.0, 2.0] and 5.0 < eased[1].cfg.strength < 8.0
    (one,) = of("CustomCFGKeyframeFromList", cfgs_float=7.0, **words)
    assert one.cfg == Keyed(0.2, 7.0, 1)


def test_a_keyframe_from_the_start_holds_for_its_steps(sd15):
    """Where a run begins at the checkpoint's highest noise level; a later beginning owes it none."""
    first = of("CustomCFGKeyframeSimple", cfg=9.0, start_percent=0.0, guarantee_steps=3)
    keys = of("CustomCFGKeyframeSimple", cfg=2.0, start_percent=0.1, guarantee_steps=1, prev_custom_cfg=first)
    sampling = sd15.get_model_object("model_sampling")
    levels = [14.0, 3.0, 1.0, 0.5]

    def held(highest: float) -> list[float]:
        run, options = MotionRun(8), {"sample_sigmas": torch.tensor([highest, *levels[1:], 0.0])}
        turns = InTurns(tuple(key.cfg for key in keys))
        sigmas = [highest, *levels[1:]]
        return [turns(moment_at(run, torch.tensor([sigma]), options, sampling)) for sigma in sigmas]

    top = float(sampling.sigma_max)
    assert held(top) == held(top * (1 + 1e-6)) == [9.0, 9.0, 9.0, 2.0]
    assert held(10.0) == [9.0, 2.0, 2.0, 2.0]
