"""One contender of bench.py, in a process of its own: reads commands (JSON lines), answers each with one line.

    step    one evaluation of the model for a clip with positive and negative prompt, as a sampler asks for it
    load    the motion model's file through the contender's own loader
    import  the contender's own code, in a process that has the host already

All contenders read the same weights from the same files, which their processes share.
"""

import argparse
import contextlib
import gc
import importlib.util
import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import host  # noqa: E402

ANSWER = "@@"
"""At the head of a line that is an answer and not somebody's log."""

LENGTH, OVERLAP = 16, 4
SIGMA, CFG = 10.0, 7.5


class Plain:
    """The checkpoint in the host, without motion: every frame a picture of its own."""

    def __init__(self, arguments: argparse.Namespace):
        self.arguments = arguments
        host.enter_host(host.find_host(), arguments.fast)
        import torch

        torch.set_num_threads(os.cpu_count() or 1)
        start = time.perf_counter()
        self.bring()
        self.import_seconds = time.perf_counter() - start
        self.models: dict = {}

    def bring(self) -> None:
        """Imports the contender's own code."""

    def imports(self) -> dict:
        return {"seconds": self.import_seconds}

    def step(self, frames: int, size: int, plan: str | None = None, flops: bool = False, save: str = "") -> dict:
        """Latents of (frames, 4, size, size). `plan`: None for one window, "windows" for 16 with an overlap of 4."""
        import torch

        with torch.inference_mode():
            if plan not in self.models:
                self.models[plan] = self.model(plan)
            gc.collect()
            reset_peak()
            answer, result = self.evaluate(self.models[plan], frames, size, flops)
        if save:
            torch.save(result.cpu(), save)
        return answer | peak()

    def evaluate(self, model, frames: int, size: int, flops: bool):
        import comfy.sample
        import comfy.samplers
        import torch
        from prompts_and_latents import conditioning, latents

        found = {}

        def once(denoiser, x, sigmas, extra_args=None, callback=None, disable=None, **others):
            """A sampler of the host that asks the model once."""
            level = sigmas[0] * x.new_ones([x.shape[0]])
            denoised, found["answer"] = measured(lambda: denoiser(x, level, **(extra_args or {})), flops)
            return denoised

        width = 2048 if self.arguments.arch.endswith("sdxl") else 768
        clip = latents(frames, size, size)
        result = comfy.sample.sample_custom(
            model,
            comfy.sample.prepare_noise(clip, 11),
            CFG,
            comfy.samplers.KSAMPLER(once),
            torch.tensor([SIGMA, 0.0]),
            conditioning(5, width),
            conditioning(6, width),
            clip,
            disable_pbar=True,
            seed=11,
        )
        return found["answer"], result

    def model(self, plan: str | None):
        return self.compiled(self.checkpoint())

    def checkpoint(self):
        import torch
        from unets import full_unet

        path = self.arguments.weights / "unet.safetensors"
        return full_unet(self.arguments.arch, path, getattr(torch, self.arguments.dtype))

    def compiled(self, model):
        if not self.arguments.compile:
            return model
        from comfy_extras.nodes_torch_compile import TorchCompileModel

        return TorchCompileModel.execute(model, self.arguments.compile).result[0]

    @property
    def motion_file(self) -> str:
        return str(self.arguments.weights / "motion.safetensors")


class Ours(Plain):
    def bring(self) -> None:
        host.import_pack()

    def load(self) -> dict:
        from animatediff_native.motion.load import load_motion_model

        return load_times(self.motion_file, lambda: load_motion_model(self.motion_file).model.state_dict())

    def model(self, plan: str | None):
        from animatediff_native.motion.attach import attach
        from animatediff_native.motion.load import load_motion_model
        from animatediff_native.motion.settings import MotionSettings
        from animatediff_native.sampling.run import watch
        from animatediff_native.sampling.windows.handler import with_windows
        from animatediff_native.sampling.windows.plan import WindowPlan

        model = watch(attach(self.checkpoint(), load_motion_model(self.motion_file), MotionSettings()))
        if plan == "windows":
            model = with_windows(model, WindowPlan(context_length=LENGTH, context_overlap=OVERLAP))
        return self.compiled(model)

    def profile(self, frames: int, size: int) -> dict:
        """Seconds of a step by kind of operation, launches, and waits."""
        import measures

        return self.measured_in(measures.profiled, frames, size)

    def activations(self, frames: int, size: int) -> dict:
        """The most that a step holds beside weights, and what the host reckons with: bytes."""
        import measures

        return self.measured_in(measures.activations, frames, size)

    def measured_in(self, measure, frames: int, size: int) -> dict:
        import torch

        with torch.inference_mode():
            if None not in self.models:
                self.models[None] = self.model(None)
            model = self.models[None]
            self.evaluate(model, frames, size, False)  # to warm up
            return measure(lambda: self.evaluate(model, frames, size, False), model, (frames, 4, size, size))

    def given_back(self, frames: int, size: int) -> dict:
        """Bytes of the motion model, and how much less is held once its range is over."""
        import measures
        from animatediff_native.motion.attach import attach
        from animatediff_native.motion.load import load_motion_model
        from animatediff_native.motion.settings import MotionSettings
        from animatediff_native.sampling.run import watch

        motion = load_motion_model(self.motion_file)
        model = watch(attach(self.checkpoint(), motion, MotionSettings(end_percent=0.5)))
        return measures.given_back(model, motion.model_size(), frames, size, self.arguments.arch.endswith("sdxl"))


class Ade(Plain):
    """ComfyUI-AnimateDiff-Evolved, from the folder that --ade names."""

    def bring(self) -> None:
        import folder_paths

        folder = self.arguments.ade
        folder_paths.add_model_folder_path("animatediff_models", str(self.arguments.weights))
        spec = importlib.util.spec_from_file_location(
            "ade", folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        self.pack = sys.modules["ade"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.pack)

    def node(self, name: str, **inputs):
        node = self.pack.NODE_CLASS_MAPPINGS[name]
        return getattr(node(), node.FUNCTION)(**inputs)[0]

    def load(self) -> dict:
        def loaded():
            return self.node("ADE_LoadAnimateDiffModel", model_name="motion.safetensors").model.state_dict()

        return load_times(self.motion_file, loaded)

    def model(self, plan: str | None):
        motion = self.node("ADE_LoadAnimateDiffModel", model_name="motion.safetensors")
        inputs = {"m_models": self.node("ADE_ApplyAnimateDiffModelSimple", motion_model=motion)}
        if plan == "windows":
            inputs["context_options"] = self.node(
                "ADE_StandardStaticContextOptions",
                context_length=LENGTH,
                context_overlap=OVERLAP,
                fuse_method="pyramid",
                use_on_equal_length=False,
                start_percent=0.0,
                guarantee_steps=1,
            )
        model = self.node("ADE_UseEvolvedSampling", model=self.checkpoint(), beta_schedule="use existing", **inputs)
        return self.compiled(model)


class Diffusers(Plain):
    """diffusers' UNetMotionModel, as its AnimateDiffPipeline calls it."""

    def bring(self) -> None:
        import diffusers  # noqa: F401

    def load(self) -> dict:
        return load_times(self.motion_file, lambda: self.adapter().state_dict())

    def adapter(self):
        from diffusers import MotionAdapter
        from diffusers.loaders.single_file_utils import convert_animatediff_checkpoint_to_diffusers
        from safetensors.torch import load_file

        state = convert_animatediff_checkpoint_to_diffusers(load_file(self.motion_file))
        adapter = MotionAdapter(use_motion_mid_block=any(key.startswith("mid_block") for key in state))
        adapter.load_state_dict(state, strict=False, assign=True)  # it makes the position tables itself
        return adapter

    def model(self, plan: str | None):
        import torch
        from diffusers import UNet2DConditionModel, UNetMotionModel
        from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
        from safetensors.torch import load_file

        with torch.device("meta"):
            unet = UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8)
        state = {
            f"model.diffusion_model.{key}": value
            for key, value in load_file(self.arguments.weights / "unet.safetensors").items()
        }
        unet.load_state_dict(
            convert_ldm_unet_checkpoint(state, dict(unet.config) | {"layers_per_block": 2}), assign=True
        )
        model = UNetMotionModel.from_unet2d(unet, self.adapter()).requires_grad_(False)
        model = model.to(device(), getattr(torch, self.arguments.dtype))
        return torch.compile(model) if self.arguments.compile else model

    def evaluate(self, model, frames: int, size: int, flops: bool):
        import torch
        from prompts_and_latents import conditioning

        x = torch.randn(2, 4, frames, size, size, generator=torch.Generator().manual_seed(11))
        text = torch.cat([conditioning(seed)[0][0] for seed in (6, 5)]).repeat_interleave(frames, dim=0)
        place = {"device": device(), "dtype": getattr(torch, self.arguments.dtype)}

        def once():
            noise = model(x.to(**place), 500, encoder_hidden_states=text.to(**place)).sample
            negative, positive = noise.chunk(2)
            return negative + CFG * (positive - negative)

        result, answer = measured(once, flops)
        return answer, result


def device():
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def wait() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def measured(call, flops: bool) -> tuple:
    """(what `call` gives, {"seconds", and "flops" where they are counted})."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False) if flops else contextlib.nullcontext()
    wait()
    start = time.perf_counter()
    with counter:
        result = call()
    wait()
    answer = {"seconds": time.perf_counter() - start}
    return result, answer | ({"flops": counter.get_total_flops()} if flops else {})


def load_times(path: str, load) -> dict:
    """Seconds of `load` and of safetensors reading the same file, every tensor touched."""
    from safetensors.torch import load_file

    def seconds(read) -> float:
        start = time.perf_counter()
        for tensor in read().values():
            tensor.view(-1)[:: 4096 // tensor.element_size()].sum().item()
        return time.perf_counter() - start

    seconds(lambda: load_file(path))  # into the page cache
    return {
        "file": min(seconds(lambda: load_file(path)) for _ in range(3)),
        "seconds": min(seconds(load) for _ in range(3)),
    }


def reset_peak() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> dict:
    """The most memory since `reset_peak`, in bytes: on a GPU allocated and reserved, else resident; with weights."""
    import torch

    if torch.cuda.is_available():
        return {"memory": torch.cuda.max_memory_allocated(), "reserved": torch.cuda.max_memory_reserved()}
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return {"memory": int(line.split()[1]) * 1024}


CONTENDERS = {"plain": Plain, "ours": Ours, "ade": Ade, "diffusers": Diffusers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("--weights", type=Path, required=True, help="holds unet.safetensors and motion.safetensors")
    parser.add_argument("--arch", default="sd15", choices=["sd15", "sdxl", "small-sd15", "small-sdxl"])
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16", "bfloat16"])
    parser.add_argument("--ade", type=Path)
    parser.add_argument("--compile", metavar="BACKEND", help="behind the host's TorchCompileModel")
    parser.add_argument("--fast", action="store_true", help="with all that the host's --fast allows")
    arguments = parser.parse_args()
    sys.argv = sys.argv[:1]
    contender = CONTENDERS[arguments.name](arguments)
    for line in sys.stdin:
        command = json.loads(line)
        answer = getattr(contender, command.pop("do"))(**command)
        print(ANSWER + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
