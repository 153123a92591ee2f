"""Contenders of bench.py that run in the host: the checkpoint alone, and with our motion."""

import argparse
import gc
import os
import time

import host
import torch
from clocks import load_times, measured, peak, reset_peak

LENGTH, OVERLAP = 16, 4
SIGMA, CFG = 10.0, 7.5


class Plain:
    """The checkpoint in the host, without motion: every frame a picture of its own."""

    def __init__(self, arguments: argparse.Namespace):
        self.arguments = arguments
        host.enter_host(host.find_host(), arguments.fast)
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
