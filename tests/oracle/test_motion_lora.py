"""MotionLoRA in every layout, against the official code's merged weights and pictures."""

import pytest
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.lora import NotAMotionLoRA, load_motion_lora, with_motion_lora
from animatediff_native.motion.low_rank import MotionLoRA, factors_of
from animatediff_native.motion.settings import MotionSettings
from oracles import data, relative_error
from safetensors.torch import save_file
from tiny_unet import motion_of, predicted_noise

GUOYWW = "tiny_unet.motion_lora.guoyww"
RANK = 4


def diffusers(key: str) -> str:
    key = key.replace(".temporal_transformer.", ".")
    return "unet." + key.replace(".attention_blocks.0.", ".attn1.").replace(".attention_blocks.1.", ".attn2.")


def peft(key: str) -> str:
    key = diffusers(key).replace(".processor", "").replace("to_out_lora", "to_out.0_lora")
    return key.replace("_lora.down.", ".lora_A.").replace("_lora.up.", ".lora_B.")


def kohya(key: str) -> str:
    layer, kind, _ = key.replace(".processor", "").replace("_lora", "").rsplit(".", 2)
    return f"lora_unet_{layer.replace('.', '_')}.lora_{kind}.weight"


def motiondirector(key: str) -> str:
    return key.replace(".processor.to_out_lora.", ".to_out.processor.0_lora.")


LAYOUTS = {
    "guoyww": lambda key: key,
    "nested prefix": lambda key: "module." + key,
    "diffusers": diffusers,
    "peft": peft,
    "kohya": kohya,
    "motiondirector": motiondirector,
}


def lora_in(layout: str, **more: torch.Tensor) -> MotionLoRA:
    state = {LAYOUTS[layout](key).removeprefix("module."): value for key, value in data(GUOYWW).items()}
    return MotionLoRA("lora.safetensors", factors_of(state | more))


def patched(motion):
    """The weights that the host runs, key by key."""
    motion.patch_model()
    weights = {key: value.clone() for key, value in motion.model.state_dict().items()}
    motion.unpatch_model()
    return weights


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_matches_every_layer(unet, layout):
    motion, line = with_motion_lora(motion_of(unet[1], "v2"), lora_in(layout), 0.75)
    assert line == "lora.safetensors: 168 of 168 layers matched"
    expected = {key.removeprefix("after.motion.0.75."): value for key, value in data("lora_merge").items()}
    found = patched(motion)
    merged = [key for key in expected if key in found]
    assert len(merged) >= 8
    assert all((found[key] - expected[key]).abs().max() < 1e-6 for key in merged)


@pytest.mark.parametrize("strength", [-0.5, 0.75, 1.0])
@pytest.mark.parametrize("scheduled", [False, True])
def test_pictures(unet, strength, scheduled):
    """In the weights, and added while the model runs."""
    schedule = (lambda moment: 0.5) if scheduled else None
    motion, _ = with_motion_lora(
        motion_of(unet[1], "v2"), lora_in("guoyww"), strength * (2 if scheduled else 1), schedule
    )
    model = attach(unet[0], motion, MotionSettings())
    expected = data("tiny_unet.lora_outputs")[f"y.motion.{strength}"]
    assert relative_error(predicted_noise(model, data("tiny_unet.io")), expected) < 1e-4


def test_alpha_over_rank_is_the_scale(unet):
    alphas = {
        f"{kohya(key).split('.')[0]}.alpha": torch.tensor(RANK / 2) for key in data(GUOYWW) if key.endswith("up.weight")
    }
    half, _ = with_motion_lora(motion_of(unet[1], "v2"), lora_in("kohya", **alphas), 1.5)
    whole, _ = with_motion_lora(motion_of(unet[1], "v2"), lora_in("guoyww"), 0.75)
    assert all(
        torch.allclose(a, b, atol=1e-6) for a, b in zip(patched(half).values(), patched(whole).values(), strict=True)
    )


def test_alpha_counts_while_running_too(unet):
    alphas = {
        f"{kohya(key).split('.')[0]}.alpha": torch.tensor(1.0) for key in data(GUOYWW) if key.endswith("up.weight")
    }
    motion, _ = with_motion_lora(motion_of(unet[1], "v2"), lora_in("kohya", **alphas), 3.0, lambda moment: 1.0)
    found = predicted_noise(attach(unet[0], motion, MotionSettings()), data("tiny_unet.io"))
    assert relative_error(found, data("tiny_unet.lora_outputs")["y.motion.0.75"]) < 1e-4


def test_several_add_up_in_any_order(unet):
    motion, lora = motion_of(unet[1], "v2"), lora_in("guoyww")
    other = MotionLoRA("b", factors_of({key: value.flip(0) for key, value in data(GUOYWW).items()}))
    both = patched(with_motion_lora(with_motion_lora(motion, lora, 0.8)[0], other, -0.3)[0])
    turned = patched(with_motion_lora(with_motion_lora(motion, other, -0.3)[0], lora, 0.8)[0])
    plain = patched(motion)
    for key, factors in lora.layers.items():
        name = f"{key}.0.weight" if key.endswith("to_out") else f"{key}.weight"
        expected = plain[name] + 0.8 * factors.up @ factors.down - 0.3 * other.layers[key].up @ other.layers[key].down
        assert (both[name] - expected).abs().max() < 1e-6 and (turned[name] - expected).abs().max() < 1e-6


def test_motiondirectors_feed_forward(unet):
    """Its files also change the feed-forward; running and merged give the same."""
    generator = torch.Generator().manual_seed(0)
    prefix = "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.ff.net."
    shapes = {"0.processor.proj_lora": (32, 256), "processor.2_lora": (128, 32)}
    more = {}
    for name, (inputs, outputs) in shapes.items():
        more[f"{prefix}{name}.down.weight"] = torch.randn(3, inputs, generator=generator) * 0.1
        more[f"{prefix}{name}.up.weight"] = torch.randn(outputs, 3, generator=generator) * 0.1
    lora = lora_in("motiondirector", **more)
    merged, line = with_motion_lora(motion_of(unet[1], "v2"), lora, 1.0)
    running, _ = with_motion_lora(motion_of(unet[1], "v2"), lora, 1.0, lambda moment: 1.0)
    assert line.endswith("170 of 170 layers matched")
    a, b = (
        predicted_noise(attach(unet[0], motion, MotionSettings()), data("tiny_unet.io")) for motion in (merged, running)
    )
    assert relative_error(a, b) < 1e-5
    without = data("tiny_unet.lora_outputs")["y.motion.1.0"]
    assert relative_error(a, without) > 1e-3


def test_a_v2_lora_on_v3_leaves_out_the_mid_block(unet):
    _, line = with_motion_lora(motion_of(unet[1], "v3"), lora_in("guoyww"), 1.0)
    assert line.startswith("lora.safetensors: 160 of 168 layers matched; it was made for AnimateDiff v2")


def file_with(tmp_path, state, name="file.safetensors"):
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / name)
    return str(tmp_path / name)


ADAPTER = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora."
SPATIAL = {f"{ADAPTER}down.weight": torch.ones(2, 32), f"{ADAPTER}up.weight": torch.ones(32, 2)}


def test_files(unet, tmp_path):
    lora = load_motion_lora(file_with(tmp_path, data(GUOYWW) | SPATIAL))
    assert (len(lora.layers), lora.others) == (168, 1)
    assert with_motion_lora(motion_of(unet[1], "v2"), lora, 1.0)[1].endswith(
        "apply the file to the MODEL with Load LoRA, too"
    )


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (SPATIAL, "is a LoRA for the checkpoint, not a motion LoRA.*Load LoRA.*its alpha"),
        ({"down_blocks.0.motion_modules.0.x.weight": torch.ones(1)}, "is a motion model, not a motion LoRA"),
        ({"something": torch.ones(1)}, "holds no motion LoRA .it begins with something"),
    ],
)
def test_files_that_are_something_else(tmp_path, state, message):
    with pytest.raises(NotAMotionLoRA, match=f"'file.safetensors' {message}"):
        load_motion_lora(file_with(tmp_path, state))


def test_a_lora_for_another_motion_model(unet):
    sdxl = {key: value for key, value in data(GUOYWW).items() if "blocks.3" not in key and "mid_block" not in key}
    with pytest.raises(NotAMotionLoRA, match="was made for an SDXL motion model.*AnimateDiff v2 for SD1.5"):
        with_motion_lora(motion_of(unet[1], "v2"), MotionLoRA("x", factors_of(sdxl)), 1.0)
    wider = {key: torch.ones(4, 64) if "down.weight" in key else torch.ones(64, 4) for key in data(GUOYWW)}
    with pytest.raises(NotAMotionLoRA, match="none of its 168 layers fits"):
        with_motion_lora(motion_of(unet[1], "v2"), MotionLoRA("x", factors_of(wider)), 1.0)


@pytest.mark.parametrize("strength", [float("nan"), float("inf"), 10.5, -11.0, 1e9])
def test_strengths_out_of_range(unet, strength):
    with pytest.raises(ValueError, match="strength is .*, and must be from -10 to 10"):
        with_motion_lora(motion_of(unet[1], "v2"), lora_in("guoyww"), strength)
