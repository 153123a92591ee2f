"""What bench.py measures."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scene:
    title: str
    frames: int
    size: int
    """Of the latents; 64 is 512 pixels."""
    contenders: tuple[tuple[str, str | None], ...]
    """(contender, plan of windows); the first one is what the others are compared with."""
    arch: str = "sd15"
    takes_minutes: bool = False
    """A step on a CPU: it is measured once there, after a small clip, and each contender has the memory to itself."""


SHORT = (("ade", None), ("ours", None), ("plain", None), ("diffusers", None))
SDCPP = tuple((name, None) for name in ("sdcpp-f32", "sdcpp-f16", "sdcpp-q8_0"))
LONG = (("ade", "windows"), ("ours", None))
SCENES = {
    "clip": Scene("SD1.5, 16 frames of 32x32 latents", 16, 32, SHORT + SDCPP),
    "large": Scene("SD1.5, 16 frames of 64x64 latents", 16, 64, SHORT + SDCPP, takes_minutes=True),
    "sdxl": Scene("SDXL-shaped, 16 frames of 32x32 latents", 16, 32, SHORT[:3], "sdxl", True),
    "sdxl-large": Scene("SDXL-shaped, 16 frames of 128x128 latents", 16, 128, SHORT[:3], "sdxl", takes_minutes=True),
    "long": Scene("SD1.5, 128 frames of 32x32 latents", 128, 32, LONG, takes_minutes=True),
    "long-large": Scene("SD1.5, 128 frames of 64x64 latents", 128, 64, LONG, takes_minutes=True),
    "longer": Scene("SD1.5, 128 frames of 16x16 latents", 128, 16, LONG, takes_minutes=True),
    "longest": Scene("SD1.5, 512 frames of 16x16 latents", 512, 16, LONG[1:], takes_minutes=True),
}
