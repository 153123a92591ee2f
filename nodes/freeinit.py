"""FreeInit: sample, keep the slow changes, sample again."""

from comfy_api.latest import io

from ..sampling.iterations import Iterations, with_iterations
from ..sampling.noise.freeinit import FILTERS, FreeInit


def stop_frequency(name: str, tooltip: str):
    return io.Float.Input(name, default=0.25, min=0.0, max=1.0, step=0.001, tooltip=tooltip, advanced=True)


class FreeInitNode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_FreeInit",
            display_name="FreeInit (AnimateDiff)",
            category="animatediff",
            description="Samples the clip several times over; each time the slow changes of its noise stay and the "
            "fast ones are drawn anew. Frames hold together better, at the cost of one run per iteration.",
            search_aliases=["animatediff", "freeinit", "iteration options", "consistency", "迭代", "一致性"],
            inputs=[
                io.Model.Input("model", tooltip="From Apply Motion Model."),
                io.Int.Input("iterations", default=3, min=1, max=32, tooltip="How many times the clip is sampled."),
                io.Combo.Input(
                    "filter",
                    options=list(FILTERS),
                    default="butterworth",
                    tooltip="What counts as slow. butterworth: the authors' choice. gaussian: softer. "
                    "ideal, box: a hard edge.",
                ),
                stop_frequency(
                    "d_s", "Spatial stop frequency: up to where shapes stay. Higher keeps more of the last clip."
                ),
                stop_frequency(
                    "d_t", "Temporal stop frequency: up to where motion stays. Higher keeps more of the last clip."
                ),
                io.Int.Input(
                    "n_butterworth",
                    default=4,
                    min=1,
                    max=100,
                    tooltip="Order of the butterworth filter: higher is sharper.",
                    advanced=True,
                ),
                io.Int.Input(
                    "iter_seed_offset",
                    default=1,
                    min=-(2**31),
                    max=2**31,
                    tooltip="Added to the sampler's seed at each iteration, for the noise that is drawn anew.",
                    advanced=True,
                ),
            ],
            outputs=[io.Model.Output(display_name="model")],
        )

    @classmethod
    def execute(
        cls, model, iterations: int, filter: str, d_s: float, d_t: float, n_butterworth: int, iter_seed_offset: int
    ) -> io.NodeOutput:
        freeinit = FreeInit(filter, d_s, d_t, n_butterworth)
        return io.NodeOutput(with_iterations(model, Iterations(iterations, freeinit, iter_seed_offset)))


NODES = [FreeInitNode]
