"""Motion LoRA files: whose layers they are, and what else a file may be."""

import pytest
import torch
from animatediff_native.motion.low_rank import Factors, MotionLoRA, factors_of, what_else

LAYER = "motion_modules.0.temporal_transformer.proj_in"


def lora(*blocks: str) -> MotionLoRA:
    return MotionLoRA("camera.ckpt", {f"{block}.{LAYER}": Factors() for block in blocks})


@pytest.mark.parametrize(
    ("blocks", "base", "made_for"),
    [
        (("down_blocks.0", "down_blocks.3"), "SD1.5", "v3_sd15_mm"),
        (("down_blocks.3", "mid_block"), "SD1.5", "mm_sd_v15_v2"),
        (("down_blocks.0", "down_blocks.2"), "SDXL", "mm_sdxl_v10_beta"),
        (("lora_unet_down_blocks_2",), "SDXL", "mm_sdxl_v10_beta"),
        (("mid_block",), "SD1.5", "mm_sd_v15_v2"),
        (("up_blocks.0",), "SD1.5", "v3_sd15_mm"),
    ],
)
def test_whose_layers_they_are(blocks, base, made_for):
    found = lora(*blocks)
    assert found.base == base and made_for in found.made_for


def test_a_layer_is_whole_or_not_there():
    down, up = torch.zeros(4, 8), torch.zeros(16, 4)
    state = {"a.lora_down.weight": down, "a.lora_up.weight": up, "a.alpha": torch.tensor(2.0)}
    state |= {"b.lora_down.weight": down, "c.alpha": torch.tensor(2.0)}
    state |= {"d.lora_down.weight": down[..., None, None], "d.lora_up.weight": up[..., None, None]}
    found = factors_of(state)
    assert list(found) == ["a"] and found["a"].scale == 0.5 and found["a"].down is down and found["a"].up is up


def test_what_else_a_file_is():
    assert "is a LoRA for the checkpoint" in what_else({}, {"down_blocks.0.attn1.to_q": Factors()})
    assert "is a motion model" in what_else({f"mid_block.{LAYER}.weight": torch.zeros(1)}, {})
    assert "it begins with a, b)" in what_else({"b": torch.zeros(1), "a": torch.zeros(1), "c": torch.zeros(1)}, {})
    assert "nothing at all" in what_else({}, {})
