"""Prompt and value scheduling of shared workflows."""

from functools import cache

from comfy_api.latest import io

from ...sampling.values.indexed import MIXES, Encoded, frames_of, numbers, numbers_in, prompts_in, travelled
from ...sampling.values.schedules import MOST_FRAMES
from ..inputs import mistake_in
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
    """A row for each of `length` frames; several entries where hooks change the text encoder over the sampling."""
    found = prompts_in(text, length)
    length = frames_of(found, length, text)

    def whole(prompt: str, frame: int) -> str:
        prompt = between(prepend_text, prompt, append_text)
        for key, numbers_of in (values_replace or {}).items():
            prompt = prompt.replace(f"`{key}`", f"{numbers_of[min(frame, len(numbers_of) - 1)]}")
        return prompt

    @cache
    def encode(prompt: str) -> list:
        return clip.encode_from_tokens_scheduled(clip.tokenize(prompt))

    def part(index: int) -> list:
        def encoded(prompt: str) -> Encoded:
            rows, words = encode(prompt)[index]
            return rows, words.get("pooled_output")

        rows, pooled = travelled(found, length, encoded, whole, MIXES[tensor_interp])
        words = encode(whole(found[0].value, 0))[index][1]  # hooks, and from where to where in the sampling they act
        return [rows, words if pooled is None else words | {"pooled_output": pooled}]

    return [part(index) for index in range(len(encode(whole(found[0].value, 0))))]


def between(before: str, prompt: str, after: str) -> str:
    """The prompt between two texts, with one comma where they meet; an empty prompt keeps both."""
    before, prompt, after = before.strip(), prompt.strip(), after.strip()
    if before:
        prompt = before.rstrip(", ") + ("" if prompt.startswith(",") else ", ") + prompt
    if after:
        prompt = prompt + (" " if prompt.endswith(",") else ", ") + after.lstrip(", ")
    return prompt


def right_prompts(cls, prompts: str | None = None) -> bool | str:
    """For validate_inputs, when the clip's length is not known yet: any index will do."""
    return mistake_in(prompts, lambda text: prompts_in(text, MOST_FRAMES))


def right_values(cls, values: str | None = None) -> bool | str:
    return mistake_in(values, lambda text: numbers_in(text, MOST_FRAMES))


CONDITIONING = io.Conditioning.Output(display_name="CONDITIONING")


@form(
    *("ADE_PromptScheduling", "Prompt Scheduling"),
    [prompts(), clip(), *around(), max_length(), interpolation()],
    *(CONDITIONING, PROMPTS),
    validate_inputs=right_prompts,
)
def prompt_scheduling(prompts: str, clip, max_length: int = 0, **others):
    return conditioning(clip, prompts, max_length, **others)


@form(
    *("ADE_PromptSchedulingLatents", "Prompt Scheduling [Latents]"),
    [prompts(), clip(), latent(), *around(), interpolation()],
    [CONDITIONING, io.Latent.Output(display_name="LATENT")],
    PROMPTS,
    validate_inputs=right_prompts,
)
def prompt_scheduling_latents(prompts: str, clip, latent: dict, **others):
    return conditioning(clip, prompts, latent["samples"].shape[0], **others), latent


def values():
    return io.String.Input("values", default="", multiline=True, tooltip="0 = 1.0, 16 = 0.5")


NUMBERS = [
    *(io.Float.Output(display_name="FLOAT"), Floats.Output(display_name="FLOATS")),
    *(io.Int.Output(display_name="INT"), Ints.Output(display_name="INTS")),
]


def values_of(text: str, length: int) -> tuple[list[float], list[float], list[int], list[int]]:
    found = numbers_in(text, length)
    floats = numbers(found, frames_of(found, length, text))
    ints = [round(value) for value in floats]
    return floats, floats, ints, ints


@form(
    *("ADE_ValueScheduling", "Value Scheduling"),
    *([values(), printed(), max_length()], NUMBERS, VALUES),
    validate_inputs=right_values,
)
def value_scheduling(values: str, print_schedule: bool = False, max_length: int = 0):
    return values_of(values, max_length)


@form(
    *("ADE_ValueSchedulingLatents", "Value Scheduling [Latents]"),
    *([values(), latent(), printed()], NUMBERS, VALUES),
    validate_inputs=right_values,
)
def value_scheduling_latents(values: str, latent: dict, print_schedule: bool = False):
    return values_of(values, latent["samples"].shape[0])


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
