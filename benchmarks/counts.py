"""What a step asks of a GPU: launches, copies to it and from it, and how often it is asked for a number, which makes
the program wait. No GPU is needed: the CPU goes by a second name, under which every tensor of a run is followed.

    python dev.py counts [--scenes views control ...] [--where]

Small seeded models whose layers are as many as the full ones'. A scene is sampled in six steps; the table has the mean
of the later ones, and in brackets what the run asked for before its first step ended, where all that is kept is made.
Everything that the host asks for is in it. --where: which function of the pack copied and asked.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import host  # noqa: E402

host.enter(host.find_host())

import comfy.model_management  # noqa: E402
import comfy.utils  # noqa: E402
import latent_preview  # noqa: E402
import torch  # noqa: E402
from second_device import ASKED, DEVICE, FETCHED, LAUNCHES, SENT, counted  # noqa: E402

comfy.model_management.get_torch_device = lambda: DEVICE  # before any model is made

from animatediff_native.motion.formats import TABLE  # noqa: E402
from animatediff_native.sampling.references.settings import Links, Reference  # noqa: E402
from animatediff_native.sampling.values.schedules import step_values  # noqa: E402
from animatediff_native.sampling.windows.handler import with_windows  # noqa: E402
from animatediff_native.sampling.windows.presets import preset  # noqa: E402
from clips import animated, conditioning, controlnet, latents, motion_model, sample  # noqa: E402
from unets import unet_model  # noqa: E402

STEPS, SIZE = 6, 8


def plain():
    """The checkpoint alone."""
    return {"model": unet_model(), "frames": 16}


def clip():
    """16 frames with motion."""
    return {"model": animated(unet_model(), motion_model()), "frames": 16}


def views():
    """66 frames as they are sampled by themselves: one window with views inside."""
    return {"model": animated(unet_model(), motion_model()), "frames": 66}


def control():
    """28 frames in windows of 16, with a ControlNet whose hints are larger than the clip."""
    model = with_windows(animated(unet_model(), motion_model()), preset("stable", 16))
    hint = torch.rand(28, 3, 96, 96, generator=torch.Generator().manual_seed(4))
    entry = {"control": controlnet().set_cond_hint(hint), "control_apply_to_uncond": False}
    return {"model": model, "frames": 28, "positive": conditioning(5, **entry), "negative": conditioning(6, **entry)}


def references():
    """28 frames in windows of 16 that refer to the first one (ContextRef)."""
    model, links = animated(unet_model(), motion_model()), Links(Reference(end_percent=1.0))
    return {"model": with_windows(model, preset("stable", 16), links=links), "frames": 28}


def schedule():
    """16 frames whose motion scale goes along four points of the sampling."""
    scale = step_values("0: 1.2, 0.3: 1.1, 0.6: 1.0, 1: 0.8")
    return {"model": animated(unet_model(), motion_model(), motion_scale=scale), "frames": 16}


def learnt():
    """16 frames with a motion model whose position tables were trained."""
    motion = motion_model()
    generator = torch.Generator().manual_seed(1)
    tables = {f"{name}.pos_encoder.pe": module for name, module in motion.model.named_modules() if is_attention(module)}
    assert all(TABLE.search(key) for key in tables)
    motion.model.keep_learnt_tables(
        {key: torch.randn(1, 32, each.to_q.weight.shape[1], generator=generator) for key, each in tables.items()}
    )
    return {"model": animated(unet_model(), motion), "frames": 16}


def is_attention(module) -> bool:
    return hasattr(module, "position_table")


def preview():
    """16 frames, shown in motion after each step."""
    latent_preview.set_preview_method("latent2rgb")
    comfy.utils.set_progress_bar_global_hook(lambda *told, **more: None)
    return clip()


SCENES = {each.__name__: each for each in (plain, clip, views, control, references, schedule, learnt, preview)}


def of_scene(scene) -> tuple[Counter, dict[str, float], Counter]:
    words = scene()
    clip = latents(words.pop("frames"), SIZE, SIZE)
    model = words.pop("model")

    def run(callback):
        sample(model, latent_image=clip, steps=STEPS, **words, disable_pbar=True, callback=callback)

    return counted(run, STEPS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", nargs="*", choices=SCENES, default=list(SCENES))
    parser.add_argument("--where", action="store_true")
    arguments = parser.parse_args()
    print("| | launches | copies to the GPU | copies from it | asked for a number |\n|---|---|---|---|---|")
    for name in arguments.scenes:
        first, later, places = of_scene(SCENES[name])
        cells = [f"{later[what]:.0f} ({first[what]})" for what in (LAUNCHES, SENT, FETCHED, ASKED)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
        if arguments.where:
            for (what, *place), count in places.most_common(25):
                print(f"  {count:6} {what} {'.'.join(place)}")


if __name__ == "__main__":
    main()
