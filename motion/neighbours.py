"""ComfyUI-AnimateDiff-Evolved ("ADE") on the MODEL that this pack animates.

The host lets the pack that loads last have an id; its order is that of the folder on disk. So `get_node_list` leaves
out ids that are taken, and a pack that loads later takes them by itself: the other pack's nodes are its own in either
order. Both on one MODEL would each put motion into every call. `attach` refuses a MODEL that carries the other pack's
marks, the `OUTER_SAMPLE` wrapper one that got them later. Folder keys are shared: both packs add their folders to them.
"""

from comfy.model_patcher import ModelPatcher

ADE = "ADE"
"""Its key of wrappers, injections and additional models; the same in every version for hosts that have these."""
ATTACHMENTS = ("ADE_params", "ADE_sample_settings")


def refuse_ade(model: ModelPatcher) -> None:
    """Raises ValueError where ADE is applied to `model`: both would put motion into each call of the UNet."""
    if is_applied(model):
        raise ValueError(
            "ComfyUI-AnimateDiff-Evolved and AnimateDiff Native are both applied to this MODEL, and only one of them "
            "can animate it: take the nodes of one of the two packs off it. (Nodes of the first: Use Evolved Sampling, "
            "AnimateDiff Loader; of the second: Apply Motion Model, Context Windows.)"
        )


def is_applied(model: ModelPatcher) -> bool:
    """Whether ADE's marks are on `model`."""
    if any(model.get_attachment(name) is not None for name in ATTACHMENTS):
        return True
    wrapped = any(ADE in keys for keys in model.wrappers.values())
    return wrapped or bool(model.get_injections(ADE)) or bool(model.get_additional_models_with_key(ADE))
