"""Prompt and value scheduling of shared workflows."""

from functools import cache

from comfy_api.latest import io

from ...sampling.values.indexed import MIXES, NUMBER, PROMPT, entries, numbers, travelled
from .form import form
from .types import MANY, Floats

PROMPTS, VALUES = "Prompt Travel (AnimateDiff)", "Frame Schedule (AnimateDiff)"
ValuesReplaced = io.Custom("VALUES_REPLACE")
"""{key: a number for each frame}"""
Ints = io.Custom("INTS")
"""A list of whole numbers."""


def printed():
    return io.Boolean.Input("print_schedule", default=False, optional=True, tooltip="No use here: it is not printed.")


def max_length():
    tooltip = "Frames of the clip; 0: up to the last index."
    return io.Int.Input("max_length", default=0, min=0, max=MANY, step=1, optional=True, tooltip=tooltip)


def latent():
    return io.Latent.Input("latent", tooltip="Its batch is the clip's length.")


def around() -> list[io.Input]:
    words = {"default": "", "multiline": True, "optional": True, "force_input": True}
    return [
        io.String.Input("prepend_text", tooltip="Comes before each prompt.", **words),
        io.String.Input("append_text", tooltip="Comes after each prompt.", **words),
        ValuesReplaced.Input("values_replace", optional=True, tooltip="Numbers for `keys` in the prompts."),
        printed(),
    ]


def interpolation():
    return io.Combo.Input("tensor_interp", options=list(MIXES), optional=True, tooltip="How prompts are mixed.")


def prompts():
    return io.String.Input("prompts", default="", multiline=True, tooltip='0 = "a lake", 16 = "the lake at noon"')


def clip():
    return io.Clip.Input("clip", tooltip="The checkpoint's text encoder.")


def conditioning(
    clip,
    text: str,
    length: int,
    prepend_text: str = "",
    append_text: str = "",
    values_replace: dict[str, list[float]] | None = None,
    print_schedule: bool = False,
    tensor_interp: str = "lerp",
) -> list:
    """A row for each of `length` frames."""
    found = entries(text, PROMPT, length)
    length = length or found[-1].index + 1

    def whole(prompt: str, frame: int) -> str:
        prompt = joined(joined(prepend_text, prompt), append_text)
        for key, numbers_of in (values_replace or {}).items():
            prompt = prompt.replace(f"`{key}`", f"{numbers_of[min(frame, len(numbers_of) - 1)]:g}")
        return prompt

    @cache
    def encode(prompt: str):
        encoded = clip.encode_from_tokens_scheduled(clip.tokenize(prompt))
        return encoded[0][0], encoded[0][1].get("pooled_output")

    rows, pooled = travelled(found, length, encode, whole, MIXES[tensor_interp])
    return [[rows, {} if pooled is None else {"pooled_output": pooled}]]


def joined(before: str, after: str) -> str:
    """Two texts with one comma between them."""
    before, after = before.strip().rstrip(",").strip(), after.strip().lstrip(",").strip()
    return f"{before}, {after}" if before and after else before or after


CONDITIONING = io.Conditioning.Output(display_name="CONDITIONING")


@form(
    *("ADE_PromptScheduling", "Prompt Scheduling"),
    [prompts(), clip(), *around(), max_length(), interpolation()],
    *(CONDITIONING, PROMPTS),
)
def prompt_scheduling(prompts: str, clip, max_length: int = 0, **others):
    return conditioning(clip, prompts, max_length, **others)


@form(
    *("ADE_PromptSchedulingLatents", "Prompt Scheduling [Latents]"),
    [prompts(), clip(), latent(), *around(), interpolation()],
    [CONDITIONING, io.Latent.Output(display_name="LATENT")],
    PROMPTS,
)
def prompt_scheduling_latents(prompts: str, clip, latent: dict, **others):
    return conditioning(clip, prompts, latent["samples"].shape[0], **others), latent


def values():
    return io.String.Input("values", default="", multiline=True, tooltip="0 = 1.0, 16 = 0.5")


NUMBERS = [
    *(io.Float.Output(display_name="FLOAT"), Floats.Output(display_name="FLOATS")),
    *(io.Int.Output(display_name="INT"), Ints.Output(display_name="INTS")),
]


def numbers_in(text: str, length: int) -> tuple[list[float], list[float], list[int], list[int]]:
    found = entries(text, NUMBER, length)
    floats = numbers(found, length or found[-1].index + 1, text)
    ints = [round(value) for value in floats]
    return floats, floats, ints, ints


@form("ADE_ValueScheduling", "Value Scheduling", [values(), printed(), max_length()], NUMBERS, VALUES)
def value_scheduling(values: str, print_schedule: bool = False, max_length: int = 0):
    return numbers_in(values, max_length)


@form("ADE_ValueSchedulingLatents", "Value Scheduling [Latents]", [values(), latent(), printed()], NUMBERS, VALUES)
def value_scheduling_latents(values: str, latent: dict, print_schedule: bool = False):
    return numbers_in(values, latent["samples"].shape[0])


@form(
    *("ADE_ValuesReplace", "Add Values Replace"),
    [
        io.String.Input("value_key", default="", tooltip="The name that stands in prompts between backticks."),
        Floats.Input("floats", tooltip="Its number for each frame."),
        ValuesReplaced.Input("prev_replace", optional=True, tooltip="Other names."),
    ],
    *(ValuesReplaced.Output(display_name="VALUES_REPLACE"), PROMPTS),
)
def add_values_replace(value_key: str, floats, prev_replace=None):
    return {**(prev_replace or {}), value_key: list(floats)}


NODES = [prompt_scheduling, prompt_scheduling_latents, value_scheduling, value_scheduling_latents, add_values_replace]
