"""Small networks whose official outputs are in tests/data: one UNet, and what is added to it to start from pictures.

Weights are not stored: each is made from its official key. Import after the host is on `sys.path`.
"""

import gzip
import json
import math
import zlib
from functools import cache

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import comfy.supported_models
import comfy.utils
import torch
from animatediff_native.motion.convert import canonical
from animatediff_native.motion.formats import TABLE, detect
from animatediff_native.motion.model import MotionModel
from oracles import DATA
from tiny_unet import predicted_noise
from unets import SD15
from weights import position_table

CONFIG = SD15 | {"channel_mult": [1, 2, 3, 4], "context_dim": 24}


@cache
def shapes(network: str) -> dict[str, list[int]]:
    return json.loads(gzip.decompress((DATA / "i2v_networks.json.gz").read_bytes()))[network]


def weights(network: str, seed: int) -> dict[str, torch.Tensor]:
    return {key: tensor_for(key, shape, seed) for key, shape in shapes(network).items()}


def tensor_for(key: str, shape: list[int], seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed((zlib.crc32(key.encode()) ^ seed) & 0x7FFFFFFF)
    values = torch.randn(tuple(shape), generator=generator)
    if len(shape) > 1:
        return values / math.sqrt(math.prod(shape[1:]))
    return 1 + 0.1 * values if key.endswith("weight") else 0.02 * values


def unet_of(state: dict[str, torch.Tensor], **changes):
    """(MODEL, MOTION_MODEL) of one official network's weights. changes: to the format that is read off them."""
    model_config = comfy.supported_models.SD15(dict(CONFIG))
    model_config.set_inference_dtype(torch.float32, None)
    model = model_config.get_model({}, "")
    names = comfy.utils.unet_to_diffusers(CONFIG)
    own = {names[key]: value for key, value in state.items() if key in names}
    own["input_blocks.0.0.weight"] = own["input_blocks.0.0.weight"][:, :4]
    model.diffusion_model.load_state_dict(own)
    return patcher_of(model), motion_of(state)


def motion_of(state: dict[str, torch.Tensor]):
    motion = {key: value for key, value in canonical(state).items() if ".processor." not in key}
    tables = {key: position_table(32, len(value)) for key, value in motion.items() if key.endswith("to_q.weight")}
    shaped = motion | {key.replace("to_q.weight", "pos_encoder.pe"): table for key, table in tables.items()}
    model = MotionModel(detect(shaped), operations=comfy.ops.manual_cast, dtype=torch.float32)
    model.load_state_dict({key: value for key, value in motion.items() if not TABLE.search(key)})
    return patcher_of(model.requires_grad_(False))


def camera_state(seed: int) -> dict[str, torch.Tensor]:
    """A CameraCtrl file's tensors."""
    processors = {key: value for key, value in weights("camera_unet", seed).items() if ".processor.qkv_merge." in key}
    return processors | weights("camera_encoder", seed + 1)


def patcher_of(model):
    device = comfy.model_management.get_torch_device()
    return comfy.model_patcher.CoreModelPatcher(model, load_device=device, offload_device=torch.device("cpu"))


__all__ = ["CONFIG", "predicted_noise", "unet_of", "weights"]
