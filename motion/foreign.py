"""Files that are not motion models: what they are, and where they belong.

Every sentence goes on after the file's name.
"""

import json
import math
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch

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
        r"\.cc_projection\.",
        "is a MotionCtrl add-on for the camera, not a motion model. It steers a motion model (v3_sd15_mm): load that "
        "one here, and this file with Camera Path.",
    ),
    (
        r"^(?=.*(?:motion_modules|temporal_attentions))(?=.*(?:lora|hada_|lokr_|oft_|on_input|dora_scale))",
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

OBJECTS = (
    "is a MotionCtrl add-on for objects, not a motion model. It steers a motion model (v3_sd15_mm): load that one "
    "here, and this file with Object Path."
)
OBJECT_PARTS = ("omcm_state_dict",)
"""Where the published file for objects has its tensors."""
OBJECT_SHAPES = {"conv_in.weight": (128, 3), "body.0.block2.weight": (None, 3)}
"""What tells it from a T2I-Adapter, which has its names: channels that come in (any, where None), and the kernel."""

BY_CONTAINER = {
    "controlnet": BY_KEY[0][1],
    "pose_encoder_state_dict": BY_KEY[1][1],
    "attention_processor_state_dict": BY_KEY[1][1],
    **dict.fromkeys(OBJECT_PARTS, OBJECTS),
}


ARCHIVES = (b"Rar!", b"7z\xbc\xaf\x27\x1c", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
"""How files begin that are archives: rar, 7z, gzip, bzip2, xz."""
QUOTED = 120
"""Letters of a text that an error quotes."""
LONGEST_NAME = 250
"""No published file has a tensor whose name has more letters than half of that."""
DENSEST = 10
"""How much larger the parts of a torch file may be than the file. Torch does not pack them."""
LONGEST_HEADER = 100_000_000
"""Bytes of a safetensors header; its authors' own limit."""
BITS = {
    **{"F64": 64, "I64": 64, "U64": 64, "C64": 64, "F32": 32, "I32": 32, "U32": 32},
    **{"F16": 16, "BF16": 16, "I16": 16, "U16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "I8": 8, "U8": 8, "BOOL": 8},
}
"""Of a number of each type; of types that come later at least 4."""
MOST_TENSORS = 10_000
"""In a torch file, which is read one by one. A whole SDXL checkpoint has 2,500."""
AGAIN = "Download it again."


def is_for_objects(state: Mapping[str, torch.Tensor]) -> bool:
    """Whether it is MotionCtrl's file for objects, out of its container."""
    return all(
        key in state
        and state[key].ndim == 4
        and channels in (None, state[key].shape[1])
        and state[key].shape[3] == kernel
        for key, (channels, kernel) in OBJECT_SHAPES.items()
    )


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
    if is_for_objects(state):
        raise NotAMotionModel(OBJECTS)
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
    if head.startswith(ARCHIVES):
        raise NotAMotionModel("is an archive. Unpack it, and put the model that is in it here.")
    refuse_by_archive(path, size)
    header = int.from_bytes(head[:8], "little")
    if path.lower().endswith((".safetensors", ".sft")):
        if head[:2] in (b"PK", b"\x80\x02"):
            raise NotAMotionModel("is a torch file with the ending .safetensors. Rename it to .ckpt.")
        if header + 8 > size:
            raise NotAMotionModel(f"is cut short: its header needs {header + 8} bytes and it has {size}. {again}.")
        refuse_by_header(path, header, size)
    elif head[8:9] == b"{" and header + 8 <= size:
        raise NotAMotionModel(f"is a safetensors file with the ending {Path(path).suffix}. Rename it to .safetensors.")


def refuse_by_header(path: str, length: int, size: int) -> None:
    """Looks at the header of a safetensors file. Raises NotAMotionModel where it speaks of more than there is.

    The host has two readers, and the one for dynamic VRAM believes it: a tensor of no bytes may have any shape there.
    """
    try:
        with open(path, "rb") as file:
            entries = json.loads(file.read(8 + length)[8:]) if length <= LONGEST_HEADER else {}
        places = [entry for name, entry in entries.items() if name != "__metadata__"]
        shapes = [(entry["shape"], *entry["data_offsets"], BITS.get(entry["dtype"], 4)) for entry in places]
        sound = all(
            all(isinstance(each, int) and each >= 0 for each in (*shape, start, end))
            and start <= end <= size - 8 - length
            and math.prod(shape) * bits <= (end - start) * 8
            for shape, start, end, bits in shapes
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        sound = False
    if not sound or length > LONGEST_HEADER:
        raise NotAMotionModel(f"is damaged: its header speaks of more than is in it, or cannot be read. {AGAIN}")


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


def refuse_by_archive(path: str, size: int) -> None:
    """Raises NotAMotionModel for a zip archive of that many bytes that torch has not written."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        raise NotAMotionModel(f"is cut short or damaged. {AGAIN}") from None
    if not any(entry.filename.endswith("data.pkl") for entry in entries):
        raise NotAMotionModel("is an archive. Unpack it, and put the model that is in it here.")
    if len(entries) > MOST_TENSORS:
        raise NotAMotionModel(f"holds {len(entries)} tensors, as no model does: it was not opened. Get another file.")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > DENSEST * size:
        raise NotAMotionModel(
            f"would fill {unpacked / 1e9:.1f} GB of memory from {size / 1e6:.1f} MB, as no model does: it was not "
            "opened. Get a .safetensors file of it."
        )


def refuse_by_tensors(state: Mapping[str, torch.Tensor]) -> None:
    """Raises NotAMotionModel where a tensor has no name to speak of, lacks numbers, or holds NaN or infinity.

    With these every picture would be black. A torch file can say that one number stands for a billion: nothing that
    goes through all of them may come before this.
    """
    for key, value in state.items():
        if len(key) > LONGEST_NAME or not key.isprintable():
            raise NotAMotionModel(f"has a tensor whose name no program gives ({len(key)} letters). {AGAIN}")
        if value.layout is not torch.strided or value.is_meta or value.is_quantized:
            raise NotAMotionModel(f"holds {key} in a way that only the program knows that wrote it. {AGAIN}")
        if value.numel() * value.itemsize > value.untyped_storage().nbytes():
            raise NotAMotionModel(f"has fewer numbers than it says, in {key}. {AGAIN}")
        if not value.is_floating_point() or not value.numel() or value.dtype.itemsize == 1:
            continue
        if not all(math.isfinite(each) for each in value.aminmax()):
            raise NotAMotionModel(
                f"holds numbers that are none (NaN or infinity, in {key}): its training went wrong, or the file is "
                "damaged. Download it again, or choose another file."
            )


def refuse_other_numbers(weights: Mapping[str, torch.Tensor]) -> None:
    """Raises NotAMotionModel where what should be weights are whole numbers, say."""
    for key, value in weights.items():
        if not value.is_floating_point():
            kind = str(value.dtype).removeprefix("torch.")
            raise NotAMotionModel(f"holds {kind} where weights belong, in {key}. Get it in float16 or float32.")
