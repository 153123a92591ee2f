"""Values over frames from a sound."""

from comfy_api.latest import io

from ..sampling.values.schedules import times as product_of  # `times` is an input
from ..sampling.values.sound import LOUDNESS, SOURCES, sound_values
from .inputs import schedule
from .text import drawn
from .types import StrengthSchedule


def frames(name: str, default: float, tooltip: str):
    return io.Float.Input(name, default=default, min=0.0, max=1000.0, step=0.5, tooltip=tooltip)


def value(name: str, default: float, tooltip: str):
    return io.Float.Input(name, default=default, min=-100.0, max=100.0, step=0.01, tooltip=tooltip)


class SoundSchedule(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_SoundSchedule",
            display_name="Sound Schedule (AnimateDiff)",
            category="animatediff/schedules",
            description="A value for each frame of the clip from a sound: how loud it is, how loud its bass, voice or "
            "treble is, or its beats. For all that Frame Schedule is for.",
            search_aliases=[
                "animatediff",
                "audio schedule",
                "audio reactive",
                "music",
                "beat",
                "音频",
                "音乐",
                "节拍",
                "声音",
            ],
            inputs=[
                io.Audio.Input("audio", tooltip="From Load Audio, or of a video."),
                io.Float.Input(
                    "frame_rate",
                    default=8.0,
                    min=0.1,
                    max=1000.0,
                    step=0.1,
                    tooltip="Frames of the clip a second: as in the node that saves it.",
                ),
                io.Combo.Input(
                    "source",
                    options=SOURCES,
                    default=LOUDNESS,
                    tooltip="loudness: of all. bass: below 160 Hz. voice: 200 to 3400 Hz. treble: above 5000 Hz. "
                    "beats: where something begins to sound.",
                ),
                frames("attack", 0.0, "Frames in which the value rises: 0 at once."),
                frames("release", 3.0, "Frames in which the value falls: more for a slower echo."),
                value("low", 0.8, "The value in silence."),
                value("high", 1.3, "The value where it is loudest, or at a beat."),
                schedule("times", "Another schedule: the two are multiplied."),
            ],
            outputs=[
                StrengthSchedule.Output(display_name="schedule"),
                io.String.Output(display_name="text", tooltip="The values as text, as in Frame Schedule."),
            ],
        )

    @classmethod
    def execute(
        cls,
        audio: dict,
        frame_rate: float,
        source: str,
        attack: float,
        release: float,
        low: float,
        high: float,
        times=None,
    ) -> io.NodeOutput:
        rate = audio["sample_rate"]
        found = sound_values(audio["waveform"][0], rate, frame_rate, source, attack, release, low, high)
        heard = f"{source}: {len(found.values)} frames"
        if min(found.values) == max(found.values):
            heard = f"nothing of that is heard: {found.values[0]:g} in every frame"
        words = f"{heard}; in a longer clip the last value holds"
        return io.NodeOutput(product_of(found, times), found.text(), ui=drawn(found.values, words))


NODES = [SoundSchedule]
