"""What one call of the UNet in windows gets of the prompts and ControlNets: the rows of its frames."""

from comfy.context_windows import IndexListContextHandler, IndexListContextWindow
from torch import Tensor

from .hints import FittedHints, fits_hints_as_known
from .per_frame import change_hints, cond_of_clip, control_with, in_turn


class WindowConds(IndexListContextHandler):
    """The host's handler for one call: it slices the prompts; ControlNets, whose hints it leaves whole, are ours."""

    def __init__(self, handler: IndexListContextHandler, model, window: IndexListContextWindow, hints: dict):
        """handler: the one on the MODEL, which stays as it is. model: the host's. hints: {id of a ControlNet: its
        FittedHints} of the run."""
        super().__init__(handler.context_schedule, handler.fuse_method, dim=handler.dim)
        self.callbacks = handler.callbacks
        self._model, self.window, self.hints = model, window, hints
        self.controls: dict = {}
        """{id of a ControlNet: the copy of it for this window}"""

    def of(self, cond: list[dict] | None, x: Tensor) -> list[dict] | None:
        """One of the host's conds for the window. x: the whole clip, frames c h w.

        Prompts and masks of more or fewer rows than frames are cut or repeated as the host does without windows.
        """
        if cond is None:
            return None
        return self.get_resized_cond([cond_of_clip(entry, len(x)) for entry in cond], x, self.window)

    def prepare_control_objects(self, control, device=None):
        """The ControlNet with the hints of this window: one object for every cond, so that conds stay in one batch."""
        return control_with(control, self.cut, self.controls)

    def cut(self, part, control) -> None:
        frames = self.window.index_list
        if hasattr(part, "sub_idxs"):
            part.sub_idxs = frames
            return
        change_hints(part, lambda hint: in_turn(hint, frames))
        if fits_hints_as_known(control):
            self.hints.setdefault(id(control), FittedHints(control)).give(part, frames)

    def keep_hints(self) -> None:
        """After the call: what the host made of the hints is there for later ones."""
        for control, part in self.controls.items():
            if control in self.hints:
                self.hints[control].take(part, self.window.index_list)


def finds_frames_itself(control) -> bool:
    """Whether a ControlNet slices by itself (Advanced-ControlNet): it cannot be told of a frame that is there twice."""
    return control is not None and (hasattr(control, "sub_idxs") or finds_frames_itself(control.previous_controlnet))
