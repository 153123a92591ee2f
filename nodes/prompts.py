"""Prompts that change over the frames."""

from comfy_api.latest import io

from ..motion.options import PROMPT_FRAMES
from ..sampling.values.prompts import MIXES, Stop, over_frames, padded, parsed, shares
from ..sampling.values.schedules import EASINGS, outside
from ..sampling.values.travel import head_and_tail, looped_shares
from .inputs import mistake_in
from .text import said


def around(name: str, tooltip: str):
    return io.String.Input(name, default="", multiline=True, optional=True, tooltip=tooltip, advanced=True)


class PromptTravel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_PromptTravel",
            display_name="Prompt Travel (AnimateDiff)",
            category="animatediff/schedules",
            description="A prompt for every frame: each line names a frame and its prompt, and between two of them the "
            "one turns into the other.",
            search_aliases=[
                "animatediff",
                "prompt schedule",
                "batch prompt",
                "prompt travel",
                "fizznodes",
                "提示词调度",
                "提示词旅行",
            ],
            inputs=[
                io.Clip.Input("clip", tooltip="The checkpoint's text encoder."),
                io.String.Input(
                    "prompts",
                    default="0: a river in summer\n48: the same river in snow",
                    multiline=True,
                    dynamic_prompts=True,
                    tooltip="A line for each prompt: its frame, a colon, the prompt. -1 is the last frame. Lines "
                    "before the first one come before every prompt; those behind an empty line after the last one, "
                    "after every prompt.",
                ),
                io.Int.Input("frames", default=64, min=1, max=100000, tooltip="Frames of the clip."),
                io.Combo.Input(
                    "easing", options=list(EASINGS), tooltip="How one prompt turns into the next. jump: all at once."
                ),
                io.Combo.Input(
                    "mix",
                    options=list(MIXES),
                    tooltip="lerp: straight between the two prompts. slerp: along the arc.",
                    advanced=True,
                ),
                around("prepend_text", "Comes before each prompt."),
                around("append_text", "Comes after each prompt."),
                io.Boolean.Input(
                    "loop",
                    default=False,
                    optional=True,
                    tooltip="The last prompt turns back into the first one, around the end of the clip.",
                ),
                io.Latent.Input(
                    "latent", optional=True, tooltip="The clip's latents: their number is taken instead of frames."
                ),
            ],
            outputs=[io.Conditioning.Output(display_name="conditioning")],
        )

    @classmethod
    def validate_inputs(cls, prompts: str | None = None) -> bool | str:
        return mistake_in(prompts, travel_of)

    @classmethod
    def execute(
        cls,
        clip,
        prompts: str,
        frames: int,
        easing: str,
        mix: str,
        prepend_text: str = "",
        append_text: str = "",
        loop: bool = False,
        latent: dict | None = None,
    ) -> io.NodeOutput:
        frames = frames if latent is None else latent["samples"].shape[0]
        head, stops, tail = travel_of(prompts)
        places = looped_shares(stops, frames, easing) if loop else shares(stops, frames, easing)
        parts = [(prepend_text, head, stop.prompt, tail, append_text) for stop in stops]
        texts = [", ".join(part for part in each if part) for each in parts]
        *encoded, empty = [clip.encode_from_tokens_scheduled(clip.tokenize(text)) for text in [*texts, ""]]
        result = travelled(encoded, empty[0][0], places, MIXES[mix])
        result = [[rows, words | {PROMPT_FRAMES: frames}] for rows, words in result]
        return io.NodeOutput(result, ui=said(outside([stop.frame for stop in stops], frames)))


def travel_of(text: str) -> tuple[str, tuple[Stop, ...], str]:
    """What comes before every prompt, the prompts with their frames, what comes after every prompt."""
    head, rest, tail = head_and_tail(text)
    return head, parsed(rest), tail


def travelled(encoded: list, empty, places: list, mix) -> list:
    """CONDITIONING of each stop -> CONDITIONING with a row for each frame. empty: the embedding of no text."""
    result = []
    for entries in zip(*encoded, strict=True):  # several, where hooks change the text encoder over the sampling
        words = dict(entries[0][1])
        if words.get("pooled_output") is not None:
            words["pooled_output"] = over_frames([entry[1]["pooled_output"] for entry in entries], places, mix)
        result.append([over_frames(padded([entry[0] for entry in entries], empty), places, mix), words])
    return result


NODES = [PromptTravel]
