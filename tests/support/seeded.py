"""Small model files of seeded random or built weights, and a small video, made once in a base directory of the host."""

import sys
import zlib
from collections.abc import Callable
from pathlib import Path

from cameras import camera_state
from clouds import motion_model as cloud_motion
from clouds import sparse as cloud_sparse
from comfy_server import ROOT, link
from sparse import sparse_state
from weights import filled, motion_lora_state, motion_state

CHECKPOINT = "small_sd15.safetensors"
MOTION_MODEL = "small_v3.safetensors"
CONTROLNET = "small_controlnet.safetensors"
SPARSE_RGB = "small_sparsectrl_rgb.safetensors"
SPARSE_SCRIBBLE = "small_sparsectrl_scribble.safetensors"
MOTION_LORA = "small_motion_lora.safetensors"
LORA = "small_lora.safetensors"
SDXL_CHECKPOINT = "small_sdxl.safetensors"
HOTSHOT = "small_hotshot.safetensors"
SDXL_BETA = "small_sdxl_beta.safetensors"
ANIMATELCM_I2V = "small_animatelcm_i2v.safetensors"
PIA = "small_pia.safetensors"
CAMERA = "small_cameractrl.safetensors"
VIDEO = "square.mp4"
PICTURE = "square.png"
PICTURES = "pictures"
"""A folder of them, to train on."""
POSES = "poses.txt"
SOUND = "pulses.wav"
INTERPOLATION = "small_rife.safetensors"
CHANNELS = (320, 320, 320, 320)
"""The small checkpoint has SD1.5's blocks, all on 320 channels."""


def make_models(base: Path, *more: str) -> None:
    """models/checkpoints, models/animatediff_models, ... and input/, as in a ComfyUI. What is there is used again.

    more: "all" also makes motion models that start from a picture, CameraCtrl, a ControlNet, SparseCtrls, LoRAs, a
    model for frame interpolation, a video, a picture, a sound and camera poses; "sdxl" an SDXL checkpoint and its
    motion models. "clouds": checkpoints, motion models and the ControlNet are of `clouds`, which show something.
    """
    clouds = "clouds" in more
    models = base / "models"
    video, picture, sound = (base / "input" / name for name in (VIDEO, PICTURE, SOUND))
    made = {models / "animatediff_models" / MOTION_MODEL: lambda: motion("v3", CHANNELS, clouds)}
    made[models / "checkpoints" / CHECKPOINT] = lambda: of_the_host("checkpoint_state", clouds)
    if "all" in more:
        made[models / "controlnet" / CONTROLNET] = lambda: of_the_host("controlnet_state", clouds)
        made[models / "controlnet" / SPARSE_RGB] = lambda: sparse("rgb", clouds)
        made[models / "controlnet" / SPARSE_SCRIBBLE] = lambda: sparse("scribble", clouds)
        made[models / "animatediff_models" / ANIMATELCM_I2V] = lambda: motion("animatelcm_i2v", CHANNELS, clouds)
        made[models / "animatediff_models" / PIA] = lambda: motion("pia", CHANNELS, clouds)
        made[models / "animatediff_models" / CAMERA] = lambda: halved(camera(clouds))
        made[models / "animatediff_motion_lora" / MOTION_LORA] = lambda: halved(motion_lora(clouds))
        pair = {f"{LAYER}.lora_down.weight": (4, 320), f"{LAYER}.lora_up.weight": (320, 4)}
        made[models / "loras" / LORA] = lambda: filled(pair)
        made[models / "frame_interpolation" / INTERPOLATION] = lambda: of_the_host("interpolation_state", clouds)
        if not sound.exists():
            save_sound(sound)
        if not video.exists():
            save_video(video)
        if not picture.exists():
            save_picture(picture)
        for number in range(2):
            if not (photo := base / "input" / PICTURES / f"{number}.png").exists():
                save_picture(photo)
        picture.with_name(POSES).write_text("\n".join(pose(x / 10) for x in range(4)), "utf-8")
    if "sdxl" in more:
        name = f"clouds_{SDXL_CHECKPOINT}" if clouds else SDXL_CHECKPOINT
        large = kept(name, lambda: of_the_host("sdxl_checkpoint_state", clouds))
        link(large, models / "checkpoints" / SDXL_CHECKPOINT)
        made[models / "animatediff_models" / HOTSHOT] = lambda: motion("hotshot", CHANNELS[:3], clouds)
        made[models / "animatediff_models" / SDXL_BETA] = lambda: motion("sdxl", CHANNELS[:3], clouds)
    for path, make in made.items():
        if not path.exists():
            save(make(), path)


def kept(name: str, make: Callable[[], dict]) -> Path:
    """A large file in .dev, made once for all runs of the tests: again where the way to make it has changed."""
    from filelock import FileLock  # which torch brings
    from safetensors import safe_open

    path, sources = ROOT / ".dev" / "seeded" / name, ("weights.py", "unets.py", "clouds.py")
    recipe = str(zlib.crc32(b"".join(Path(__file__).with_name(source).read_bytes() for source in sources)))
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if path.exists():
            with safe_open(path, "pt") as file:
                if file.metadata() == {"recipe": recipe}:
                    return path
        save(make(), path, {"recipe": recipe})
    return path


LAYER = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


def motion(family: str, channels: tuple[int, ...], clouds: bool) -> dict:
    build = cloud_motion if clouds else filled
    return halved(motion_state(family, channels, build=build))


def sparse(kind: str, clouds: bool) -> dict:
    return halved(sparse_state(kind, CHANNELS, build=cloud_sparse if clouds else filled))


def camera(clouds: bool) -> dict:
    """Of random weights; for clouds so weak that they stay clouds."""
    weak = 0.02 if clouds else 1.0
    return {key: value * (weak if "qkv_merge" in key else 1.0) for key, value in camera_state(CHANNELS).items()}


def pose(x: float) -> str:
    """A line of a RealEstate10K file: a camera that looks ahead, so far to the side."""
    return f"0 0.5 0.8 0.5 0.5 0 0 1 0 0 {x} 0 1 0 0 0 0 1 0"


def motion_lora(clouds: bool) -> dict:
    """Of random weights; for clouds so weak that they stay clouds."""
    return {key: value * (0.02 if clouds else 1.0) for key, value in motion_lora_state(CHANNELS).items()}


def halved(state: dict) -> dict:
    return {key: value.half() for key, value in state.items()}


def of_the_host(maker: str, clouds: bool) -> dict:
    """What a function of `unets` gives, which needs the host."""
    import host

    if "comfy" not in sys.modules:
        host.enter_host(Path(host.find_host()))
    import unets

    return getattr(unets, maker)(clouds)


def save_sound(path: Path, rate: int = 8_000, seconds: float = 3.0) -> None:
    """A low tone that comes and goes twice a second."""
    import math
    import wave

    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        for index in range(round(rate * seconds)):
            fade = math.exp(-6 * (index / rate * 2 % 1))
            level = round(20_000 * fade * math.sin(2 * math.pi * 80 * index / rate))
            file.writeframes(level.to_bytes(2, "little", signed=True))


def save_video(path: Path, frames: int = 24, size: int = 64) -> None:
    """A bright square that wanders over a dark ground, 8 frames a second."""
    import numpy as np

    pictures = np.full((frames, size, size, 3), 30, dtype=np.uint8)
    for index, picture in enumerate(pictures):
        picture[20:44, index : index + 24] = 220
    save_frames(path, pictures)


def save_frames(path: Path, pictures) -> None:
    """pictures: (height, width, 3) each, of whole numbers up to 255."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=8)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())


def save_picture(path: Path, size: int = 64) -> None:
    """The video's square, as a mask is painted in the page: transparent where the picture shall change."""
    import numpy as np
    from PIL import Image

    picture = np.full((size, size, 4), (30, 30, 30, 255), dtype=np.uint8)
    picture[20:44, 20:44] = 220, 220, 220, 0
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def save(state: dict, path: Path, metadata: dict[str, str] | None = None) -> None:
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file({key: value.contiguous() for key, value in state.items()}, part, metadata)
    part.replace(path)


if __name__ == "__main__":
    make_models(Path(sys.argv[1]), *sys.argv[2:])
