"""Files that are not motion models: what they are, and where they belong.

Every sentence goes on after the file's name.
"""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

from .formats import NotAMotionModel

MOTION_KEY = re.compile(r"\.(?:motion_modules|temporal_attentions)\.\d+\.")

# In this order: the first pattern that some key matches names the file. Sources: the key lists of the official classes.
BY_KEY: tuple[tuple[str, str], ...] = (
    (
        r"^controlnet_cond_embedding\.|^controlnet_down_blocks\.",
        "is a SparseCtrl, not a motion model. Put it into models/controlnet and load it with Load SparseCtrl; "
        "load a motion model (for SparseCtrl: v3_sd15_mm) here.",
    ),
    (
        r"encoder_conv_in\.|\.qkv_merge\.|encoder_down_conv_blocks\.",
        "is a CameraCtrl add-on, not a motion model. It steers a motion model (v3_sd15_mm): load that one here, and "
        "this file with Camera Path.",
    ),
    (
        r"cc_projection\.|^omcm",
        "is a MotionCtrl add-on, not a motion model. It steers a motion model (mm_sd_v15_v2): load that one here.",
    ),
    (
        r"(?=.*(?:motion_modules|temporal_attentions))(?=.*(?:lora|hada_|lokr_|oft_|on_input|dora_scale))",
        "is a motion LoRA, not a motion model. Put it into models/animatediff_motion_lora; load the motion model "
        "that it was made for (most were made for mm_sd_v15_v2) here.",
    ),
    (
        r"(?:lora|hada_|lokr_)",
        "is a LoRA for the checkpoint (v3_sd15_adapter is one, too), not a motion model. Put it into models/loras and "
        "apply it to the MODEL with the Load LoRA node.",
    ),
    (r"^fps_embedding\.", "is a FancyVideo model, which is not supported. Choose another motion model."),
)

WITHOUT_MOTION: tuple[tuple[str, str], ...] = (
    (
        r"^(?:model\.diffusion_model|cond_stage_model|conditioner)\.",
        "is a whole checkpoint. Put it into models/checkpoints",
    ),
    (r"^img_encoder\.", "is the image encoder of AnimateLCM's image-to-video model, without its motion modules"),
    (r"^control_model\.|^input_hint_block|^controlnet_", "is a ControlNet. Put it into models/controlnet"),
    (r"^image_proj|^ip_adapter", "is an IPAdapter. Put it into models/ipadapter"),
    (r"^(?:first_stage_model|decoder|encoder|post_quant_conv)\.", "is a VAE. Put it into models/vae"),
    (r"text_model\.|^transformer\.", "is a text encoder. Put it into models/text_encoders"),
    (
        r"^(?:down_blocks|input_blocks|diffusion_model)\.",
        "is a UNet without motion modules. Put it into models/diffusion_models",
    ),
)

BY_CONTAINER = {
    "controlnet": BY_KEY[0][1],
    "pose_encoder_state_dict": BY_KEY[1][1],
    "attention_processor_state_dict": BY_KEY[1][1],
    "omcm_state_dict": BY_KEY[2][1],
}


ARCHIVES = (b"Rar!", b"7z\xbc\xaf\x27\x1c", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
"""How files begin that are archives: rar, 7z, gzip, bzip2, xz."""
QUOTED = 120
"""Letters of a text that an error quotes."""


def refuse_by_container(loaded: Mapping) -> None:
    """`loaded`: a torch file's outermost dict. Raises NotAMotionModel for the add-ons that are known by its keys."""
    for name, reason in BY_CONTAINER.items():
        if name in loaded:
            raise NotAMotionModel(reason)


def refuse_by_keys(state: Mapping) -> None:
    """`state`: the file's tensors, prefixes cut off. Raises NotAMotionModel where they are those of something else."""
    for pattern, reason in BY_KEY:
        if any(re.search(pattern, key) for key in state):
            raise NotAMotionModel(reason)
    if any(MOTION_KEY.search(key) for key in state):
        return
    for pattern, reason in WITHOUT_MOTION:
        if any(re.search(pattern, key) for key in state):
            raise NotAMotionModel(f"{reason}; load a motion model (v3_sd15_mm, say) here.")
    first = ", ".join(sorted(state)[:2]) or "nothing at all"
    raise NotAMotionModel(f"holds no motion modules (it begins with {first}). Choose a motion model (v3_sd15_mm, say).")


def refuse_by_content(path: str) -> None:
    """Looks at the file's size and first bytes. Raises NotAMotionModel for what no loader could read."""
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        head = file.read(512)
    again = "Download it again"
    if size == 0:
        raise NotAMotionModel(f"is empty (0 bytes). {again}.")
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise NotAMotionModel(
            f"is a web page, not a model: the download saved the page. {again}, with the site's download button."
        )
    if text.startswith(b"version https://git-lfs"):
        raise NotAMotionModel(
            f"is a Git LFS pointer of {size} bytes, not the model itself. Run 'git lfs pull', or download the file."
        )
    if (answer := text_in(head)) is not None:
        raise NotAMotionModel(
            f'is a text, not a model: the download saved the site\'s answer, "{answer}". {again}, logged in where the '
            "site asks for it."
        )
    if head.startswith(ARCHIVES) or is_zip_of_others(path):
        raise NotAMotionModel("is an archive. Unpack it, and put the model that is in it here.")
    header = int.from_bytes(head[:8], "little")
    if path.lower().endswith((".safetensors", ".sft")):
        if head[:2] in (b"PK", b"\x80\x02"):
            raise NotAMotionModel("is a torch file with the ending .safetensors. Rename it to .ckpt.")
        if header + 8 > size:
            raise NotAMotionModel(f"is cut short: its header needs {header + 8} bytes and it has {size}. {again}.")
    elif head[8:9] == b"{" and header + 8 <= size:
        raise NotAMotionModel(f"is a safetensors file with the ending {Path(path).suffix}. Rename it to .safetensors.")


def text_in(head: bytes) -> str | None:
    """What a file says whose first bytes are a text, on one line; None for anything else."""
    try:
        text = head.decode("utf-8", errors="strict" if len(head) < 512 else "ignore")
    except UnicodeDecodeError:
        return None
    if not all(letter.isprintable() or letter.isspace() for letter in text):
        return None
    line = " ".join(text.split())
    return line if len(line) <= QUOTED else f"{line[:QUOTED]}..."


def is_zip_of_others(path: str) -> bool:
    """Whether it is a whole zip archive, but none that torch has written."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return not any(name.endswith("data.pkl") for name in archive.namelist())
