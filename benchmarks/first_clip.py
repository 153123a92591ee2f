"""What somebody at the page waits for: from Run to the first preview and to the clip, in a real server.

Once from its start, once more, and then with one thing changed after the other. What runs or is loaded again although
nothing of it changed is time lost. Few steps of small pictures, so that sampling itself takes little; seeded models of
full size (fp16, 3 GB), or small ones, which the incumbent does not take.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import seeded
from comfy_server import ComfyServer, link
from weights import SD15_CHANNELS

FOLDER = Path(__file__).resolve().parents[1] / ".dev" / "bench"
CHECKPOINT, MOTION_MODEL = "checkpoint.safetensors", "motion.safetensors"
FRAMES, PIXELS, STEPS = 16, 64, 2


@dataclass(frozen=True)
class Wish:
    """What is asked for."""

    seed: int = 1
    text: str = "clouds over the sea"
    motion_scale: float = 1.0


WISHES = {
    "the first clip": Wish(),
    "once more": Wish(),
    "another seed": Wish(2),
    "another prompt": Wish(2, "clouds over a field"),
    "another motion scale": Wish(2, "clouds over a field", 1.1),
}
"""In their order."""


def models_folder(full: bool) -> Path:
    """With models/ in it, made where it is absent."""
    base = FOLDER / ("first-clip" if full else "first-clip-small")
    checkpoint, motion = base / "models/checkpoints" / CHECKPOINT, base / "models/animatediff_models" / MOTION_MODEL
    if not checkpoint.exists():
        seeded.save(seeded.of_the_host("full_checkpoint_state" if full else "checkpoint_state", False), checkpoint)
    if not motion.exists():
        seeded.save(seeded.motion("v3", SD15_CHANNELS if full else seeded.CHANNELS, False), motion)
    return base


def node(kind: str, **inputs) -> dict:
    return {"class_type": kind, "inputs": inputs}


def ours(wish: Wish) -> dict:
    """The nodes that bring motion in; the last one gives the MODEL."""
    settings = {"effect": 1.0, "beta_schedule": "auto", "start_percent": 0.0, "end_percent": 1.0, "norms": "official"}
    words = {"model": ["checkpoint", 0], "motion_model": ["file", 0], "motion_scale": wish.motion_scale}
    return {
        "file": node("ADN_LoadMotionModel", model_name=MOTION_MODEL),
        "motion": node("ADN_ApplyMotionModel", **words, **settings),
    }


def ade(wish: Wish) -> dict:
    """The same by ComfyUI-AnimateDiff-Evolved."""
    return {
        "file": node("ADE_LoadAnimateDiffModel", model_name=MOTION_MODEL),
        "scale": node("ADE_MultivalDynamic", float_val=wish.motion_scale),
        "applied": node("ADE_ApplyAnimateDiffModelSimple", motion_model=["file", 0], scale_multival=["scale", 0]),
        "motion": node(
            "ADE_UseEvolvedSampling", model=["checkpoint", 0], m_models=["applied", 0], beta_schedule="autoselect"
        ),
    }


def prompt(motion: Callable[[Wish], dict], wish: Wish) -> dict:
    """A clip from a text."""
    conds = {"model": ["motion", 0], "positive": ["positive", 0], "negative": ["negative", 0]}
    sampling = {"seed": wish.seed, "steps": STEPS, "cfg": 7.5, "sampler_name": "euler", "scheduler": "normal"}
    saving = {"filename_prefix": "clip", "fps": 8.0, "lossless": False, "quality": 80, "method": "default"}
    return motion(wish) | {
        "checkpoint": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
        "positive": node("CLIPTextEncode", clip=["checkpoint", 1], text=wish.text),
        "negative": node("CLIPTextEncode", clip=["checkpoint", 1], text="rain"),
        "latents": node("EmptyLatentImage", width=PIXELS, height=PIXELS, batch_size=FRAMES),
        "sampler": node("KSampler", **conds, **sampling, latent_image=["latents", 0], denoise=1.0),
        "pictures": node("VAEDecode", samples=["sampler", 0], vae=["checkpoint", 2]),
        "saved": node("SaveAnimatedWEBP", images=["pictures", 0], **saving),
    }


def waits(server: ComfyServer, motion: Callable[[Wish], dict], wish: Wish) -> dict:
    """{"ran": nodes, "asked": models that the host put where they run, "preview": seconds or None, "clip": seconds}."""
    ran, previews, before = [], [], len(server.log_text())
    start = time.perf_counter()

    def shown(what: str | bytes) -> None:
        if isinstance(what, bytes):
            previews.append(time.perf_counter() - start)

    server.run(prompt(motion, wish), on_shown=shown, on_start=ran.append)
    seconds = time.perf_counter() - start
    asked = server.log_text()[before:].count("Requested to load ")
    return {"ran": ran, "asked": asked, "preview": previews[0] if previews else None, "clip": seconds}


def run_first_clip(ade_folder: Path | None, full: bool) -> Iterator[str]:
    """Rows for ours and, where there is its folder, the incumbent."""
    models = models_folder(full)
    yield "| | | nodes that ran | models asked for | to the first preview, s | to the clip, s |"
    yield "|---" * 6 + "|"
    for name, motion, packs in (("ours", ours, ()), ("ade", ade, (ade_folder,))):
        if None in packs or (packs and not full):
            continue
        base = models / name
        link(models / "models", base / "models")
        with ComfyServer(
            Path(os.environ["COMFYUI_DIR"]), base, "--preview-method", "latent2rgb", packs=packs
        ) as server:
            for title, wish in WISHES.items():
                found = waits(server, motion, wish)
                preview = "" if found["preview"] is None else f"{found['preview']:.2f}"
                yield (
                    f"| {name} | {title} | {len(found['ran'])}: {', '.join(found['ran'])} | {found['asked']} "
                    f"| {preview} | {found['clip']:.2f} |"
                )
