"""What cannot be trained is said in one sentence, before anything is copied; the next run works; nothing is lost."""

from dataclasses import replace

import comfy.model_management
import folder_paths
import pytest
import torch
import unets
from animatediff_native.motion.attach import attach
from animatediff_native.motion.families import ANIMATELCM, ANIMATELCM_I2V, LIGHTNING, PIA
from animatediff_native.motion.lora import with_motion_lora
from animatediff_native.motion.low_rank import MotionLoRA, factors_of
from animatediff_native.motion.settings import MotionSettings
from animatediff_native.training import estimate, runs
from animatediff_native.training.examples import Example, Examples
from animatediff_native.training.files import paths_of, run_folder
from animatediff_native.training.runs import Order, run
from comfy_api.torch_helpers.torch_compile import set_torch_compile_wrapper
from small_training import CHANNELS, conditioning, examples, motion_model, plan, same, seeded, small_unet, weights_of
from weights import motion_lora_state


@pytest.fixture(scope="module")
def model():
    return small_unet()


@pytest.fixture(scope="module")
def motion():
    return motion_model("v2")


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path / "output"))
    for kind in ("animatediff_motion_lora", "animatediff_models", "loras"):
        endings = folder_paths.folder_names_and_paths[kind][1]
        monkeypatch.setitem(folder_paths.folder_names_and_paths, kind, ([str(tmp_path / "models" / kind)], endings))


def refused(order: Order, sentence: str) -> None:
    with pytest.raises((ValueError, RuntimeError)) as reason, torch.inference_mode():
        run(order)
    assert sentence in str(reason.value) and str(reason.value).endswith("."), reason.value


def as_family(motion, family, **changes):
    """The same motion model, as if its file had been of that family."""
    other = motion_model("v2")
    other.model.format = replace(motion.model.format, family=family, **changes)
    return other


def scheduled(motion):
    lora = MotionLoRA("zoom", factors_of(motion_lora_state(CHANNELS["sd15"], family="v2")))
    return with_motion_lora(motion, lora, 1.0, lambda moment: 1.0)[0]


def merged(motion):
    lora = MotionLoRA("zoom", factors_of(motion_lora_state(CHANNELS["sd15"], family="v2")))
    return with_motion_lora(motion, lora, 1.0)[0]


def compiled(model):
    model = model.clone()
    set_torch_compile_wrapper(model, backend="eager")
    return model


def clips_of(*shape, cond=True, **changes) -> Examples:
    latents = changes.pop("latents") if "latents" in changes else seeded(*shape)
    item = Example("run.mp4", latents, conditioning(1) if cond else [])
    return replace(examples(1), items=(item,), **changes)


def in_one_byte():
    return unets.unet_model("sd15", torch.float8_e4m3fn, channel_mult=[1] * 4)


CASES = {
    "no motion model": (lambda a: {"motion_model": None}, "needs the motion model that it is for"),
    "motion already on": (
        lambda a: {"model": attach(a.model, a.motion_model, MotionSettings())},
        "The MODEL already has a motion model. Connect the MODEL as it comes from the checkpoint loader",
    ),
    "compiled": (
        lambda a: {"model": compiled(a.model)},
        "This MODEL is compiled. Put TorchCompileModel behind training",
    ),
    "wrong base": (
        lambda a: {"model": small_unet("sdxl")},
        "This is a motion model for SD1.5 (AnimateDiff v2), but the",
    ),
    "lightning": (
        lambda a: {"motion_model": as_family(a.motion_model, LIGHTNING)},
        "AnimateDiff-Lightning is distilled: training it as an ordinary motion model undoes that. Train on v2",
    ),
    "lcm": (lambda a: {"motion_model": as_family(a.motion_model, ANIMATELCM)}, "AnimateLCM is distilled"),
    "i2v": (
        lambda a: {"motion_model": as_family(a.motion_model, ANIMATELCM_I2V, image_encoder=True)},
        "AnimateLCM-I2V starts from a picture, and clips for training have none",
    ),
    "pia": (
        lambda a: {"motion_model": as_family(a.motion_model, PIA, picture_conv=True)},
        "PIA starts from a picture, and clips for training have none apart from themselves. Train on v2",
    ),
    "scheduled lora": (
        lambda a: {"motion_model": scheduled(a.motion_model)},
        "A motion LoRA with a strength_schedule cannot stay on while training. Use a plain strength",
    ),
    "lora on a motion model": (
        lambda a: {"motion_model": merged(a.motion_model), "plan": plan("motion model")},
        "The motion model has a motion LoRA on it, which would be trained in.",
    ),
    "rank": (
        lambda a: {"plan": plan(rank=64)},
        "rank 64 is more than this motion model's narrowest layer (32). Use 32 or less.",
    ),
    "rank of an adapter": (
        lambda a: {"plan": plan("domain adapter", rank=64)},
        "rank 64 is more than this checkpoint's narrowest layer (32). Use 32 or less.",
    ),
    "channels": (
        lambda a: {"examples": clips_of(1, 4, 16, 8, 8)},
        "'run.mp4' has latents of 16 channels, and AnimateDiff's checkpoints have 4.",
    ),
    "not numbers": (
        lambda a: {"examples": clips_of(latents=torch.full((1, 4, 4, 8, 8), torch.nan))},
        "'run.mp4' has latents that are not numbers: the VAE failed on it",
    ),
    "no caption": (lambda a: {"examples": clips_of(1, 4, 4, 8, 8, cond=False)}, "'run.mp4' has no encoded caption."),
    "no empty caption": (
        lambda a: {"examples": clips_of(1, 4, 4, 8, 8, empty=[])},
        "caption_dropout needs the empty caption encoded, too, and the clips bring none. Set caption_dropout to 0.",
    ),
    "one frame": (
        lambda a: {"examples": clips_of(1, 1, 4, 8, 8)},
        "'run.mp4' is a single picture, which holds no motion. Move its crop with Camera Move, or connect clips.",
    ),
    "two frames": (
        lambda a: {"examples": clips_of(1, 2, 4, 8, 8)},
        "'run.mp4' has 2 frames, which are too few: motion models were trained on 16 (HotShot-XL on 8), and give",
    ),
    "too many frames": (
        lambda a: {"examples": clips_of(1, 40, 4, 8, 8)},
        "40 frames are more than this motion model takes at once (32). Set clip_frames to 32 or less.",
    ),
    "fp8": (
        lambda a: {"model": in_one_byte(), "plan": plan("domain adapter")},
        "The checkpoint is held in fp8. Load it with weight_dtype default to train an adapter.",
    ),
    "new layout": (
        lambda a: {"motion_model": None, "plan": plan("motion model", new_model="SDXL")},
        "A new motion model of the layout SDXL is for SDXL, but the connected model is SD1.5. Choose v3 or v2",
    ),
    "new layout of SDXL": (
        lambda a: {"model": small_unet("sdxl"), "motion_model": None, "plan": plan("motion model")},
        "A new motion model of the layout v3 is for SD1.5, but the connected model is SDXL. Choose SDXL as new_model.",
    ),
    "bitsandbytes": (
        lambda a: {"plan": plan(optimizer="adamw 8 bit")},
        "optimizer is 'adamw 8 bit', and this Python has no bitsandbytes. Choose adamw, or install it",
    ),
    "prodigy": (lambda a: {"plan": plan(optimizer="prodigy", learning_rate=1.0)}, "this Python has no prodigyopt"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_sentence(model, motion, case):
    before = weights_of(model), weights_of(motion)
    order = Order(model, motion, examples(), plan())
    change, sentence = CASES[case]
    refused(replace(order, **change(order)), sentence)
    assert same(weights_of(model), before[0]) and same(weights_of(motion), before[1])
    assert not any(path.exists() for path in paths_of(order.plan))


def test_a_file_of_that_name_is_never_overwritten(model, motion):
    order = Order(model, motion, examples(), plan())
    (path,) = paths_of(order.plan)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"somebody's")
    refused(
        order, "models/animatediff_motion_lora/test.safetensors is there already, and was not trained under this name"
    )
    assert path.read_bytes() == b"somebody's"


@pytest.mark.parametrize("text", ["", "[]", "{}"])
def test_a_damaged_plan_of_a_run_is_no_leave_to_overwrite(model, motion, text):
    order = Order(model, motion, examples(), plan())
    (path,) = paths_of(order.plan)
    for each in (path, run_folder("test") / "plan.json"):
        each.parent.mkdir(parents=True)
        each.write_text(text)
    refused(order, "test.safetensors is there already, and was not trained under this name")
    path.unlink()
    with torch.inference_mode():
        assert run(order)[0].step == 3


def test_a_step_that_does_not_fit_is_refused_before_it_begins(model, motion, monkeypatch):
    monkeypatch.setattr(comfy.model_management, "get_total_memory", lambda device: estimate.GIB)
    refused(
        Order(model, motion, examples(), plan()), "A step needs more than the 1.0 GB of this device: 4 frames of 64 x"
    )


def test_another_kind_of_noise_schedule_is_refused(model, motion):
    class Flow(torch.nn.Module):
        pass

    other = model.clone()
    other.add_object_patch("model_sampling", Flow())
    refused(Order(other, motion, examples(), plan()), "The MODEL has a noise schedule of another kind (Flow)")


def test_the_run_after_a_refusal_works(model, motion):
    refused(Order(model, motion, examples(), plan(rank=64)), "rank 64")
    with torch.inference_mode():
        state, _ = run(Order(model, motion, examples(), plan()))
    assert state.step == 3 and runs.paths_of(plan())[0].exists()
