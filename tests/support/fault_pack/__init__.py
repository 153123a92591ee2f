"""A pack for a test's server: faults at a chosen point of a run, and what is left behind, by public wrappers only.

`TEST_Fault` passes a MODEL on; a run of it breaks at the chosen call of the chosen wrapper. `TEST_FaultInside` breaks
in what is not a run of a MODEL. `TEST_State` writes down what a MODEL and the host have on them. `TEST_FullDisk` lets
this process write no file larger than some bytes.
"""

import hashlib
import json
import math
import resource

import comfy.model_management
import torch
from comfy.patcher_extension import WrappersMP
from comfy_api.latest import ComfyExtension, io

from . import inside

POINTS = ["nothing", "callback", "outer_sample", "prepare_sampling", "sampler_sample", "predict_noise"]
POINTS += ["calc_cond_batch", "apply_model", "diffusion_model"]


def broken(kind: str) -> None:
    if kind == "exception":
        raise RuntimeError("A fault that was asked for.")
    if kind == "out of memory":
        raise comfy.model_management.OOM_EXCEPTION("A fault that was asked for: out of memory.")
    comfy.model_management.interrupt_current_processing()
    comfy.model_management.throw_exception_if_processing_interrupted()


class Fault:
    """A wrapper that breaks at its call number `call`, before what it wraps or behind it."""

    def __init__(self, kind: str, call: int, behind: bool):
        self.kind, self.left, self.behind = kind, call, behind

    def __call__(self, executor, *args, **kwargs):
        self.left -= 1
        if self.left == 0 and not self.behind:
            broken(self.kind)
        result = executor(*args, **kwargs)
        if self.left == 0:
            broken(self.kind)
        return result


def in_callback(fault: Fault):
    """A SAMPLER_SAMPLE wrapper whose run breaks in what is called after a step: where previews are made."""

    def sample(executor, guider, sigmas, extra_args, callback, *others, **kwargs):
        return executor(guider, sigmas, extra_args, lambda *words: fault(callback, *words), *others, **kwargs)

    return sample


class Faulty(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TEST_Fault",
            inputs=[
                io.Model.Input("model"),
                io.Combo.Input("kind", options=["exception", "interrupt", "out of memory"]),
                io.Combo.Input("point", options=POINTS),
                io.Int.Input("call", default=1, min=1),
                io.Boolean.Input("behind", default=False),
            ],
            outputs=[io.Model.Output()],
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs) -> float:
        return math.nan  # never taken from the cache, nor what comes behind

    @classmethod
    def execute(cls, model, kind: str, point: str, call: int, behind: bool) -> io.NodeOutput:
        model, fault = model.clone(), Fault(kind, call, behind)
        if point == "callback":
            model.add_wrapper_with_key(WrappersMP.SAMPLER_SAMPLE, "fault", in_callback(fault))
        elif point != "nothing":
            model.add_wrapper_with_key(point, "fault", fault)
        return io.NodeOutput(model)


def digest(tensors) -> str:
    found = hashlib.sha256()
    for name, value in sorted(tensors):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return found.hexdigest()[:16]


class State(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TEST_State",
            inputs=[io.Model.Input("model"), io.AnyType.Input("after", optional=True)],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs) -> float:
        return math.nan

    @classmethod
    def execute(cls, model, after=None) -> io.NodeOutput:
        unet = model.model.diffusion_model
        found = {
            "weights": digest((name, value) for name, value in unet.state_dict().items() if value.numel() < 10**5),
            "modules": hashlib.sha256(
                "".join(
                    f"{name}{type(each).__name__}{len(each._forward_hooks)}" for name, each in unet.named_modules()
                ).encode()
            ).hexdigest()[:16],
            "patches": sorted(model.patches) + sorted(model.object_patches_backup) + sorted(model.backup),
            "wrappers": sorted(str(kind) for kind, keys in model.wrappers.items() if keys),
            "options": sorted(model.model_options) + sorted(model.model_options["transformer_options"]),
            "injected": model.is_injected,
            "extra": sorted(set(vars(unet)) - {"current_patcher"}),
        }
        return io.NodeOutput(ui={"text": [json.dumps(found)]})


class FullDisk(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TEST_FullDisk",
            inputs=[io.Image.Input("images"), io.Int.Input("bytes", default=-1, min=-1, max=2**31)],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs) -> float:
        return math.nan

    @classmethod
    def execute(cls, images, bytes: int) -> io.NodeOutput:
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most if bytes < 0 else bytes, most))
        return io.NodeOutput(images)


class TestExtension(ComfyExtension):
    async def get_node_list(self) -> list:
        return [Faulty, inside.node(broken), State, FullDisk]


async def comfy_entrypoint() -> TestExtension:
    return TestExtension()
