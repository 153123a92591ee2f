"""Where the nodes of a template lie: groups in the order of work, each in columns that are filled from the top."""

import math
import re
from dataclasses import dataclass, field

from link_paths import TITLE

WIDTH, BETWEEN, GAP, LANE = 300, 90, 24, 12
"""Of a column; between columns; between the nodes of one; between the links that go through one gap."""
HEADER, MARGIN = 40, 14
"""Of a group's title; from a group's border to its nodes."""
FILES, CLIPS, TRAINING, WORDS, MOTION, SAMPLING, RESULT = range(7)
BLOCKS = ((FILES,), (CLIPS,), (TRAINING,), (WORDS, MOTION), (SAMPLING,), (RESULT,))
"""Groups from left to right; those of one block lie below each other, and prompts are as wide as what is below them."""
TITLES = ("Files 文件", "Clips 素材", "Training 训练", "Words 提示词", "Motion 运动", "Sampling 采样", "Result 结果")
COLORS = ("#3f789e", "#3f789e", "#8a5aa8", "#a1309b", "#b58b2a", "#8a8a8a", "#6f9e6f")
GROUP_OF = {
    FILES: "CheckpointLoaderSimple ADN_LoadMotionModel ADN_LoadMotionLoRA LoraLoaderModelOnly ControlNetLoader "
    "LoadImage LoadVideo LoadAudio Video_Slice GetVideoComponents ImageFromBatch ImageScale ImageScaleToTotalPixels "
    "ImageBatch ImageInvert FrameInterpolationModelLoader ADN_LoadSparseCtrl",
    CLIPS: "ADN_ClipDataset ADN_StillsDataset ADN_ClipsFromImages ADN_ClipsFromLatents ADN_CameraMove ADN_EncodeClips",
    TRAINING: "ADN_TrainMotionLoRA ADN_TrainMotionModel ADN_TrainDomainAdapter ADN_TrainingOptions",
    WORDS: "CLIPTextEncode ADN_PromptTravel ADN_PromptList",
    SAMPLING: "KSampler ADN_ContextSampler VAEDecode CreateVideo LatentUpscaleBy FrameInterpolate",
    RESULT: "SaveAnimatedWEBP SaveVideo PreviewImage ADN_ClipGrid ADN_MeasureMotion ADN_SaveMotionModel "
    "ADN_SaveMotionLoRA",
}
"""Types, with _ for a space. Any other node makes, changes or steers frames, and is in the group of motion."""
NOTES = ("MarkdownNote", "Note")
GROWS = {
    "KSampler": 290,
    "ADN_ContextSampler": 290,
    "ADN_LoadMotionModel": 84,
    "ADN_LoadMotionLoRA": 70,
    "ADN_LoadSparseCtrl": 84,
    "ImageBatch": 40,
    "ADN_ApplyMotionModel": 50,
    "ADN_ContextWindows": 60,
    "ADN_ClipGrid": 60,
    "CheckpointLoaderSimple": 58,
    "ControlNetLoader": 58,
    "LoraLoaderModelOnly": 58,
    "FrameInterpolationModelLoader": 58,
    "LoadVideo": 40,
    "LoadImage": 40,
    "ADN_TrainMotionLoRA": 400,
    "ADN_StillsDataset": 400,
    "ADN_ClipsFromImages": 400,
    "ADN_CameraMove": 400,
    "ADN_EncodeClips": 100,
}
"""Pixels that a node becomes higher by: by a preview, by what it says, by a missing file in Nodes 2.0."""

HEIGHTS = {"SaveAnimatedWEBP": 370, "SaveVideo": 420, "CLIPTextEncode": 96}
"""Of what may be as high as it likes."""

Orders = dict[int, list[int]]
"""Of each group, the ids of its nodes from top to bottom and column to column."""
Gap = tuple[int, int | None]
"""(column, the node that is below; None: below all)"""


@dataclass
class Place:
    node: dict
    group: int
    column: int
    columns: int
    top: float
    """Of its title."""

    @property
    def bottom(self) -> float:
        return self.top + height(self.node)


@dataclass
class Sheet:
    places: dict[int, Place] = field(default_factory=dict)
    groups: dict[int, tuple[float, float, float, float]] = field(default_factory=dict)
    """Left, top, width, height."""

    def gaps(self, column: int) -> dict[Gap, tuple[float, int]]:
        """{gap: where the first link goes through it, and whether the next goes above (-1) or below (1)}"""
        found, last = {}, None
        for key, place in sorted(self.places.items(), key=lambda item: item[1].top):
            if place.column <= column < place.column + place.columns:
                first = last is None or self.places[last].group != place.group
                found[column, key] = (place.top - HEADER if first else place.top) - 10, -1
                last = key
        bottom = 0 if last is None else self.groups[self.places[last].group]
        found[column, None] = (bottom and bottom[1] + bottom[3]) + 10, 1
        return found

    def write(self, graph: dict) -> None:
        """The positions and the groups into `graph`; notes below the files, side by side where there is room."""
        for place in self.places.values():
            place.node["pos"] = [left(place.column), round(place.top + TITLE)]
            place.node["size"][0] = right(place.column + place.columns - 1) - left(place.column)
        order = [group for block in BLOCKS for group in block if group in self.groups]
        graph["groups"] = [
            {
                "id": number,
                "title": f"{number} {TITLES[group]}",
                "bounding": [round(edge) for edge in self.groups[group]],
                "color": COLORS[group],
                "font_size": 24,
                "flags": {},
            }
            for number, group in enumerate(order, 1)
        ]
        x, y, wide, high = self.groups[FILES]
        below, columns = y + high + GAP, max(round(wide / (WIDTH + BETWEEN)), 1)
        tops = [below] * columns
        for number, note in enumerate(node for node in graph["nodes"] if node["type"] in NOTES):
            column = number % columns
            note["size"] = [WIDTH, _written(note["widgets_values"][0])]
            note["pos"] = [left(column), round(tops[column] + TITLE)]
            tops[column] += TITLE + note["size"][1] + GAP


def _written(text: str) -> int:
    """About the height that a note needs: 48 letters are in a line, or half as many Chinese ones."""
    lines = re.sub(r"\(http[^)]*\)", "", text).split("\n")
    rows = sum(math.ceil(sum(2 if ord(c) > 0x2E80 else 1 for c in line) / 48) for line in lines)
    return 44 + 15 * rows + 10 * lines.count("")


def left(column: int) -> int:
    return column * (WIDTH + BETWEEN)


def right(column: int) -> int:
    return left(column) + WIDTH


def height(node: dict) -> float:
    """With its title, and with what a run adds."""
    return TITLE + node["size"][1] + GROWS.get(node["type"], 0)


def group_of(node: dict) -> int:
    return next((group for group, types in GROUP_OF.items() if node["type"].replace(" ", "_") in types.split()), MOTION)


def arranged(graph: dict, orders: Orders, lanes: dict[Gap, list], high: float) -> Sheet:
    """The sheet of these orders in columns of at most that height, with room in each gap for the links of `lanes`."""
    nodes, sheet, column = {node["id"]: node for node in graph["nodes"]}, Sheet(), 0
    for block in BLOCKS:
        top, room, groups = 0.0, high, {}
        for group in (group for group in block if orders.get(group)):
            groups[group] = [orders[group]] if group == WORDS else _filled([nodes[key] for key in orders[group]], room)
            room -= max(sum(height(nodes[key]) + GAP for key in keys) for keys in groups[group]) + HEADER
        count = max(map(len, groups.values()), default=0)
        for group, columns in groups.items():
            wide = count if group == WORDS else 1
            reach = range(column, column + count)
            top += max(LANE * _links(lanes, reach[n : n + wide], keys[0]) for n, keys in enumerate(columns))
            bottom = top
            for number, keys in enumerate(columns):
                y = top + HEADER
                for key in keys:
                    if key != keys[0]:
                        y += GAP + LANE * _links(lanes, reach[number : number + wide], key)
                    sheet.places[key] = place = Place(nodes[key], group, column + number, wide, y)
                    y = place.bottom
                bottom = max(bottom, y)
            edge = right(column + (count if group == WORDS else len(columns)) - 1)
            sheet.groups[group] = (
                left(column) - MARGIN,
                top,
                edge - left(column) + 2 * MARGIN,
                bottom - top + MARGIN,
            )
            top = bottom + MARGIN + GAP
        column += count
    return sheet


def _links(lanes: dict[Gap, list], columns: range, below: int) -> int:
    return max(len(lanes.get((column, below), ())) for column in columns)


def _filled(nodes: list[dict], high: float) -> list[list[int]]:
    """The nodes in columns of at most that height."""
    columns, used = [[]], HEADER
    for node in nodes:
        if columns[-1] and used + height(node) > high:
            columns.append([])
            used = HEADER
        columns[-1].append(node["id"])
        used += height(node) + GAP
    return columns
