"""The file of a motion LoRA that goes on learning."""

from collections.abc import Collection

import folder_paths
from torch import nn

from ..motion.load import MOTION_LORAS
from ..motion.lora import load_motion_lora
from ..motion.low_rank import Factors, matched
from .plan import ATTENTION_AND_FF, TrainingPlan


def factors_to_start_from(plan: TrainingPlan, motion: nn.Module, layers: Collection[str]) -> dict[str, Factors]:
    """What the plan's file holds for these layers of a motion model, which are trained; nothing where it names none.

    Raises ValueError where that file cannot go on under this plan.
    """
    if not plan.start_from:
        return {}
    path = folder_paths.get_full_path(MOTION_LORAS, plan.start_from)
    if path is None:
        raise ValueError(
            f"There is no '{plan.start_from}' in models/{MOTION_LORAS}. Put it there, or choose another start_from."
        )
    lora = load_motion_lora(path)
    found = matched(lora, motion)
    if len(found) < len(lora.layers):
        raise ValueError(
            f"'{lora.name}' was made for {lora.made_for}, and only {len(found)} of its {len(lora.layers)} layers fit "
            "this motion model. Connect the motion model that it was made for."
        )
    if kinds := sorted({kind for factors in found.values() for kind in factors.others}):
        raise ValueError(
            f"'{lora.name}' is no plain LoRA (it has {kinds[0]}), and only a plain one can go on learning. Choose "
            "another start_from."
        )
    if found.keys() - set(layers):
        raise ValueError(
            f"'{lora.name}' has feed-forward layers, too, which are not trained here. Choose {ATTENTION_AND_FF} as "
            "layers to go on from it."
        )
    rank = max(factors.down.shape[0] for factors in found.values())
    if rank > plan.rank:
        raise ValueError(f"'{lora.name}' has rank {rank}, and rank is {plan.rank}. Set rank to {rank} or more.")
    return found
