"""What a user would want to know before a run starts: lines for the log and the sampler's node, or an error."""

import logging

from comfy.model_patcher import ModelPatcher

from ..motion.options import PROMPT_FRAMES
from .said import say

FEW_FRAMES = 8
"""Below this the published motion models give a poor picture."""
LEAST_FRAMES = 4
"""Below this, nothing but noise."""
DISTILLED_STEPS, DISTILLED_CFG = 8, 2.0
"""Up to which steps and cfg a sampler is set for a distilled model."""

log = logging.getLogger("animatediff")


def of_frames(motion_models: list[ModelPatcher], frames: int) -> list[str]:
    """Raises ValueError where there are so few frames that only noise would come."""
    if not motion_models or frames >= FEW_FRAMES:
        return []
    if frames == 1:
        return ["One frame: sampled without motion, as a single picture."]
    if frames < LEAST_FRAMES:
        raise ValueError(
            f"{frames} frames are too few: motion models were trained on 16 (HotShot-XL on 8), and give noise. "
            "Set the batch_size of the latents to 16, or take the motion model off for single pictures."
        )
    return [f"{frames} frames are few: motion models need about {FEW_FRAMES} or more, and give noise below."]


def of_sampler(motion_models: list[ModelPatcher], steps: int, cfg: float | None) -> list[str]:
    """Where steps or guidance are far from what a motion model was made for."""
    lines = []
    for family in dict.fromkeys(motion.model.format.family for motion in motion_models):
        if family.steps and steps > 2 * family.steps[1]:
            lines.append(
                f"{family.name} was made for {family.steps[0]} to {family.steps[1]} steps, and this sampler takes "
                f"{steps}: colours burn. Use fewer."
            )
        if family.cfg and cfg is not None and cfg > 2 * family.cfg[1]:
            lines.append(
                f"{family.name} was made for a cfg of {family.cfg[0]:g} to {family.cfg[1]:g}, and this sampler has "
                f"{cfg:g}: colours burn. Use less."
            )
    return lines


def of_undistilled(motion_models: list[ModelPatcher], steps: int, cfg: float | None) -> list[str]:
    """Where a sampler is set for a distilled model, and no motion model is one. The checkpoint may be."""
    families = [motion.model.format.family for motion in motion_models]
    if not families or any(family.steps for family in families) or cfg is None:
        return []
    if 1 < steps <= DISTILLED_STEPS and cfg <= DISTILLED_CFG:
        return [
            f"{steps} steps at a cfg of {cfg:g} are for AnimateLCM and AnimateDiff-Lightning. {families[0].name} needs "
            "about 20 at 7, unless the checkpoint itself is a fast one (LCM, Lightning, Hyper)."
        ]
    return []


def check_prompts(conds: dict, frames: int) -> None:
    """Raises ValueError where Prompt Travel made its prompts for another number of frames.

    conds: the guider's, by name.
    """
    for entry in (entry for cond in conds.values() for entry in cond):
        made_for = entry.get(PROMPT_FRAMES, frames)
        if made_for != frames:
            raise ValueError(
                f"The prompts of Prompt Travel are for {made_for} frames, and this clip has {frames}. Set frames of "
                f"Prompt Travel to {frames}, or the batch_size of the latents to {made_for}."
            )


def tell(warnings: list[str], facts: list[str]) -> None:
    """Onto the sampler's node in the web page; warnings into the log, too."""
    for line in warnings:
        log.warning("%s", line)
    say([*warnings, *facts])
