"""Many clips in one run: lists of prompts and settings, and the clips side by side."""

from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..sampling.clips.grid import HOLD, LOOP, Sheet, bytes_of, columns_of, grid, titles
from ..sampling.values.lists import Value, crossed, for_each, lines, titled, values
from .inputs import mistake_in
from .text import said

LONGEST_NAME = 250
FILES = "@name.txt takes the lines of a file in ComfyUI's input folder."


def input_path(name: str) -> Path | None:
    """A file of the input folder, which may not be there; None for one outside, and for what cannot be a name."""
    folder = Path(folder_paths.get_input_directory()).resolve()
    if len(name) > LONGEST_NAME or not name.isprintable():
        return None
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder) else None


def input_file(name: str) -> str:
    """What stands in a text file of the input folder."""
    path = input_path(name)
    if path is None or not path.is_file():
        raise ValueError(
            f"There is no file '{name[:LONGEST_NAME]}' in ComfyUI's input folder. Put it there, or correct the name."
        )
    return path.read_text(encoding="utf-8-sig")


def changes(*texts: str | None) -> list[float]:
    """When the files that texts name were last changed: the host runs the node anew when that differs."""
    lines = [line.strip() for text in texts for line in (text or "").splitlines()]
    paths = [input_path(line[1:].strip()) for line in lines if line.startswith("@")]
    return [path.stat().st_mtime for path in paths if path and path.is_file()]


def text(name: str, default: str, tooltip: str, **words):
    return io.String.Input(name, default=default, multiline=True, tooltip=tooltip, **words)


class PromptList(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_PromptList",
            display_name="Prompt List (AnimateDiff)",
            category="animatediff/grids",
            description="Many prompts, one a line: all that comes behind runs once for each of them. Put the clips "
            "side by side with Clip Grid.",
            search_aliases=[
                "animatediff",
                "batch prompts",
                "prompt batch",
                "prompts from file",
                "提示词列表",
                "批量提示词",
            ],
            inputs=[
                text(
                    "prompts",
                    "a fox in the snow\na fox in the rain",
                    f"A prompt a line. {FILES}",
                    dynamic_prompts=True,
                ),
                text("negative", "", "One negative prompt for all, or a line for each prompt."),
            ],
            outputs=[
                io.String.Output(display_name="positive", is_output_list=True),
                io.String.Output(display_name="negative", is_output_list=True),
            ],
        )

    @classmethod
    def validate_inputs(cls, prompts: str | None = None, negative: str | None = None) -> bool | str:
        return negative is None or mistake_in(prompts, lambda text: pairs(text, negative))

    @classmethod
    def fingerprint_inputs(cls, prompts: str, negative: str) -> list[float]:
        return changes(prompts, negative)

    @classmethod
    def execute(cls, prompts: str, negative: str) -> io.NodeOutput:
        return io.NodeOutput(*pairs(prompts, negative))


def pairs(prompts: str, negative: str) -> tuple[list[str], list[str]]:
    """The prompts, and a negative one for each."""
    positive = lines(prompts, input_file)
    return positive, for_each(positive, lines(negative, input_file) if negative.strip() else [""])


class CompareSettings(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ADN_CompareSettings",
            display_name="Compare Settings (AnimateDiff)",
            category="animatediff/grids",
            description="Two lists of values: all that comes behind runs once for every pair of them. Connect across "
            "and down to what shall vary: seeds, checkpoints, motion scales, strengths, prompts.",
            search_aliases=["animatediff", "xy plot", "x/y plot", "xyz plot", "grid", "sweep", "对比", "网格"],
            inputs=[
                text("across", "0.8\n1.0\n1.2", "A value a line, for the columns: numbers, 1..4 for 1 to 4, or text."),
                text("down", "1..2", f"A value a line, for the rows. {FILES}"),
                io.String.Input("across_name", default="", tooltip="Stands before each title of the columns."),
                io.String.Input("down_name", default="", tooltip="Stands before each title of the rows."),
            ],
            outputs=[
                io.AnyType.Output(display_name="across", is_output_list=True),
                io.AnyType.Output(display_name="down", is_output_list=True),
                io.String.Output(display_name="titles_above"),
                io.String.Output(display_name="titles_beside"),
            ],
        )

    @classmethod
    def validate_inputs(cls, across: str | None = None, down: str | None = None) -> bool | str:
        return down is None or mistake_in(across, lambda text: axes(text, down))

    @classmethod
    def fingerprint_inputs(cls, across: str, down: str, **_) -> list[float]:
        return changes(across, down)

    @classmethod
    def execute(cls, across: str, down: str, across_name: str, down_name: str) -> io.NodeOutput:
        columns, rows = axes(across, down)
        return io.NodeOutput(*crossed(columns, rows), titled(across_name, columns), titled(down_name, rows))


def axes(across: str, down: str) -> tuple[list[Value], list[Value]]:
    return values(across, input_file), values(down, input_file)


class ClipGrid(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        def titles_input(name: str, tooltip: str):
            return text(name, "", tooltip, optional=True)

        return io.Schema(
            node_id="ADN_ClipGrid",
            display_name="Clip Grid (AnimateDiff)",
            category="animatediff/grids",
            description="Puts the clips of a list side by side, with a caption under each. Takes pictures, or latents "
            "with a VAE: these it decodes one clip at a time.",
            search_aliases=["animatediff", "image grid", "contact sheet", "xy plot", "网格", "拼图", "宫格"],
            is_input_list=True,
            inputs=[
                io.Int.Input(
                    "columns",
                    default=0,
                    min=0,
                    max=64,
                    tooltip="Clips side by side. 0: as many as there are titles above, or all of them.",
                ),
                io.Int.Input("gap", default=8, min=0, max=256, tooltip="Pixels between the clips."),
                io.Combo.Input(
                    "shorter", options=[HOLD, LOOP], tooltip="What a clip with fewer frames than others does."
                ),
                io.Image.Input("images", optional=True, tooltip="The clips: what VAE Decode makes of a list."),
                io.Latent.Input("samples", optional=True, tooltip="Instead of images: the clips from the sampler."),
                io.Vae.Input("vae", optional=True, tooltip="With samples: decodes them, in the memory of one clip."),
                titles_input("captions", "Under each clip: a line for each, or a list such as Prompt List's positive."),
                titles_input("titles_above", "Over each column: a line for each. From Compare Settings."),
                titles_input("titles_beside", "Left of each row: a line for each. From Compare Settings."),
            ],
            outputs=[io.Image.Output(display_name="images")],
        )

    @classmethod
    def execute(
        cls,
        columns: list[int],
        gap: list[int],
        shorter: list[str],
        images: list | None = None,
        samples: list | None = None,
        vae: list | None = None,
        captions: list[str] | None = None,
        titles_above: list[str] | None = None,
        titles_beside: list[str] | None = None,
    ) -> io.NodeOutput:
        sheet = Sheet(columns[0], gap[0], titles(captions), titles(titles_above), titles(titles_beside))
        clips = decoded(images, samples, vae)
        words = f"{len(clips)} clips, {columns_of(len(clips), sheet)} in a row"
        return io.NodeOutput(grid(clips, sheet, shorter[0]), ui=said(words))


def decoded(images: list | None, samples: list | None, vae: list | None) -> list:
    """The clips: pictures as the host keeps them, latents decoded one after the other and in bytes."""
    if images:
        return list(images)
    if not samples or not vae:
        raise ValueError("Clip Grid has no clips. Connect images, or samples and a vae.")
    clips = []
    for index, latent in enumerate(samples):
        pictures = vae[min(index, len(vae) - 1)].decode(latent["samples"])
        clips.append(bytes_of(pictures.reshape(-1, *pictures.shape[-3:])))
    return clips


NODES = [PromptList, CompareSettings, ClipGrid]
