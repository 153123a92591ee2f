"""What a training run learns from: videos and pictures from a folder, frames and latents from the graph."""

import comfy.utils
from comfy_api.latest import io

from ..training.clips import HOLD, RANDOM, Taking
from ..training.folder import FolderSettings, clips_in, state_of
from ..training.graph import clips_of_images, examples_of_latents
from .text import said
from .training_forms import CATEGORY
from .training_inputs import (
    caption_inputs,
    choosing_inputs,
    flip_input,
    folder_input,
    folder_named,
    repeats_input,
    shown,
    size_inputs,
    taking_inputs,
)
from .types import TrainingClips, TrainingExamples

ONE_CLIP, SINGLE = IMAGES_ARE = ("one clip", "single pictures")


def read_folder(node: type[io.ComfyNode], folder: str, settings: FolderSettings) -> io.NodeOutput:
    progress = comfy.utils.ProgressBar(1)
    return shown(node, clips_in(folder_named(folder), settings, progress.update_absolute))


class ClipDataset(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_ClipDataset",
            display_name="Clip Dataset",
            category=CATEGORY,
            description="A folder of videos to train motion on. Shows how many it found, and what they look like.",
            search_aliases=[
                *("animatediff", "load videos", "video folder", "training data", "train motion", "dataset"),
                *("训练数据", "视频文件夹", "数据集"),
            ],
            inputs=[
                folder_input("videos (mp4, mov, webm, mkv, avi, gif, webp)"),
                *taking_inputs(4),
                *size_inputs(),
                *choosing_inputs(),
                *caption_inputs(),
                flip_input(),
                repeats_input(),
                io.String.Input(
                    "csv",
                    default="",
                    tooltip="Captions from a CSV in the folder in place of .txt files: its columns are videoid, name, "
                    "page_dir, as guoyww's training code has them.",
                    advanced=True,
                ),
            ],
            outputs=[TrainingClips.Output(display_name="clips")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
            is_experimental=True,
        )

    @classmethod
    def fingerprint_inputs(cls, folder: str, **_) -> object:
        return state_of(folder_named(folder))

    @classmethod
    def execute(
        cls,
        folder: str,
        clip_frames: int,
        stride: int,
        width: int,
        height: int,
        fit: str,
        start: str,
        short_clips: str,
        fallback_caption: str,
        trigger: str,
        flip: bool,
        repeats_by_folder_name: bool,
        csv: str,
    ) -> io.NodeOutput:
        taking = Taking(clip_frames, stride, start, short_clips)
        names = (fallback_caption, trigger, flip, repeats_by_folder_name, csv)
        return read_folder(cls, folder, FolderSettings(taking, width, height, fit, *names))


class StillsDataset(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_StillsDataset",
            display_name="Stills Dataset",
            category=CATEGORY,
            description="A folder of pictures, for a camera move or a domain adapter. Of a video one frame is taken, "
            "another one for every variant of Encode Clips.",
            search_aliases=[
                *("animatediff", "load images", "image folder", "training data", "domain adapter", "dataset"),
                *("训练数据", "图片文件夹", "数据集"),
            ],
            inputs=[
                folder_input("pictures, or videos of which frames are taken"),
                *size_inputs(),
                *caption_inputs(),
                flip_input(),
                repeats_input(),
            ],
            outputs=[TrainingClips.Output(display_name="clips")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
            is_experimental=True,
        )

    @classmethod
    def fingerprint_inputs(cls, folder: str, **_) -> object:
        return state_of(folder_named(folder))

    @classmethod
    def execute(
        cls,
        folder: str,
        width: int,
        height: int,
        fit: str,
        fallback_caption: str,
        trigger: str,
        flip: bool,
        repeats_by_folder_name: bool,
    ) -> io.NodeOutput:
        names = (fallback_caption, trigger, flip, repeats_by_folder_name)
        return read_folder(cls, folder, FolderSettings(Taking(1, 1, RANDOM, HOLD), width, height, fit, *names))


class ClipsFromImages(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_ClipsFromImages",
            display_name="Clips from Images",
            category=CATEGORY,
            description="Frames that are in the graph already, as a clip to train motion on: one video is enough. "
            "A list of images gives a clip each.",
            search_aliases=[
                *("animatediff", "images to clips", "one video", "training data", "motion director"),
                *("训练数据", "单个视频", "图像转片段"),
            ],
            inputs=[
                io.Image.Input("images", tooltip="The frames of a video, from Get Video Components, say."),
                io.String.Input(
                    "caption",
                    default="",
                    multiline=True,
                    tooltip="The prompt that goes with it: what is seen, and how it moves. One for all, or a list.",
                ),
                io.Combo.Input(
                    "images_are",
                    options=list(IMAGES_ARE),
                    tooltip="one clip: frames of one video. single pictures: each stands by itself, for a camera move "
                    "or a domain adapter.",
                ),
                *taking_inputs(1),
                *size_inputs(),
                *choosing_inputs(),
                TrainingClips.Input("clips", optional=True, tooltip="Clips that these are added to."),
            ],
            outputs=[TrainingClips.Output(display_name="clips")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_input_list=True,
            is_output_node=True,
            is_experimental=True,
        )

    @classmethod
    def execute(
        cls,
        images: list,
        caption: list[str],
        images_are: list[str],
        clip_frames: list[int],
        stride: list[int],
        width: list[int],
        height: list[int],
        fit: list[str],
        start: list[str],
        short_clips: list[str],
        clips: list | None = None,
    ) -> io.NodeOutput:
        single = images_are[0] == SINGLE
        taking = Taking(1, 1) if single else Taking(clip_frames[0], stride[0], start[0], short_clips[0])
        before = len(clips[0].items) if clips else 0
        made = clips_of_images(images, caption, taking, (width[0], height[0]), fit[0], before)
        return shown(cls, made.joined(clips[0]) if clips else made)


class ClipsFromLatents(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_ClipsFromLatents",
            display_name="Clips from Latents",
            category=CATEGORY,
            description="Clips that are encoded already, in place of a data set and Encode Clips: frames are the "
            "batch, and a list of latents gives a clip each. Takes what ComfyUI's Make Training Dataset makes.",
            search_aliases=[
                *("animatediff", "latents to clips", "encoded dataset", "training data"),
                *("训练数据", "Latent转片段"),
            ],
            inputs=[
                io.Latent.Input("latents", tooltip="The frames of a clip, as a VAE encoded them."),
                io.Conditioning.Input("conditioning", tooltip="The clip's caption. One for all, or a list."),
                io.Conditioning.Input(
                    "empty", tooltip="An empty prompt from the same text encoder: some steps train without a caption."
                ),
            ],
            outputs=[TrainingExamples.Output(display_name="clips")],
            is_input_list=True,
            is_experimental=True,
        )

    @classmethod
    def execute(cls, latents: list[dict], conditioning: list, empty: list) -> io.NodeOutput:
        examples = examples_of_latents([latent["samples"] for latent in latents], conditioning, empty[0])
        return io.NodeOutput(examples, ui=said(examples.summary))


NODES = [ClipDataset, StillsDataset, ClipsFromImages, ClipsFromLatents]
