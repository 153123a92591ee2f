"""The training nodes, as the host calls them: in inference mode, with the values of their widgets."""

import json
import os
import signal
from dataclasses import replace

import folder_paths
import pytest
import torch
from animatediff_native.motion.adjust import Adjustments, WeightAdjust
from animatediff_native.motion.load import load_motion_model, readjusted
from animatediff_native.motion.lora import load_motion_lora, with_motion_lora
from animatediff_native.motion.low_rank import matched
from animatediff_native.nodes.training import TrainDomainAdapter, TrainMotionLoRA, TrainMotionModel
from animatediff_native.nodes.training_files import SaveMotionLoRA, SaveMotionModel
from animatediff_native.nodes.training_options import TrainingOptionsNode
from animatediff_native.training import headless, loop
from animatediff_native.training.files import run_folder
from animatediff_native.training.jobs import found, job_of, read_clips, write_clips
from animatediff_native.training.layouts import LAYOUTS
from animatediff_native.training.plan import TrainingOptions
from safetensors.torch import load_file, save_file
from small_training import CHANNELS, examples, same, small_unet, weights_of
from weights import motion_lora_state, motion_state


@pytest.fixture(scope="module")
def model():
    with torch.inference_mode():
        return small_unet()


@pytest.fixture
def motion(folders):
    path = folders / "models" / "animatediff_models" / "small_v2.safetensors"
    path.parent.mkdir(parents=True)
    save_file(motion_state("v2", CHANNELS["sd15"]), path)
    with torch.inference_mode():
        return load_motion_model(str(path))


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path / "output"))
    for kind in ("animatediff_motion_lora", "animatediff_models", "loras"):
        endings = folder_paths.folder_names_and_paths[kind][1]
        monkeypatch.setitem(folder_paths.folder_names_and_paths, kind, ([str(tmp_path / "models" / kind)], endings))
    return tmp_path


def run(node, *values, **changes):
    """What a node gives with its widgets at their defaults, but for `changes`."""
    defaults = {
        entry.id: entry.default
        for entry in node.GET_SCHEMA().inputs
        if not entry.optional and hasattr(entry, "default") and entry.default is not None
    }
    needed = [entry.id for entry in node.GET_SCHEMA().inputs if not entry.optional and entry.id not in defaults]
    with torch.inference_mode():
        return node.execute(**dict(zip(needed, values, strict=True)), **defaults | changes).args


SHORT = {"steps": 2, "sample_every": 0, "learning_rate": 1e-3}


def test_train_motion_lora_gives_the_motion_model_with_it(model, motion):
    with_it, loss, file = run(TrainMotionLoRA, model, motion, examples(), rank=4, **SHORT)
    assert len(with_it.patches) == 21 * 2 * 4 and with_it.model is motion.model
    assert len(loss["loss"]) == 2 and file.endswith("animatediff_motion_lora/my_motion.safetensors")


def test_the_preset_decides_what_is_left_at_0(model, motion, monkeypatch):
    seen = {}
    monkeypatch.setattr("animatediff_native.nodes.training.run", lambda order, say: seen.update(order=order) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(TrainMotionLoRA, model, motion, examples(), preset="one video", resume="start anew")
    plan = seen["order"].plan
    assert (plan.steps, plan.rank, plan.learning_rate, plan.loss) == (400, 32, 5e-4, "motion and appearance")
    assert plan.options == TrainingOptions(caption_dropout=0.0) and not seen["order"].resume


def test_train_motion_model_gives_a_new_one_or_one_that_goes_on(model, motion):
    new, _, file = run(TrainMotionModel, model, examples(), name="new", new_model="v2", **SHORT)
    assert new.model.format == motion.model.format and file.endswith("animatediff_models/new.safetensors")
    further, *_ = run(TrainMotionModel, model, examples(), name="further", motion_model=motion, **SHORT)
    assert not same(weights_of(further), weights_of(motion)) and not same(weights_of(further), weights_of(new))


def test_train_domain_adapter_gives_the_model_with_it(model):
    with_it, *_ = run(TrainDomainAdapter, model, examples(size=16), rank=4, **SHORT)
    assert len(with_it.patches) == 16 * 2 * 4


def test_options_go_into_the_plan():
    (options,) = run(TrainingOptionsNode, noise_offset=0.05, checkpointing="on")
    assert options == TrainingOptions(noise_offset=0.05, checkpointing="on")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_saved_motion_model_has_its_loras_in_it(motion, folders, layout):
    lora = folders / "models" / "animatediff_motion_lora" / "zoom.safetensors"
    lora.parent.mkdir(parents=True)
    save_file(motion_lora_state(CHANNELS["sd15"], family="v2"), lora)
    with torch.inference_mode():
        with_it, _ = with_motion_lora(motion, load_motion_lora(str(lora)), 0.5)
    (file,) = run(SaveMotionModel, with_it, layout=layout, dtype="float32")
    with torch.inference_mode():
        loaded = load_motion_model(file)
    expected = weights_of(motion)
    for layer, factors in load_motion_lora(str(lora)).layers.items():
        name = layer.replace("to_out", "to_out.0") + ".weight"
        expected[name] = expected[name] + 0.5 * factors.up @ factors.down
    assert loaded.model.format == motion.model.format
    for key, value in expected.items():
        torch.testing.assert_close(loaded.model.state_dict()[key], value, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="my_motion.safetensors is there already. Choose another name."):
        run(SaveMotionModel, with_it)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_saved_loras_are_the_sum_of_those_that_were_on(motion, folders, layout):
    folder = folders / "models" / "animatediff_motion_lora"
    folder.mkdir(parents=True)
    with_both = motion
    for seed, strength in ((1, 0.5), (2, -1.0)):
        save_file(motion_lora_state(CHANNELS["sd15"], seed=seed, family="v2"), folder / f"{seed}.safetensors")
        with torch.inference_mode():
            with_both, _ = with_motion_lora(with_both, load_motion_lora(str(folder / f"{seed}.safetensors")), strength)
    (file,) = run(SaveMotionLoRA, with_both, layout=layout, dtype="float32", name="both")
    files = (load_motion_lora(str(folder / f"{name}.safetensors")) for name in ("1", "2", "both"))
    one, two, both = (matched(file, motion.model) for file in files)
    assert len(both) == 168 and both.keys() == one.keys() == two.keys()
    for layer, factors in both.items():
        a, b = one[layer], two[layer]
        torch.testing.assert_close(factors.up @ factors.down, 0.5 * a.up @ a.down - b.up @ b.down)
    with torch.inference_mode():
        _, line = with_motion_lora(motion, load_motion_lora(file), 1.0)
    assert line.startswith("both.safetensors: 168 of 168 layers matched")


@pytest.mark.parametrize("kind", ["dora_scale", "loha", "diff"])
def test_loras_that_are_not_plain_are_not_saved_as_plain_ones(motion, folders, kind):
    layer = "down_blocks.3.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.to_q"
    plain = {f"{layer}.lora_{name}.weight": torch.ones(*shape) for name, shape in (("up", (32, 2)), ("down", (2, 32)))}
    parts = {
        "dora_scale": plain | {f"{layer}.dora_scale": torch.ones(32, 1)},
        "loha": {
            f"{layer}.hada_w{n}_{side}": torch.ones(2, 32).view(-1, 32 if side == "b" else 2)
            for n in "12"
            for side in "ab"
        },
        "diff": {f"{layer}.diff": torch.ones(32, 32)},
    }
    path = folders / "models" / "animatediff_motion_lora" / "odd.safetensors"
    path.parent.mkdir(parents=True)
    save_file(parts[kind], path)
    with torch.inference_mode():
        with_it, _ = with_motion_lora(motion, load_motion_lora(str(path)), 1.0)
    with pytest.raises(
        ValueError, match="is no plain one .DoRA, LoHa or another kind.*Use Save Motion Model, which merge"
    ):
        run(SaveMotionLoRA, with_it)
    assert [each.name for each in path.parent.iterdir()] == ["odd.safetensors"]


def test_a_motion_model_without_loras_has_none_to_save(motion):
    with pytest.raises(ValueError, match="There is no motion LoRA on this motion model. Put Load Motion LoRA before"):
        run(SaveMotionLoRA, motion)


def test_a_plan_is_written_in_place_of_training(model, motion, folders, monkeypatch):
    checkpoint = folders / "small.safetensors"
    checkpoint.touch()
    monkeypatch.setattr(model, "cached_patcher_init", (None, (str(checkpoint),)))
    first, loss, file = run(TrainMotionLoRA, model, motion, examples(3), write_plan=True, rank=4, **SHORT)
    job = job_of((run_folder("my_motion") / "plan.json").read_text())
    assert file == str(run_folder("my_motion") / "plan.json") and type(first).__name__ == "ExecutionBlocker"
    assert (
        job.checkpoint == str(checkpoint) and job.motion_model.endswith("small_v2.safetensors") and job.plan.rank == 4
    )
    assert not list(run_folder("my_motion").glob("checkpoint*"))


def test_a_plan_does_not_forget_that_the_motion_model_was_adjusted(model, motion, folders, monkeypatch):
    (folders / "small.safetensors").touch()
    monkeypatch.setattr(model, "cached_patcher_init", (None, (str(folders / "small.safetensors"),)))
    with torch.inference_mode():
        adjusted = readjusted(motion, Adjustments(weights=(WeightAdjust({}, {"all": 0.5}),)))
    with pytest.raises(ValueError, match="The motion model has changes on it .*, which a plan does not hold"):
        run(TrainMotionLoRA, model, adjusted, examples(3), write_plan=True, rank=4, **SHORT)


@pytest.mark.parametrize("path", [r"C:\ComfyUI\models\v2.safetensors", "/gone/v2.safetensors"])
def test_a_plan_of_another_machine_finds_its_models_here(folders, path):
    """Also those that lie in a folder of their kind's, and on the other system."""
    file = folders / "models" / "animatediff_models" / "official" / "v2.safetensors"
    file.parent.mkdir(parents=True)
    file.touch()
    assert found(path, "animatediff_models") == str(file)
    with pytest.raises(ValueError, match="The plan needs 'v3.safetensors', which is not in models/animatediff_models"):
        found(path.replace("v2", "v3"), "animatediff_models")


def test_clips_are_read_as_they_were_written(tmp_path):
    clips = examples(3, arch="sdxl", variants=2)
    first, second, third = clips.items
    clips = clips.of((first, replace(second, cond=first.cond), third))  # one caption for two
    write_clips(tmp_path / "clips.safetensors", clips)
    read = read_clips(tmp_path / "clips.safetensors")
    assert read.hash == clips.hash and [item.name for item in read.items] == [item.name for item in clips.items]
    for a, b in zip(read.items, clips.items, strict=True):
        assert torch.equal(a.latents, b.latents) and torch.equal(a.cond[0][0], b.cond[0][0])
        assert torch.equal(a.cond[0][1]["pooled_output"], b.cond[0][1]["pooled_output"])


def test_a_written_plan_trains_the_same_file_without_the_page(model, motion, folders, monkeypatch, capsys):
    """The same as the node; a plan that is written by hand may leave out what has a default."""
    clips = examples(3)
    monkeypatch.setattr(model, "cached_patcher_init", (None, (str(folders / "small.safetensors"),)))
    (folders / "small.safetensors").touch()
    *_, file = run(TrainMotionLoRA, model, motion, clips, write_plan=True, rank=4, name="later", **SHORT)
    monkeypatch.setattr(headless, "enter_host", lambda arguments: None)
    monkeypatch.setattr("comfy.sd.load_checkpoint_guess_config", lambda *names, **options: (model,))
    assert headless.main([file, "--dry-run"]) == 0 and not (run_folder("later") / "loss.csv").exists()
    assert headless.main([file]) == 0
    later = load_file(folders / "models" / "animatediff_motion_lora" / "later.safetensors")
    *_, now = run(TrainMotionLoRA, model, motion, clips, rank=4, name="now", **SHORT)
    assert same(later, load_file(now))
    assert (
        headless.main([file, "--steps", "3"]) == 0 and (run_folder("later") / "checkpoint_000003.safetensors").exists()
    )
    assert job_of((run_folder("later") / "plan.json").read_text()).plan.steps == 2, "the plan stays as it was written"
    assert headless.main([file, "--steps", "0"]) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_run_between_two_steps(model, motion, folders, monkeypatch, caplog, number):
    """The one that it came in is done to its end and saved, and the next run goes on from there."""
    monkeypatch.setattr(model, "cached_patcher_init", (None, (str(folders / "small.safetensors"),)))
    (folders / "small.safetensors").touch()
    *_, file = run(TrainMotionLoRA, model, motion, examples(3), write_plan=True, rank=4, **SHORT)
    monkeypatch.setattr(headless, "enter_host", lambda arguments: None)
    monkeypatch.setattr("comfy.sd.load_checkpoint_guess_config", lambda *names, **options: (model,))
    set_rates, before = loop.set_rates, signal.getsignal(number)

    def signalled(*words):
        os.kill(os.getpid(), number)
        set_rates(*words)

    monkeypatch.setattr(loop, "set_rates", signalled)
    caplog.set_level("INFO", "animatediff")
    assert headless.main([file]) == 130 and signal.getsignal(number) == before
    monkeypatch.setattr(loop, "set_rates", set_rates)
    assert (run_folder("my_motion") / "checkpoint_000001.safetensors").is_file()
    assert "is saved at step 1 of 2: run it again to go on from there." in caplog.text
    assert headless.main([file]) == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "is not there. Let a Train node write one: write_plan."),
        ("{", "This is not a training plan"),
        ("\udcff", "This is not a training plan"),
        (json.dumps({"kind": "motion LoRA", "name": "a"}), "a plan's clips lie beside it"),
    ],
)
def test_plans_that_cannot_be_done(folders, monkeypatch, caplog, text, sentence):
    monkeypatch.setattr(headless, "enter_host", lambda arguments: None)
    if text is not None:
        (folders / "plan.json").write_text(text, errors="surrogateescape")
    assert headless.main([str(folders / "plan.json")]) == 1
    assert sentence in caplog.text
