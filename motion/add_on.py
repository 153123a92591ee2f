"""Networks that are added to a motion model, from files of their own: loaded as the motion model is, by the host."""

from collections.abc import Callable, Mapping

import comfy.ldm.modules.attention
import comfy.model_management
import comfy.ops
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor, nn

from .convert import unwrap
from .foreign import refuse_other_numbers
from .formats import NotAMotionModel
from .load import held_dtype, host_patcher, opened, tensors_of


def tensors_in(path: str, parts: tuple[str, ...]) -> dict[str, Tensor]:
    """The tensors of a file: those of the dicts in it with these names, or where it has none, all.

    Raises NotAMotionModel (the message goes on after the file's name).
    """
    loaded = opened(path)
    found = [unwrap(loaded[part]) for part in parts if isinstance(loaded.get(part), Mapping)]
    return tensors_of({key: value for part in found for key, value in part.items()} or loaded)


def add_on(
    make: Callable[..., nn.Module], weights: dict[str, Tensor], name: str, disable_dynamic: bool
) -> ModelPatcher:
    """The patcher of a network with these weights. make: given the host's attention and operations, dtype and device.

    name: what the file looks like. Raises NotAMotionModel where the network needs other tensors.
    """
    refuse_other_numbers(weights)
    device, offload_device = comfy.model_management.get_torch_device(), comfy.model_management.unet_offload_device()
    dtype = held_dtype(comfy.utils.weight_dtype(weights))
    attention = comfy.ldm.modules.attention.optimized_attention_for_device(device, small_input=True)
    net = make(attention, comfy.ops.manual_cast, dtype=dtype, device=torch.device("meta"))
    expected = {key: value.shape for key, value in net.state_dict().items()}
    wrong = sorted(expected.keys() ^ weights.keys()) or [k for k in expected if expected[k] != weights[k].shape]
    if wrong:
        raise NotAMotionModel(
            f"looks like {name}, but {len(wrong)} of its tensors are missing, unknown or of another shape "
            f"({wrong[0]}). It may be cut short: download it again."
        )
    patcher = host_patcher(net, device, offload_device, disable_dynamic)
    if not patcher.is_dynamic():
        weights = {key: value.to(dtype) for key, value in weights.items()}
    net.load_state_dict(weights, assign=True)
    net.requires_grad_(False).eval()
    return patcher
