"""What a training run shall do, as a value that can be checked, written down and read again. Pure."""

import json
from dataclasses import asdict, dataclass, field, fields, replace

from .levels import LEVELS, SCHEDULES, UNIFORM, Levels
from .losses import LOSSES, MOTION_AND_APPEARANCE, PLAIN

MOTION_LORA, MOTION_MODEL, DOMAIN_ADAPTER = "motion LoRA", "motion model", "domain adapter"
KINDS = (MOTION_LORA, MOTION_MODEL, DOMAIN_ADAPTER)

ATTENTION, ATTENTION_AND_FF = "attention", "attention and feed-forward"
LAYERS = (ATTENTION, ATTENTION_AND_FF)

ADAMW, ADAMW_8BIT, PRODIGY = "adamw", "adamw 8 bit", "prodigy"
OPTIMIZERS = (ADAMW, ADAMW_8BIT, PRODIGY)
CHECKPOINTING = ("auto", "on", "off")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
NEW_MODELS = ("v3", "v2", "SDXL")


DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
"""What no file may be called on Windows, whatever its ending."""


def check_name(name: str) -> None:
    """Raises ValueError for what cannot be a file's name on every system, or leads to another folder."""
    odd = set(name) & set('/\\:*?"<>|') or not name.isprintable()
    if odd or not name.strip() or name.startswith(".") or name.split(".")[0].strip().lower() in DEVICES:
        raise ValueError(f"name is '{name[:LONGEST_NAME]}', and must be a file's name without folders, as my_motion.")
    if len(name) > LONGEST_NAME or len(name.encode()) > MOST_BYTES:
        raise ValueError("name is too long for a file: it may have 100 letters, or 66 Chinese ones.")


LONGEST_NAME, MOST_BYTES = 100, 200
"""File systems take 255 bytes, and the endings of a run's files come to it."""


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is '{value}'. Choose one of: {', '.join(choices)}.")


def at_least(name: str, value: float, least: float) -> None:
    if not value >= least:
        raise ValueError(f"{name} is {value:g}, and must be {least:g} or more.")


def share(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} is {value:g}, and must be from 0 to 1.")


@dataclass(frozen=True)
class TrainingOptions:
    """What few people change."""

    optimizer: str = ADAMW
    weight_decay: float = 1e-2
    schedule: str = "constant"
    """Of the learning rate."""
    warmup: int = 0
    """Steps in which the learning rate rises to its value."""
    clip_norm: float = 1.0
    """The longest gradient that a step takes as it is; 0 takes every one."""
    caption_dropout: float = 0.1
    """The share of clips that are shown with an empty caption."""
    noise_offset: float = 0.0
    """How much of the noise is the same over a whole frame and channel."""
    min_snr_gamma: float = 0.0
    """Source: arXiv:2303.09556, which has 5; 0 weighs all noise levels alike."""
    levels: str = UNIFORM
    start_percent: float = 0.0
    end_percent: float = 1.0
    """The part of a sampling whose noise levels are drawn."""
    beta_schedule: str = "auto"
    """A name in `sampling.sigmas.beta_schedules.CHOICES`."""
    ema: float = 0.0
    """How much of the averaged weights a step keeps (0.9999, say), which are then what is saved; 0 averages none. The
    first steps keep less, (1 + n) / (10 + n), as everywhere since TensorFlow's ExponentialMovingAverage."""
    checkpointing: str = "auto"
    """Whether a layer's activations are made anew for its gradient, which takes time in place of memory."""
    precision: str = "auto"
    """What the UNet computes in."""

    def __post_init__(self):
        for name, choices in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("levels", LEVELS),
            ("checkpointing", CHECKPOINTING),
            ("precision", PRECISIONS),
        ):
            one_of(name, getattr(self, name), choices)
        for name in ("weight_decay", "warmup", "clip_norm", "noise_offset", "min_snr_gamma"):
            at_least(name, getattr(self, name), 0)
        for name in ("caption_dropout", "start_percent", "end_percent"):
            share(name, getattr(self, name))
        if not 0.0 <= self.ema < 1.0:
            raise ValueError(f"ema is {self.ema:g}, and must be below 1: 0.9999 keeps that share at each step.")
        if self.start_percent >= self.end_percent:
            raise ValueError(
                f"start_percent is {self.start_percent:g} and end_percent {self.end_percent:g}: no noise level lies "
                "between them. Let end_percent be the larger one."
            )

    @property
    def drawn_levels(self) -> Levels:
        return Levels(self.levels, self.start_percent, self.end_percent)


IMMATERIAL = {"steps", "sample_every", "save_every", "keep"}
"""What may change while a run goes on: the same steps are done with another value."""
IMMATERIAL_OPTIONS = {"checkpointing"}


@dataclass(frozen=True)
class TrainingPlan:
    kind: str
    """One of KINDS."""
    name: str
    """Of the file that comes out, without its ending."""
    steps: int = 2000
    learning_rate: float = 1e-4
    batch: int = 1
    """Clips that go through the UNet together."""
    accumulate: int = 1
    """Batches whose gradients make one step."""
    seed: int = 42
    rank: int = 64
    """Of the low-rank factors; a motion model has none."""
    layers: str = ATTENTION
    loss: str = PLAIN
    new_model: str = "v3"
    """The layout of a motion model that begins anew."""
    start_from: str = ""
    """The file of a motion LoRA that goes on learning; "" for one that begins anew."""
    sample_every: int = 250
    """Steps between sample clips and between looks at the held-out clips; 0 for never."""
    save_every: int = 500
    keep: int = 4
    """Checkpoints that stay."""
    options: TrainingOptions = field(default_factory=TrainingOptions)

    def __post_init__(self):
        for name, choices in (("kind", KINDS), ("layers", LAYERS), ("loss", LOSSES), ("new_model", NEW_MODELS)):
            one_of(name, getattr(self, name), choices)
        for name in ("steps", "batch", "accumulate", "rank", "save_every", "keep"):
            at_least(name, getattr(self, name), 1)
        at_least("sample_every", self.sample_every, 0)
        if not 0.0 < self.learning_rate <= 1.0:
            raise ValueError(
                f"learning_rate is {self.learning_rate:g}, and must be above 0 and at most 1 (prodigy's). "
                "0.0001 is usual."
            )
        if self.options.optimizer == PRODIGY and self.learning_rate < 0.1:
            raise ValueError(
                f"prodigy finds the learning rate by itself, and learning_rate multiplies it: {self.learning_rate:g} "
                "would learn nothing. Set it to 1."
            )
        check_name(self.name)

    @property
    def clips_per_step(self) -> int:
        """Of one process."""
        return self.batch * self.accumulate

    @property
    def trains_appearance(self) -> bool:
        return self.kind == MOTION_LORA and self.loss == MOTION_AND_APPEARANCE

    def text(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def differences(self, other: "TrainingPlan") -> list[str]:
        """What makes the steps of `other` differ from these: "learning_rate 0.0001, now 0.0005"."""
        mine, theirs = _flat(self), _flat(other)
        return [f"{name} {mine[name]}, now {theirs[name]}" for name in mine if mine[name] != theirs[name]]


def _flat(plan: TrainingPlan) -> dict:
    own = {f.name: getattr(plan, f.name) for f in fields(plan) if f.name not in IMMATERIAL | {"options"}}
    if plan.options.schedule != "constant":
        own["steps"] = plan.steps  # the learning rate of each step depends on how many there are
    return own | {name: value for name, value in asdict(plan.options).items() if name not in IMMATERIAL_OPTIONS}


def plan_of(text: str) -> TrainingPlan:
    """The plan of its text form. Raises ValueError."""
    values = values_of(text)
    check_types(values, TrainingPlan)
    check_types(values.get("options"), TrainingOptions)
    try:
        return TrainingPlan(**values | {"options": TrainingOptions(**values.get("options", {}))})
    except TypeError as error:
        word = str(error).split("'")[1] if "'" in str(error) else str(error)
        raise ValueError(f"The training plan has something unknown in it, or lacks something: {word}.") from None


def values_of(text: str) -> dict:
    """What a plan's text holds. Raises ValueError."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:  # also a number of millions of digits
        raise ValueError(f"This is not a training plan ({error}). Let a Train node write one: write_plan.") from None
    if not isinstance(values, dict):
        raise ValueError("This is not a training plan (no names in it). Let a Train node write one: write_plan.")
    return values


TYPES = {int: ("a whole number", int), float: ("a number", (int, float)), str: ("text", str)}


def check_types(values, kind: type) -> None:
    """Raises ValueError where a value of a plan that somebody wrote is not what the field of that name holds."""
    for each in fields(kind) if isinstance(values, dict) else ():
        words, types = TYPES.get(each.type, ("", object))
        value = values.get(each.name, each.default)
        if each.name in values and (not isinstance(value, types) or isinstance(value, bool)):
            raise ValueError(f"{each.name} in the training plan is {json.dumps(value)}, and must be {words}.")


@dataclass(frozen=True)
class Preset:
    steps: int
    rank: int
    learning_rate: float
    layers: str = ATTENTION
    loss: str = PLAIN
    options: TrainingOptions = field(default_factory=TrainingOptions)


PRESETS = {
    "camera move": Preset(2000, 64, 1e-4),
    "one video": Preset(400, 32, 5e-4, ATTENTION_AND_FF, MOTION_AND_APPEARANCE, TrainingOptions(caption_dropout=0.0)),
    "many videos": Preset(12_000, 128, 1e-5, options=TrainingOptions(noise_offset=0.05)),
}
"""Sources: AnimateDiff, arXiv:2307.04725, section 4.3 and the released files; MotionDirector's presets; a recipe for
new motions that users of guoyww/AnimateDiff report."""


def lora_plan(name: str, preset: str, **changes) -> TrainingPlan:
    """A motion LoRA's plan: the preset, but for what `changes` give; None and 0 leave the preset's."""
    one_of("preset", preset, tuple(PRESETS))
    given = {key: value for key, value in changes.items() if value or key in ("sample_every", "seed")}
    if "options" in given and given["options"].optimizer == PRODIGY:
        given.setdefault("learning_rate", 1.0)
    return replace(TrainingPlan(MOTION_LORA, name, **vars(PRESETS[preset])), **given)
