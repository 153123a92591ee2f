"""Iteration Options of shared workflows."""

from comfy_api.latest import io

from ...sampling.iterations import Iterations
from ...sampling.noise import freeinit
from .form import form
from .types import MANY, IterationOptions

INIT_TYPES = {
    "FreeInit [sampler sigma]": freeinit.AS_ADE,
    "FreeInit [model sigma]": freeinit.AS_ADE,
    "DinkInit_v1": freeinit.DINKINIT,
}


def iterations(default: int):
    return io.Int.Input("iterations", default=default, min=1, tooltip="How many times the clip is sampled.")


def iteration_offsets(seed: int) -> list[io.Input]:
    batches = "Frames of the random stream that are skipped, once per iteration."
    return [
        io.Int.Input("iter_batch_offset", default=0, min=0, max=MANY, optional=True, tooltip=batches),
        io.Int.Input(
            "iter_seed_offset", default=seed, min=-MANY, max=MANY, optional=True, tooltip="Added once per iteration."
        ),
    ]


OPTIONS = IterationOptions.Output(display_name="ITERATION_OPTS")
REPLACED = "FreeInit (AnimateDiff)"


@form(
    *("ADE_IterationOptsDefault", "Default Iteration Options"),
    *([iterations(1), *iteration_offsets(0)], OPTIONS, REPLACED),
)
def default_options(iterations: int, iter_batch_offset: int = 0, iter_seed_offset: int = 0):
    return Iterations(iterations, None, iter_seed_offset, iter_batch_offset)


STOP = {"default": 0.25, "min": 0.0, "max": 1.0, "step": 0.001}


@form(
    *("ADE_IterationOptsFreeInit", "FreeInit Iteration Options"),
    [
        iterations(2),
        io.Combo.Input("filter", options=list(freeinit.FILTERS), tooltip="What counts as slow."),
        io.Float.Input("d_s", tooltip="Spatial stop frequency.", **STOP),
        io.Float.Input("d_t", tooltip="Temporal stop frequency.", **STOP),
        io.Int.Input("n_butterworth", default=4, min=1, max=100, tooltip="Order of the butterworth filter."),
        io.Int.Input("sigma_step", default=999, min=1, max=999, tooltip="The timestep the clip is noised to."),
        io.Boolean.Input("apply_to_1st_iter", default=False, tooltip="Also before the first iteration."),
        io.Combo.Input("init_type", options=list(INIT_TYPES), tooltip="How the clip is noised."),
        *iteration_offsets(1),
    ],
    *(OPTIONS, REPLACED),
)
def freeinit_options(
    iterations: int,
    filter: str,
    d_s: float,
    d_t: float,
    n_butterworth: int,
    sigma_step: int,
    apply_to_1st_iter: bool,
    init_type: str,
    iter_batch_offset: int = 0,
    iter_seed_offset: int = 1,
):
    kind = freeinit.FreeInit(filter, d_s, d_t, n_butterworth, INIT_TYPES[init_type], sigma_step, apply_to_1st_iter)
    return Iterations(iterations, kind, iter_seed_offset, iter_batch_offset)


NODES = [default_options, freeinit_options]
