"""Contenders of bench.py that are not ours."""

import argparse
import importlib.util
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import host
import torch
from clocks import device, load_times, measured
from in_the_host import CFG, LENGTH, OVERLAP, Plain
from safetensors.torch import load_file, save_file
from weights import clip_l_shapes, filled


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

        state = convert_animatediff_checkpoint_to_diffusers(load_file(self.motion_file))
        adapter = MotionAdapter(use_motion_mid_block=any(key.startswith("mid_block") for key in state))
        adapter.load_state_dict(state, strict=False, assign=True)  # it makes the position tables itself
        return adapter

    def model(self, plan: str | None):
        from diffusers import UNet2DConditionModel, UNetMotionModel
        from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

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


class StableDiffusionCpp:
    """stable-diffusion.cpp, the command line program that --sdcpp names: a process for each clip, of two steps. The
    weights' type is behind the contender's name; it computes in float32."""

    STEPS = 2

    def __init__(self, arguments: argparse.Namespace):
        self.arguments, self.type = arguments, arguments.name.removeprefix("sdcpp-")
        host.enter_host(host.find_host())

    def step(self, frames: int, size: int, **_) -> dict:
        """memory: of the process, text encoder and weights included."""
        weights = self.arguments.weights
        text, autoencoder = (weights / f"sdcpp-{name}.safetensors" for name in ("text", "taesd"))
        if not autoencoder.exists():
            save_file(filled(clip_l_shapes()), text)
            save_file(taesd_state(), autoencoder)
        with tempfile.TemporaryDirectory() as folder:
            files = ["--model", text, "--diffusion-model", weights / "unet.safetensors", "--taesd", autoencoder]
            files += ["--motion-module", self.motion_file, "--output", Path(folder, "clip.avi")]
            clip = ["--video-frames", frames, "-W", 8 * size, "-H", 8 * size, "--steps", self.STEPS, "--cfg-scale", CFG]
            words = [
                self.arguments.sdcpp,
                "-M",
                "vid_gen",
                "--type",
                self.type,
                *files,
                *clip,
                "-p",
                "a cloud",
                "-n",
                "rain",
            ]
            words += ["--sampling-method", "euler", "--scheduler", "discrete", "--threads", os.cpu_count() or 1]
            ran = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
        found = re.search(r"sampling completed, taking ([\d.]+)s", ran.stdout + ran.stderr)
        if ran.returncode or not found:
            raise SystemExit((ran.stdout + ran.stderr)[-2000:])
        memory = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        return {"seconds": float(found[1]) / self.STEPS, "memory": memory}

    @property
    def motion_file(self) -> Path:
        return self.arguments.weights / "motion.safetensors"


def taesd_state() -> dict:
    """A small autoencoder of random weights, by the names of its authors' single file."""
    import comfy.taesd.taesd

    state = {}
    for key, value in comfy.taesd.taesd.TAESD().state_dict().items():
        part, _, rest = key.partition(".")
        number, _, name = rest.partition(".")
        if part == "taesd_encoder":
            state[f"encoder.layers.{number}.{name}"] = value
        elif part == "taesd_decoder":  # its first layer has no weights and no place there
            state[f"decoder.layers.{int(number) - 1}.{name}"] = value
    return state
