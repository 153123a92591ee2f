"""A run that breaks leaves nothing behind, wherever it breaks: what follows is what a fresh server gives, to a bit."""

import json
from pathlib import Path

import pytest
import seeded
from comfy_server import ComfyServer, ServerError
from small_graphs import add, key_of, small
from workflows import example, nodes_of, to_prompt

PACK = Path(__file__).parents[1] / "support" / "fault_pack"
WINDOWS = {"preset": "custom", "context_length": 4, "context_overlap": 1, "context_schedule": "standard_static"}
WINDOWS |= {"fuse_method": "pyramid", "context_stride": 1, "closed_loop": False}
FREEINIT = {"iterations": 2, "filter": "butterworth", "d_s": 0.25, "d_t": 0.25, "n_butterworth": 4}
SAID = {"exception": "A fault that was asked for", "out of memory": "out of memory", "interrupt": "was interrupted"}


@pytest.fixture(scope="module")
def faulty(comfyui, base):
    """A server of its own: one that no other test has used."""
    with ComfyServer(comfyui, base, packs=(PACK,), output=base / "output_of_faults") as running:
        yield running


class Runs:
    """A plain run and one with motion, behind a node that can break them."""

    def __init__(self, server: ComfyServer):
        self.server = server
        self.info = server.get("/object_info")
        self.fresh = self.both()

    def motion(self, **fault) -> dict:
        """Eight frames in windows, with a scheduled motion LoRA, in two iterations."""
        prompt = small(to_prompt(example("Text to Animation"), self.info), steps=1, frames=8)
        sampler, apply = nodes_of(prompt, "KSampler")[0], nodes_of(prompt, "ADN_ApplyMotionModel")[0]
        steps = add(prompt, "steps", "ADN_StepSchedule", text="0: 1.0, 1: 0.5", guarantee_steps=1)
        lora = {"lora_name": seeded.MOTION_LORA, "strength": 1.0, "strength_schedule": steps}
        apply["motion_model"] = add(prompt, "lora", "ADN_LoadMotionLoRA", motion_model=apply["motion_model"], **lora)
        model = add(prompt, "windows", "ADN_ContextWindows", model=sampler["model"], **WINDOWS)
        model = add(prompt, "freeinit", "ADN_FreeInit", model=model, iter_seed_offset=1, **FREEINIT)
        sampler["model"] = self.fault(prompt, model, **fault)
        for key in [key for key, node in prompt.items() if node["class_type"].startswith(("Save", "CreateVideo"))]:
            del prompt[key]
        self.saved(prompt, "motion")
        return prompt

    def plain(self) -> dict:
        prompt = self.motion()
        prompt["fault"]["inputs"]["model"] = [key_of(prompt, "CheckpointLoaderSimple"), 0]
        return self.saved(prompt, "plain")

    @staticmethod
    def fault(prompt: dict, model: list, kind="exception", point="nothing", call=1, behind=False) -> list:
        return add(prompt, "fault", "TEST_Fault", model=model, kind=kind, point=point, call=call, behind=behind)

    def broken_inside(self, kind: str, source: str, output: int, node: str, name: str) -> dict:
        """A motion run in which what `node` gets as `name` breaks once."""
        prompt = self.motion()
        add(prompt, "file", "PrimitiveString", value=seeded.MOTION_MODEL)
        faulty = add(prompt, "inside", "TEST_FaultInside", of=[key_of(prompt, source), output], kind=kind)
        nodes_of(prompt, node)[0][name] = faulty
        return prompt

    def saved(self, prompt: dict, name: str) -> dict:
        latents = [key_of(prompt, "KSampler"), 0]
        add(prompt, "latents", "SaveLatent", samples=latents, filename_prefix=name)
        add(prompt, "state", "TEST_State", model=[key_of(prompt, "CheckpointLoaderSimple"), 0], after=latents)
        return prompt

    def both(self) -> list:
        """[latents and state of a plain run, of one with motion]"""
        return [self.one(prompt) for prompt in (self.plain(), self.motion())]

    def one(self, prompt: dict) -> tuple[bytes, dict]:
        from safetensors.torch import load_file

        outputs = self.server.run(prompt)
        (saved,) = outputs["latents"]["latents"]
        tensor = load_file(self.server.output / saved["subfolder"] / saved["filename"])["latent_tensor"]
        return tensor.numpy().tobytes(), json.loads(outputs["state"]["text"][0])


@pytest.fixture(scope="module")
def runs(faulty):
    return Runs(faulty)


FAULTS = {
    "as models are loaded": ("prepare_sampling", 1, False),
    "once they are loaded": ("prepare_sampling", 1, True),
    "as the sampling begins": ("outer_sample", 1, False),
    "as it ends": ("outer_sample", 1, True),
    "in the first call": ("apply_model", 1, False),
    "in the UNet of a window": ("diffusion_model", 2, True),
    "between windows": ("calc_cond_batch", 2, True),
    "behind a step": ("predict_noise", 1, True),
    "in the preview": ("callback", 1, True),
    "in the second iteration": ("sampler_sample", 1, True),
    "in a window of the second iteration": ("apply_model", 5, True),
}


def test_a_plain_run_and_one_with_motion_differ(runs):
    (plain, state), (motion, state_with_motion) = runs.fresh
    assert plain != motion and state["patches"] == [] and state["wrappers"] == [] and not state["injected"]
    # Its noise schedule stays on a model that stays loaded, until the host loads it with another MODEL.
    assert state_with_motion == state | {"patches": ["model_sampling"]}


@pytest.mark.parametrize("where", FAULTS)
def test_what_comes_after_a_fault_is_what_a_fresh_server_gives(runs, where):
    point, call, behind = FAULTS[where]
    for kind, said in SAID.items():
        with pytest.raises(ServerError, match=said):
            runs.server.run(runs.motion(kind=kind, point=point, call=call, behind=behind))
        assert runs.one(runs.plain()) == runs.fresh[0], kind
    assert runs.both() == runs.fresh


INSIDE = {
    "as a motion model is loaded": ("PrimitiveString", 0, "ADN_LoadMotionModel", "model_name"),
    "in the text encoder": ("CheckpointLoaderSimple", 1, "CLIPTextEncode", "clip"),
}
"""Where -> (of what the fault is made, its output, the node that gets it, its input)."""


@pytest.mark.parametrize("where", INSIDE)
def test_what_comes_after_a_fault_outside_of_the_sampling_is_what_a_fresh_server_gives(runs, where):
    for kind, said in SAID.items():
        with pytest.raises(ServerError, match=said):
            runs.server.run(runs.broken_inside(kind, *INSIDE[where]))
        assert runs.one(runs.plain()) == runs.fresh[0], kind
    assert runs.both() == runs.fresh


@pytest.mark.parametrize("format", ["image/gif", "image/webp", "video/h264-mp4"])
def test_a_full_disk_leaves_no_file(runs, format):
    prompt = runs.motion()
    decoded = [key_of(prompt, "VAEDecode"), 0]
    full = add(prompt, "disk", "TEST_FullDisk", images=decoded, bytes=2000)
    words = {"frame_rate": 8, "loop_count": 0, "filename_prefix": "full/disk", "pingpong": False, "save_image": True}
    add(prompt, "combine", "ADE_AnimateDiffCombine", images=full, format=format, **words)
    del prompt["latents"], prompt["state"]
    with pytest.raises(ServerError):
        runs.server.run(prompt)
    folder = runs.server.output / "full"
    assert not folder.is_dir() or list(folder.iterdir()) == []
    prompt["disk"]["inputs"]["bytes"] = -1
    runs.server.run(prompt)
    assert {path.suffix for path in folder.iterdir()} == {".png", f".{format.split('/')[1].removeprefix('h264-')}"}
    for path in folder.iterdir():
        path.unlink()
    assert runs.both() == runs.fresh
