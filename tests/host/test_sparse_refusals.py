"""Files of SparseCtrl in every layout; what is refused, when it is loaded, when it is applied, and when it runs."""

import gzip
import json

import pytest
import torch
from animatediff_native.nodes.sparse import LoadSparseCtrl
from clips import animated, conditioning, latents, motion_model, sample
from i2v import pictures, small_vae
from oracles import DATA
from safetensors.torch import save_file
from sparse import sparse_shapes, sparse_state
from sparse_runs import applied, clip, found_by_the_loader, loaded
from unets import SD15_CHANNELS
from weights import motion_state


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with found_by_the_loader(tmp_path_factory.mktemp("controlnet")) as folder:
        yield folder


@pytest.fixture(scope="module")
def model(sd15):
    return animated(sd15, motion_model())


def test_the_public_layout():
    """The tests' files have the keys and shapes of the published ones."""
    published = json.loads(gzip.decompress((DATA / "keylists.json.gz").read_bytes()))
    for kind in ("rgb", "scribble"):
        shapes = {key: list(shape) for key, shape in sparse_shapes(kind).items()}
        assert shapes == published[f"v3_sd15_sparsectrl_{kind}.ckpt"]


@pytest.mark.parametrize("layout", ["half", "nested", "of a training"])
def test_files(folder, layout):
    state = sparse_state("rgb", SD15_CHANNELS)
    if layout == "half":
        save_file({key: value.half() for key, value in state.items()}, folder / "half.safetensors")
        net = loaded("half").patcher.model
    else:
        prefix = "module." if layout == "of a training" else ""
        state = {prefix + key: value for key, value in state.items()}
        whole = {"controlnet": state, "animatediff_config": {"a": 1}}
        torch.save(whole if layout == "nested" else {"state_dict": state}, folder / "other.ckpt")
        net = LoadSparseCtrl.execute("other.ckpt", "0", "nearest", 1.0, 1.0).result[0].patcher.model
    assert net.kind == "rgb" and len(net.motion_behind()) == 8


def broken(change):
    state = sparse_state("rgb", SD15_CHANNELS)
    change(state)
    return state


FILES = {
    "a plain ControlNet": (
        lambda: {key: value for key, value in sparse_state("scribble", SD15_CHANNELS).items() if "motion" not in key},
        "is a ControlNet, not a SparseCtrl. Load it with Load ControlNet Model",
    ),
    "one of the other layout": (
        lambda: {"control_model.zero_convs.0.0.weight": torch.ones(1)},
        "is a ControlNet, not a SparseCtrl",
    ),
    "a motion model": (
        lambda: motion_state("v3", SD15_CHANNELS),
        "is a motion model, not a SparseCtrl. Load it with Load Motion Model, and here: Choose v3_sd15_sparsectrl_rgb",
    ),
    "something else": (lambda: {"a.weight": torch.ones(1)}, "is no SparseCtrl .it begins with a.weight"),
    "a cut file": (
        lambda: broken(lambda state: state.pop("controlnet_mid_block.bias")),
        "looks like a SparseCtrl, but 1 of its tensors are missing, .* .middle_block_out.0.bias.. It may be cut short",
    ),
    "one without its first layer": (
        lambda: broken(lambda state: state.pop("conv_in.weight")),
        "looks like a SparseCtrl, but 1 of its tensors are missing, .* .input_blocks.0.0.weight.. It may be cut short",
    ),
    "one of another shape": (
        lambda: broken(lambda state: state.update({"mid_block.resnets.0.conv1.weight": torch.ones(1, 1, 3, 3)})),
        "looks like a SparseCtrl, but 1 of its tensors are",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_files_that_are_something_else(folder, case):
    make, message = FILES[case]
    save_file(make(), folder / "wrong.safetensors")
    with pytest.raises(ValueError, match=f"^'wrong.safetensors' {message}"):
        loaded("wrong")


class Prepared:
    """What RGB SparseCtrl of Advanced-ControlNet gives in place of an image."""

    def __init__(self, latents):
        self.condhint = latents

    def movedim(self, *_):
        return self


NONSENSE = {
    "no VAE": (
        "rgb",
        {"vae": False},
        r"This SparseCtrl .rgb. sees pictures through the checkpoint's VAE, and there is",
    ),
    "a VAE of another kind": ("rgb", {"vae": small_vae(16)}, "The VAE makes latents of 16 channels, and must make 4"),
    "latents for drawings": (
        "scribble",
        {"image": Prepared(latents(1))},
        r"This SparseCtrl is for drawings .scribble., and its pictures come from RGB SparseCtrl",
    ),
    "more pictures than places": (
        "scribble",
        {"image": pictures(3, 64, 64)},
        r"There are 3 pictures, and frames names 1 .0.. Name a frame for each",
    ),
    "one channel": (
        "scribble",
        {"image": torch.zeros(1, 64, 48, 1)},
        "image has the shape .1, 64, 48, 1., and must be",
    ),
    "no picture": ("scribble", {"image": torch.zeros(0, 64, 64, 3)}, "image has the shape .0, 64, 64, 3., and must be"),
    "a picture of NaN": ("scribble", {"image": torch.full((1, 64, 64, 3), float("nan"))}, "image holds NaN"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_refused_where_it_is_applied(folder, case):
    kind, words, message = NONSENSE[case]
    with pytest.raises(ValueError, match=f"^{message}"):
        applied(loaded(kind), **words)


RUNS = {
    "a frame beyond the clip": ({"frames": "8"}, "frames names frame 8, and the clip has 8: from 0 to 7"),
    "two pictures on one frame": ({"frames": "7, -1"}, "frames is '7, -1', which puts two pictures on frame 7"),
    "too many to spread": ({"frames": "spread"}, "There are 9 pictures for a clip of 8 frames. Connect 8 or fewer"),
}


@pytest.mark.parametrize("case", RUNS)
def test_nonsense_is_refused_when_the_length_is_known(model, folder, case):
    """And the next run works."""
    words, message = RUNS[case]
    count = 9 if case == "too many to spread" else 1 + words["frames"].count(",")
    conds = applied(loaded("scribble", **words), pictures(count, 64, 64))
    with pytest.raises(ValueError, match=f"^{message}"):
        clip(model, conds)
    right = applied(loaded("scribble"), pictures(1, 64, 64))
    assert clip(model, right).isfinite().all()


def test_on_sdxl(sdxl, folder):
    positive, negative = applied(loaded(), conds=(conditioning(5, 2048), conditioning(6, 2048)))
    with pytest.raises(ValueError, match="^This SparseCtrl is for SD1.5, and the connected model is SDXL. Connect an"):
        sample(sdxl, 2, 1, positive=positive, negative=negative)


@pytest.mark.parametrize(
    ("kind", "image", "message"),
    [
        ("scribble", pictures(1, 64, 64), "is for drawings, white lines on black (scribble), and gets pictures in"),
        ("rgb", torch.zeros(1, 64, 64, 3), "is for pictures in colour (rgb), and gets drawings on black"),
        ("scribble", torch.zeros(1, 64, 64, 3), None),
        ("rgb", pictures(1, 64, 64), None),
    ],
)
def test_pictures_of_the_other_kind(folder, caplog, kind, image, message):
    applied(loaded(kind), image)
    assert message in caplog.text if message else "SparseCtrl" not in caplog.text
