"""Sigma schedules of shared workflows, and their names for noise schedules."""

from comfy.samplers import calculate_sigmas
from comfy_api.latest import io

from ...sampling.sigmas.beta_schedules import BetaSchedule, sampling_of, sigma_table
from ...sampling.sigmas.tables import SigmaTable, interpolated, split, weighted
from .form import form
from .timing import EASE, interpolation
from .types import SigmaSchedule

REPLACED = "Apply Motion Model (beta_schedule)"

SCHEDULES = {
    "sqrt_linear (AnimateDiff)": (BetaSchedule("sqrt_linear"),),
    "linear (AnimateDiff-SDXL)": (BetaSchedule("linear", 0.020),),
    "linear (HotshotXL/default)": (BetaSchedule("linear"),),
    "avg(sqrt_linear,linear)": (BetaSchedule("sqrt_linear"), BetaSchedule("linear")),
    "lcm avg(sqrt_linear,linear)": (
        BetaSchedule("sqrt_linear", lcm_timesteps=50),
        BetaSchedule("linear", lcm_timesteps=50),
    ),
    "lcm": (BetaSchedule("linear", lcm_timesteps=50),),
    "lcm[100_ots]": (BetaSchedule("linear", lcm_timesteps=100),),
    "lcm >> sqrt_linear": (BetaSchedule("sqrt_linear", lcm_timesteps=50),),
    "sqrt": (BetaSchedule("sqrt"),),
    "cosine": (BetaSchedule("cosine"),),
    "squaredcos_cap_v2": (BetaSchedule("squaredcos_cap_v2"),),
}
"""Their name -> one schedule, or two whose mean it is."""


def table_of(name: str) -> SigmaTable:
    """The noise levels of one of SCHEDULES."""
    tables = [sigma_table(name, schedule) for schedule in SCHEDULES[name]]
    return tables[0] if len(tables) == 1 else weighted(*tables, 0.5)


def sigma_form(node_id: str, display_name: str, *inputs: io.Input):
    return form(node_id, display_name, list(inputs), SigmaSchedule.Output(display_name="SIGMA_SCHEDULE"), REPLACED)


def schedule(name: str):
    return SigmaSchedule.Input(name, tooltip="From Create Sigma Schedule.")


def share(name: str, tooltip: str):
    return io.Float.Input(name, default=0.5, min=0.0, max=1.0, step=0.001, tooltip=tooltip)


@sigma_form(
    *("ADE_SigmaSchedule", "Create Sigma Schedule"),
    io.Combo.Input("beta_schedule", options=list(SCHEDULES), tooltip="Whose noise levels."),
)
def create_sigma_schedule(beta_schedule: str):
    return table_of(beta_schedule)


BETA = {"min": 0.0, "max": 1.0, "step": 1e-6}


@sigma_form(
    *("ADE_RawSigmaSchedule", "Create Raw Sigma Schedule"),
    io.Combo.Input(
        "raw_beta_schedule",
        options=["linear", "sqrt_linear", "sqrt", "cosine", "squaredcos_cap_v2"],
        tooltip="How the betas are spaced.",
    ),
    io.Float.Input("linear_start", default=0.00085, tooltip="The first beta.", **BETA),
    io.Float.Input("linear_end", default=0.012, tooltip="The last beta.", **BETA),
    io.Combo.Input(
        "sampling",
        options=["eps", "v_prediction", "lcm"],
        tooltip="lcm: for latent consistency models. What else the checkpoint predicts stays.",
    ),
    io.Int.Input("lcm_original_timesteps", default=50, min=1, max=1000, tooltip="lcm: of how many timesteps."),
    io.Boolean.Input("zsnr", default=False, tooltip="Zero terminal signal-to-noise ratio."),
)
def create_raw_sigma_schedule(
    raw_beta_schedule: str,
    linear_start: float,
    linear_end: float,
    sampling: str,
    lcm_original_timesteps: int,
    zsnr: bool,
):
    timesteps = lcm_original_timesteps if sampling == "lcm" else 0
    own = BetaSchedule(raw_beta_schedule, linear_end, linear_start, timesteps, zsnr)
    return sigma_table(raw_beta_schedule, own)


@sigma_form(
    *("ADE_SigmaScheduleWeightedAverage", "Sigma Schedule Weighted Mean"),
    schedule("schedule_A"),
    schedule("schedule_B"),
    share("weight_A", "The share of schedule_A."),
)
def weighted_mean(schedule_A, schedule_B, weight_A: float):
    return weighted(schedule_A, schedule_B, weight_A)


@sigma_form(
    *("ADE_SigmaScheduleWeightedAverageInterp", "Sigma Schedule Interp. Mean"),
    schedule("schedule_A"),
    schedule("schedule_B"),
    share("weight_A_Start", "The share of schedule_A at the first step."),
    share("weight_A_End", "The share of schedule_A at the last step."),
    interpolation(),
)
def interpolated_mean(schedule_A, schedule_B, weight_A_Start: float, weight_A_End: float, interpolation: str):
    return interpolated(schedule_A, schedule_B, weight_A_Start, weight_A_End, EASE[interpolation])


@sigma_form(
    *("ADE_SigmaScheduleSplitAndCombine", "Sigma Schedule Split Combine"),
    schedule("schedule_Start"),
    schedule("schedule_End"),
    share("idx_split_percent", "How much of the sampling is schedule_Start's."),
)
def split_combine(schedule_Start, schedule_End, idx_split_percent: float):
    return split(schedule_Start, schedule_End, idx_split_percent)


SCHEDULERS = [
    *("simple", "sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal", "linear_quadratic"),
    "kl_optimal",
]


@form(
    *("ADE_SigmaScheduleToSigmas", "Sigma Schedule To Sigmas"),
    [
        schedule("sigma_schedule"),
        io.Combo.Input("scheduler", options=SCHEDULERS, tooltip="The scheduler."),
        io.Int.Input("steps", default=20, min=1, max=10000, tooltip="How many steps."),
        io.Float.Input("denoise", default=1.0, min=0.0, max=1.0, step=0.01, tooltip="The last part of them."),
    ],
    *(io.Sigmas.Output(display_name="SIGMAS"), REPLACED),
)
def to_sigmas(sigma_schedule, scheduler: str, steps: int, denoise: float):
    total = int(steps / denoise) if denoise > 0 else steps
    sigmas = calculate_sigmas(sampling_of(sigma_schedule), scheduler, total)
    return sigmas[-(steps + 1) :] if denoise > 0 else sigmas[:0]


NODES = [create_sigma_schedule, create_raw_sigma_schedule, weighted_mean, interpolated_mean, split_combine, to_sigmas]
