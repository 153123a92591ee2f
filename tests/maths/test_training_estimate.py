"""How much memory a training run takes, and what a user reads and sees of it while it runs."""

import numpy as np
import pytest
from animatediff_native.training.estimate import BYTES_PER_PARAMETER, GIB, Clips, needs, recomputes, refusal
from animatediff_native.training.plot import HELD_OUT, duration, line, loss_plot, panel, smoothed
from PIL import Image

LORA = 19_300_000


def need(size=512, frames=16, trained=LORA, itemsize=2, channels=320):
    clips = Clips("SD1.5", frames * (size // 8) ** 2, itemsize, channels)
    return needs(clips, 1.6 * GIB + 0.84 * GIB, trained, "adamw")


def test_a_lora_at_512_fits_into_8_gb_and_at_256_into_6():
    assert need().total(True) < 8 * GIB < need().total(False)
    assert need(256).total(True) < 6 * GIB


def test_a_motion_model_at_256_fits_into_12_gb():
    clips = Clips("SD1.5", 16 * 32 * 32, 2)
    whole = needs(clips, 1.6 * GIB, 453_000_000, "adamw")
    assert whole.total(True) < 12 * GIB
    assert needs(clips, 1.6 * GIB, 453_000_000, "adamw 8 bit").weights < whole.weights


def test_an_sdxl_lora_at_512_fits_into_12_gb():
    whole = needs(Clips("SDXL", 16 * 64 * 64, 2), 4.8 * GIB + 0.4 * GIB, 11_500_000, "adamw")
    assert whole.total(True) < 12 * GIB


def test_numbers_of_32_bits_take_twice_the_room():
    assert need(itemsize=4).plain == 2 * need().plain and need(channels=32).plain == pytest.approx(need().plain / 10)


def test_weights_of_another_type_are_kept_in_that_of_the_activations_too():
    clips = Clips("SD1.5", 1024, 2)
    plain, cast = (needs(clips, 0, 100, "adamw", cast) for cast in (0, 100))
    assert plain.weights == cast.weights == 100 * BYTES_PER_PARAMETER["adamw"]
    assert (cast.plain - plain.plain, cast.recomputed) == (200, plain.recomputed)


def test_auto_recomputes_where_there_is_no_room():
    assert recomputes("auto", need(), 8 * GIB) and not recomputes("auto", need(), 80 * GIB)
    assert recomputes("on", need(), 80 * GIB) and not recomputes("off", need(), 8 * GIB)


def test_what_does_not_fit_is_refused_with_a_way_out():
    assert refusal(need(), True, 8 * GIB, 16, 512, 512) == ""
    sentence = refusal(need(), False, 8 * GIB, 16, 512, 512)
    assert sentence.startswith("A step needs more than the 8.0 GB of this device: 16 frames of 512 x 512 take about 7.")
    assert sentence.endswith("with checkpointing and 28.8 without. Use checkpointing on or auto.")
    assert refusal(need(), True, 4 * GIB, 16, 512, 512).endswith("Use fewer frames, a smaller size or batch 1.")


def test_a_running_mean_begins_at_the_first_loss():
    assert smoothed([2.0]) == [pytest.approx(2.0)]
    assert smoothed([1.0] * 5) == pytest.approx([1.0] * 5)


@pytest.mark.parametrize("losses", [[], [0.5], [1.0, 0.5, 0.25], [float("nan"), 0.1], [0.0, 1.0]])
def test_any_losses_are_drawn(losses):
    assert loss_plot(losses, [(0, 0.7)], 10).size == (512, 192)


def test_held_out_losses_are_dots():
    def dots(picture):
        return int((np.asarray(picture) == HELD_OUT).all(axis=-1).sum())

    assert dots(loss_plot([1.0, 0.5], [], 4)) == 0
    assert 2 * 20 < dots(loss_plot([1.0, 0.5], [(0, 0.9), (2, 0.6)], 4)) < 2 * 60


def test_a_sample_plays_beneath_the_plot():
    plot = loss_plot([1.0], [], 4)
    frames = panel(plot, [Image.new("RGB", (64, 64), (index, 0, 0)) for index in (10, 200)])
    assert [frame.size for frame in frames] == [(512, 512)] * 2
    assert (
        frames[1].getpixel((256, 400)) == (200, 0, 0) and frames[0].crop((0, 0, 512, 192)).tobytes() == plot.tobytes()
    )
    assert panel(plot, []) == [plot]


def test_what_a_user_reads():
    assert line(340, 2000, 0.0812, 0.0791, 1.9, 9.14) == (
        "step 340 of 2000 · loss 0.0812 (held-out 0.0791) · 1.9 s a step · 53 min left · 9.1 GB"
    )
    assert line(1, 2, 0.5, None, 1.0, 0.0) == "step 1 of 2 · loss 0.5 · 1 s a step · 1 s left"
    assert line(1, 2, 0.5, None, None, 0.0) == "step 1 of 2 · loss 0.5"
    assert line(2, 2, 0.5, None, 1.0, 0.0) == "step 2 of 2 · loss 0.5 · 1 s a step"
    assert [duration(seconds) for seconds in (30, 600, 9000)] == ["30 s", "10 min", "2.5 h"]
