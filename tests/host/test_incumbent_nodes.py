"""Nodes of ComfyUI-AnimateDiff-Evolved: what fails there is right here. Each docstring says what happens there."""

import animatediff_native.nodes as nodes
import pytest
import torch
from animatediff_native.sampling.iterations import Iterations
from animatediff_native.sampling.noise.freeinit import AS_ADE, FreeInit
from clips import animated, motion_model, sample

FORMS = {node.GET_SCHEMA().node_id: node for node in nodes.NODES}


@pytest.mark.parametrize("node_id", ["ADE_LoadAnimateDiffModel", "ADN_LoadMotionModel", "ADE_AnimateDiffLoRALoader"])
def test_a_file_that_is_not_there_is_named(node_id):
    """There: "'NoneType' object has no attribute 'lower'", or a TypeError about paths."""
    words = {"name": "gone.safetensors", "strength": 1.0} if "LoRA" in node_id else {"model_name": "gone.safetensors"}
    with pytest.raises(FileNotFoundError, match="gone.safetensors"):
        FORMS[node_id].execute(**words)


RAW = ["linear", "sqrt_linear", "sqrt", "cosine", "squaredcos_cap_v2"]
NO_ZERO_SNR = "sqrt"
"""Its last alphas are 0 as they are: there is nothing to stretch to 0."""


@pytest.mark.parametrize(("name", "zsnr"), [(n, z) for n in RAW for z in (False, True) if not (z and n == NO_ZERO_SNR)])
def test_raw_sigma_schedules(name, zsnr):
    """There squaredcos_cap_v2 and zsnr fail, because of names that the host has no more."""
    for sampling, timesteps in (("eps", 1000), ("v_prediction", 1000), ("lcm", 50)):
        words = {"raw_beta_schedule": name, "linear_start": 0.00085, "linear_end": 0.012, "sampling": sampling}
        table = FORMS["ADE_RawSigmaSchedule"].execute(**words, lcm_original_timesteps=50, zsnr=zsnr).result[0]
        assert len(table.sigmas) == timesteps and table.sigmas.isfinite().all()
        assert (table.sigmas.diff() >= 0).all() and table.sigmas[0] > 0
        if zsnr:
            assert table.sigmas[-1].item() == pytest.approx(4518, rel=1e-2)


def test_zero_snr_of_an_lcm_schedule_is_that_of_its_own_timesteps():
    """The lowest of them keeps its noise level."""
    words = {"raw_beta_schedule": "linear", "linear_start": 0.00085, "linear_end": 0.012, "sampling": "lcm"}
    form = FORMS["ADE_RawSigmaSchedule"]
    plain, zero = (
        form.execute(**words, lcm_original_timesteps=50, zsnr=zsnr).result[0].sigmas for zsnr in (False, True)
    )
    assert zero[0].item() == pytest.approx(plain[0].item(), rel=1e-4) and zero[-1] > 4500


SCHEDULERS = FORMS["ADE_SigmaScheduleToSigmas"].INPUT_TYPES()["required"]["scheduler"][1]["options"]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_sigmas_of_every_scheduler(scheduler):
    """There each of them is an AttributeError."""
    table = FORMS["ADE_SigmaSchedule"].execute(beta_schedule="linear (AnimateDiff-SDXL)").result[0]
    words = {"sigma_schedule": table, "scheduler": scheduler}
    sigmas = FORMS["ADE_SigmaScheduleToSigmas"].execute(**words, steps=6, denoise=1.0).result[0]
    assert len(sigmas) == 7 and sigmas[-1] == 0 and (sigmas.diff() < 0).all()
    assert sigmas[0] > 14.7  # of the table, not of Stable Diffusion's, whose highest is 14.61
    late = FORMS["ADE_SigmaScheduleToSigmas"].execute(**words, steps=3, denoise=0.5).result[0]
    assert torch.allclose(late, sigmas[3:])


def test_float_to_floats_takes_whole_numbers():
    """There an int is an error."""
    for given, expected in ((3, [3]), (0.5, [0.5]), ([1, 2.5], [1, 2.5])):
        floats = FORMS["ADE_FloatToFloats"].execute(FLOAT=given).result[0]
        assert floats == expected
        assert FORMS["ADE_MultivalDynamicFloats"].execute(floats=floats).result


def test_freeinit_noises_with_the_first_noise_or_as_the_old_one():
    """There the third pass takes the second's mixed noise, against the paper; shared workflows keep that."""
    defaults = {"iterations": 3, "filter": "gaussian", "d_s": 0.25, "d_t": 0.25, "n_butterworth": 4}
    old = {"sigma_step": 999, "apply_to_1st_iter": False, "iter_seed_offset": 1}
    for name in ("FreeInit [sampler sigma]", "FreeInit [model sigma]"):
        found: Iterations = FORMS["ADE_IterationOptsFreeInit"].execute(**defaults, **old, init_type=name).result[0]
        assert found.freeinit.manner == AS_ADE
    assert FreeInit().manner != AS_ADE


def writes(node) -> bool:
    """Forms that make a file, whose name is free but has no folders (test_training_refusals.py)."""
    return node.GET_SCHEMA().node_id.startswith(("ADN_Train", "ADN_Save"))


KNOWN_PATHS = {("ADN_CameraPath", "path"), ("ADE_LoadCameraPosesFromPath", "file_path")}


@pytest.mark.parametrize("node", nodes.NODES, ids=lambda node: node.GET_SCHEMA().node_id)
def test_no_node_reads_a_path_of_the_server(node):
    """There Load CameraPoses From Path opens any file of the server and shows its first line in an error.

    A file is chosen from a folder's list; texts are prompts, schedules and names. The host keeps a filename_prefix
    within its output folder, Camera Path's path is words, and the name of a file to be written has no folders. That
    node itself is here, too, and reads the input folder only (test_camera_forms.py).
    """
    for inputs in node.INPUT_TYPES().values():
        for name, declared in inputs.items() if isinstance(inputs, dict) else ():
            known = (node.GET_SCHEMA().node_id, name) in KNOWN_PATHS
            if declared[0] == "STRING" and name != "filename_prefix" and not known:
                assert not any(word in name for word in ("path", "file", "folder", "dir")), name
            if name in ("model_name", "ckpt_name", "lora_name", "name") and not writes(node):
                assert declared[0] == "COMBO" or isinstance(declared[0], list), name


@pytest.mark.parametrize("rest", [{"start_percent": 1.0}, {"effect": 0.0}], ids=["out of its range", "without effect"])
def test_the_unets_norms_stay_v1s_while_v1_rests(sd15, rest):
    """There they average over frames for the whole run; our own node leaves such a MODEL as it is."""
    resting, still = motion_model("v1"), motion_model("v1", still=True)
    shared = sample(animated(sd15, resting, norms="as ADE", **rest))
    assert torch.equal(shared, sample(animated(sd15, still, norms="as ADE")))
    assert torch.equal(sample(animated(sd15, resting, **rest)), sample(sd15)) and not torch.equal(shared, sample(sd15))
