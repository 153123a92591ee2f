"""Adjustments of position tables and weights."""

import pytest
import torch
from animatediff_native.motion.adjust import Adjustments, PositionAdjust, WeightAdjust, parts_of, table_length
from animatediff_native.motion.formats import TABLE
from weights import motion_state, position_table

TABLE32 = position_table(32, 16)[0]
STATE = motion_state("v2", (32, 32, 32, 32))


def test_each_step_of_a_position_adjustment():
    assert torch.equal(PositionAdjust().of(TABLE32), TABLE32)
    assert torch.equal(PositionAdjust(cap=16).of(TABLE32), TABLE32[:16])
    assert torch.equal(PositionAdjust(drop=4, cap=8, drop_after=2).of(TABLE32), TABLE32[6:12])
    assert len(PositionAdjust(stretch=8).of(TABLE32)) == 40
    assert len(PositionAdjust(cap=16, length=24).of(TABLE32)) == 24


def test_stretching_goes_between_the_positions():
    """Twice as long: each new position lies a quarter of the way between two old ones."""
    stretched = PositionAdjust(length=64).of(TABLE32)
    assert torch.allclose(stretched[2], TABLE32[0] * 0.25 + TABLE32[1] * 0.75, atol=1e-6)
    assert torch.allclose(stretched[0], TABLE32[0]) and torch.allclose(stretched[-1], TABLE32[-1])


def test_nothing_left_is_refused():
    with pytest.raises(ValueError, match="leaves no frame"):
        PositionAdjust(drop=32).of(TABLE32)
    with pytest.raises(ValueError, match="leaves no frame"):
        PositionAdjust(drop=32, length=16).of(TABLE32)
    with pytest.raises(ValueError, match="cap is -1"):
        PositionAdjust(cap=-1)


@pytest.mark.parametrize(
    ("ending", "parts"),
    [
        ("norms.0.weight", ["all", "other"]),
        ("attention_blocks.0.to_q.weight", ["all", "attn", "attn_q"]),
        ("attention_blocks.1.to_out.0.bias", ["all", "attn", "attn_out_bias"]),
        ("attention_blocks.1.to_out.0.weight", ["all", "attn", "attn_out_weight"]),
        ("attention_blocks.0.pos_encoder.pe", ["all", "pe"]),
    ],
)
def test_parts(ending, parts):
    assert parts_of(f"down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.{ending}") == parts


def test_weights_are_added_to_then_multiplied():
    adjust = Adjustments(weights=(WeightAdjust(add={"all": 1.0, "attn_q": 0.5}, mult={"all": 2.0, "attn": 0.5}),))
    found = adjust.of(STATE)
    for key, value in STATE.items():
        expected = (value + 1) * 2
        if "attention_blocks" in key and not TABLE.search(key):
            expected = expected * 0.5
        if key.endswith("to_q.weight"):
            expected = expected + 0.5
        assert torch.allclose(found[key], expected, atol=1e-6), key


def test_weights_keep_their_dtype():
    key = "mid_block.motion_modules.0.temporal_transformer.proj_in.weight"
    found = Adjustments(weights=(WeightAdjust(mult={"all": 0.5}),)).of({key: STATE[key].half()})
    assert found[key].dtype == torch.float16 and torch.equal(found[key], STATE[key].half() / 2)


def test_only_tables_are_stretched():
    found = Adjustments(positions=(PositionAdjust(cap=16, length=20),)).of(STATE)
    assert table_length(STATE) == 32 and table_length(found) == 20
    assert all(torch.equal(found[key], value) for key, value in STATE.items() if not TABLE.search(key))
