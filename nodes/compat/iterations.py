"""Iteration Options of shared workflows."""

from comfy_api.latest import io

from ...sampling.iterations import Iterations
from ...sampling.noise import freeinit
from .types import MANY, IterationOptions, form

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


class IterationOptsDefault(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [iterations(1), *iteration_offsets(0)]
        output = IterationOptions.Output(display_name="ITERATION_OPTS")
        return form("ADE_IterationOptsDefault", "Default Iteration Options", inputs, output, "FreeInit (AnimateDiff)")

    @classmethod
    def execute(cls, iterations: int, iter_batch_offset: int = 0, iter_seed_offset: int = 0) -> io.NodeOutput:
        return io.NodeOutput(Iterations(iterations, None, iter_seed_offset, iter_batch_offset))


class IterationOptsFreeInit(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        stop = {"default": 0.25, "min": 0.0, "max": 1.0, "step": 0.001}
        inputs = [
            iterations(2),
            io.Combo.Input("filter", options=list(freeinit.FILTERS), tooltip="What counts as slow."),
            io.Float.Input("d_s", tooltip="Spatial stop frequency.", **stop),
            io.Float.Input("d_t", tooltip="Temporal stop frequency.", **stop),
            io.Int.Input("n_butterworth", default=4, min=1, max=100, tooltip="Order of the butterworth filter."),
            io.Int.Input("sigma_step", default=999, min=1, max=999, tooltip="The timestep the clip is noised to."),
            io.Boolean.Input("apply_to_1st_iter", default=False, tooltip="Also before the first iteration."),
            io.Combo.Input("init_type", options=list(INIT_TYPES), tooltip="How the clip is noised."),
            *iteration_offsets(1),
        ]
        output = IterationOptions.Output(display_name="ITERATION_OPTS")
        return form("ADE_IterationOptsFreeInit", "FreeInit Iteration Options", inputs, output, "FreeInit (AnimateDiff)")

    @classmethod
    def execute(
        cls,
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
    ) -> io.NodeOutput:
        kind = freeinit.FreeInit(filter, d_s, d_t, n_butterworth, INIT_TYPES[init_type], sigma_step, apply_to_1st_iter)
        return io.NodeOutput(Iterations(iterations, kind, iter_seed_offset, iter_batch_offset))


NODES = [IterationOptsDefault, IterationOptsFreeInit]
