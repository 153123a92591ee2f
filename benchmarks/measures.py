"""What gpu.py measures inside a contender's process: import after the host."""

import torch
from memory import PeakMemory
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

KINDS = {
    "attention": ("flash", "fmha", "attention", "sdp"),
    "norms": ("norm",),
    "products": (
        "gemm",
        "convolution",
        "cutlass",
        "cudnn",
        "wgmma",
        "xmma",
        "implicit",
        "::mm",
        "addmm",
        "bmm",
        "nvjet",
    ),
    "copies": ("memcpy", "memset", "copy", "cat", "transpose", "index", "gather", "contiguous", "clone"),
}
"""Kind -> words in the names of a GPU's kernels, or of torch's operations on a CPU; the first that fits counts."""
LAUNCHES = ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cuLaunchKernelEx")
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")


def kind_of(name: str) -> str:
    name = name.lower()
    return next((kind for kind, words in KINDS.items() if any(word in name for word in words)), "rest")


def on_gpu() -> bool:
    return torch.cuda.is_available()


def profiled(step, model, shape) -> dict:
    """{"kinds": seconds of each kind, "launches", "waits", "sent", "fetched": how often}."""
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if on_gpu() else [])
    with profile(activities=activities) as found:
        step()
        if on_gpu():
            torch.cuda.synchronize()
    kinds, counts = dict.fromkeys([*KINDS, "rest"], 0.0), dict.fromkeys(["launches", "waits", "sent", "fetched"], 0)
    for event in found.key_averages():
        if event.device_type == DeviceType.CUDA:
            kinds[kind_of(event.key)] += event.self_device_time_total / 1e6
            counts["sent"] += event.count * ("HtoD" in event.key)
            counts["fetched"] += event.count * ("DtoH" in event.key)
        elif not on_gpu():
            kinds[kind_of(event.key)] += event.self_cpu_time_total / 1e6
        counts["launches"] += event.count * (event.key in LAUNCHES)
        counts["waits"] += event.count * (event.key in WAITS)
    return {"kinds": kinds} | counts


def activations(step, model, shape) -> dict:
    """{"held": the most bytes beside weights, "reckoned": the host's estimate for both prompts}."""
    if on_gpu():
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        held = torch.cuda.max_memory_allocated() - before
    else:
        with PeakMemory() as memory:
            step()
        held = memory.peak
    return {"held": held, "reckoned": model.model.memory_required([2 * shape[0], *shape[1:]])}


def given_back(model, motion_size: int, frames: int, size: int, is_sdxl: bool) -> dict:
    """{"motion": bytes of the motion model, "before", "after": bytes held in its range and behind it}."""
    import comfy.sample
    from prompts_and_latents import conditioning, latents

    held, width = [], 2048 if is_sdxl else 768

    def note(*_):
        held.append(torch.cuda.memory_allocated() if on_gpu() else 0)

    clip = latents(frames, size, size)
    with torch.inference_mode():
        noise = comfy.sample.prepare_noise(clip, 11)
        prompts = conditioning(5, width), conditioning(6, width)
        comfy.sample.sample(
            model, noise, 4, 7.5, "euler", "normal", *prompts, clip, callback=note, disable_pbar=True, seed=11
        )
    return {"motion": motion_size, "before": held[0], "after": held[-1]}
