"""What forms make of the values on them, one by one, without a run."""

import animatediff_native.nodes as nodes
import folder_paths
import pytest
import torch
from animatediff_native.motion.load import MOTION_MODELS
from animatediff_native.motion.options import KEY
from animatediff_native.motion.settings import BlockStrength, MotionSettings
from animatediff_native.nodes.compat.gen2 import with_named_schedule
from clips import motion_model
from safetensors.torch import save_file
from unets import SD15_CHANNELS
from weights import motion_state

FORMS = {node.GET_SCHEMA().node_id: node for node in nodes.NODES}
SITES = [
    *(f"down_blocks.{level}.motion_modules.{module}" for level in range(4) for module in range(2)),
    "mid_block.motion_modules.0",
    *(f"up_blocks.{level}.motion_modules.{module}" for level in range(4) for module in range(3)),
]


def of(node_id: str, **inputs) -> tuple:
    return FORMS[node_id].execute(**inputs).result


@pytest.fixture
def v2_file(tmp_path):
    save_file(motion_state("v2", SD15_CHANNELS), tmp_path / "mm_v2.safetensors")
    folder_paths.add_model_folder_path(MOTION_MODELS, str(tmp_path))
    yield "mm_v2.safetensors"
    folder_paths.folder_names_and_paths[MOTION_MODELS][0].remove(str(tmp_path))


def test_a_scaled_mask():
    words = {"min_float_val": 0.5, "max_float_val": 2.0}

    def scaled(values, scaling):
        mask = torch.tensor(values).view(1, 1, -1)
        return of("ADE_MultivalScaledMask", mask=mask, scaling=scaling, **words)[0].flatten().tolist()

    assert scaled([0.2, 0.6], "absolute") == pytest.approx([0.8, 1.4])
    assert scaled([0.2, 0.4, 0.6], "relative") == pytest.approx([0.5, 1.25, 2.0])
    assert scaled([0.2, 0.2], "relative") == pytest.approx([0.8, 0.8])  # all the same: as it is
    words = {"min_float_val": [0.0, 0.5], "max_float_val": [1.0, 2.0, 3.0]}  # from a Value Scheduling: one per frame
    assert scaled([0.5], "absolute") == pytest.approx([0.5, 1.25, 1.75])


def test_multivals():
    mask, floats = torch.full((1, 2, 2), 0.5), [1.0, 3.0]
    for node_id, value in (("ADE_MultivalDynamicFloatInput", "float_val"), ("ADE_MultivalDynamicFloats", "floats")):
        (found,) = of(node_id, mask_optional=mask, **{value: floats})
        assert found.shape == (2, 2, 2) and found[:, 0, 0].tolist() == [0.5, 1.5]
    assert of("ADE_MultivalDynamic", float_val=1.5) == (1.5,)
    (number,) = of("ADE_MultivalConvertToMask", multival=1.5)
    assert number.tolist() == [[[1.5]]] and of("ADE_MultivalConvertToMask", multival=mask)[0] is mask


def test_values_and_whole_numbers_of_each_frame():
    floats, multival_floats, ints, same = of("ADE_ValueScheduling", values="0 = 0.6, 2 = 2.6")
    assert floats == multival_floats == pytest.approx([0.6, 1.6, 2.6]) and ints == same == [1, 2, 3]
    latent = {"samples": torch.zeros(4, 4, 8, 8)}
    assert of("ADE_ValueSchedulingLatents", values="0 = 1.0, -1 = 4.0", latent=latent)[0] == [1, 2, 3, 4]


def test_numbers_for_every_motion_module():
    numbers = [index / 20 for index in range(21)]
    (blocks,) = of("ADE_PerBlock_SD15_FromFloats", effect_21_floats=numbers)
    effects = [next(block for block in blocks if block.fits(site)).effect for site in SITES]
    assert effects == numbers and {block.scales for block in blocks} == {(1.0,)}
    with pytest.raises(ValueError, match="scale_21_floats has 20 numbers. Give it 21: one per motion module"):
        of("ADE_PerBlock_SD15_FromFloats", scale_21_floats=numbers[:20])


def test_blocks_by_their_names():
    (block,) = of("ADE_ADBlockIndiv", effect=0.5, scale_1=2.0)
    assert block == BlockStrength(effect=0.5, scales=(1.0, 2.0))
    (blocks,) = of("ADE_PerBlock_SD15_LowLevel", down_1__0=block, mid=block)
    assert [site for site in SITES if any(each.fits(site) for each in blocks)] == [SITES[2], SITES[8]]
    (blocks,) = of("ADE_PerBlock_SD15_MidLevel", up_0=block)
    assert [site for site in SITES if any(each.fits(site) for each in blocks)] == SITES[9:12]


def test_block_weights():
    """The second attention's scale multiplies the first one's."""
    words = {"level": -1, "module": 1, "effect": 0.5, "motion_scale": 1.5, "motion_scale_2": 2.0}
    (first,) = of("ADN_BlockWeights", part="down", **words)
    assert first == (BlockStrength("down", None, 1, 0.5, (1.5, 3.0)),)
    (both,) = of("ADN_BlockWeights", part="all", block_weights=first, **words)
    assert both == (BlockStrength(None, None, 1, 0.5, (1.5, 3.0)), *first)  # the later one counts


def test_autoselect_asks_the_motion_model_that_was_applied_last(sd15):
    models = tuple((motion_model(family), MotionSettings()) for family in ("v3", "sdxl"))
    assert with_named_schedule(sd15, "autoselect", ()) is sd15
    for applied, highest in ((models, 65.9287), (models[::-1], 25.1461)):
        sampling = with_named_schedule(sd15, "autoselect", applied).get_model_object("model_sampling")
        assert sampling.sigma_max.item() == pytest.approx(highest, rel=1e-4)


def test_no_denoise_gives_no_sigmas():
    (table,) = of("ADE_SigmaSchedule", beta_schedule="sqrt_linear (AnimateDiff)")
    (sigmas,) = of("ADE_SigmaScheduleToSigmas", sigma_schedule=table, scheduler="normal", steps=4, denoise=0.0)
    assert sigmas.shape == (0,)


def test_the_first_loader_runs_v2_as_early_versions_did(sd15, v2_file):
    """A prompt that does not name apply_v2_models_properly is from before it was there."""
    words = {"model": sd15, "model_name": v2_file, "beta_schedule": "use existing"}
    for chosen, norms in ({"apply_v2_models_properly": True}, "as ADE"), ({}, "as early ADE"):
        (model,) = of("ADE_AnimateDiffLoaderWithContext", **words, **chosen)
        (motion,) = model.get_additional_models_with_key(KEY)
        assert motion.get_attachment(KEY).norms == norms
