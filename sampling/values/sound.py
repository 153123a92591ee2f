"""Values over frames from a sound: its loudness, a band of it, or its beats. Plain mathematics."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...motion.strength import Amount, Moment

LOUDNESS, BEATS = "loudness", "beats"
BANDS = {LOUDNESS: (20.0, 20_000.0), "bass": (20.0, 160.0), "voice": (200.0, 3_400.0), "treble": (5_000.0, 20_000.0)}
"""Hertz."""
SOURCES = [*BANDS, BEATS]
RATE, APART, SURROUNDINGS = 100.0, 0.12, 0.4
"""Beats are looked for this often a second, no closer than this many seconds, among so many seconds around them."""
SILENCE = 1e-5
"""Full scale is 1; nothing of it is louder than this: silence."""
MOST_FRAMES = 100_000


@dataclass(frozen=True)
class SoundValues:
    """A value for each frame of the clip; behind the end of the sound its last one holds."""

    values: tuple[float, ...]

    def __call__(self, moment: Moment) -> Amount:
        last = len(self.values) - 1
        return torch.tensor([self.values[min(frame, last)] for frame in range(moment.full_length)]).view(-1, 1, 1)

    def text(self) -> str:
        """As Frame Schedule reads it; frames of the same value before and after them are left out."""
        kept = [
            frame
            for frame, value in enumerate(self.values)
            if not (0 < frame < len(self.values) - 1 and self.values[frame - 1] == value == self.values[frame + 1])
        ]
        return ", ".join(f"{frame}: {self.values[frame]:.4g}" for frame in kept)


def sound_values(
    waveform: Tensor, rate: int, fps: float, source: str, attack: float, release: float, low: float, high: float
) -> SoundValues:
    """A sound (channels, samples) of `rate` samples a second -> values from `low` to `high`, `fps` of them a second.

    attack, release: frames in which a value has risen or fallen to a third of the way that was left. The loudest frame,
    or a beat, is `high`. Raises ValueError.
    """
    samples = waveform.float().mean(0).cpu()
    if not samples.numel():
        raise ValueError("The sound is empty. Connect one that has samples.")
    frames = max(round(samples.numel() / rate * fps), 1)
    if frames > MOST_FRAMES:
        raise ValueError(f"The sound has {frames} frames at {fps:g} a second, more than {MOST_FRAMES}. Cut it first.")
    if source == BEATS:
        shares = torch.zeros(frames)
        shares[[min(int(beat * fps + 0.5), frames - 1) for beat in beats(samples, rate)]] = 1.0
    else:
        shares = loudness(samples, rate, fps, frames, *BANDS[source])
        shares = shares / shares.max() if shares.max() > SILENCE else torch.zeros(frames)
    return SoundValues(tuple(low + (high - low) * share for share in followed(shares.tolist(), attack, release)))


def spectra(samples: Tensor, rate: int, fps: float, frames: int, length: int) -> Iterator[Tensor]:
    """Loudness of frequencies (some frames, frequencies) around the time of each frame, in parts of a long sound."""
    around = F.pad(samples, (length // 2, length))
    starts = (torch.arange(frames) / fps * rate).round().long().unsqueeze(1)
    for some in starts.split(256):
        yield torch.fft.rfft(around[some + torch.arange(length)] * torch.hann_window(length)).abs()


def loudness(samples: Tensor, rate: int, fps: float, frames: int, lowest: float, highest: float) -> Tensor:
    """(frames): the root of the mean power between two frequencies; 1 is a square wave of full scale."""
    length = max(2 * round(rate / fps), 2 * round(rate / lowest / 2), 64)
    frequencies = torch.fft.rfftfreq(length, 1 / rate)
    inside = (frequencies >= lowest) & (frequencies <= highest)
    power = torch.cat([(part.square() * inside).sum(1) for part in spectra(samples, rate, fps, frames, length)])
    return (2 * power / length / torch.hann_window(length).square().sum()).sqrt()


def beats(samples: Tensor, rate: int) -> list[float]:
    """Seconds at which something begins to sound: peaks of the rise of the spectrum (spectral flux)."""
    count = max(int(samples.numel() / rate * RATE), 1)
    length = max(round(rate / 25), 64)
    if samples.abs().max() <= SILENCE or count < 3:
        return []
    loudest = max(part.max() for part in spectra(samples, rate, RATE, count, length))
    rises, before = [], torch.zeros(1, length // 2 + 1)
    for part in spectra(samples, rate, RATE, count, length):
        level = torch.log1p(100 * part / loudest)
        rises.append((level - torch.cat([before, level[:-1]])).clamp_min(0).sum(1))
        before = level[-1:]
    rise = torch.cat(rises)
    around = 2 * round(SURROUNDINGS * RATE / 2) + 1
    usual = F.avg_pool1d(rise.view(1, 1, -1), around, 1, around // 2, count_include_pad=False).view(-1)
    near = 2 * round(APART * RATE / 2) + 1
    highest = F.max_pool1d(rise.view(1, 1, -1), near, 1, near // 2).view(-1)
    found = ((rise == highest) & (rise > 1.5 * usual) & (rise > 0.2 * rise.max())).nonzero().view(-1)
    return [index / RATE for index in found.tolist()]


def followed(values: list[float], attack: float, release: float) -> list[float]:
    """The values as a needle shows them that rises and falls no sooner than that."""
    shown: list[float] = []
    for value in values:
        before = shown[-1] if shown else value
        slow = attack if value > before else release
        shown.append(value if slow <= 0 else before + (value - before) * (1 - 0.367879441 ** (1 / slow)))
    return shown
