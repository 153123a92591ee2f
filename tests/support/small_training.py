"""Small subjects of training: a UNet of 32 channels, a motion model of seeded weights, clips of a few latents.

Import after the host is on `sys.path`.
"""

import torch
import unets
from animatediff_native.motion.convert import canonical
from animatediff_native.motion.formats import detect
from animatediff_native.motion.load import patcher_of
from animatediff_native.training import loop
from animatediff_native.training.examples import Example, Examples
from animatediff_native.training.plan import TrainingOptions, TrainingPlan
from animatediff_native.training.subject import subject_of
from weights import motion_state

WIDTH = {"sd15": 768, "sdxl": 2048}
CHANNELS = {"sd15": (32, 32, 32, 32), "sdxl": (32, 64, 64)}


def seeded(*shape, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def conditioning(seed: int, arch: str = "sd15") -> list:
    pooled = {} if arch == "sd15" else {"pooled_output": seeded(1, 1280, seed=seed + 1)}
    return [[seeded(1, 4, WIDTH[arch], seed=seed), pooled]]


def examples(
    clips: int = 2, frames: int = 4, size: int = 8, arch: str = "sd15", variants: int = 1, latents=None
) -> Examples:
    """latents(clip) -> (variants, frames, 4, size, size); seeded noise where it is None."""
    made = latents or (lambda clip: seeded(variants, frames, 4, size, size, seed=100 + clip))
    items = tuple(Example(f"clip {i}", made(i), conditioning(10 + i, arch)) for i in range(clips))
    return Examples(items, conditioning(7, arch), hash="0123456789abcdef", summary=f"{clips} clips")


def small_unet(arch: str = "sd15"):
    """All blocks of SD1.5 or SDXL, each on as few channels as the host takes."""
    return unets.unet_model(arch, channel_mult=[width // 32 for width in CHANNELS[arch]])


def motion_model(family: str = "v3", arch: str = "sd15"):
    weights = canonical(motion_state(family, CHANNELS[arch]))
    return patcher_of(detect(weights, hotshot=family == "hotshot"), weights, disable_dynamic=True)


def plan(kind: str = "motion LoRA", **changes) -> TrainingPlan:
    """Three steps of it, everything small; `changes` of options come by their names, too."""
    options = {key: changes.pop(key) for key in list(changes) if key in TrainingOptions.__dataclass_fields__}
    small = {"name": "test", "steps": 3, "rank": 4, "learning_rate": 1e-3, "sample_every": 0, "save_every": 100}
    return TrainingPlan(kind, **small | changes, options=TrainingOptions(**options))


class Silent:
    """A watcher that calls `at` after each step."""

    def __init__(self, at=lambda state: None):
        self.at, self.seen = at, []

    def step(self, state, plan):
        self.seen.append(state.step)
        self.at(state)

    def sample(self, state, plan):
        self.seen.append(f"sample {state.step}")

    def saved(self, state, plan):
        self.seen.append(f"saved {state.step}")

    def stopped(self, sentence):
        self.seen.append(sentence)


def trained(model, motion, clips, plan, folder, watcher=None, **more):
    """(subject, its state) after the plan, outside of the inference mode in which nodes run."""
    with torch.inference_mode(False), torch.enable_grad():
        subject = subject_of(model, motion, plan)
        return subject, loop.train(subject, clips, plan, folder, watcher or Silent(), **more)


def weights_of(patcher) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in patcher.model.state_dict().items()}


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
