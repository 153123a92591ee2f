"""For which checkpoints a motion model is."""

import comfy.supported_models
import pytest
from animatediff_native.motion.fit import check_fit
from clips import motion_model
from unets import SD15, unet_model


def checkpoint(kind: str, **changes):
    """A small MODEL of one of the host's configurations, with the widths of SD1.5."""
    host_class, model = getattr(comfy.supported_models, kind), unet_model("sd15", **changes)
    model.model.model_config = host_class(dict(SD15 | changes))
    return model


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("SD20", "SD2"),
        ("SD21UnclipL", "SD2.1 unCLIP"),
        ("SD21UnclipH", "SD2.1 unCLIP"),
        ("SVD_img2vid", "Stable Video Diffusion"),
    ],
)
def test_checkpoints_of_sd15s_widths_that_are_something_else(kind, name):
    """Their UNets look at prompts of 1024 channels."""
    with pytest.raises(ValueError, match=rf"for SD1\.5 \(.*\), but the connected model is {name}\. Connect an SD1\.5"):
        check_fit(checkpoint(kind, context_dim=1024), motion_model("v2").model.format)


def test_a_distilled_checkpoint_is_told_from_a_whole_one():
    """small-sd has one ResBlock less in each of its last blocks."""
    reduced = checkpoint(
        "SD15", num_res_blocks=[1] * 4, transformer_depth=[1, 1, 1, 0], transformer_depth_output=[1] * 8
    )
    with pytest.raises(
        ValueError, match=r"is an SD1\.5 with fewer or other layers \(as small-sd has\)\. Connect a whole"
    ):
        check_fit(reduced, motion_model().model.format)


def test_those_that_fit(sd15, sdxl):
    check_fit(sd15, motion_model("v2").model.format)
    check_fit(sdxl, motion_model("hotshot").model.format)
    with pytest.raises(ValueError, match="for SDXL .*, but the connected model is SD1.5"):
        check_fit(sd15, motion_model("hotshot").model.format)
