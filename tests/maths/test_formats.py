"""Which kind a motion file is, from the key lists of the public files at full width (no values needed)."""

import gzip
import json

import pytest
import torch
from animatediff_native.motion.convert import canonical, is_hotshot, unwrap
from animatediff_native.motion.foreign import refuse_by_keys
from animatediff_native.motion.formats import (
    TABLE,
    Norms,
    NotAMotionModel,
    detect,
    image_encoder_shapes,
    sites,
    state_shapes,
)
from oracles import DATA
from weights import diffusers_name, filled, motion_shapes, motion_state

KEYS = json.loads(gzip.decompress((DATA / "keylists.json.gz").read_bytes()))
I2V_ENCODER = "AnimateLCM_sd15_i2v img_encoder part"
LCM = "AnimateLCM_sd15_t2v (no pos_encoder keys)"
V2 = "mm_sd_v15_v2 / AnimateDiff-Lightning comfyui"


def file_of(name: str, prefix: str = "") -> dict[str, torch.Tensor]:
    return {prefix + key: torch.empty(shape, device="meta") for key, shape in KEYS[name].items()}


def read(state, file_name=""):
    state = unwrap(state)
    refuse_by_keys(state)
    return detect(canonical(state), is_hotshot(state), file_name)


@pytest.mark.parametrize(
    ("name", "family", "max_frames", "modules"),
    [
        ("mm_sd_v14 / mm_sd_v15", "AnimateDiff v1", 24, 20),
        (V2, "AnimateDiff v2", 32, 21),
        ("v3_sd15_mm", "AnimateDiff v3", 32, 20),
        (LCM, "AnimateLCM", 64, 21),
        ("pia.ckpt", "PIA", 16, 20),
        ("diffusers MotionAdapter PIA", "PIA", 16, 20),
        ("mm_sdxl_v10_beta", "AnimateDiff-SDXL", 32, 15),
        ("hsxl_temporal_layers", "HotShot-XL", 24, 15),
        ("diffusers MotionAdapter v2 / AnimateLCM / Lightning diffusers", "AnimateDiff v2", 32, 21),
        ("diffusers MotionAdapter v1-5-3", "AnimateDiff v3", 32, 20),
        ("diffusers MotionAdapter v1-5 (24)", "AnimateDiff v1", 24, 20),
        ("diffusers MotionAdapter SDXL beta", "AnimateDiff-SDXL", 32, 15),
    ],
)
@pytest.mark.parametrize("prefix", ["", "module.", "unet."])
def test_public_files(name, family, max_frames, modules, prefix):
    found = read(file_of(name, prefix))
    assert (found.family.name, found.max_frames, found.modules) == (family, max_frames, modules)
    assert found.channels == ((320, 640, 1280) if found.family.base == "SDXL" else (320, 640, 1280, 1280))
    assert len(sites(found)) == modules


@pytest.mark.parametrize("prefix", ["", "module."])
def test_the_image_to_video_model_keeps_its_image_encoder(prefix):
    found = read(file_of(LCM, prefix) | file_of(I2V_ENCODER, prefix))
    assert (found.family.name, found.max_frames, found.modules) == ("AnimateLCM-I2V", 64, 21) and found.image_encoder
    assert found.family.beta_schedule == "AnimateLCM" and not read(file_of(LCM)).image_encoder
    shapes = image_encoder_shapes(found.channels)
    assert {key: list(shape) for key, shape in shapes.items()} == KEYS[I2V_ENCODER]
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == 76_827_840


def test_an_incomplete_image_encoder_names_what_is_wrong():
    whole = file_of(LCM) | file_of(I2V_ENCODER)
    missing = "img_encoder.body.6.block1.weight"
    with pytest.raises(NotAMotionModel, match=f"AnimateLCM-I2V but lacks {missing}"):
        read({key: value for key, value in whole.items() if key != missing})
    with pytest.raises(NotAMotionModel, match=r"conv_in.weight has the shape \[320, 9, 3, 3\] instead of"):
        read(whole | {"img_encoder.conv_in.weight": torch.empty(320, 9, 3, 3, device="meta")})


@pytest.mark.parametrize(
    ("length", "mid", "family"),
    [
        (64, True, "LongAnimateDiff"),
        (128, True, "LongAnimateDiff"),
        (48, False, "LongAnimateDiff"),
        (16, False, "AnimateDiff v3"),
    ],
)
def test_any_length_of_the_position_table(length, mid, family):
    found = read({k: torch.empty(s, device="meta") for k, s in motion_shapes(mid=mid, length=length).items()})
    assert (found.family.name, found.max_frames) == (family, length)


def test_a_name_only_chooses_between_files_of_one_shape():
    assert read(file_of(V2), "animatediff_lightning_4step_comfyui.safetensors").family.name == "AnimateDiff-Lightning"
    assert read(file_of(V2), "lt_long_mm_32_frames.ckpt").family.name == "LongAnimateDiff"
    assert read(file_of("v3_sd15_mm"), "animatediff_lightning.safetensors").family.name == "AnimateDiff v3"
    assert read(file_of("mm_sd_v14 / mm_sd_v15"), "mm_sd_v15_v2.ckpt").family.name == "AnimateDiff v1"
    without_tables = {key: value for key, value in file_of("v3_sd15_mm").items() if not TABLE.search(key)}
    names = {"mm_sd_v14.ckpt": "AnimateDiff v1", "mm_sd_v15_v3.ckpt": "AnimateDiff v3", "": "AnimateDiff v3"}
    names["my_lcm.safetensors"] = "AnimateLCM"
    assert {name: read(without_tables, name).family.name for name in names} == names
    schedules = [read(file_of(V2), name).family.beta_schedule for name in ("", "lightning", "long", "lcm")]
    assert schedules == ["AnimateDiff SD1.5"] * 3 + ["AnimateLCM"]


def test_a_training_checkpoint_holds_the_whole_unet():
    state = file_of("v3_sd15_mm", "module.") | {"module.conv_in.weight": torch.empty(320, 4, 3, 3, device="meta")}
    nested = {"epoch": 3, "global_step": 40, "state_dict": state | {"animatediff_config": "text"}}
    assert read(nested).family.name == "AnimateDiff v3"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("v2_lora_*.ckpt (rank 64)", ["motion LoRA", "models/animatediff_motion_lora"]),
        ("v3_sd15_adapter.ckpt (rank 128)", ["LoRA for the checkpoint", "models/loras", "Load LoRA"]),
        ("v3_sd15_sparsectrl_rgb.ckpt", ["SparseCtrl", "models/controlnet"]),
        ("v3_sd15_sparsectrl_scribble.ckpt", ["SparseCtrl"]),
        ("CameraCtrl pose encoder", ["CameraCtrl"]),
        ("CameraCtrl attention processors", ["CameraCtrl"]),
        ("motionctrl_animatediff_cmcm.ckpt (state_dict)", ["MotionCtrl", "this file with Camera Path"]),
        ("motionctrl_animatediff_omcm.ckpt (omcm_state_dict)", ["MotionCtrl", "this file with Object Path"]),
        (I2V_ENCODER, ["AnimateLCM", "image-to-video", "without its motion modules"]),
    ],
)
def test_files_that_are_something_else(name, words):
    with pytest.raises(NotAMotionModel) as raised:
        read(file_of(name))
    for word in words:
        assert word in str(raised.value)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("model.diffusion_model.input_blocks.0.0.weight", "whole checkpoint. Put it into models/checkpoints"),
        ("control_model.input_hint_block.0.weight", "ControlNet"),
        ("decoder.conv_in.weight", "VAE"),
        ("text_model.encoder.layers.0.mlp.fc1.weight", "text encoder"),
        ("down_blocks.0.resnets.0.conv1.weight", "UNet without motion modules"),
        ("something.else", "holds no motion modules (it begins with something.else)"),
    ],
)
def test_files_without_motion(key, words):
    with pytest.raises(NotAMotionModel, match=".") as raised:
        read({key: torch.empty(1)})
    assert words in str(raised.value)


def test_an_incomplete_file_names_what_is_missing():
    state = file_of("v3_sd15_mm")
    missing = "up_blocks.2.motion_modules.1.temporal_transformer.proj_out.weight"
    del state[missing]
    with pytest.raises(NotAMotionModel) as raised:
        read(state)
    assert missing in str(raised.value)


def test_a_file_of_the_wrong_width_names_both_shapes():
    state = file_of("v3_sd15_mm")
    state["up_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight"] = torch.empty(640, 640, device="meta")
    with pytest.raises(NotAMotionModel) as raised:
        read(state)
    assert "[640, 640]" in str(raised.value) and "[1280, 1280]" in str(raised.value)


@pytest.mark.parametrize("family", ["v1", "v2", "v3", "sdxl"])
def test_layouts_hold_the_same_values(family):
    channels = (32, 64, 64, 64) if family != "sdxl" else (32, 64, 64)
    plain = canonical(motion_state(family, channels))
    renamed = canonical(motion_state(family, channels, layout="diffusers"))
    assert plain.keys() == renamed.keys()
    assert all(torch.equal(plain[key], renamed[key]) for key in plain)
    assert diffusers_name(next(iter(plain))) not in plain


def test_hotshot_names_are_the_same_weights():
    ours = canonical(motion_state("hotshot", (32, 64, 64)))
    weights = filled({key: shape for key, shape in motion_shapes((32, 64, 64), length=None).items()}, 1)
    assert all(torch.equal(ours[key], weights[key]) for key in weights)
    assert ours[
        "up_blocks.2.motion_modules.2.temporal_transformer.transformer_blocks.0.attention_blocks.1.pos_encoder.pe"
    ].shape == (1, 24, 32)


def test_parameter_counts_are_those_of_the_published_files():
    counts = {"mm_sd_v14 / mm_sd_v15": 417_137_600, V2: 453_209_280, "mm_sdxl_v10_beta": 236_779_200}
    for name, count in counts.items():
        shapes = state_shapes(read(file_of(name))).values()
        assert sum(torch.Size(shape).numel() for shape in shapes) == count


@pytest.mark.parametrize(
    ("name", "official", "ade"),
    [
        ("mm_sd_v14 / mm_sd_v15", Norms(resblocks=True), True),
        (V2, Norms(), False),
        ("v3_sd15_mm", Norms(), False),
        (LCM, Norms(), False),
        ("mm_sdxl_v10_beta", Norms(motion_modules=True), True),
        ("hsxl_temporal_layers", Norms(resblocks=True), True),
    ],
)
def test_which_norms_average_over_frames(name, official, ade):
    found = read(file_of(name))
    assert found.norms("official") == official
    assert found.norms("as diffusers") == Norms(motion_modules=True)
    assert found.norms("as ADE") == (Norms(True, True, True) if ade else Norms())
    early = ade or found.mid_block  # the legacy loader's apply_v2_models_properly, switched off
    assert found.norms("as early ADE") == (Norms(True, True, True) if early else Norms())
    with pytest.raises(ValueError, match="not a norm mode"):
        found.norms("nonsense")
