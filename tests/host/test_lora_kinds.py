"""Motion LoRAs of other kinds than plain ones: as the host's own LoRA code has them, or refused by name."""

import comfy.lora
import pytest
import torch
from animatediff_native.motion.lora import load_motion_lora, with_motion_lora
from animatediff_native.motion.low_rank import NotAMotionLoRA
from clips import lora, motion_model
from safetensors.torch import save_file

LAYER = "down_blocks.3.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.to_q"
CHANNELS = 128


def tensor(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape))) * 0.2


PLAIN = {"lora_up.weight": tensor(CHANNELS, 4), "lora_down.weight": tensor(4, CHANNELS)}
KINDS = {
    "plain": PLAIN | {"alpha": torch.tensor(2.0)},
    "DoRA": PLAIN | {"dora_scale": tensor(CHANNELS, 1).abs() + 1},
    "LoHa": {
        **{f"hada_w{i}_a": tensor(CHANNELS, 4, seed=i) for i in (1, 2)},
        **{f"hada_w{i}_b": tensor(4, CHANNELS, seed=i) for i in (1, 2)},
        "alpha": torch.tensor(4.0),
    },
    "LoKr": {"lokr_w1": tensor(8, 8), "lokr_w2_a": tensor(16, 2), "lokr_w2_b": tensor(2, 16)},
    "GLoRA": {f"{name}.weight": tensor(*shape) for name, shape in
              {"a1": (4, CHANNELS), "a2": (CHANNELS, 4), "b1": (4, CHANNELS), "b2": (CHANNELS, 4)}.items()},
    "OFT": {"oft_blocks": tensor(8, 16, 16), "alpha": torch.tensor(1e3)},
    "difference": {"diff": tensor(CHANNELS, CHANNELS)},
}  # fmt: skip


def named(kind: str, name: str) -> dict:
    return {f"{name}.{key}": value for key, value in KINDS[kind].items()}


def saved(tmp_path, state) -> str:
    path = tmp_path / "kind.safetensors"
    save_file(state, path)
    return str(path)


@pytest.mark.parametrize("name", [LAYER, "lora_unet_" + LAYER.replace(".", "_")])
@pytest.mark.parametrize("kind", KINDS)
def test_the_hosts_own_numbers(tmp_path, kind, name):
    motion = motion_model()
    found, line = with_motion_lora(motion, load_motion_lora(saved(tmp_path, named(kind, name))), 0.7)
    assert "1 of 1 layers matched" in line
    found.patch_model()
    key = f"{LAYER}.weight"
    weight = found.model.state_dict()[key].clone()
    found.unpatch_model()
    plain = motion.model.state_dict()[key]
    (patch,) = comfy.lora.load_lora(named(kind, LAYER), {LAYER: key}).values()
    expected = comfy.lora.calculate_weight([(0.7, patch, 1.0, None, None)], plain.clone(), key)
    assert torch.allclose(weight, expected, atol=1e-5) and not torch.allclose(weight, plain, atol=1e-2)


def test_pefts_name_of_a_doras_scale(tmp_path):
    state = {f"{LAYER}.lora_A.weight": PLAIN["lora_down.weight"], f"{LAYER}.lora_B.weight": PLAIN["lora_up.weight"]}
    state[f"{LAYER}.lora_magnitude_vector.weight"] = KINDS["DoRA"]["dora_scale"].flatten()
    layers = load_motion_lora(saved(tmp_path, state)).layers[LAYER]
    assert torch.equal(layers.others["dora_scale"], KINDS["DoRA"]["dora_scale"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({f"{LAYER}.lora_sparkle": tensor(4)}, r"read \(.*to_q.lora_sparkle, and 0 more\).*Get it as a plain LoRA"),
        ({LAYER.replace("to_q", "to_k") + ".lora_up.weight": tensor(8, 4)}, r"read \(.*to_k, and 0 more\)"),
    ],
)
def test_what_nobody_reads_is_named(tmp_path, more, message):
    with pytest.raises(NotAMotionLoRA, match=message):
        load_motion_lora(saved(tmp_path, named("plain", LAYER) | more))


def test_a_file_of_a_kind_that_nobody_reads(tmp_path):
    with pytest.raises(
        NotAMotionLoRA, match=r"of a kind that neither this pack nor ComfyUI can read \(it has .*on_input"
    ):
        load_motion_lora(saved(tmp_path, {f"{LAYER}.on_input": torch.ones(1), f"{LAYER}.weight": tensor(4)}))


@pytest.mark.parametrize(("kind", "gone"), [("LoHa", "w2_b"), ("DoRA", "lora_"), ("GLoRA", "b2")])
def test_an_incomplete_one_is_refused(tmp_path, kind, gone):
    state = {key: value for key, value in named(kind, LAYER).items() if gone not in key}
    with pytest.raises(NotAMotionLoRA, match=r"is incomplete: .*to_q.* lacks a part"):
        with_motion_lora(motion_model(), load_motion_lora(saved(tmp_path, state)), 1.0)


def test_only_a_plain_one_may_change_while_it_runs(tmp_path):
    dora = load_motion_lora(saved(tmp_path, named("DoRA", LAYER)))
    with pytest.raises(NotAMotionLoRA, match=r"no plain LoRA \(it has dora_scale\).*Take the schedule off"):
        with_motion_lora(motion_model(), dora, 1.0, lambda moment: 0.5)
    assert with_motion_lora(motion_model(), lora(), 1.0, lambda moment: 0.5)
