"""The command `train PLAN.json`, from outside, on a checkpoint and a motion model that the real loaders read."""

import os
import subprocess
import sys

import seeded
import torch
from animatediff_native.training.examples import Example, Examples
from animatediff_native.training.jobs import Job, write_job
from animatediff_native.training.plan import TrainingPlan
from host import ROOT
from safetensors import safe_open


def command(*words, comfyui, folder):
    """Runs it, with models and output in a folder of the test's own."""
    (folder / "animatediff_motion_lora").mkdir(exist_ok=True)
    paths = {"animatediff_motion_lora": folder / "animatediff_motion_lora"}
    (folder / "paths.yaml").write_text("mine:\n" + "".join(f"  {kind}: {path}\n" for kind, path in paths.items()))
    words = [str(ROOT), "train", *map(str, words), "--comfyui", str(comfyui), "--models", str(folder / "paths.yaml")]
    words += ["--output", str(folder / "output")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, timeout=280)


def test_a_plan_is_trained_without_the_page(comfyui, base, tmp_path):
    generator = torch.Generator().manual_seed(0)
    items = tuple(
        Example(f"clip {i}", torch.randn(1, 4, 4, 8, 8, generator=generator), [[torch.zeros(1, 77, 768), {}]])
        for i in range(2)
    )
    plan = TrainingPlan("motion LoRA", "zoom", steps=1, rank=2, sample_every=0)
    models = base / "models"
    job = Job(
        plan,
        str(models / "checkpoints" / seeded.CHECKPOINT),
        str(models / "animatediff_models" / seeded.MOTION_MODEL),
    )
    path = write_job(tmp_path, job, Examples(items, items[0].cond, hash="0"))
    dry = command(path, "--dry-run", comfyui=comfyui, folder=tmp_path)
    assert dry.returncode == 0 and "'zoom': 2 clips, 4 frames of 64 x 64, 1 steps" in dry.stdout, (
        dry.stdout + dry.stderr
    )
    assert not (tmp_path / "output").exists()
    done = command(path, comfyui=comfyui, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    file = tmp_path / "animatediff_motion_lora" / "zoom.safetensors"
    assert f"{file}: 1 steps" in done.stdout
    with safe_open(file, "pt") as found:
        assert found.metadata()["animatediff.checkpoint"] == seeded.CHECKPOINT and len(found.keys()) == 20 * 2 * 4 * 2
    assert (tmp_path / "output" / "animatediff" / "training" / "zoom" / "loss.csv").is_file()
