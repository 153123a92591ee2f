"""Node ids of shared workflows, several in a graph, as these have them."""

import pytest
import seeded
from comfy_server import ServerError
from small_graphs import add, forget, frames_of, key_of, small
from workflows import nodes_of

DRAW = {"batch_offset": 1, "noise_type": "FreeNoise", "seed_offset": 2}


def evolve(prompt: dict, **inputs) -> None:
    """Puts Load AnimateDiff Model -> Apply AnimateDiff Model -> Use Evolved Sampling in the place of our own nodes."""
    own = key_of(prompt, "ADN_ApplyMotionModel")
    file = prompt[own]["inputs"]["motion_model"]
    prompt[file[0]]["class_type"] = "ADE_LoadAnimateDiffModel"
    applied = add(prompt, "apply", "ADE_ApplyAnimateDiffModelSimple", motion_model=file)
    words = {"model": prompt[own]["inputs"]["model"], "m_models": applied, "beta_schedule": "autoselect"}
    add(prompt, own, "ADE_UseEvolvedSampling", **(words | inputs))


def load_in_one(prompt: dict, **inputs) -> None:
    """Puts the legacy loader in the place of our own nodes."""
    own = key_of(prompt, "ADN_ApplyMotionModel")
    words = {"model_name": seeded.MOTION_MODEL, "beta_schedule": "autoselect"}
    add(prompt, own, "ADE_AnimateDiffLoaderWithContext", model=prompt[own]["inputs"]["model"], **words, **inputs)


def test_nodes_of_shared_workflows(server, prompt):
    """For v3, what our own nodes give."""
    forget(server)
    own = frames_of(server, server.run(prompt))
    evolve(prompt)
    assert frames_of(server, server.run(prompt)) == own


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("ADE_StandardStaticContextOptions", {"context_overlap": 4}),
        ("ADE_StandardUniformContextOptions", {"context_overlap": 4, "context_stride": 1}),
        ("ADE_LoopedUniformContextOptions", {"context_overlap": 4, "context_stride": 2, "closed_loop": True}),
        ("ADE_BatchedContextOptions", {}),
    ],
)
def test_context_options_of_shared_workflows(server, prompt, options, words):
    """Each of the old forms, with views inside and a second one for the end of the run, on a clip of 20 frames."""
    first = add(prompt, "first", options, context_length=16, **words)
    view = {"view_length": 8, "view_overlap": 2, "fuse_method": "flat"}
    late = {"view_opts_req": add(prompt, "view", "ADE_StandardStaticViewOptions", **view), "start_percent": 0.6}
    evolve(prompt, context_options=add(prompt, "late", "ADE_ViewsOnlyContextOptions", prev_context=first, **late))
    assert len(set(frames_of(server, server.run(small(prompt, frames=20))))) == 20


def noise_layers(prompt: dict, **words) -> list:
    """A layer of each kind, one on the other."""
    below = {}
    for kind, amounts in (
        ("Replace", {}),
        ("Add", {"noise_weight": 0.2}),
        ("AddWeighted", {"noise_weight": 0.2, "balance_multiplier": 0.5}),
        ("NormalizedSum", {"noise_weight": 0.2}),
    ):
        layer = words | amounts | {"seed_gen_override": "use existing"} | below
        below = {"prev_noise_layers": add(prompt, kind, f"ADE_NoiseLayer{kind}", **layer)}
    return below["prev_noise_layers"]


def test_sample_settings_of_shared_workflows(server, prompt):
    """The legacy loader with windows, noise layers and FreeInit, whose seeds come from a node."""
    draw = DRAW | {"seed_override": add(prompt, "number", "PrimitiveInt", value=7)}
    words = {"filter": "butterworth", "d_s": 0.25, "d_t": 0.25, "n_butterworth": 4, "sigma_step": 999}
    words |= {"iterations": 2, "apply_to_1st_iter": True, "init_type": "DinkInit_v1"}
    more = {"iteration_opts": add(prompt, "freeinit", "ADE_IterationOptsFreeInit", **words)}
    more["noise_layers"] = noise_layers(prompt, **draw)
    settings = add(prompt, "settings", "ADE_AnimateDiffSamplingSettings", seed_gen="auto1111", **draw, **more)
    words = {"context_length": 16, "context_stride": 1, "context_overlap": 4, "context_schedule": "uniform"}
    words |= {"closed_loop": False, "fuse_method": "flat"}
    windows = add(prompt, "windows", "ADE_AnimateDiffUniformContextOptions", **words)
    load_in_one(prompt, context_options=windows, sample_settings=settings, motion_scale=1.1)
    nodes_of(prompt, "EmptyLatentImage")[0]["batch_size"] = 20
    steps = []
    outputs = server.run(prompt, lambda node, step, total: steps.append((node, total)))
    assert len(set(frames_of(server, outputs))) == 20
    assert max(total for node, total in steps if node == "KSampler") == 2 * 2 * 2  # iterations, steps, windows


def adjusted_motion_model(node) -> list:
    """A motion model with other weights and positions."""
    off = {"print_adjustment": False}
    names = ("pe_MULT", "attn_MULT", "attn_q_MULT", "attn_k_MULT", "attn_v_MULT", "attn_out_weight_MULT")
    words = dict.fromkeys(names, 1.01) | {"attn_out_bias_MULT": 1.0, "other_MULT": 1.0} | off
    first = node("weights", "AdjustWeightIndivAttnMult", **words)
    weights = node("more", "AdjustWeightAllAdd", all_ADD=0.0001, prev_weight_adjust=first, **off)
    positions = node("positions", "AdjustPESweetspotStretch", sweetspot=16, new_sweetspot=20, **off)
    settings = node("settings", "AnimateDiffSettings", pe_adjust=positions, weight_adjust=weights)
    return node("load", "LoadAnimateDiffModel", model_name=seeded.MOTION_MODEL, ad_settings=settings)


def strengths(node, mask: list) -> dict:
    """A LoRA, multivals, keyframes and blocks for one motion model."""
    ends = {"min_float_val": 0.8, "max_float_val": 1.2, "scaling": "absolute"}
    scale = node("scale", "MultivalScaledMask", mask=mask, **ends)
    effect = node("effect", "MultivalDynamic", float_val=0.9, mask_optional=mask)
    block = node("block", "ADBlockIndiv", effect=effect, scale_0=scale)
    early = node("early", "AnimateDiffKeyframe", start_percent=0.0, scale_multival=scale)
    return {
        "motion_lora": node("lora", "AnimateDiffLoRALoader", name=seeded.MOTION_LORA, strength=0.7),
        "scale_multival": scale,
        "ad_keyframes": node(
            "late", "AnimateDiffKeyframe", start_percent=0.5, prev_ad_keyframes=early, effect_multival=effect
        ),
        "per_block": node("blocks", "PerBlock_SD15_LowLevel", down_0__1=block, mid=block, up_3__2=block),
    }


def mixed_sigmas(node) -> list:
    a = node("a", "SigmaSchedule", beta_schedule="sqrt_linear (AnimateDiff)")
    raw = {"raw_beta_schedule": "squaredcos_cap_v2", "linear_start": 0.00085, "linear_end": 0.012, "sampling": "eps"}
    b = node("b", "RawSigmaSchedule", lcm_original_timesteps=50, zsnr=True, **raw)
    mean = {"weight_A_Start": 0.9, "weight_A_End": 1.0, "interpolation": "linear"}
    return node("sigmas", "SigmaScheduleWeightedAverageInterp", schedule_A=a, schedule_B=b, **mean)


def test_steering_of_shared_workflows(server, prompt):
    """Adjustments, a LoRA, multivals, keyframes, blocks, ranges, custom CFG and mixed sigmas in one old graph."""

    def node(key, class_type, **inputs):
        return add(prompt, key, f"ADE_{class_type}", **inputs)

    motion = adjusted_motion_model(node)
    mask = add(prompt, "mask", "SolidMask", value=0.5, width=64, height=64)
    one = node("one", "ApplyAnimateDiffModelSimple", motion_model=motion, **strengths(node, mask))
    range_ = {"start_percent": 0.0, "end_percent": 0.8}
    both = node("both", "ApplyAnimateDiffModel", motion_model=motion, prev_m_models=one, **range_)
    words = {"start_percent": 0.0, "end_percent": 1.0, "cfg_start": 8.0, "cfg_end": 3.0, "interpolation": "ease_in"}
    more = {"custom_cfg": node("cfg", "CustomCFGKeyframeInterpolation", intervals=5, print_keyframes=False, **words)}
    more["sigma_schedule"] = mixed_sigmas(node)
    draw = {"batch_offset": 0, "noise_type": "default", "seed_gen": "comfy", "seed_offset": 0}
    sampling = node("sampling", "AnimateDiffSamplingSettings", **more, **draw)
    evolve(prompt, m_models=both, sample_settings=sampling, beta_schedule="lcm >> sqrt_linear")
    assert len(set(frames_of(server, server.run(prompt)))) == 16


def test_helpers_of_shared_workflows(server, prompt):
    """Their checkpoint loader with its own scale factor, their empty latents, and motion taken off again."""
    loader = prompt[key_of(prompt, "ADN_ApplyMotionModel")]["inputs"]["model"][0]
    words = {"ckpt_name": seeded.CHECKPOINT, "use_custom_scale_factor": True, "scale_factor": 0.2}
    words["beta_schedule"] = "sqrt_linear (AnimateDiff)"
    add(prompt, loader, "CheckpointLoaderSimpleWithNoiseSelect", **words)
    size = {"width": 64, "height": 64, "batch_size": 9}
    add(prompt, key_of(prompt, "EmptyLatentImage"), "ADE_EmptyLatentImageLarge", **size)
    moved = frames_of(server, server.run(prompt))
    prompt[loader]["inputs"]["use_custom_scale_factor"] = False
    assert frames_of(server, server.run(prompt)) != moved
    sampler = nodes_of(prompt, "KSampler")[0]
    sampler["model"] = add(prompt, "off", "ADE_AnimateDiffUnload", model=sampler["model"])
    prompt[loader]["inputs"]["use_custom_scale_factor"] = True
    assert len(moved) == 9 and frames_of(server, server.run(prompt)) != moved


def test_an_input_of_shared_workflows_under_its_old_name(server, prompt):
    """motion_model_settings of the legacy loader is ad_settings today; object_info has today's name alone."""
    definition = server.get("/object_info")["ADE_AnimateDiffLoaderWithContext"]["input"]["optional"]
    assert "ad_settings" in definition and "motion_model_settings" not in definition
    ends = {"motion_pe_stretch": 3, "min_motion_scale": 0.5, "max_motion_scale": 2.0}
    mask = add(prompt, "mask", "SolidMask", value=1.0, width=64, height=64)
    settings = add(prompt, "settings", "ADE_AnimateDiffModelSettingsSimple", mask_motion_scale=mask, **ends)
    load_in_one(prompt)
    (loader,) = nodes_of(prompt, "ADE_AnimateDiffLoaderWithContext")

    def frames(**link):
        for name in ("ad_settings", "motion_model_settings"):
            loader.pop(name, None)
        loader.update(link)
        return frames_of(server, server.run(prompt))

    without, today = frames(), frames(ad_settings=settings)
    forget(server)
    assert without != today == frames(motion_model_settings=settings)
    prompt["settings"]["inputs"]["motion_pe_stretch"] = "many"
    with pytest.raises(ServerError, match="motion_pe_stretch"):  # what hangs on the old name is checked, too
        frames(motion_model_settings=settings)


def test_prompt_scheduling_of_shared_workflows(server, prompt):
    """Prompts by frame with numbers filled in, over the latents' length."""
    sampler = nodes_of(prompt, "KSampler")[0]
    clip, latents = prompt[sampler["positive"][0]]["inputs"]["clip"], sampler["latent_image"]
    values, _ = add(prompt, "values", "ADE_ValueSchedulingLatents", values="0 = 0.5, 15 = 1.5", latent=latents)
    replaced = add(prompt, "replaced", "ADE_ValuesReplace", value_key="light", floats=[values, 1])
    text = '0:8 = "a lake, (light:`light`)", -1 = "a forest"'
    words = {"prompts": text, "clip": clip, "latent": latents, "values_replace": replaced, "tensor_interp": "slerp"}
    travel, _ = add(prompt, "travel", "ADE_PromptSchedulingLatents", **words)
    before = frames_of(server, server.run(prompt))
    sampler.update(positive=[travel, 0], latent_image=[travel, 1])
    moved = frames_of(server, server.run(prompt))
    assert len(set(moved)) == 16 and moved != before
