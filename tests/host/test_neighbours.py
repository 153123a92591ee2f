"""Another AnimateDiff pack on the same MODEL or in the same workflow: one clear sentence, whichever came first."""

import animatediff_native.nodes.compat as compat
import pytest
import torch
from animatediff_native.motion.attach import attach
from animatediff_native.motion.settings import MotionSettings
from animatediff_native.nodes.compat.types import OURS
from animatediff_native.sampling.run import watch
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import WindowPlan
from clips import animated, motion_model, sample
from comfy.patcher_extension import PatcherInjection, WrappersMP

BOTH = "are both applied to this MODEL, and only one of them can animate it: take the nodes of one of the two packs off"


def passing_on(executor, *args, **kwargs):
    return executor(*args, **kwargs)


MARKS = {
    "attachment": lambda model: model.set_attachments("ADE_params", object()),
    "settings": lambda model: model.set_attachments("ADE_sample_settings", object()),
    "wrapper": lambda model: model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "ADE", passing_on),
    "motion": lambda model: model.set_additional_models("ADE", [motion_model()]),
    "injection": lambda model: model.set_injections("ADE", [PatcherInjection(lambda _: None, lambda _: None)]),
}
"""What ComfyUI-AnimateDiff-Evolved leaves on a MODEL, in the host's registers."""


def marked(model, mark):
    model = model.clone()
    MARKS[mark](model)
    return model


@pytest.mark.parametrize("mark", MARKS)
def test_theirs_first(sd15, mark):
    with pytest.raises(ValueError, match=BOTH):
        attach(marked(sd15, mark), motion_model(), MotionSettings())


@pytest.mark.parametrize("mark", MARKS)
def test_ours_first(sd15, motion, mark):
    plain = sample(sd15)
    model = animated(sd15, motion.patcher)
    moved = sample(model)
    motion.runs.clear()
    with pytest.raises(ValueError, match=BOTH):
        sample(marked(model, mark))
    assert not motion.runs
    assert torch.equal(sample(model), moved) and torch.equal(sample(sd15), plain)


def test_our_windows_on_their_motion(sd15):
    model = watch(with_windows(marked(sd15, "wrapper"), WindowPlan(context_length=4, context_overlap=1)))
    with pytest.raises(ValueError, match=BOTH):
        sample(model)


def test_a_removed_mark_is_no_mark(sd15):
    """Their nodes take wrappers and injections off again, and leave empty registers."""
    model = marked(marked(sd15, "wrapper"), "injection")
    model.remove_wrappers_with_key(WrappersMP.OUTER_SAMPLE, "ADE")
    model.remove_injections("ADE")
    assert sample(animated(model, motion_model())).isfinite().all()


FORMS = {form.GET_SCHEMA().node_id: form for form in compat.NODES}
SOCKETS = [
    (node_id, each.id) for node_id, form in FORMS.items() for each in form.GET_SCHEMA().inputs if each.io_type in OURS
]


@pytest.mark.parametrize(("node_id", "socket"), SOCKETS)
def test_a_form_refuses_objects_of_another_pack(node_id, socket):
    with pytest.raises(ValueError, match=rf"^{socket} comes from a node of another pack"):
        FORMS[node_id].execute(**{socket: object()})


def test_every_socket_of_objects_is_checked():
    kinds = {each.io_type for form in FORMS.values() for each in form.GET_SCHEMA().inputs}
    host = {"MODEL", "CLIP", "VAE", "CONDITIONING", "LATENT", "MASK", "IMAGE", "SIGMAS", "INT", "FLOAT", "STRING"}
    host |= {"BOOLEAN", "COMBO", "CONTROL_NET"}
    numbers = {"MULTIVAL", "FLOATS", "VALUES_REPLACE", "CAMERACTRL_POSES"}
    not_taken = {"TIMESTEP_KEYFRAME", "LATENT_KEYFRAME", "CONTROL_NET_WEIGHTS"}  # whosever they are
    assert kinds - host - OURS.keys() - not_taken <= numbers
