"""What a user sees of a run: its line in the log, its preview."""

import io
import math

import comfy.utils
import folder_paths
import latent_preview
import pytest
import torch
from animatediff_native.sampling import report
from animatediff_native.sampling.report import ClipPreview, MovingPicture, enlarged, pictures_of
from animatediff_native.sampling.windows.handler import with_windows
from animatediff_native.sampling.windows.plan import STANDARD_STATIC, WindowPlan
from clips import animated, latents, motion_model, sample
from comfy.taesd.taesd import TAESD
from PIL import Image, ImageChops
from safetensors.torch import save_file


@pytest.fixture
def sent():
    """The previews that the host would send to the page, as the bytes of its server's encoding."""
    pictures = []

    def hook(value, total, preview, **others):
        if preview is not None:
            kind, picture, _ = preview
            file = io.BytesIO()
            picture.save(file, format=kind, quality=95, compress_level=1)
            pictures.append((value, total, Image.open(file)))

    before = comfy.utils.PROGRESS_BAR_HOOK
    comfy.utils.set_progress_bar_global_hook(hook)
    latent_preview.set_preview_method("latent2rgb")
    yield pictures
    latent_preview.set_preview_method(None)
    comfy.utils.set_progress_bar_global_hook(before)


@pytest.fixture
def slow(monkeypatch):
    """Steps of a minute."""
    monkeypatch.setattr(report, "SHARE", math.inf)
    monkeypatch.setattr(report, "MILLISECONDS", 0)


def test_the_preview_moves(sd15, sent):
    model = animated(sd15, motion_model())
    sample(model, frames=4, callback=lambda step, x0, x, steps: None)
    assert (1, 2) in [(value, total) for value, total, _ in sent]
    for _, _, picture in sent:
        assert (picture.n_frames, picture.size) == (4, (256, 256))
        shots = []
        for index in range(4):
            picture.seek(index)
            shots.append(picture.convert("RGB").tobytes())
        assert len(set(shots)) == 4
        assert picture.info["duration"] == 125


def test_a_page_of_stills_sees_another_frame_at_each_step(sd15, sent, slow):
    clips = []
    sample(animated(sd15, motion_model()), frames=4, callback=lambda step, x0, x, steps: clips.append(x0))
    previewer = latent_preview.get_previewer(sd15.load_device, sd15.model.latent_format)
    assert [(value, total) for value, total, _ in sent] == [(1, 2), (2, 2)]
    for step, (_, _, picture) in enumerate(sent):
        expected = previewer.decode_latent_to_preview(clips[step][step : step + 1])
        assert picture.convert("RGB").resize(expected.size, Image.Resampling.NEAREST).tobytes() == expected.tobytes()


def test_a_preview_takes_no_more_than_a_twentieth_of_the_time(sd15, sent):
    """Steps of 0.4 s, and a preview that takes 0.1; the page shows a frame for 0.125 s."""
    now, costs = [0.0], iter([0.1, 0.001, 0.001])
    preview = ClipPreview(sd15, 16, clock=lambda: now[0])
    host = preview.previewer.decode_latent_to_preview
    preview.previewer.decode_latent_to_preview = lambda clip: (now.append(now.pop() + next(costs)), host(clip))[1]
    for step, time in enumerate([0.4, 0.8, 2.3, 2.5, 2.6, 2.7, 2.75]):
        now[0] = time
        preview.show(step, torch.randn(16, 4, 8, 8), 7)
    assert [value for value, _, _ in sent] == [1, 4, 6]


def test_taesd_is_loaded_once_in_a_run(sd15, sent, slow, tmp_path, monkeypatch):
    loaded = []

    class Counted(TAESD):
        def __init__(self, *words, **named):
            super().__init__(*words, **named)
            loaded.append(self.requires_grad_(False))

    save_file(TAESD().taesd_decoder.state_dict(), tmp_path / "taesd_decoder.safetensors")
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "vae_approx", ([str(tmp_path)], {".safetensors"}))
    monkeypatch.setattr(latent_preview, "TAESD", Counted)
    latent_preview.set_preview_method("taesd")
    model = animated(sd15, motion_model())
    for callback, count in ((latent_preview.prepare_callback(model, 1), 1), (lambda *step: None, 2)):
        sample(model, frames=4, steps=1, latent_image=latents(4, 8, 8), callback=callback)
        assert len(loaded) == count
        assert sent.pop()[2].size == (256, 256)


@pytest.mark.parametrize("kind", ["latent2rgb", "taesd", "another pack's"])
def test_frames_are_decoded_together_as_they_are_alone(sd15, kind):
    clip = torch.randn(5, 4, 80, 64, generator=torch.Generator().manual_seed(1))
    previewer = latent_preview.Latent2RGBPreviewer(sd15.model.latent_format.latent_rgb_factors)
    if kind == "taesd":
        torch.manual_seed(2)
        previewer = latent_preview.TAESDPreviewerImpl(TAESD().requires_grad_(False))
    if kind == "another pack's":
        previewer = type("Another", (latent_preview.Latent2RGBPreviewer,), {})(
            sd15.model.latent_format.latent_rgb_factors
        )
    for frame, picture in zip(clip.split(1), pictures_of(previewer, clip), strict=True):
        alone = previewer.decode_latent_to_preview(frame)
        assert picture.size == alone.size
        assert max(high for _, high in ImageChops.difference(picture, alone).getextrema()) <= 1


@pytest.mark.parametrize(
    ("size", "shown"),
    [((64, 64), (256, 256)), ((96, 64), (192, 128)), ((200, 10), (200, 10)), ((512, 512), (512, 512))],
)
def test_small_previews_are_enlarged(size, shown):
    assert enlarged(Image.new("RGB", size)).size == shown


def test_long_clips_are_thinned_out(sd15, sent):
    sample(animated(sd15, motion_model()), frames=18, steps=1, callback=lambda *step: None)
    assert sent[0][2].n_frames == 9
    assert sent[0][2].info["duration"] == 250


def test_no_preview_where_the_host_shows_none(sd15, sent):
    latent_preview.set_preview_method("none")
    sample(animated(sd15, motion_model()), frames=4, callback=lambda *step: None)
    assert not sent


def test_a_moving_picture_is_otherwise_its_first():
    first = Image.new("RGB", (5, 3))
    assert MovingPicture([first, Image.new("RGB", (5, 3), 9)], 10).size == (5, 3)


def test_one_line_in_the_log(sd15, caplog):
    plan = WindowPlan(STANDARD_STATIC, 8, 2)
    with caplog.at_level("INFO", "animatediff"):
        sample(with_windows(animated(sd15, motion_model()), plan), frames=14)
    (line,) = [record.getMessage() for record in caplog.records if "motion modules" in record.getMessage()]
    assert (
        "(AnimateDiff v3, 20 motion modules): 14 frames in 2 windows of 8 (standard_static, overlap 2, pyramid)" in line
    )
    assert "2 steps from sigma 14.61 to 0." in line


def test_no_line_without_motion(sd15, caplog):
    with caplog.at_level("INFO", "animatediff"):
        sample(with_windows(sd15, WindowPlan(STANDARD_STATIC, 8, 2)), frames=14)
        sample(animated(sd15, motion_model()), frames=1)
    assert not [record for record in caplog.records if "motion modules" in record.getMessage()]
