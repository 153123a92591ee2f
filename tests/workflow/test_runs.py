"""Runs of Text to Animation and of our own nodes in it: what comes out, and what stays after one that failed."""

import json

import pytest
import seeded
from comfy_server import ServerError
from small_graphs import add, forget, frames_of, key_of, small
from workflows import nodes_of

CUSTOM = {"context_schedule": "standard_static", "fuse_method": "pyramid", "context_stride": 1, "closed_loop": False}


def test_the_same_prompt_twice_gives_the_same_pictures(server, prompt):
    forget(server)
    first = frames_of(server, server.run(prompt))
    forget(server)
    assert frames_of(server, server.run(prompt)) == first
    assert len(set(first)) == 16


def test_what_has_not_changed_is_not_done_again(server, prompt):
    """Neither by a node, nor by the host, which asks for models again where the MODEL is another one."""
    of_every_clip = {"KSampler", "VAEDecode", "SaveAnimatedWEBP", "CreateVideo", "SaveVideo"}
    server.run(prompt)
    for kind, changes, again, asked in (
        ("KSampler", {"seed": 7}, set(), 0),
        ("CLIPTextEncode", {"text": "rain"}, {"CLIPTextEncode"}, 0),
        ("ADN_ApplyMotionModel", {"motion_scale": 1.1}, {"ADN_ApplyMotionModel"}, 2),
    ):
        nodes_of(prompt, kind)[0].update(changes)
        ran, before = [], len(server.log_text())
        server.run(prompt, on_start=ran.append)
        assert set(ran) == again | of_every_clip and len(ran) == len(set(ran))
        assert server.log_text()[before:].count("Requested to load") == asked


def test_motion_changes_every_frame(server, prompt):
    forget(server)
    moved = frames_of(server, server.run(prompt))
    nodes_of(prompt, "ADN_ApplyMotionModel")[0]["effect"] = 0.0
    still = frames_of(server, server.run(prompt))
    assert all(a != b for a, b in zip(moved, still, strict=True))


def test_progress_is_reported(server, prompt):
    forget(server)
    steps = []
    nodes_of(prompt, "KSampler")[0].update(steps=4, scheduler="normal")
    server.run(prompt, lambda node, step, total: steps.append((node, step, total)))
    assert [entry for entry in steps if entry[0] == "KSampler"][-1] == ("KSampler", 4, 4)


def in_windows(prompt: dict, steps: int = 2) -> dict:
    """A copy of the prompt with 20 frames in three windows of 8."""
    prompt = small(json.loads(json.dumps(prompt)), steps=steps, frames=20)
    sampler = nodes_of(prompt, "KSampler")[0]
    sampler["scheduler"] = "normal"
    inputs = {"model": sampler["model"], "preset": "custom", "context_length": 8, "context_overlap": 2}
    prompt["windows"] = {"class_type": "ADN_ContextWindows", "inputs": inputs | CUSTOM}
    sampler["model"] = ["windows", 0]
    return prompt


def test_progress_counts_steps_and_windows(server, prompt):
    """The bar moves with each window, never back, and stands at a step's end where the sampler says so, too."""
    forget(server)
    events = []
    server.run(in_windows(prompt), lambda node, done, total: events.append((node, done, total)))
    events = [(done, total) for node, done, total in events if node == "KSampler"]
    windows = [done for done, total in events if total == 2 * 3]
    assert windows[-1] == 2 * 3 and windows == sorted(set(windows))
    parts = [done / total for done, total in events]
    assert parts == sorted(parts)


def test_a_run_in_windows_stops_within_one_window(server, prompt):
    """Interrupted behind the first window of three, in a step that nothing else would end; the next prompt works."""
    forget(server)
    before = frames_of(server, server.run(in_windows(prompt)))
    forget(server)
    seen = []

    def stop(node, done, total):
        if node == "KSampler" and total == 20 * 3:
            seen.append(done)
            if done == 1:
                server.post("/interrupt")

    with pytest.raises(ServerError, match="interrupted"):
        server.run(in_windows(prompt, steps=20), stop)
    assert max(seen) <= 2  # the second one may have begun
    forget(server)
    assert frames_of(server, server.run(in_windows(prompt))) == before


def test_each_run_has_one_line_in_the_log(server, prompt):
    forget(server)
    start = len(server.log_text())
    server.run(in_windows(prompt))
    (line,) = [line for line in server.log_text()[start:].splitlines() if "motion modules" in line]
    assert f"{seeded.MOTION_MODEL} (AnimateDiff v3, 20 motion modules): 20 frames in 3 windows of 8" in line
    assert "(standard_static, overlap 2, pyramid), 2 steps from sigma" in line


def test_a_clip_longer_than_the_motion_model_holds(server, prompt):
    assert len(frames_of(server, server.run(small(prompt, steps=1, frames=36)))) == 36
    assert "36 frames are more than the motion model takes at once (32)" in server.log_text()


def test_a_wrong_value_says_so_and_the_next_run_works(server, prompt):
    forget(server)
    before = frames_of(server, server.run(prompt))
    wrong = json.loads(json.dumps(prompt))
    sampler = nodes_of(wrong, "KSampler")[0]
    words = CUSTOM | {"preset": "custom", "context_length": 33, "context_overlap": 4}
    sampler["model"] = add(wrong, "windows", "ADN_ContextWindows", model=sampler["model"], **words)
    with pytest.raises(ServerError, match=r"context_length of 33 frames is more than this motion model takes at once"):
        server.run(small(wrong, frames=40))
    wrong["windows"]["inputs"]["context_overlap"] = 33
    with pytest.raises(ServerError, match="context_overlap is 33 and context_length 33"):
        server.run(small(wrong, frames=40))
    forget(server)
    assert frames_of(server, server.run(prompt)) == before


def test_an_interrupted_run_leaves_nothing_behind(server, prompt):
    forget(server)
    before = frames_of(server, server.run(prompt))
    long = json.loads(json.dumps(prompt))
    nodes_of(long, "KSampler")[0].update(steps=20, seed=5)
    with pytest.raises(ServerError, match="interrupted"):
        server.run(
            long, lambda node, step, total: server.post("/interrupt") if node == "KSampler" and step == 1 else None
        )
    forget(server)
    assert frames_of(server, server.run(prompt)) == before


def test_a_file_that_is_no_motion_model_says_what_it_is(server, base, prompt):
    (base / "models" / "animatediff_models" / "page.ckpt").write_bytes(b"<!DOCTYPE html><html></html>")
    nodes_of(prompt, "ADN_LoadMotionModel")[0]["model_name"] = "page.ckpt"
    with pytest.raises(ServerError, match=r"'page.ckpt' is a web page, not a model"):
        server.run(prompt)


def test_a_clip_in_two_pieces(server, prompt):
    """Two Context Samplers, the second one going on from the first."""
    sampler = key_of(prompt, "KSampler")
    words = prompt[sampler]["inputs"] | {"preset": "stable", "context_length": 16}
    first = add(prompt, "first", "ADN_ContextSampler", **words)
    add(prompt, sampler, "ADN_ContextSampler", continue_from=first, **words)
    assert len(set(frames_of(server, server.run(prompt)))) == 32


def test_freeinit_and_the_picture_of_windows(server, prompt):
    sampler = nodes_of(prompt, "KSampler")[0]
    words = {"iterations": 2, "filter": "butterworth", "d_s": 0.25, "d_t": 0.25, "n_butterworth": 4}
    freeinit = add(prompt, "freeinit", "ADN_FreeInit", model=sampler["model"], iter_seed_offset=1, **words)
    add(prompt, "preview", "ADN_PreviewWindows", model=freeinit, frames=40, steps=3)
    plain = frames_of(server, server.run(prompt))
    sampler["model"] = freeinit
    outputs = server.run(prompt)
    assert frames_of(server, outputs) != plain
    assert outputs["preview"]["images"][0]["type"] == "temp"
