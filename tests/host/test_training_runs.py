"""Whole runs: what they refuse, what they write, and that their files do in a graph what was learnt."""

import folder_paths
import pytest
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.load import load_motion_model
from animatediff_native.motion.lora import load_motion_lora, with_motion_lora
from animatediff_native.motion.settings import MotionSettings
from animatediff_native.training import runs
from animatediff_native.training.files import run_folder
from animatediff_native.training.runs import Order, run
from animatediff_native.training.step import denoised, encoded
from clips import latents, sample
from PIL import Image
from safetensors import safe_open
from small_training import conditioning, examples, motion_model, plan, same, seeded, small_unet, weights_of


@pytest.fixture(scope="module")
def model():
    with torch.inference_mode():
        return small_unet()


@pytest.fixture(scope="module")
def motion():
    with torch.inference_mode():
        return motion_model("v2")


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Output and models in a folder of the test's own."""
    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path / "output"))
    for kind in ("animatediff_motion_lora", "animatediff_models", "loras"):
        endings = folder_paths.folder_names_and_paths[kind][1]
        monkeypatch.setitem(folder_paths.folder_names_and_paths, kind, ([str(tmp_path / "models" / kind)], endings))


def header(path):
    with safe_open(path, "pt") as file:
        return file.metadata()


def test_a_motion_lora_comes_out_as_a_file_that_any_graph_loads(model, motion):
    before = weights_of(model), weights_of(motion)
    said = []
    with torch.inference_mode():
        state, (path,) = run(Order(model, motion, examples(6), plan(name="zoom", sample_every=2)), said.append)
    assert same(weights_of(model), before[0]) and same(weights_of(motion), before[1])
    entries = header(path)
    assert path.name == "zoom.safetensors" and entries["animatediff.made_for"] == "AnimateDiff v2"
    assert entries["animatediff.steps"] == "3" and entries["animatediff.clips"] == "6"
    with torch.inference_mode():
        with_it, line = with_motion_lora(motion, load_motion_lora(str(path)), 1.0)
        trained_as = "trained on AnimateDiff v2, 3 steps, 6 clips, rank 4"
        assert line == f"zoom.safetensors: 168 of 168 layers matched; {trained_as}"
        plain, changed = (
            sample(attach(model, each, MotionSettings()), latent_image=latents(4)) for each in (motion, with_it)
        )
    assert 1e-5 < (changed - plain).norm() / plain.norm() < 1
    left = {each.name for each in run_folder("zoom").iterdir()}
    assert {"plan.json", "loss.png", "loss.csv", "checkpoint_000003.safetensors", "samples"} <= left
    assert {each.name for each in (run_folder("zoom") / "samples").iterdir()} == {
        f"step_00000{step}.webp" for step in (0, 2, 3)
    }
    assert Image.open(run_folder("zoom") / "samples" / "step_000000.webp").n_frames == 4
    assert "step 3 of 3 · loss" in said[-1] and "held-out" in said[-1]


def test_a_file_holds_what_was_learnt(model, motion):
    """The graph's MODEL with the file on it gives what the subject gave in training."""
    with torch.inference_mode(False), torch.enable_grad():
        seen = {}
        original = runs.loop.train

        def train(subject, *arguments):
            state = original(subject, *arguments)
            seen["inside"] = call(subject.model)
            return state

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runs.loop, "train", train)
            _, (path,) = run(Order(model, motion, examples(), plan(name="held")))
        with_it, _ = with_motion_lora(motion, load_motion_lora(str(path)), 1.0)
        from animatediff_native.sampling.sigmas.beta_schedules import with_beta_schedule

        outside = with_beta_schedule(attach(model, with_it, MotionSettings()), "AnimateDiff SD1.5")
        runs.comfy.model_management.load_models_gpu([outside, *outside.get_nested_additional_models()])
        outside.pre_run()
        found = call(outside)
        outside.cleanup()
    torch.testing.assert_close(found, seen["inside"], rtol=0.02, atol=0.02)


def call(model):
    x = seeded(1, 4, 4, 8, 8)
    with torch.no_grad():
        return denoised(model, x, torch.tensor([2.0]), [encoded(model, conditioning(1), x.shape[1:])])


@pytest.mark.parametrize("kind", ["v3", "v2"])
def test_a_new_motion_model_comes_out_as_a_file_of_its_kind(model, kind):
    with torch.inference_mode():
        _, (path,) = run(Order(model, None, examples(), plan("motion model", name="mine", new_model=kind)))
        loaded = load_motion_model(str(path))
    assert loaded.model.format.family.name == f"AnimateDiff {kind}" and loaded.model.format.max_frames == 32
    assert header(path)["animatediff.kind"] == "motion model"


def test_a_motion_model_goes_on_from_the_one_that_is_given(model, motion):
    with torch.inference_mode():
        _, (path,) = run(Order(model, motion, examples(), plan("motion model", name="further", learning_rate=1e-5)))
        loaded = load_motion_model(str(path))
    assert loaded.model.format == motion.model.format
    for key, value in weights_of(motion).items():
        torch.testing.assert_close(loaded.model.state_dict()[key].float(), value.float(), rtol=0, atol=2e-3)


def test_an_adapter_comes_out_as_a_lora_of_the_host(model):
    import comfy.sd
    import comfy.utils

    with torch.inference_mode():
        _, (path,) = run(Order(model, None, examples(size=16), plan("domain adapter", name="look", learning_rate=1e-2)))
        state = comfy.utils.load_torch_file(str(path))
        with_it, _ = comfy.sd.load_lora_for_models(model, None, state, 1.0, 0.0)
        assert len(with_it.patches) == len(state) // 2 == 16 * 2 * 4
        plain, changed = (sample(each, latent_image=latents(1, 16, 16)) for each in (model, with_it))
    assert (changed - plain).norm() / plain.norm() > 1e-4


def test_appearance_is_saved_apart(model, motion):
    clips = examples(size=16)
    with torch.inference_mode():
        _, paths = run(Order(model, motion, clips, plan(name="run", loss="motion and appearance")))
    assert [f"{path.parent.name}/{path.name}" for path in paths] == [
        "animatediff_motion_lora/run.safetensors",
        "loras/run_appearance.safetensors",
    ]
    assert header(paths[1])["animatediff.kind"] == "appearance LoRA"


def named(patcher, path, monkeypatch):
    """As if its loader had read it from that file."""
    monkeypatch.setattr(patcher, "cached_patcher_init", (None, (str(path),)))


def test_a_run_does_not_go_on_with_other_models(model, motion, monkeypatch):
    """Neither with a checkpoint of another name, nor with other weights under the same name."""
    named(model, "one.safetensors", monkeypatch)
    named(motion, "v2.ckpt", monkeypatch)
    with torch.inference_mode():
        run(Order(model, motion, examples(), plan(name="models", steps=1)))
        named(model, "two.safetensors", monkeypatch)
        with pytest.raises(
            ValueError, match="on other models so far: checkpoint one.safetensors, now two.safetensors. C"
        ):
            run(Order(model, motion, examples(), plan(name="models")))
        named(model, "one.safetensors", monkeypatch)
        other = motion_model("v2")
        next(other.model.parameters()).add_(1)
        named(other, "v2.ckpt", monkeypatch)
        with pytest.raises(ValueError, match="'models' was trained on other models so far: motion_model_hash "):
            run(Order(model, other, examples(), plan(name="models")))
        with pytest.raises(ValueError, match="so far: motion_model_hash "):  # fewer layers, which is no damage
            run(Order(model, motion_model("v3"), examples(), plan(name="models")))
        state, _ = run(Order(model, motion, examples(), plan(name="models")))
    assert state.step == 3


def test_clips_are_in_memory_once():
    with torch.inference_mode():
        clips = examples()
    with torch.inference_mode(False):
        own = runs.private(clips)
    assert [item.latents.data_ptr() for item in own.items] == [item.latents.data_ptr() for item in clips.items]


def test_start_anew_forgets_the_run_before(model, motion):
    with torch.inference_mode():
        run(Order(model, motion, examples(), plan(name="again", steps=4)))
        state, _ = run(Order(model, motion, examples(), plan(name="again", steps=2, rank=8), resume=False))
    assert state.step == 2
    assert [each.name for each in run_folder("again").glob("*.safetensors")] == ["checkpoint_000002.safetensors"]
