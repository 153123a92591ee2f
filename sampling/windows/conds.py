"""What one call of the UNet in windows gets of the prompts and ControlNets: the rows of its frames."""

import copy

import comfy.utils
from comfy.context_windows import IndexListContextHandler, IndexListContextWindow
from torch import Tensor


class WindowConds(IndexListContextHandler):
    """The host's handler for one call: it slices the prompts; ControlNets, whose hints it leaves whole, are ours."""

    def __init__(self, handler: IndexListContextHandler, model, window: IndexListContextWindow):
        """handler: the one on the MODEL, which stays as it is. model: the host's."""
        super().__init__(handler.context_schedule, handler.fuse_method, dim=handler.dim)
        self.callbacks = handler.callbacks
        self._model, self.window = model, window
        self.controls: dict = {}

    def of(self, cond: list[dict] | None, x: Tensor) -> list[dict] | None:
        """One of the host's conds for the window. x: the whole clip, frames c h w.

        Prompts of more or fewer rows than frames are cut or repeated as the host does without windows.
        """
        if cond is None:
            return None
        return self.get_resized_cond([with_rows(entry, len(x)) for entry in cond], x, self.window)

    def prepare_control_objects(self, control, device=None):
        """The ControlNet with the hints of this window: one object for every cond, so that conds stay in one batch."""
        if control is None:
            return None
        if id(control) not in self.controls:
            indices = self.window.index_list
            part = copy.copy(control)
            part.previous_controlnet = self.prepare_control_objects(control.previous_controlnet, device)
            hint = part.cond_hint_original
            if hasattr(control, "sub_idxs"):
                part.sub_idxs = indices
            elif isinstance(hint, Tensor) and hint.shape[0] > 1:
                part.cond_hint_original = hint[[frame % hint.shape[0] for frame in indices]]
                part.cond_hint = None
            self.controls[id(control)] = part
        return self.controls[id(control)]


def finds_frames_itself(control) -> bool:
    """Whether a ControlNet slices by itself (Advanced-ControlNet): it cannot be told of a frame that is there twice."""
    return control is not None and (hasattr(control, "sub_idxs") or finds_frames_itself(control.previous_controlnet))


def with_rows(cond: dict, frames: int) -> dict:
    """An entry of one of the host's conds whose text has a row for each frame, or one for all."""
    model_conds = dict(cond.get("model_conds", {}))
    for key in ("c_crossattn", "y"):
        value = getattr(model_conds.get(key), "cond", None)
        if isinstance(value, Tensor) and value.shape[0] not in (1, frames):
            model_conds[key] = type(model_conds[key])(comfy.utils.repeat_to_batch_size(value, frames))
    return cond | {"model_conds": model_conds}
