"""Values from sounds that are made of tones and clicks."""

import math

import pytest
import torch
from animatediff_native.motion.strength import Moment
from animatediff_native.sampling.values.schedules import FrameValues, parsed
from animatediff_native.sampling.values.sound import SOURCES, SoundValues, beats, followed, sound_values
from memory import PeakMemory

RATE = 22_050


def tone(hertz: float, seconds: float = 4.0, rate: int = RATE) -> torch.Tensor:
    return torch.sin(2 * math.pi * hertz * torch.arange(round(seconds * rate)) / rate).unsqueeze(0)


def values(waveform, source, fps=8.0, attack=0.0, release=0.0, low=0.0, high=1.0, rate=RATE) -> list[float]:
    return list(sound_values(waveform, rate, fps, source, attack, release, low, high).values)


def test_loudness_goes_with_the_sound():
    ramp = tone(440) * torch.linspace(0, 1, 4 * RATE)
    found = values(ramp, "loudness")
    assert len(found) == 32 and max(found) == 1.0
    for frame in range(1, 31):
        assert found[frame] / max(found) == pytest.approx(frame / 31, abs=0.05)


@pytest.mark.parametrize("hertz, heard", [(80, "bass"), (800, "voice"), (8000, "treble")])
def test_a_tone_is_heard_in_its_band_alone(hertz, heard):
    both = torch.cat([tone(hertz, 2.0), tone(440 if heard != "voice" else 80, 2.0)], 1)
    for source in ("bass", "voice", "treble"):
        found = values(both, source)
        first, second = sum(found[2:14]) / 12, sum(found[18:30]) / 12
        assert (first > 0.9 and second < 0.1) if source == heard else first < 0.1


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_001])
@pytest.mark.parametrize("fps", [8.0, 12.5, 30.0])
def test_beats_are_where_something_begins(rate, fps):
    click = tone(1000, 0.05, rate) * torch.linspace(1, 0, round(0.05 * rate))
    sound = torch.zeros(1, 4 * rate)
    for number in range(1, 8):
        start = round(number * 0.5 * rate)
        sound[:, start : start + click.shape[1]] += click
    assert beats(sound[0], rate) == pytest.approx([0.5 * number for number in range(1, 8)], abs=0.03)
    found = values(sound, "beats", fps, rate=rate)
    assert [frame for frame, value in enumerate(found) if value == 1.0] == pytest.approx(
        [0.5 * number * fps for number in range(1, 8)], abs=1.0
    )


@pytest.mark.parametrize("source", SOURCES)
def test_a_long_sound_takes_the_memory_of_itself(source):
    sound = tone(440, 600.0, 8_000)
    with PeakMemory() as memory:
        values(sound, source, rate=8_000)
    assert memory.peak < 4 * sound.nbytes


@pytest.mark.parametrize("source", SOURCES)
def test_silence_is_the_low_value(source):
    assert values(torch.zeros(2, RATE), source, low=0.7, high=2.0) == [0.7] * 8


@pytest.mark.parametrize("source", SOURCES)
def test_two_channels_of_the_same_are_one(source):
    sound = tone(200) * torch.rand(4 * RATE, generator=torch.Generator().manual_seed(1))
    assert values(sound.repeat(2, 1), source) == pytest.approx(values(sound, source), abs=1e-5)


def test_the_range_and_how_long_it_takes():
    sound = torch.cat([torch.zeros(1, RATE), tone(440, 1.0), torch.zeros(1, RATE)], 1)
    quick = values(sound, "loudness", low=0.8, high=1.3)
    assert min(quick) == 0.8 and max(quick) == pytest.approx(1.3)
    assert followed([0, 1, 1, 0, 0], 0, 1) == pytest.approx([0, 1, 1, math.exp(-1), math.exp(-2)], abs=1e-6)
    assert followed([0, 1, 1], 2, 0) == pytest.approx([0, 1 - math.exp(-0.5), 1 - math.exp(-1)], abs=1e-6)


def test_a_clip_longer_than_the_sound_holds_its_last_value():
    found = SoundValues((0.5, 0.5, 0.5, 1.0))
    assert found(Moment(6)).flatten().tolist() == [0.5, 0.5, 0.5, 1.0, 1.0, 1.0]
    assert found.text() == "0: 0.5, 2: 0.5, 3: 1"
    assert FrameValues(parsed(found.text())).over(6) == [0.5, 0.5, 0.5, 1.0, 1.0, 1.0]


def test_long_sounds_are_the_same_in_parts():
    """More frames than are heard at once."""
    sound = torch.randn(1, 30 * 8_000, generator=torch.Generator().manual_seed(2))
    whole = values(sound, "loudness", 30.0, rate=8_000)
    later = values(sound[:, 10 * 8_000 :], "loudness", 30.0, rate=8_000)
    scale = max(whole[300:]) / max(later)
    assert [value * scale for value in later[10:590]] == pytest.approx(whole[310:890], abs=0.02)


def test_nothing_to_hear():
    with pytest.raises(ValueError, match="The sound is empty"):
        values(torch.zeros(1, 0), "loudness")
    with pytest.raises(ValueError, match="more than 100000"):
        values(torch.zeros(1, 1_000_000), "loudness", 1000.0, rate=8_000)
