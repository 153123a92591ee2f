"""The pack in a real ComfyUI server, driven through its API as the web page does."""

import json

import pytest
import seeded
from comfy_server import FOLDER, ComfyServer, ServerError
from PIL import Image
from workflows import EXAMPLES, example, nodes_of, to_prompt

OURS = ("ADN_", "ADE_")
CUSTOM = {"context_schedule": "standard_static", "fuse_method": "pyramid", "context_stride": 1, "closed_loop": False}


FILES = {
    "ckpt_name": seeded.CHECKPOINT,
    "model_name": seeded.MOTION_MODEL,
    "control_net_name": seeded.CONTROLNET,
    "lora_name": seeded.LORA,
    "file": seeded.VIDEO,
}
"""The small files, by the inputs that name them."""


def small(prompt: dict, pixels: int = 64, steps: int = 2, frames: int | None = None) -> dict:
    """The prompt with the random models, on few pixels and steps."""
    for node in prompt.values():
        node["inputs"].update({name: file for name, file in FILES.items() if name in node["inputs"]})
    for node in nodes_of(prompt, "ADN_LoadMotionLoRA"):
        node["lora_name"] = seeded.MOTION_LORA
    for node in nodes_of(prompt, "EmptyLatentImage"):
        node.update(width=pixels, height=pixels, batch_size=frames or min(node["batch_size"], 20))
    for node in nodes_of(prompt, "ImageScale"):
        node.update(width=pixels, height=pixels)
    for node in nodes_of(prompt, "KSampler"):
        node["steps"] = steps
    return prompt


@pytest.fixture
def prompt(server):
    """Text to Animation, small."""
    return small(to_prompt(example("Text to Animation"), server.get("/object_info")))


def frames_of(server, outputs) -> list[bytes]:
    file = next(file for file in server.files(outputs) if file.suffix == ".webp")
    with Image.open(file) as picture:
        frames = []
        for index in range(picture.n_frames):
            picture.seek(index)
            frames.append(picture.convert("RGB").tobytes())
    return frames


def forget(server):
    """Drops the server's cached node outputs and loaded models, so that the next run does everything again."""
    server.post("/free", {"unload_models": True, "free_memory": True})


def test_the_pack_loads(server):
    assert "IMPORT FAILED" not in server.log_text()
    ours = {name: node for name, node in server.get("/object_info").items() if name.startswith(OURS)}
    assert {"ADN_LoadMotionModel", "ADN_ApplyMotionModel", "ADE_UseEvolvedSampling"} <= ours.keys()


def test_every_node_and_input_explains_itself(server):
    for name, node in server.get("/object_info").items():
        if name.startswith(OURS):
            assert node["description"], name
            for group in ("required", "optional"):
                for key, (_, *options) in node["input"].get(group, {}).items():
                    assert options and options[0].get("tooltip"), (name, key)


def test_the_templates_are_listed_with_pictures(server):
    listed = server.get("/workflow_templates")[FOLDER]
    assert sorted(listed) == sorted(path.stem for path in EXAMPLES.glob("*.json"))
    for path in EXAMPLES.glob("*.json"):
        assert path.with_suffix(".jpg").is_file(), path


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_every_example_runs(server, path, request):
    object_info = server.get("/object_info")
    prompt = small(to_prompt(json.loads(path.read_text(encoding="utf-8")), object_info))
    if "SDXL" in path.stem:
        request.getfixturevalue("sdxl")
        nodes_of(prompt, "CheckpointLoaderSimple")[0]["ckpt_name"] = seeded.SDXL_CHECKPOINT
        nodes_of(prompt, "ADN_LoadMotionModel")[0]["model_name"] = seeded.HOTSHOT
    files = server.files(server.run(prompt))
    assert {file.suffix for file in files} == {".webp", ".mp4"}
    assert all(file.stat().st_size > 0 for file in files)
    webp = next(file for file in files if file.suffix == ".webp")
    with Image.open(webp) as picture:
        assert (picture.n_frames, picture.size) == (nodes_of(prompt, "EmptyLatentImage")[0]["batch_size"], (64, 64))


def test_the_same_prompt_twice_gives_the_same_pictures(server, prompt):
    forget(server)
    first = frames_of(server, server.run(prompt))
    forget(server)
    assert frames_of(server, server.run(prompt)) == first
    assert len(set(first)) == 16


def test_motion_changes_every_frame(server, prompt):
    forget(server)
    moved = frames_of(server, server.run(prompt))
    nodes_of(prompt, "ADN_ApplyMotionModel")[0]["effect"] = 0.0
    still = frames_of(server, server.run(prompt))
    assert all(a != b for a, b in zip(moved, still, strict=True))


def test_progress_is_reported(server, prompt):
    forget(server)
    steps = []
    nodes_of(prompt, "KSampler")[0].update(steps=4, scheduler="normal")
    server.run(prompt, lambda node, step, total: steps.append((node, step, total)))
    assert [entry for entry in steps if entry[0] == "KSampler"][-1] == ("KSampler", 4, 4)


def test_a_clip_longer_than_the_motion_model_holds(server, prompt):
    assert len(frames_of(server, server.run(small(prompt, steps=1, frames=36)))) == 36
    assert "36 frames are more than the motion model takes at once (32)" in server.log_text()


def test_a_wrong_value_says_so_and_the_next_run_works(server, prompt):
    forget(server)
    before = frames_of(server, server.run(prompt))
    wrong = json.loads(json.dumps(prompt))
    sampler = next(node for node in wrong.values() if node["class_type"] == "KSampler")
    windows = {"model": sampler["inputs"]["model"], "preset": "custom", "context_length": 33, "context_overlap": 4}
    wrong["windows"] = {"class_type": "ADN_ContextWindows", "inputs": windows | CUSTOM}
    sampler["inputs"]["model"] = ["windows", 0]
    with pytest.raises(ServerError, match=r"context_length of 33 frames is more than this motion model takes at once"):
        server.run(small(wrong, frames=40))
    wrong["windows"]["inputs"]["context_overlap"] = 33
    with pytest.raises(ServerError, match="context_overlap is 33 and context_length 33"):
        server.run(small(wrong, frames=40))
    forget(server)
    assert frames_of(server, server.run(prompt)) == before


def test_an_interrupted_run_leaves_nothing_behind(server, prompt):
    forget(server)
    before = frames_of(server, server.run(prompt))
    long = json.loads(json.dumps(prompt))
    nodes_of(long, "KSampler")[0].update(steps=20, seed=5)
    with pytest.raises(ServerError, match="interrupted"):
        server.run(
            long, lambda node, step, total: server.post("/interrupt") if node == "KSampler" and step == 1 else None
        )
    forget(server)
    assert frames_of(server, server.run(prompt)) == before


def test_a_file_that_is_no_motion_model_says_what_it_is(server, base, prompt):
    (base / "models" / "animatediff_models" / "page.ckpt").write_bytes(b"<!DOCTYPE html><html></html>")
    nodes_of(prompt, "ADN_LoadMotionModel")[0]["model_name"] = "page.ckpt"
    with pytest.raises(ServerError, match=r"'page.ckpt' is a web page, not a model"):
        server.run(prompt)


def test_nodes_of_shared_workflows(server, prompt):
    """Load AnimateDiff Model -> Apply AnimateDiff Model -> Use Evolved Sampling: for v3, what our own nodes give."""
    forget(server)
    own = frames_of(server, server.run(prompt))
    identity = next(key for key, node in prompt.items() if node["class_type"] == "ADN_ApplyMotionModel")
    loader = prompt[identity]["inputs"]["motion_model"][0]
    prompt[loader]["class_type"] = "ADE_LoadAnimateDiffModel"
    prompt["apply"] = {"class_type": "ADE_ApplyAnimateDiffModelSimple", "inputs": {"motion_model": [loader, 0]}}
    prompt[identity] = {
        "class_type": "ADE_UseEvolvedSampling",
        "inputs": {
            "model": prompt[identity]["inputs"]["model"],
            "m_models": ["apply", 0],
            "beta_schedule": "autoselect",
        },
    }
    assert frames_of(server, server.run(prompt)) == own


ON_A_GPU = [pytest.param(option, marks=pytest.mark.gpu) for option in ("--lowvram", "--novram")]  # refused with --cpu


@pytest.mark.parametrize("option", ["--fp8_e4m3fn-unet", "--fp8_e5m2-unet", "--bf16-unet", *ON_A_GPU])
def test_memory_options_of_the_host(comfyui, base, option, tmp_path):
    with ComfyServer(comfyui, base, option, output=tmp_path) as server:
        prompt = small(to_prompt(example("Text to Animation"), server.get("/object_info")), frames=8)
        assert len(frames_of(server, server.run(prompt))) == 8


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
    identity = next(key for key, node in prompt.items() if node["class_type"] == "ADN_ApplyMotionModel")
    loader = prompt[identity]["inputs"]["motion_model"][0]
    prompt[loader]["class_type"] = "ADE_LoadAnimateDiffModel"
    prompt["apply"] = {"class_type": "ADE_ApplyAnimateDiffModelSimple", "inputs": {"motion_model": [loader, 0]}}
    prompt["first"] = {"class_type": options, "inputs": {"context_length": 16, **words}}
    late = {"view_opts_req": ["view", 0], "start_percent": 0.6, "prev_context": ["first", 0]}
    prompt["late"] = {"class_type": "ADE_ViewsOnlyContextOptions", "inputs": late}
    view = {"view_length": 8, "view_overlap": 2, "fuse_method": "flat"}
    prompt["view"] = {"class_type": "ADE_StandardStaticViewOptions", "inputs": view}
    inputs = {"model": prompt[identity]["inputs"]["model"], "m_models": ["apply", 0], "beta_schedule": "autoselect"}
    prompt[identity] = {"class_type": "ADE_UseEvolvedSampling", "inputs": inputs | {"context_options": ["late", 0]}}
    assert len(set(frames_of(server, server.run(small(prompt, frames=20))))) == 20


def test_sample_settings_of_shared_workflows(server, prompt):
    """The legacy loader with windows, noise layers and FreeInit, whose seeds come from a node."""
    identity = next(key for key, node in prompt.items() if node["class_type"] == "ADN_ApplyMotionModel")
    seeds = {"seed_override": ["number", 0]}
    prompt["number"] = {"class_type": "PrimitiveInt", "inputs": {"value": 7}}
    draw = {"batch_offset": 1, "noise_type": "FreeNoise", "seed_offset": 2}
    prompt["freeinit"] = {
        "class_type": "ADE_IterationOptsFreeInit",
        "inputs": {
            "iterations": 2,
            "filter": "butterworth",
            "d_s": 0.25,
            "d_t": 0.25,
            "n_butterworth": 4,
            "sigma_step": 999,
            "apply_to_1st_iter": True,
            "init_type": "DinkInit_v1",
        },
    }
    layer = draw | {"seed_gen_override": "use existing"} | seeds
    last = None
    for kind, words in (
        ("Replace", {}),
        ("Add", {"noise_weight": 0.2}),
        ("AddWeighted", {"noise_weight": 0.2, "balance_multiplier": 0.5}),
        ("NormalizedSum", {"noise_weight": 0.2}),
    ):
        below = {} if last is None else {"prev_noise_layers": [last, 0]}
        prompt[kind] = {"class_type": f"ADE_NoiseLayer{kind}", "inputs": layer | words | below}
        last = kind
    settings = draw | {"seed_gen": "auto1111", "noise_layers": [last, 0], "iteration_opts": ["freeinit", 0]} | seeds
    prompt["settings"] = {"class_type": "ADE_AnimateDiffSamplingSettings", "inputs": settings}
    windows = {"context_length": 16, "context_stride": 1, "context_overlap": 4, "context_schedule": "uniform"}
    prompt["windows"] = {
        "class_type": "ADE_AnimateDiffUniformContextOptions",
        "inputs": windows | {"closed_loop": False, "fuse_method": "flat"},
    }
    prompt[identity] = {
        "class_type": "ADE_AnimateDiffLoaderWithContext",
        "inputs": {
            "model": prompt[identity]["inputs"]["model"],
            "model_name": seeded.MOTION_MODEL,
            "beta_schedule": "autoselect",
            "context_options": ["windows", 0],
            "sample_settings": ["settings", 0],
            "motion_scale": 1.1,
        },
    }
    for node in nodes_of(prompt, "EmptyLatentImage"):
        node["batch_size"] = 20
    steps = []
    outputs = server.run(prompt, lambda node, step, total: steps.append((node, total)))
    assert len(set(frames_of(server, outputs))) == 20
    assert max(total for node, total in steps if node == "KSampler") == 2 * 2 * 2  # iterations, steps, windows


def test_a_clip_in_two_pieces(server, prompt):
    """Two Context Samplers, the second one going on from the first."""
    identity = next(key for key, node in prompt.items() if node["class_type"] == "KSampler")
    words = prompt[identity]["inputs"] | {"preset": "stable", "context_length": 16}
    prompt["first"] = {"class_type": "ADN_ContextSampler", "inputs": dict(words)}
    prompt[identity] = {"class_type": "ADN_ContextSampler", "inputs": words | {"continue_from": ["first", 0]}}
    assert len(set(frames_of(server, server.run(prompt)))) == 32


def test_freeinit_and_the_picture_of_windows(server, prompt):
    sampler = nodes_of(prompt, "KSampler")[0]
    prompt["freeinit"] = {
        "class_type": "ADN_FreeInit",
        "inputs": {
            "model": sampler["model"],
            "iterations": 2,
            "filter": "butterworth",
            "d_s": 0.25,
            "d_t": 0.25,
            "n_butterworth": 4,
            "iter_seed_offset": 1,
        },
    }
    inputs = {"model": ["freeinit", 0], "frames": 40, "steps": 3}
    prompt["preview"] = {"class_type": "ADN_PreviewWindows", "inputs": inputs}
    plain = frames_of(server, server.run(prompt))
    sampler["model"] = ["freeinit", 0]
    outputs = server.run(prompt)
    assert frames_of(server, outputs) != plain
    assert outputs["preview"]["images"][0]["type"] == "temp"


def test_steering_of_shared_workflows(server, prompt):
    """Adjustments, a LoRA, multivals, keyframes, blocks, ranges, custom CFG and mixed sigmas in one old graph."""
    identity = next(key for key, node in prompt.items() if node["class_type"] == "ADN_ApplyMotionModel")
    checkpoint = prompt[identity]["inputs"]["model"]
    off = {"print_adjustment": False}

    def node(key, class_type, **inputs):
        prompt[key] = {"class_type": f"ADE_{class_type}", "inputs": inputs}
        return [key, 0]

    first = node(
        "weights",
        "AdjustWeightIndivAttnMult",
        **dict.fromkeys(
            ("pe_MULT", "attn_MULT", "attn_q_MULT", "attn_k_MULT", "attn_v_MULT", "attn_out_weight_MULT"), 1.01
        ),
        attn_out_bias_MULT=1.0,
        other_MULT=1.0,
        **off,
    )
    weights = node("more", "AdjustWeightAllAdd", all_ADD=0.0001, prev_weight_adjust=first, **off)
    positions = node("positions", "AdjustPESweetspotStretch", sweetspot=16, new_sweetspot=20, **off)
    settings = node("settings", "AnimateDiffSettings", pe_adjust=positions, weight_adjust=weights)
    motion = node("load", "LoadAnimateDiffModel", model_name=seeded.MOTION_MODEL, ad_settings=settings)
    lora = node("lora", "AnimateDiffLoRALoader", name=seeded.MOTION_LORA, strength=0.7)
    prompt["mask"] = {"class_type": "SolidMask", "inputs": {"value": 0.5, "width": 64, "height": 64}}
    scale = node(
        "scale", "MultivalScaledMask", min_float_val=0.8, max_float_val=1.2, mask=["mask", 0], scaling="absolute"
    )
    effect = node("effect", "MultivalDynamic", float_val=0.9, mask_optional=["mask", 0])
    block = node("block", "ADBlockIndiv", effect=effect, scale_0=scale)
    blocks = node("blocks", "PerBlock_SD15_LowLevel", down_0__1=block, mid=block, up_3__2=block)
    early = node("early", "AnimateDiffKeyframe", start_percent=0.0, scale_multival=scale)
    keys = node("late", "AnimateDiffKeyframe", start_percent=0.5, prev_ad_keyframes=early, effect_multival=effect)
    steering = {"motion_lora": lora, "scale_multival": scale, "ad_keyframes": keys, "per_block": blocks}
    one = node("one", "ApplyAnimateDiffModelSimple", motion_model=motion, **steering)
    range_ = {"start_percent": 0.0, "end_percent": 0.8}
    both = node("both", "ApplyAnimateDiffModel", motion_model=motion, prev_m_models=one, **range_)
    words = {"start_percent": 0.0, "end_percent": 1.0, "cfg_start": 8.0, "cfg_end": 3.0, "interpolation": "ease_in"}
    cfg = node("cfg", "CustomCFGKeyframeInterpolation", intervals=5, print_keyframes=False, **words)
    a = node("a", "SigmaSchedule", beta_schedule="sqrt_linear (AnimateDiff)")
    raw = {"raw_beta_schedule": "squaredcos_cap_v2", "linear_start": 0.00085, "linear_end": 0.012, "sampling": "eps"}
    b = node("b", "RawSigmaSchedule", lcm_original_timesteps=50, zsnr=True, **raw)
    mean = {"weight_A_Start": 0.9, "weight_A_End": 1.0, "interpolation": "linear"}
    sigmas = node("sigmas", "SigmaScheduleWeightedAverageInterp", schedule_A=a, schedule_B=b, **mean)
    draw = {"batch_offset": 0, "noise_type": "default", "seed_gen": "comfy", "seed_offset": 0}
    sampling = node("sampling", "AnimateDiffSamplingSettings", custom_cfg=cfg, sigma_schedule=sigmas, **draw)
    words = {"beta_schedule": "lcm >> sqrt_linear", "m_models": both, "sample_settings": sampling}
    node(identity, "UseEvolvedSampling", model=checkpoint, **words)
    assert len(set(frames_of(server, server.run(prompt)))) == 16


def test_helpers_of_shared_workflows(server, prompt):
    """Their checkpoint loader with its own scale factor, their empty latents, and motion taken off again."""
    identity = next(key for key, node in prompt.items() if node["class_type"] == "ADN_ApplyMotionModel")
    loader = prompt[identity]["inputs"]["model"][0]
    words = {"ckpt_name": seeded.CHECKPOINT, "use_custom_scale_factor": True, "scale_factor": 0.2}
    words["beta_schedule"] = "sqrt_linear (AnimateDiff)"
    prompt[loader] = {"class_type": "CheckpointLoaderSimpleWithNoiseSelect", "inputs": words}
    latents = next(key for key, node in prompt.items() if node["class_type"] == "EmptyLatentImage")
    size = {"width": 64, "height": 64, "batch_size": 9}
    prompt[latents] = {"class_type": "ADE_EmptyLatentImageLarge", "inputs": size}
    moved = frames_of(server, server.run(prompt))
    sampler = nodes_of(prompt, "KSampler")[0]
    prompt["off"] = {"class_type": "ADE_AnimateDiffUnload", "inputs": {"model": sampler["model"]}}
    sampler["model"] = ["off", 0]
    assert len(moved) == 9 and frames_of(server, server.run(prompt)) != moved


def test_an_input_of_shared_workflows_under_its_old_name(server, prompt):
    """motion_model_settings of the legacy loader is ad_settings today; object_info has today's name alone."""
    definition = server.get("/object_info")["ADE_AnimateDiffLoaderWithContext"]["input"]["optional"]
    assert "ad_settings" in definition and "motion_model_settings" not in definition
    identity = next(key for key, node in prompt.items() if node["class_type"] == "ADN_ApplyMotionModel")
    prompt["mask"] = {"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 64, "height": 64}}
    settings = {"motion_pe_stretch": 3, "min_motion_scale": 0.5, "max_motion_scale": 2.0}
    settings["mask_motion_scale"] = ["mask", 0]
    prompt["settings"] = {"class_type": "ADE_AnimateDiffModelSettingsSimple", "inputs": settings}
    words = {"model": prompt[identity]["inputs"]["model"], "model_name": seeded.MOTION_MODEL}
    words["beta_schedule"] = "autoselect"

    def frames(**link):
        prompt[identity] = {"class_type": "ADE_AnimateDiffLoaderWithContext", "inputs": words | link}
        return frames_of(server, server.run(prompt))

    without, today = frames(), frames(ad_settings=["settings", 0])
    forget(server)
    assert without != today == frames(motion_model_settings=["settings", 0])
    settings["motion_pe_stretch"] = "many"
    with pytest.raises(ServerError, match="motion_pe_stretch"):  # what hangs on the old name is checked, too
        frames(motion_model_settings=["settings", 0])


def test_prompt_scheduling_of_shared_workflows(server, prompt):
    """Prompts by frame with numbers filled in, over the latents' length."""
    sampler = nodes_of(prompt, "KSampler")[0]
    clip = prompt[sampler["positive"][0]]["inputs"]["clip"]
    values = {"values": "0 = 0.5, 15 = 1.5", "latent": sampler["latent_image"]}
    prompt["values"] = {"class_type": "ADE_ValueSchedulingLatents", "inputs": values}
    replaced = {"value_key": "light", "floats": ["values", 1]}
    prompt["replaced"] = {"class_type": "ADE_ValuesReplace", "inputs": replaced}
    text = '0:8 = "a lake, (light:`light`)", -1 = "a forest"'
    words = {"prompts": text, "clip": clip, "latent": sampler["latent_image"], "values_replace": ["replaced", 0]}
    prompt["travel"] = {"class_type": "ADE_PromptSchedulingLatents", "inputs": words | {"tensor_interp": "slerp"}}
    before = frames_of(server, server.run(prompt))
    sampler.update(positive=["travel", 0], latent_image=["travel", 1])
    moved = frames_of(server, server.run(prompt))
    assert len(set(moved)) == 16 and moved != before
