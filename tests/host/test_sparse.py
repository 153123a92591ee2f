"""SparseCtrl through the host's own Apply ControlNet: which frames see which picture, and what is beside it."""

import gzip
import json

import comfy.context_windows
import comfy.controlnet
import comfy.t2i_adapter.adapter
import folder_paths
import pytest
import torch
from animatediff_native.nodes.sparse import LoadSparseCtrl
from animatediff_native.sampling.pieces import sample_piece
from animatediff_native.sampling.sparse_control import SparseControl
from animatediff_native.sampling.values.schedules import FrameValues, Region, parsed, step_values
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import STANDARD_STATIC, WindowPlan
from clips import animated, conditioning, controlnet, latents, motion_model, sample
from i2v import pictures, small_vae
from oracles import DATA, relative_error
from safetensors.torch import save_file
from sparse import sparse_shapes, sparse_state
from unets import SD15_CHANNELS, unet_model
from weights import motion_state

import nodes

STATIC = WindowPlan(STANDARD_STATIC, 8, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files that Load SparseCtrl finds."""
    folder = tmp_path_factory.mktemp("controlnet")
    for kind in ("rgb", "scribble"):
        save_file(sparse_state(kind, SD15_CHANNELS), folder / f"{kind}.safetensors")
    folder_paths.add_model_folder_path("controlnet", str(folder))
    yield folder
    folder_paths.folder_names_and_paths["controlnet"][0].remove(str(folder))


@pytest.fixture(scope="module")
def model(sd15):
    return animated(sd15, motion_model())


def loaded(folder, kind: str = "rgb", frames: str = "0", **words) -> SparseControl:
    inputs = {"without_picture": "nearest", "motion_scale": 1.0, "effect": 1.0}
    return LoadSparseCtrl.execute(f"{kind}.safetensors", frames, **(inputs | words)).result[0]


def applied(control, image=None, strength=1.0, span=(0.0, 1.0), vae=None, conds=None):
    """(positive, negative) of the host's Apply ControlNet."""
    conds = conds or (conditioning(5), conditioning(6))
    kind = control.patcher.model.kind if isinstance(control, SparseControl) else ""
    vae = (small_vae() if kind == "rgb" else None) if vae is None else vae or None
    image = pictures(1, 64, 64) if image is None else image
    return nodes.ControlNetApplyAdvanced().apply_controlnet(*conds, control, image, strength, *span, vae=vae)


def clip(model, conds, frames: int = 8, steps: int = 1, **words):
    positive, negative = conds
    words = {"latent_image": latents(frames, 8, 8)} | words
    return sample(model, frames, steps, positive=positive, negative=negative, **words)


def plain(model, steps: int = 1):
    return clip(model, (conditioning(5), conditioning(6)), steps=steps)


class Hints:
    """What the network of a SparseControl gets while this is open: for each call (frames of a video, mask per row)."""

    def __init__(self, control: SparseControl):
        self.masks, self.pictures = [], []
        self.hook = control.patcher.model.register_forward_pre_hook(self.note)

    def note(self, net, inputs):
        hint = inputs[1]
        self.masks.append(hint[:, -1].amax((-1, -2)).tolist())
        self.pictures.append(hint[:, :-1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hook.remove()

    def shown(self) -> list[list[int]]:
        """The rows with a picture, for each call."""
        return [[row for row, mask in enumerate(masks) if mask] for masks in self.masks]


@pytest.mark.parametrize("kind", ["rgb", "scribble"])
def test_pictures_change_the_clip(model, folder, kind):
    without = plain(model)
    found = clip(model, applied(loaded(folder, kind, "0, -1"), pictures(2, 64, 64)))
    other = clip(model, applied(loaded(folder, kind, "0, 4"), pictures(2, 64, 64)))
    assert relative_error(found, without) > 1e-2 and relative_error(found, other) > 1e-3


def test_at_strength_0_there_is_no_picture(model, folder):
    without = plain(model, steps=2)
    assert torch.equal(clip(model, applied(loaded(folder), strength=0.0), steps=2), without)
    nowhere = loaded(folder, strength_schedule=FrameValues(parsed("0: 0")))
    with Hints(nowhere) as hints:
        assert torch.equal(clip(model, applied(nowhere), steps=2), without)
    assert not hints.masks


def test_a_part_of_the_sampling(model, folder):
    """Out of its range the run is the plain one; from the middle on it is not."""
    without = plain(model, steps=4)
    with Hints(control := loaded(folder)) as hints:
        assert torch.equal(clip(model, applied(control, span=(0.45, 0.55)), steps=4), without)
        assert not hints.masks
        assert not torch.equal(clip(model, applied(control, span=(0.5, 1.0)), steps=4), without)
        assert 0 < len(hints.masks) < 4


def test_a_picture_is_encoded_once_a_run(model, folder):
    vae, encoded = small_vae(), []
    encode = vae.encode
    vae.encode = lambda pixels: encoded.append(len(pixels)) or encode(pixels)
    control = loaded(folder, frames="0, -1")
    conds = applied(control, pictures(2, 64, 64), vae=vae)
    clip(with_windows(model, STATIC), conds, 20, steps=3)
    assert encoded == [2]
    clip(model, conds, latent_image=latents(8, 8, 12))
    assert encoded == [2, 2], "another size is encoded anew"


@pytest.mark.parametrize("per_call", [1, 2])
def test_windows(model, folder, per_call):
    """Each window sees its own pictures, or the nearest one; -1 is the last frame of the clip."""
    windows = with_windows(model, STATIC, windows_per_call=per_call)
    control = loaded(folder, frames="1, -1")
    with Hints(control) as hints:
        clip(windows, applied(control, pictures(2, 64, 64)), 20)
    rows = {1: [[1], [0], [7]], 2: [[1, 8], [7]]}
    assert hints.shown() == rows[per_call]
    nothing = loaded(folder, frames="1, -1", without_picture="nothing")
    with Hints(nothing) as hints:
        clip(windows, applied(nothing, pictures(2, 64, 64)), 20)
    rows = {1: [[1], [], [7]], 2: [[1], [7]]}
    assert hints.shown() == rows[per_call]


def test_windows_of_one_call_are_those_of_several(model, folder):
    conds = applied(loaded(folder, frames="1, -1"), pictures(2, 64, 64))
    one, two = (clip(with_windows(model, STATIC, windows_per_call=count), conds, 20) for count in (1, 2))
    assert relative_error(one, two) < 1e-5


def test_a_picture_acts_where_its_window_is(model, folder):
    """Another second picture changes the frames of the last window, and not one frame before."""
    first, last, other = pictures(3, 64, 64).split(1)
    words = {"frames": "0, -1", "without_picture": "nothing"}
    a, b = (
        clip(with_windows(model, STATIC), applied(loaded(folder, **words), torch.cat([first, end])), 20)
        for end in (last, other)
    )
    changed = [not torch.equal(x, y) for x, y in zip(a, b, strict=True)]
    assert changed == [False] * 12 + [True] * 8


def test_the_hosts_own_context_windows(sd15, folder):
    """Without a motion model, and with the frame before each window that its node adds."""
    model = sd15.clone()
    handler = comfy.context_windows.IndexListContextHandler(
        comfy.context_windows.get_matching_context_schedule("standard_static"),
        comfy.context_windows.get_matching_fuse_method("flat"),
        context_length=8,
        context_overlap=2,
        dim=0,
    )
    model.model_options["context_handler"] = handler
    before = getattr(handler, "causal_window_fix", False)
    control = loaded(folder, frames="1, -1")
    with Hints(control) as hints:
        clip(model, applied(control, pictures(2, 64, 64)), 20)
    assert hints.shown() == [[1], [0], [7 + before]]


def test_a_clip_that_goes_on(model, folder):
    """Frames count in the whole clip, also where its beginning is done."""
    control = loaded(folder, frames="0, -1")
    positive, negative = applied(control, pictures(2, 64, 64))
    words = {"steps": 1, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal"}
    with Hints(control) as hints, torch.inference_mode():
        whole, _ = sample_piece(
            with_windows(model, STATIC),
            {"samples": latents(8, 8, 8)},
            latents(8, 8, 8, seed=3),
            11,
            positive,
            negative,
            **words,
        )
    assert len(whole) == 16 and hints.shown()[-1] == [7]


def test_it_is_chained_with_other_controlnets(model, folder):
    """In any order, and each counts."""
    hint = pictures(8, 64, 64, seed=2)
    sparse, other = loaded(folder), controlnet()
    one = clip(model, applied(other, hint, conds=applied(sparse)))
    two = clip(model, applied(sparse, conds=applied(other, hint)))
    assert relative_error(one, two) < 1e-5
    for alone in (applied(sparse), applied(other, hint)):
        assert relative_error(one, clip(model, alone)) > 1e-2


def test_it_is_chained_with_a_t2i_adapter(model, folder):
    net = comfy.t2i_adapter.adapter.Adapter(
        cin=192, channels=list(SD15_CHANNELS), nums_rb=1, ksize=1, sk=True, xl=False
    )
    generator = torch.Generator().manual_seed(4)
    for parameter in net.requires_grad_(False).parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    adapter = comfy.controlnet.T2IAdapter(net, 3, 8, "nearest-exact", device=torch.device("cpu"))
    hint = pictures(1, 64, 64, seed=2)
    both = clip(model, applied(adapter, hint, conds=applied(loaded(folder))))
    turned = clip(model, applied(loaded(folder), conds=applied(adapter, hint)))
    assert relative_error(both, turned) < 1e-5
    for alone in (applied(loaded(folder)), applied(adapter, hint)):
        assert relative_error(both, clip(model, alone)) > 1e-3


def test_a_strength_over_frames_regions_and_the_sampling(sd15, folder):
    """Without motion of the UNet or of its own, frames do not meet."""
    still = {"effect": 0.0, "frames": "0, 1, 2, 3, 4, 5, 6, 7"}
    image = pictures(8, 64, 64)
    full, without = clip(sd15, applied(loaded(folder, **still), image)), plain(sd15)
    half = loaded(folder, strength_schedule=FrameValues(parsed("0: 1, 4: 0 jump")), **still)
    found = clip(sd15, applied(half, image))
    assert torch.allclose(found[:4], full[:4], atol=1e-5) and torch.allclose(found[4:], without[4:], atol=1e-5)
    left = torch.zeros(1, 8, 8)
    left[..., :4] = 1
    region = clip(sd15, applied(loaded(folder, strength_schedule=Region(left, 1.0), **still), image))
    assert not torch.allclose(region, full, atol=1e-2) and not torch.allclose(region, without, atol=1e-2)
    late = loaded(folder, strength_schedule=step_values("0%: 0\n50%: 1 jump"), **still)
    with Hints(late) as hints:
        clip(sd15, applied(late, image), steps=4)
    assert 0 < len(hints.masks) < 4


def test_its_motion_modules(sd15, folder):
    """Scale and effect act; without them a frame is what it is alone."""
    image = pictures(1, 64, 64)
    clips = [
        clip(sd15, applied(loaded(folder, frames="4", **words), image))
        for words in ({}, {"motion_scale": 1.5}, {"effect": 0.5}, {"effect": 0.0})
    ]
    assert all(relative_error(clips[0], other) > 1e-4 for other in clips[1:])
    other = clip(sd15, applied(loaded(folder, frames="5", effect=0.0), image))
    same = [torch.allclose(a, b, atol=1e-5) for a, b in zip(clips[3], other, strict=True)]
    assert same == [index not in (4, 5) for index in range(8)]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(folder, dtype):
    image = pictures(2, 64, 64)
    found = []
    for each in (torch.float32, dtype):
        model = animated(unet_model(dtype=each), motion_model())
        found.append(clip(model, applied(loaded(folder, "scribble", "0, -1"), image)))
    assert found[1].isfinite().all()
    assert relative_error(found[1], found[0]) < (0.02 if dtype == torch.float16 else 0.1)


def test_it_is_loaded_and_left_by_the_host(model, folder):
    control = loaded(folder)
    conds = applied(control)
    (mine,) = conds[0][0][1]["control"].get_models()
    assert mine is control.patcher
    clip(model, conds)
    held = conds[0][0][1]["control"]
    assert not held.fitted and held.model is None and held.timestep_range is None


def test_advanced_controlnet_does_not_take_it_for_its_own(folder):
    assert not hasattr(loaded(folder), "sub_idxs") and loaded(folder).cond_hint_original is None


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
        net = loaded(folder, "half").patcher.model
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
        "looks like a SparseCtrl, but lacks conv_in.weight. It may be cut short",
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
        loaded(folder, "wrong")


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
    "no picture": ("scribble", {"image": torch.zeros(0, 64, 64, 3)}, "image has the shape .0, 64, 64, 3., and must be"),
    "a picture of NaN": ("scribble", {"image": torch.full((1, 64, 64, 3), float("nan"))}, "image holds NaN"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_refused_where_it_is_applied(folder, case):
    kind, words, message = NONSENSE[case]
    with pytest.raises(ValueError, match=f"^{message}"):
        applied(loaded(folder, kind), **words)


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
    conds = applied(loaded(folder, "scribble", **words), pictures(count, 64, 64))
    with pytest.raises(ValueError, match=f"^{message}"):
        clip(model, conds)
    right = applied(loaded(folder, "scribble"), pictures(1, 64, 64))
    assert clip(model, right).isfinite().all()


def test_on_sdxl(sdxl, folder):
    positive, negative = applied(loaded(folder), conds=(conditioning(5, 2048), conditioning(6, 2048)))
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
    applied(loaded(folder, kind), image)
    assert message in caplog.text if message else "SparseCtrl" not in caplog.text
