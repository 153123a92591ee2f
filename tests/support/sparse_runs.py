"""SparseCtrl in small clips: files that Load SparseCtrl finds, the host's Apply ControlNet, a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import folder_paths
from animatediff_native.nodes.sparse import LoadSparseCtrl
from animatediff_native.sampling.sparse_control import SparseControl
from clips import conditioning, latents, sample
from i2v import pictures, small_vae
from safetensors.torch import save_file
from sparse import sparse_state
from unets import SD15_CHANNELS

import nodes


@contextmanager
def found_by_the_loader(folder: Path) -> Iterator[Path]:
    """`folder` with a SparseCtrl for pictures and one for drawings, as a folder of ControlNets."""
    for kind in ("rgb", "scribble"):
        save_file(sparse_state(kind, SD15_CHANNELS), folder / f"{kind}.safetensors")
    folder_paths.add_model_folder_path("controlnet", str(folder))
    yield folder
    folder_paths.folder_names_and_paths["controlnet"][0].remove(str(folder))


def loaded(kind: str = "rgb", frames: str = "0", **words) -> SparseControl:
    inputs = {"without_picture": "nearest", "motion_scale": 1.0, "effect": 1.0}
    return LoadSparseCtrl.execute(f"{kind}.safetensors", frames, **(inputs | words)).result[0]


def applied(control, image=None, strength=1.0, span=(0.0, 1.0), vae=None, conds=None):
    """(positive, negative) of the host's Apply ControlNet."""
    conds = conds or (conditioning(5), conditioning(6))
    kind = control.patcher.model.kind if isinstance(control, SparseControl) else ""
    vae = (small_vae() if kind == "rgb" else None) if vae is None else vae or None
    image = pictures(1, 64, 64) if image is None else image
    return nodes.ControlNetApplyAdvanced().apply_controlnet(*conds, control, image, strength, *span, vae=vae)


def clip(model, conds, frames: int = 8, steps: int = 1, **words):
    positive, negative = conds
    words = {"latent_image": latents(frames, 8, 8)} | words
    return sample(model, frames, steps, positive=positive, negative=negative, **words)


def plain(model, steps: int = 1):
    return clip(model, (conditioning(5), conditioning(6)), steps=steps)


class Hints:
    """What the network of a SparseControl gets while this is open: for each call (frames of a video, mask per row)."""

    def __init__(self, control: SparseControl):
        self.masks, self.pictures = [], []
        self.hook = control.patcher.model.register_forward_pre_hook(self.note)

    def note(self, net, inputs):
        hint = inputs[1]
        self.masks.append(hint[:, -1].amax((-1, -2)).tolist())
        self.pictures.append(hint[:, :-1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hook.remove()

    def shown(self) -> list[list[int]]:
        """The rows with a picture, for each call."""
        return [[row for row, mask in enumerate(masks) if mask] for masks in self.masks]
