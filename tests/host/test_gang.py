"""Windows shared by several processes, and by several devices of one."""

import os
import subprocess
import sys
import time

import gang_member
import pytest
import torch
from animatediff_native.nodes.spread import SpreadWindows
from animatediff_native.sampling.spread import with_spread
from animatediff_native.sampling.windows.gang import ENVIRONMENT
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.presets import preset
from clips import animated, first, latents, sample
from comfy_server import free_port
from devices import multi_gpu, over_two_devices
from gang_member import KINDS, made
from host import ROOT
from safetensors.torch import load_file


def started(folder, rank: int, port: int) -> subprocess.Popen:
    own = {
        ENVIRONMENT: f"{rank}/2@127.0.0.1:{port}",
        "OMP_NUM_THREADS": str(torch.get_num_threads()),
        "PYTHONPATH": str(ROOT / "tests" / "support"),
    }
    with open(folder / f"{rank}.log", "wb") as log:
        command = [sys.executable, gang_member.__file__, str(folder)]
        return subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=subprocess.STDOUT)


def test_two_processes_make_the_clip_of_one_and_miss_each_other_at_once(tmp_path):
    port = free_port()
    members = [started(tmp_path, rank, port) for rank in range(2)]
    try:
        members[1].wait(200)
        start = time.monotonic()
        assert members[0].wait(20) == 0, (tmp_path / "0.log").read_text()
        assert time.monotonic() - start < 10
    finally:
        for member in members:
            member.kill()
    assert "Another member of this gang of 2 was lost, failed or was stopped" in (tmp_path / "0.txt").read_text()
    clips = [load_file(tmp_path / f"{rank}.safetensors") for rank in range(2)]
    calls: list[dict] = []
    for kind in KINDS:
        expected = made(kind, calls.append)
        assert all(torch.equal(clip[kind], expected) for clip in clips), kind
    assert sum(int(clip["calls"]) for clip in clips) == len(calls) > max(int(clip["calls"]) for clip in clips)


def moving(model, motion):
    return with_windows(animated(model, motion), preset("stable", 8))


def clip(model, **words):
    return sample(model, latent_image=latents(20, 8, 8), steps=1, **words)


def test_the_node_changes_nothing_where_there_is_one_gpu(sd15, motion):
    model = moving(sd15, motion.patcher)
    assert torch.equal(clip(first(SpreadWindows.execute(model, 0))), clip(model))


def test_one_window_is_for_nobody_else(sd15, motion):
    model = with_spread(animated(sd15, motion.patcher))
    assert torch.equal(sample(model), sample(animated(sd15, motion.patcher)))


@multi_gpu
def test_each_window_is_computed_on_one_device(sd15_from_file, motion_from_file):
    model = moving(sd15_from_file, motion_from_file)
    seen = {}

    def note(emb, channels, options):
        seen.setdefault(str(options["multigpu_thread_device"]), []).append(options["context_window"].index_list)
        return emb

    split = over_two_devices(with_spread(model))
    split.set_model_emb_patch(note)
    assert torch.equal(clip(split), clip(model))
    windows = {device: [tuple(each) for each in lists] for device, lists in seen.items()}
    assert len(windows) == 2 and not set(windows["cpu"]) & set(windows["cpu:0"])


@multi_gpu
def test_an_error_on_one_device_ends_the_run_and_no_later_one(sd15_from_file, motion_from_file):
    model = moving(sd15_from_file, motion_from_file)
    split = over_two_devices(with_spread(model))

    def fail(emb, channels, options):
        if str(options["multigpu_thread_device"]) == "cpu:0":
            raise RuntimeError("out of memory")
        return emb

    broken = split.clone()
    broken.set_model_emb_patch(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        clip(broken)
    assert torch.equal(clip(split), clip(model))
