"""One of the processes that sample clips together, as ANIMATEDIFF_GANG says; test_gang.py starts them.

gang_member.py FOLDER: writes FOLDER/<rank>.safetensors, a clip of each of `KINDS`; then all begin one more, in whose
second step the last member is killed, and the others write what they then say into FOLDER/<rank>.txt.
"""

import os
import signal
import sys
from pathlib import Path

import host

if __name__ == "__main__":
    host.enter(host.find_host())

import torch
from animatediff_native.motion.options import KEY
from animatediff_native.sampling.run import watch
from animatediff_native.sampling.spread import with_spread
from animatediff_native.sampling.windows.gang import ENVIRONMENT, place_of
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.presets import preset
from clips import animated, latents, motion_model, sample
from safetensors.torch import save_file
from unets import unet_model

FRAMES, STEPS = 40, 2
KINDS = ("stable", "loop")


def made(kind: str, on_call=lambda options: None):
    """A clip of 40 frames. on_call: done in each call of the UNet."""

    def note(emb, channels, options):
        on_call(options)
        return emb

    model = watch(with_spread(with_windows(animated(unet_model(), motion_model()), preset(kind, 16))))
    model.set_model_emb_patch(note)
    return sample(model, latent_image=latents(FRAMES, 8, 8), steps=STEPS)


def end(options: dict) -> None:
    if options[KEY].step == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path) -> None:
    place = place_of(os.environ[ENVIRONMENT])
    calls: list[dict] = []
    clips = {kind: made(kind, calls.append).contiguous() for kind in KINDS}
    save_file(clips | {"calls": torch.tensor(len(calls))}, folder / f"{place.rank}.safetensors")
    try:
        made("stable", end if place.rank == place.size - 1 else lambda options: None)
    except RuntimeError as error:
        (folder / f"{place.rank}.txt").write_text(str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
