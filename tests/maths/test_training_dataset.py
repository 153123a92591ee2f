"""What a variant of a clip shows: its frames, its crop, its side, and the camera's move."""

import drawn
import pytest
import torch
from animatediff_native.training.clips import BEGINNING, HOLD, Taking
from animatediff_native.training.dataset import RANDOM_CROP, SMALLEST_SHARE, CameraMove, Clip, Clips, clips_of
from animatediff_native.training.graph import clips_of_images, examples_of_latents
from animatediff_native.training.media import Pictures
from animatediff_native.training.sheet import contact_sheet

VARIANTS = 40
ZOOM = CameraMove("zoom in", 0.4, False, 8)


def pictures(count=30, **size):
    return Pictures(torch.from_numpy(drawn.frames(count, **size)) / 255)


def clips(taking=None, source=None, size=(64, 64), name="a", **words):
    item = Clip(name, "waves", source or pictures(), taking or Taking(4, 3))
    return Clips((item,), *size, **words)


def shots(data, count=VARIANTS):
    return [data.shot(data.items[0], variant) for variant in range(count)]


def test_a_variant_is_the_same_every_time_and_another_for_another_clip():
    data, other = clips(fit=RANDOM_CROP, flip=True), clips(fit=RANDOM_CROP, flip=True, name="b")
    assert shots(data) == shots(data)
    assert shots(data) != shots(other)
    assert len(set(shots(data))) == VARIANTS


def test_without_chance_all_variants_are_one():
    assert len(set(shots(clips(Taking(4, 3, BEGINNING))))) == 1


def test_the_frames_are_those_of_the_source():
    data = clips(Taking(4, 3, BEGINNING))
    found = data.pixels(data.items[0], shots(data, 1)[0])
    assert found.shape == (4, 64, 64, 3) and found.dtype == torch.float32
    assert [drawn.number_of(frame) for frame in found] == [0, 3, 6, 9]


def test_a_random_crop_goes_everywhere_and_over_no_border():
    views = [shot.views[0] for shot in shots(clips(fit=RANDOM_CROP), 200)]
    sizes = [view.height / drawn.HEIGHT for view in views]
    assert SMALLEST_SHARE <= min(sizes) < SMALLEST_SHARE + 0.02 and 0.98 < max(sizes) <= 1
    rooms = [(view.x - view.width / 2) / (drawn.WIDTH - view.width) for view in views]
    assert -1e-6 <= min(rooms) < 0.03 and 0.97 < max(rooms) <= 1 + 1e-6


def test_a_crop_stays_where_it_is_through_the_clip():
    for shot in shots(clips(fit=RANDOM_CROP)):
        assert len(set(shot.views)) == 1


def test_flip_mirrors_whole_clips_and_about_half_of_them():
    data = clips(Taking(4, 3, BEGINNING), flip=True)
    found = shots(data, 200)
    assert 70 < sum(shot.mirrored for shot in found) < 130
    plain, mirrored = (next(shot for shot in found if shot.mirrored == side) for side in (False, True))
    assert data.pixels(data.items[0], mirrored).equal(data.pixels(data.items[0], plain).flip(2))
    assert not any(shot.mirrored for shot in shots(clips()))


def test_flip_is_refused_with_a_camera_move():
    with pytest.raises(ValueError, match="flip is on, and a mirrored 'pan left' is another move. Set flip to off"):
        clips(flip=True).moved(CameraMove("pan left", 0.4, False, 8))


def test_one_move_for_a_data_set():
    with pytest.raises(ValueError, match="These clips have the camera move 'zoom in' already"):
        clips().moved(ZOOM).moved(ZOOM)


def test_the_camera_moves_over_a_clip_that_moves_by_itself():
    data = clips(Taking(4, 3, BEGINNING)).moved(ZOOM)
    (shot,) = shots(data, 1)
    assert shot.indices == (0, 3, 6, 9) and data.frames == 4
    assert shot.views[0].width == pytest.approx(1.4 * shot.views[-1].width)


def test_the_camera_moves_over_a_frame_that_stands_still():
    data = clips().moved(CameraMove("zoom in", 0.4, True, 8))
    for shot in shots(data):
        assert len(set(shot.indices)) == 1 and len(shot.indices) == 4
    assert len({shot.indices[0] for shot in shots(data)}) > 10


def test_a_picture_becomes_a_clip():
    data = clips(Taking(1, 1, short_clips=HOLD), pictures(1)).moved(ZOOM)
    (shot,) = shots(data, 1)
    assert shot.indices == (0,) * 8 and data.frames == 8
    assert data.pixels(data.items[0], shot).shape == (8, 64, 64, 3)


def test_clips_are_joined():
    one, other = clips(name="a", trigger="wavy"), clips(name="b")
    assert [item.name for item in other.joined(one).items] == ["a", "b"] and other.joined(one).trigger == "wavy"


@pytest.mark.parametrize(
    "other, said",
    [
        (clips(size=(128, 64)), "differ in width and height: 64 x 64 and 128 x 64. Give both the same"),
        (clips(Taking(8, 1)), "differ in number of frames: 4 and 8"),
        (clips().moved(ZOOM), "differ in camera move"),
        (clips(fit=RANDOM_CROP), "differ in fit: crop center and crop random. Give both the same"),
        (clips(flip=True), "differ in flip: off and on. Give both the same"),
    ],
)
def test_clips_that_cannot_be_joined(other, said):
    with pytest.raises(ValueError, match=said):
        clips().joined(other)


def test_latents_with_another_caption_are_another_data_set():
    latents, one, other = torch.zeros(8, 4, 8, 8), [[torch.zeros(1, 4, 768), {}]], [[torch.ones(1, 4, 768), {}]]
    hashes = [examples_of_latents([latents], [cond], one).hash for cond in (one, other, one)]
    assert hashes[0] == hashes[2] != hashes[1]


def images(count, **size):
    return torch.from_numpy(drawn.frames(count, **size)) / 255


def test_images_are_clips():
    data = clips_of_images([images(9), images(12)], ["waves"], Taking(4, 2), (64, 64), "crop center", before=2)
    assert [(item.name, item.caption, item.source.frames) for item in data.items] == [
        ("clip 3", "waves", 9),
        ("clip 4", "waves", 12),
    ]


def test_images_are_single_pictures():
    data = clips_of_images([images(2), images(1)], ["sea", ""], Taking(1, 1), (64, 64), "crop center")
    assert [(item.name, item.caption, item.captioned) for item in data.items] == [
        *(("picture 1", "sea", True), ("picture 2", "sea", True), ("picture 3", "", False)),
    ]


@pytest.mark.parametrize(
    "pixels, captions, said",
    [
        (images(9)[0], [""], r"images have the shape \[64, 96, 3\], and must be frames"),
        (images(9) * float("nan"), [""], "images hold NaN or infinity"),
        (images(9), ["a", "b"], "There are 2 captions for 1 clips. Give one for all, or one for each."),
        (images(6), ["a"], "'clip 1' has 6 frames, and 4 frames at stride 2 need 7. Use stride 1"),
    ],
)
def test_images_that_are_no_clips(pixels, captions, said):
    with pytest.raises(ValueError, match=said):
        clips_of_images([pixels], captions, Taking(4, 2), (64, 64), "crop center")


COND = [[torch.zeros(1, 4, 768), {}]]


def test_latents_are_examples():
    latents = [torch.randn(4, 4, 8, 12), torch.randn(6, 4, 8, 12)]
    examples = examples_of_latents(latents, [COND], COND)
    assert examples.summary == "2 clips of 4 to 6 frames" and (examples.width, examples.height) == (96, 64)
    assert examples.items[1].latents.equal(latents[1][None]) and examples.items[1].cond is COND
    assert examples.hash == examples_of_latents(latents[::-1], [COND], COND).hash
    assert examples.hash != examples_of_latents(latents[:1], [COND], COND).hash


@pytest.mark.parametrize(
    "latents, said",
    [
        (torch.zeros(4, 16, 8, 8), "These latents are of 16 channels, and SD1.5 and SDXL have frames of 4 channels"),
        (torch.zeros(4, 8, 8), r"These latents are of the shape \[4, 8, 8\]"),
        (torch.full((4, 4, 8, 8), float("inf")), "latents hold NaN or infinity"),
    ],
)
def test_latents_that_are_no_clips(latents, said):
    with pytest.raises(ValueError, match=said):
        examples_of_latents([latents], [COND], COND)


def tile(sheet, top, place, width=96, height=96):
    left = 4 + place * (width + 4)
    return sheet[0, top : top + height, left : left + width]


def test_the_contact_sheet_of_clips_shows_first_to_last_frames():
    """In the order of the clips, a row each, below its name."""
    data = clips(Taking(7, 2, BEGINNING))
    sheet = contact_sheet(data)
    assert sheet.shape == (1, 4 + 14 + 96 + 4, 4 + 4 * 100, 3)
    assert [drawn.number_of(tile(sheet, 18, place)) for place in range(4)] == [0, 4, 8, 12]


def test_the_contact_sheet_of_pictures_shows_many_side_by_side():
    items = [clips_of(f"{n}", "", Pictures(images(30)[n : n + 1]), Taking(1, 1))[0] for n in range(30)]
    sheet = contact_sheet(Clips(tuple(items), 64, 64))
    assert sheet.shape == (1, 4 + 6 * 100, 404, 3)
    assert drawn.number_of(tile(sheet, 4, 0)) == 0 and drawn.number_of(tile(sheet, 4 + 5 * 100, 3)) == 29
