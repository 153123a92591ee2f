"""The real ComfyUI-AnimateDiff-Evolved and Impact Pack in one server with this pack.

Each is found through an environment variable (`support/other_packs.py`), and skipped where that is not set.
"""

import gzip
import importlib.util
import json
import shutil
from pathlib import Path

import numpy
import pytest
import seeded
from beside import beside, graph, ours
from comfy_server import ComfyServer, ServerError
from other_packs import pack_folder
from PIL import Image
from safetensors.torch import load_file
from small_graphs import add
from training_graphs import FOLDERS, LORA, MODEL, training

DATA = Path(__file__).resolve().parents[1] / "data"
ADE_IDS = set(json.loads(gzip.decompress((DATA / "ade_nodes.json.gz").read_bytes())))
"""The other pack's own ids."""


@pytest.fixture(scope="module", params=["theirs first", "ours first"])
def both(request, comfyui, base, tmp_path_factory):
    pack, folder = pack_folder("ADE_DIR"), tmp_path_factory.mktemp("ade")
    first, last = ([pack], []) if request.param == "theirs first" else ([], [pack])
    with beside(comfyui, base, folder, first, last) as running:
        yield running


def theirs(prompt: dict, model: list) -> dict:
    """`prompt` with the other pack's windows on `model`, in the node "theirs".

    Without a motion model: it takes none of other than the public widths, which are too large for a test.
    """
    windows = {"context_length": 4, "context_overlap": 2, "fuse_method": "pyramid", "use_on_equal_length": False}
    windows |= {"start_percent": 0.0, "guarantee_steps": 1}
    prompt["their windows"] = {"class_type": "ADE_StandardStaticContextOptions", "inputs": windows}
    settings = {"model": model, "beta_schedule": "sqrt_linear (AnimateDiff)", "context_options": ["their windows", 0]}
    prompt["theirs"] = {"class_type": "ADE_UseEvolvedSampling", "inputs": settings}
    return prompt


def latents_of(server: ComfyServer, prompt: dict):
    saved = server.run(prompt)["save"]["latents"][0]
    return load_file(server.output / saved["subfolder"] / saved["filename"])["latent_tensor"]


def test_their_nodes_keep_their_ids_and_ours_are_there(both):
    info = both.get("/object_info")
    theirs_here = {node_id for node_id in ADE_IDS if "ComfyUI-AnimateDiff-Evolved" in info[node_id]["python_module"]}
    assert theirs_here == ADE_IDS
    own = {node_id for node_id in info if node_id.startswith("ADN_")}
    assert own and {info[node_id]["python_module"] for node_id in own} == {"custom_nodes.animatediff-native"}


def test_both_work_in_one_session(both):
    """What the other pack does around its runs is gone after them: ours gives the same bits before and after."""
    own = ours(graph(["ours", 0]), ["checkpoint", 0])
    before = latents_of(both, own)
    windowed = latents_of(both, theirs(graph(["theirs", 0]), ["checkpoint", 0]))
    both.post("/free", {"unload_models": True, "free_memory": True})
    after = latents_of(both, own)
    still = latents_of(both, graph(["checkpoint", 0]))
    assert before.equal(after)
    assert not before.allclose(still, atol=1e-2) and not windowed.allclose(still, atol=1e-2)


@pytest.mark.parametrize("order", ["theirs first", "ours first"])
def test_both_on_one_model_is_an_error(both, order):
    if order == "theirs first":
        prompt = ours(theirs(graph(["ours", 0]), ["checkpoint", 0]), ["theirs", 0])
    else:
        prompt = theirs(ours(graph(["theirs", 0]), ["checkpoint", 0]), ["ours", 0])
    with pytest.raises(ServerError, match="are both applied to this MODEL, and only one of them can animate it"):
        both.run(prompt)
    assert both.run(theirs(graph(["theirs", 0]), ["checkpoint", 0]))  # nothing of the failed run is left


@pytest.mark.parametrize("mix", ["lerp", "slerp"])
def test_prompts_are_mixed_as_theirs_are(both, server, mix):
    """Their prompt scheduling in their server, our form of it in ours: the same latents."""
    prompt = graph(["checkpoint", 0])
    words = {"prompts": '0 = "a lake", 5 = "a lake at noon", 7: = "snow"', "clip": ["checkpoint", 1]}
    words |= {"prepend_text": "", "append_text": "", "print_schedule": False, "max_length": 8, "tensor_interp": mix}
    prompt["travel"] = {"class_type": "ADE_PromptScheduling", "inputs": words}
    prompt["sampler"]["inputs"]["positive"] = ["travel", 0]
    our_own, their_own = latents_of(server, prompt), latents_of(both, prompt)
    assert our_own.shape[0] == 8 and our_own.allclose(their_own, atol=1e-4 * float(their_own.abs().max()))


WIDTHS = {"(320, 640, 1280, 1280)": "(320, 320, 320, 320)", "middle_channel = 1280": "middle_channel = 320"}
"""The other pack takes none but the public widths: those, and what our small models have."""


@pytest.fixture(scope="module")
def narrow(comfyui, base, tmp_path_factory):
    """A copy of the other pack that takes our small models, beside this one."""
    folder = tmp_path_factory.mktemp("narrow")
    pack = shutil.copytree(pack_folder("ADE_DIR"), folder / "ComfyUI-AnimateDiff-Evolved")
    module = pack / "animatediff" / "motion_module_ad.py"
    text = module.read_text("utf-8")
    for public, small in WIDTHS.items():
        assert public in text
        text = text.replace(public, small)
    module.write_text(text, "utf-8")
    with beside(comfyui, base, folder, [pack], []) as running:
        yield running


@pytest.mark.parametrize("stage", [LORA, MODEL])
def test_what_is_trained_here_gives_the_same_clip_there(narrow, stage):
    name = f"for_others_{FOLDERS[stage]}"
    narrow.run(training(stage, name))
    name = f"{name}.safetensors"
    model = name if stage == MODEL else seeded.MOTION_MODEL
    own, other = ours(graph(["ours", 0]), ["checkpoint", 0], model), graph(["theirs", 0])
    words = {"model": ["checkpoint", 0], "model_name": model, "beta_schedule": "sqrt_linear (AnimateDiff)"}
    if stage == LORA:
        lora = add(own, "our lora", "ADN_LoadMotionLoRA", motion_model=["our file", 0], lora_name=name, strength=1.0)
        own["ours"]["inputs"]["motion_model"] = lora
        words["motion_lora"] = add(other, "their lora", "ADE_AnimateDiffLoRALoader", name=name, strength=1.0)
    add(other, "theirs", "ADE_AnimateDiffLoaderGen1", **words)
    here, there = latents_of(narrow, own), latents_of(narrow, other)
    without = latents_of(narrow, ours(graph(["ours", 0]), ["checkpoint", 0]))
    assert here.allclose(there, atol=1e-4 * float(here.abs().max()))
    assert not here.allclose(without, atol=1e-2 * float(here.abs().max()))


MISSING = [name for name in ("cv2", "skimage", "piexif") if importlib.util.find_spec(name) is None]


@pytest.fixture(scope="module")
def impact(comfyui, base, tmp_path_factory):
    pack, folder = pack_folder("IMPACT_PACK_DIR"), tmp_path_factory.mktemp("impact")
    if MISSING:
        pytest.skip(f"Impact Pack needs Python packages that are not installed: {', '.join(MISSING)}.")
    with beside(comfyui, base, folder, [pack], []) as running:
        yield running


SIZE, INNER = 128, 64


def detailer(model: list, frames: int) -> dict:
    """Grey frames, of which Impact Pack's detailer for AnimateDiff samples the middle with `model`."""
    middle = (SIZE - INNER) // 2
    settings = {"guide_size": 96.0, "guide_size_for": True, "max_size": 768.0, "seed": 1, "steps": 1, "cfg": 2.0}
    settings |= {"sampler_name": "euler", "scheduler": "normal", "denoise": 0.8, "refiner_ratio": 0.2}
    settings |= {"feather": 0, "noise_mask_feather": 0}
    mask = {"combined": False, "crop_factor": 1.2, "bbox_fill": False, "drop_size": 10, "contour_fill": False}
    pasted = {"x": middle, "y": middle, "operation": "add"}
    pipe = {"clip": ["checkpoint", 1], "vae": ["checkpoint", 2], "positive": ["text", 0], "negative": ["text", 0]}
    nodes = {
        "checkpoint": ("CheckpointLoaderSimple", {"ckpt_name": seeded.CHECKPOINT}),
        "text": ("CLIPTextEncode", {"clip": ["checkpoint", 1], "text": "a"}),
        "frames": ("EmptyImage", {"width": SIZE, "height": SIZE, "batch_size": frames, "color": 0x808080}),
        "nothing": ("SolidMask", {"value": 0.0, "width": SIZE, "height": SIZE}),
        "square": ("SolidMask", {"value": 1.0, "width": INNER, "height": INNER}),
        "mask": ("MaskComposite", {"destination": ["nothing", 0], "source": ["square", 0]} | pasted),
        "segs": ("MaskToSEGS_for_AnimateDiff", {"mask": ["mask", 0]} | mask),
        "pipe": ("ToBasicPipe", {"model": model} | pipe),
        "detailer": (
            "DetailerForEachPipeForAnimateDiff",
            {"image_frames": ["frames", 0], "segs": ["segs", 0], "basic_pipe": ["pipe", 0]} | settings,
        ),
        "save": ("SaveImage", {"images": ["detailer", 0], "filename_prefix": "detailer"}),
    }
    return {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}


def in_windows(prompt: dict, model: list) -> dict:
    settings = {"preset": "custom", "context_length": 8, "context_overlap": 2, "context_stride": 1}
    settings |= {"context_schedule": "standard_static", "fuse_method": "pyramid", "closed_loop": False}
    prompt["windows"] = {"class_type": "ADN_ContextWindows", "inputs": settings | {"model": model}}
    return prompt


def pictures(server: ComfyServer, prompt: dict) -> numpy.ndarray:
    files = server.files(server.run(prompt))
    return numpy.stack([numpy.asarray(Image.open(file).convert("RGB"), numpy.int16) for file in files])


@pytest.mark.parametrize("windows", [False, True])
def test_impact_packs_detailer_for_animatediff_samples_with_motion(impact, windows):
    """It cuts the middle out of all frames, and samples these cuts as one clip.

    Its noise_mask_feather calls a method that ComfyUI 0.30.0 has no longer, so it is 0 here.
    """
    frames = 12 if windows else 8
    still = pictures(impact, detailer(["checkpoint", 0], frames))
    prompt = ours(detailer(["windows" if windows else "ours", 0], frames), ["checkpoint", 0])
    moved = pictures(impact, in_windows(prompt, ["ours", 0]) if windows else prompt)
    assert f": {frames} frames {'in 2 windows of 8' if windows else 'at once'}" in impact.log_text()
    assert moved.shape == (frames, SIZE, SIZE, 3)
    assert (moved[:, :8] == 128).all() and (moved[:, :, :8] == 128).all()  # outside the cut
    middle = slice(SIZE // 2 - 16, SIZE // 2 + 16)
    assert all(abs(one - other)[middle, middle].mean() > 1 for one, other in zip(moved, still, strict=True))
