"""What a user sees of a run while it lasts: one line in the log, and the clip in motion.

The host's previewer decodes each frame, and the pictures go to the page as one animated PNG through the host's own
preview channel, behind the still that the sampler sends (`web/js/moving_preview.js` plays it). The host would enlarge a
still; animations are enlarged here.
"""

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

import comfy.utils
import latent_preview
from comfy.model_patcher import ModelPatcher
from PIL import Image
from torch import Tensor

from ..motion.formats import sites
from ..motion.load import motion_file
from .windows.handler import WindowHandler
from .windows.plan import STANDARD_EVEN, longest, windows

FRAMES_SHOWN = 16
"""The most frames of a preview; of longer clips every second, third, ... one."""
PIXELS_SHOWN = 256
"""Up to which width and height small previews are enlarged: the page's canvas shows each pixel as one."""
MILLISECONDS = 125
"""For how long a frame of the clip is shown: 8 frames per second."""
SHARE = 0.05
"""Of the time between two previews: the most that one may take."""
PIXELS_DECODED = 2**14
"""Of latents at once by TAESD: four frames of 512 x 512, for which it needs some 600 MB."""

log = logging.getLogger("animatediff")


def log_run(motion_models: list[ModelPatcher], frames: int, handler, sigmas: Tensor) -> None:
    """One line: which motion models, how many of their modules, frames, windows, steps and noise levels."""
    if not motion_models or frames == 1:
        return
    names = ", ".join(
        f"{name_of(motion)} ({motion.model.format.family.name}, {len(sites(motion.model.format))} motion modules)"
        for motion in motion_models
    )
    levels = f"{len(sigmas) - 1} steps from sigma {float(sigmas[0]):.4g} to {float(sigmas[-1]):.4g}"
    log.info("%s: %d frames %s, %s.", names, frames, windows_text(handler, frames), levels)


def name_of(motion: ModelPatcher) -> str:
    file = motion_file(motion)
    return Path(file.path).name if file else "a motion model"


def windows_text(handler, frames: int) -> str:
    if not isinstance(handler, WindowHandler):
        return "at once" if handler is None else f"in windows of another node ({type(handler).__name__})"
    plan = handler.plans[0]
    if not plan.applies_to(frames):
        return "at once"
    views = f" with views of {plan.views.context_length}" if plan.views else ""
    each = windows(plan, frames)
    settings = f"{plan.context_schedule}, overlap {plan.context_overlap}, {plan.fuse_method}"
    count = "one window" if len(each) == 1 else f"{len(each)} windows"
    size = (
        f"up to {longest(plan, frames)}" if plan.context_schedule == STANDARD_EVEN and len(each) > 1 else len(each[0])
    )
    return f"in {count} of {size}{views} ({settings})"


class ClipPreview:
    """Sends the clip in motion after steps, where the host shows previews: as long as that takes little of their time,
    and no sooner than the page could show another picture."""

    def __init__(self, model: ModelPatcher, frames: int, callback=None, clock: Callable[[], float] = time.perf_counter):
        """callback: the sampler's."""
        # Without a page there is nobody to show it to.
        shown = frames > 1 and comfy.utils.PROGRESS_BAR_HOOK is not None
        self.previewer = previewer_of(callback, model) if shown else None
        self.stride = -(-frames // FRAMES_SHOWN)
        self.clock, self.shown_at, self.took = clock, -math.inf, 0.0

    def show(self, step: int, clip: Tensor, steps: int) -> None:
        """clip: frames c h w, denoised. A page that shows only stills gets another frame at each step."""
        start, milliseconds = self.clock(), MILLISECONDS * self.stride
        if self.previewer is None or start - self.shown_at < max(milliseconds / 1000, self.took / SHARE):
            return
        pictures = [enlarged(picture) for picture in pictures_of(self.previewer, clip[:: self.stride])]
        first = step % len(pictures)
        moving = MovingPicture([*pictures[first:], *pictures[:first]], milliseconds)
        comfy.utils.ProgressBar(steps).update_absolute(step + 1, steps, ("PNG", moving, None))
        self.shown_at = self.clock()
        self.took = self.shown_at - start


def previewer_of(callback, model: ModelPatcher):
    """The one by which the host's `callback` shows stills, so that TAESD is loaded once; else a new one."""
    names, cells = getattr(callback, "__code__", None), getattr(callback, "__closure__", None)
    cell = dict(zip(names.co_freevars, cells, strict=True)).get("previewer") if cells else None
    if cell is not None and isinstance(cell.cell_contents, latent_preview.LatentPreviewer | None):
        return cell.cell_contents
    return latent_preview.get_previewer(model.load_device, model.model.latent_format)


def pictures_of(previewer, clip: Tensor) -> list[Image.Image]:
    """The frames c h w as the host's previewer shows them. Its own two kinds decode several at once, one above the
    other, so that a GPU is asked for them once."""
    if type(previewer) is latent_preview.TAESDPreviewerImpl:
        at_once = max(PIXELS_DECODED // (clip.shape[-2] * clip.shape[-1]), 1)
        stacks = (previewer.taesd.decode(part).movedim(1, -1).flatten(0, 1) for part in clip.split(at_once))
        found = [latent_preview.preview_to_image(stack) for stack in stacks]
    elif type(previewer) is latent_preview.Latent2RGBPreviewer:
        found = [previewer.decode_latent_to_preview(clip.movedim(0, 1).flatten(1, 2).unsqueeze(0))]
    else:
        return [previewer.decode_latent_to_preview(frame) for frame in clip.split(1)]
    height = sum(picture.height for picture in found) // len(clip)
    return [
        picture.crop((0, top, picture.width, top + height))
        for picture in found
        for top in range(0, picture.height, height)
    ]


def enlarged(picture: Image.Image) -> Image.Image:
    """By a whole number and with hard edges, which keeps the animation small."""
    times = max(PIXELS_SHOWN // max(picture.size), 1)
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


class MovingPicture:
    """Pictures as one that is saved as an animated PNG; for everything else it is the first of them."""

    def __init__(self, pictures: list[Image.Image], milliseconds: int):
        self.pictures, self.milliseconds = pictures, milliseconds

    def __getattr__(self, name: str):
        return getattr(self.pictures[0], name)

    def save(self, file, format: str = "PNG", **options) -> None:
        first, *others = self.pictures
        first.save(file, format, save_all=True, append_images=others, duration=self.milliseconds, loop=0, **options)
