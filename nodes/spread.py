"""A long clip sooner: its windows shared by several GPUs."""

from comfy_api.latest import io

from ..sampling.run import watch
from ..sampling.spread import with_spread


class SpreadWindows(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_SpreadWindows",
            display_name="Spread Windows (AnimateDiff)",
            category="animatediff",
            description="Shares the windows of one long clip between the GPUs of this machine, or of several machines "
            "that the command farm has started as a gang. The clip stays the same, and is there sooner. Where there "
            "is one GPU it changes nothing.",
            search_aliases=[
                "animatediff",
                "multi gpu",
                "multigpu",
                "distributed",
                "parallel",
                "多显卡",
                "多GPU",
                "并行",
            ],
            inputs=[
                io.Model.Input("model", tooltip="From Context Windows, or Apply Motion Model."),
                io.Int.Input(
                    "max_gpus",
                    default=0,
                    min=0,
                    max=64,
                    tooltip="Of this machine, how many GPUs at most. 0: all. Each needs room for the checkpoint.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model")],
        )

    @classmethod
    def execute(cls, model, max_gpus: int) -> io.NodeOutput:
        return io.NodeOutput(watch(with_spread(model, max_gpus)))


NODES = [SpreadWindows]
