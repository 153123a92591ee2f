"""Two devices where there is one: the CPU goes by two names."""

import comfy.model_patcher
import pytest
import torch

multi_gpu = pytest.mark.skipif(
    not hasattr(comfy.model_patcher.ModelPatcher, "deepclone_multigpu") or torch.cuda.is_available(),
    reason="two names of the CPU stand for two devices, in a ComfyUI that has multi-GPU",
)


def over_two_devices(model):
    """What MultiGPU CFG Split does where there are two GPUs; here the CPU goes by two names."""
    copy = model.deepclone_multigpu(new_load_device=torch.device("cpu", 0))
    copy.is_multigpu_base_clone = True
    model = model.clone()
    model.set_additional_models("multigpu", [copy])
    model.match_multigpu_clones()
    return model
