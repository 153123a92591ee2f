"""Clips on their way to training: a camera's move over them, and through the VAE and the text encoder."""

from comfy_api.latest import io

from ..training import camera
from ..training.dataset import CameraMove
from ..training.encode import CACHES, encode
from .text import said
from .training_forms import CATEGORY
from .training_inputs import shown
from .types import TrainingClips, TrainingExamples

KEEP, STILL = OWN_MOTION = ("keep", "first frame only")


class CameraMoveNode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_CameraMove",
            display_name="Camera Move (Training)",
            category=CATEGORY,
            description="Lets the camera move over clips or pictures, by a crop that moves: so plain pictures become "
            "clips from which a motion LoRA learns the move.",
            search_aliases=[
                *("animatediff", "zoom", "pan", "tilt", "roll", "ken burns", "moving crop", "training data"),
                *("运镜", "推拉摇移", "训练数据"),
            ],
            inputs=[
                TrainingClips.Input("clips", tooltip="From Stills Dataset, Clip Dataset or Clips from Images."),
                io.Combo.Input(
                    "move",
                    options=list(camera.MOVES),
                    tooltip="What the camera does. pan left: it goes to the left, so the picture goes to the right. "
                    "roll clockwise: it turns clockwise, so the picture turns the other way.",
                ),
                io.Float.Input(
                    "amount",
                    default=0.4,
                    min=camera.LEAST,
                    max=camera.MOST,
                    step=0.05,
                    tooltip="How far, over the whole clip. 0.4: a pan by 0.4 of the crop's side, a zoom by 1.4, a "
                    "roll by 24 degrees.",
                ),
                io.Combo.Input(
                    "own_motion",
                    options=list(OWN_MOTION),
                    tooltip="Of videos: their own motion goes on below the camera's, or their first frame stands "
                    "still, which shows the move most clearly.",
                ),
                io.Int.Input(
                    "clip_frames",
                    default=16,
                    min=2,
                    max=64,
                    tooltip="Frames of the clip that a single picture becomes. Clips keep their number.",
                ),
            ],
            outputs=[TrainingClips.Output(display_name="clips")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
            is_experimental=True,
        )

    @classmethod
    def execute(cls, clips, move: str, amount: float, own_motion: str, clip_frames: int) -> io.NodeOutput:
        return shown(cls, clips.moved(CameraMove(move, amount, own_motion == STILL, clip_frames)))


class EncodeClips(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_EncodeClips",
            display_name="Encode Clips",
            category=CATEGORY,
            description="Takes clips through the VAE and captions through the text encoder, once: training then needs "
            "neither. What was encoded before comes from a cache.",
            search_aliases=[
                *("animatediff", "vae encode", "cache latents", "training data", "dataset"),
                *("训练数据", "编码片段", "缓存Latent"),
            ],
            inputs=[
                TrainingClips.Input("clips", tooltip="From a data set, Clips from Images or Camera Move."),
                io.Vae.Input("vae", tooltip="The checkpoint's VAE."),
                io.Clip.Input("clip", tooltip="The checkpoint's text encoder."),
                io.Int.Input(
                    "variants",
                    default=1,
                    min=1,
                    max=64,
                    tooltip="How many random starts, crops and flips of each clip are encoded; every step trains on "
                    "one of them. 4 to 8 where you have few clips.",
                ),
                io.Combo.Input(
                    "cache",
                    options=list(CACHES),
                    tooltip="Where encoded clips are kept: temp, until ComfyUI starts again, or in the folder .latents "
                    "of the data set.",
                    advanced=True,
                ),
            ],
            outputs=[TrainingExamples.Output(display_name="clips")],
            is_experimental=True,
        )

    @classmethod
    def execute(cls, clips, vae, clip, variants: int, cache: str) -> io.NodeOutput:
        examples = encode(clips, vae, clip, variants, cache)
        return io.NodeOutput(examples, ui=said(examples.summary))


NODES = [CameraMoveNode, EncodeClips]
