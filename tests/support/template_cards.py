"""Makes the cards of the templates: frames of a real run of each, laid out as what it does.

    COMFYUI_DIR=<a ComfyUI> <its Python> tests/support/template_cards.py [template ...]

Writes the .jpg beside each template. Each template runs through a real server, on few pixels and with the weights of
`clouds`, which show something without having been trained. Pictures and videos to start from are drawn: a boat that
sails while the sun rises. The page cuts cards to squares, so they are square.
"""

import math
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import seeded
from comfy_server import ComfyServer
from host import find_host
from PIL import Image, ImageDraw
from small_graphs import images_in
from template_files import make_template_files
from workflows import TEMPLATES, example, nodes_of, to_prompt

SIZE, DETAIL = 512, 2
"""Pixels of a card, and how many times larger it is drawn."""
GROUND, INK, ACCENT, SECOND = (30, 33, 41), (214, 219, 229), (255, 184, 77), (98, 176, 255)
SKY, SUN, LAND, SAIL = (120, 182, 230), (255, 214, 110), (62, 104, 120), (250, 246, 235)
REGION = (0.5, 0.06, 0.9, 0.46)
"""Left, top, right, bottom of where the picture of Inpaint a Region may change."""
PIXELS, STEPS = 64, 8

Color = tuple[int, int, int]


@dataclass
class Run:
    """What a template's run made, each a list of frames."""

    frames: list[Image.Image]
    others: dict[str, list[Image.Image]] = field(default_factory=dict)
    """What other nodes of the graph made on the way, by their type; "without": the run without that node."""


Card = Callable[[Image.Image, Run], None]


def scene(side: int, place: float) -> Image.Image:
    """A boat that sails from left (place 0) to right (1) while the sun rises."""
    picture = Image.new("RGB", (side, side), SKY)
    draw = ImageDraw.Draw(picture)

    def at(x: float, y: float) -> tuple[float, float]:
        return side * x, side * y

    sun, x = 0.46 - 0.28 * place, 0.12 + 0.5 * place
    draw.ellipse([at(0.58, sun - 0.12), at(0.82, sun + 0.12)], fill=SUN)
    draw.rectangle([at(0, 0.62), at(1, 1)], fill=LAND)
    draw.polygon([at(x + 0.09, 0.64), at(x + 0.09, 0.30), at(x + 0.27, 0.64)], fill=SAIL)
    draw.polygon([at(x, 0.67), at(x + 0.32, 0.67), at(x + 0.25, 0.77), at(x + 0.07, 0.77)], fill=ACCENT)
    return picture


def sketch(side: int) -> Image.Image:
    """The boat and the sun in dark lines on white paper."""
    picture = Image.new("RGB", (side, side), (255, 255, 255))
    draw, wide = ImageDraw.Draw(picture), max(side // 40, 1)
    for shape in (
        [(0.36, 0.64), (0.36, 0.30), (0.54, 0.64), (0.36, 0.64)],
        [(0.26, 0.67), (0.58, 0.67), (0.51, 0.77), (0.33, 0.77), (0.26, 0.67)],
        [(0.04, 0.62), (0.96, 0.62)],
    ):
        draw.line([(side * x, side * y) for x, y in shape], fill=GROUND, width=wide)
    draw.ellipse([side * edge for edge in (0.62, 0.16, 0.84, 0.38)], outline=GROUND, width=wide)
    return picture


SKETCH, STORY = "sketch.png", [f"story_{number}.png" for number in range(4)]
"""Files in input: a drawing, and four pictures of one story."""


def save_inputs(folder: Path, side: int = 256, count: int = 24) -> None:
    """The picture, transparent where it may change, the drawing, those of a story, and the video."""
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    picture, kept = scene(side, 0.3), Image.new("L", (side, side), 255)
    ImageDraw.Draw(kept).ellipse([side * edge for edge in REGION], fill=0)
    picture.putalpha(kept)
    picture.save(folder / seeded.PICTURE)
    sketch(side).save(folder / SKETCH)
    for number, name in enumerate(STORY):
        scene(side, number / 3).save(folder / name)
    (folder / seeded.PICTURES).mkdir(exist_ok=True)
    for number in range(2):
        scene(side, number).save(folder / seeded.PICTURES / f"{number}.png")
    seeded.save_frames(folder / seeded.VIDEO, [np.asarray(scene(side, index / (count - 1))) for index in range(count)])


def save_data_sets(folder: Path, videos: str, photos: str, side: int = 320) -> None:
    """Two folders to train on: boats that sail at their own pace, and boats that lie at their places."""
    import numpy as np

    for number, (name, pace) in enumerate({"harbour": 0.4, "regatta": 1.0, "evening": 0.7}.items()):
        places = [number / 10 + pace * index / 70 for index in range(64)]
        seeded.save_frames(folder / videos / f"{name}.mp4", [np.asarray(scene(side, place)) for place in places])
        (folder / videos / f"{name}.txt").write_text("a boat that sails on the sea", "utf-8")
        (folder / photos).mkdir(exist_ok=True)
        scene(side, number / 3).save(folder / photos / f"{name}.png")
        (folder / photos / f"{name}.txt").write_text("a boat on the sea", "utf-8")


def put(card: Image.Image, picture: Image.Image, x: float, y: float, border: Color = INK, width: int = 3) -> None:
    """A frame with its border; x, y and side in the card's 512 pixels."""
    left, top, edge = round(x * DETAIL), round(y * DETAIL), width * DETAIL
    right, bottom = left + picture.width - 1, top + picture.height - 1
    ImageDraw.Draw(card).rectangle([left - edge, top - edge, right + edge, bottom + edge], fill=border)
    card.paste(picture, (left, top))


def strip(card: Image.Image, pictures: Iterable[Image.Image], y: float, border: Color = INK, gap: float = 12) -> None:
    """Frames side by side in the middle of the card's width."""
    pictures = list(pictures)
    whole = sum(p.width / DETAIL for p in pictures) + gap * (len(pictures) - 1)
    x = (SIZE - whole) / 2
    for picture in pictures:
        put(card, picture, x, y, border)
        x += picture.width / DETAIL + gap


def spread(frames: list[Image.Image], count: int, side: float) -> list[Image.Image]:
    """`count` of the frames from the first to the last, `side` of the card's pixels wide."""
    indices = [round(index * (len(frames) - 1) / max(count - 1, 1)) for index in range(count)]
    return [frames[index].resize((round(side * DETAIL),) * 2, Image.Resampling.LANCZOS) for index in indices]


def line(card: Image.Image, points: list[tuple[float, float]], color: Color = ACCENT, width: float = 6) -> None:
    scaled = [(x * DETAIL, y * DETAIL) for x, y in points]
    ImageDraw.Draw(card).line(scaled, fill=color, width=round(width * DETAIL), joint="curve")


def arrow(card: Image.Image, start: tuple[float, float], end: tuple[float, float], color: Color = ACCENT) -> None:
    (x, y), (u, v) = start, end
    angle, head = math.atan2(v - y, u - x), 22
    line(card, [start, (u - head * 0.7 * math.cos(angle), v - head * 0.7 * math.sin(angle))], color, 7)
    corners = [end] + [(u - head * math.cos(angle + s * 0.5), v - head * math.sin(angle + s * 0.5)) for s in (-1, 1)]
    ImageDraw.Draw(card).polygon([(a * DETAIL, b * DETAIL) for a, b in corners], fill=color)


def words(card: Image.Image, y: float, widths: list[list[float]], color: Color = INK) -> None:
    """Lines of writing, as bars."""
    for row, bars in enumerate(widths):
        x = (SIZE - sum(bars) - 12 * (len(bars) - 1)) / 2
        for bar in bars:
            line(card, [(x, y + row * 30), (x + bar, y + row * 30)], color, 12)
            x += bar + 12


def text_to_animation(card: Image.Image, run: Run) -> None:
    words(card, 90, [[60, 120, 80], [100, 40, 130], [70, 90]])
    arrow(card, (256, 180), (256, 250))
    strip(card, spread(run.frames, 4, 104), 290)


def picture_to_animation(card: Image.Image, run: Run) -> None:
    put(card, spread([scene(PIXELS, 0.3)], 1, 150)[0], 181, 50)
    arrow(card, (256, 216), (256, 280))
    strip(card, spread(run.frames, 4, 104), 320)


def brackets(card: Image.Image, y: float, spans: list[tuple[float, float]]) -> None:
    """Windows of frames that overlap, above a strip at `y`."""
    for number, (left, right) in enumerate(spans):
        level, color = y - 26 * (number % 2), (ACCENT, SECOND)[number % 2]
        line(card, [(left, level + 12), (left, level), (right, level), (right, level + 12)], color)


def long_animation(card: Image.Image, run: Run) -> None:
    shots = spread(run.frames, 21, 52)
    for row in range(3):
        strip(card, shots[7 * row : 7 * row + 7], 120 + row * 130, gap=10)
        brackets(card, 100 + row * 130, [(34, 224), (164, 354), (294, 478)])


def seamless_loop(card: Image.Image, run: Run) -> None:
    for number, shot in enumerate(spread([*run.frames, run.frames[0]], 11, 88)[:10]):
        angle = math.radians(36 * number - 90)
        put(card, shot, 212 + 190 * math.cos(angle), 212 + 190 * math.sin(angle))
    circle = [(256 + 100 * math.cos(turn / 20), 256 + 100 * math.sin(turn / 20)) for turn in range(-20, 90)]
    line(card, circle)
    arrow(card, circle[-1], (circle[-1][0] + 26, circle[-1][1] - 7))


def prompt_travel(card: Image.Image, run: Run) -> None:
    words(card, 60, [[60, 90]], ACCENT)
    words(card, 440, [[90, 60]], SECOND)
    shots = spread(run.frames, 8, 104)
    strip(card, shots[:4], 110)
    strip(card, shots[4:], 260)


def six_steps(card: Image.Image, run: Run) -> None:
    for number in range(6):
        x = 76 + 72 * number
        line(card, [(x, 110), (x, 150)], (ACCENT, SECOND)[number % 2], 20)
    arrow(card, (256, 180), (256, 250))
    strip(card, spread(run.frames, 4, 104), 290)


def camera_moves(card: Image.Image, run: Run) -> None:
    shots = spread(run.frames, 6, 140)
    strip(card, shots[:3], 110)
    arrow(card, (256, 74), (120, 74))
    arrow(card, (256, 74), (392, 74))
    strip(card, shots[3:], 336)
    arrow(card, (120, 300), (392, 300), SECOND)


def steadier(card: Image.Image, run: Run) -> None:
    strip(card, spread(run.others["without"], 4, 104), 70, (190, 90, 90))
    arrow(card, (256, 200), (256, 250))
    strip(card, spread(run.frames, 4, 104), 290, (120, 200, 130))
    line(card, [(430, 416), (430, 452), (82, 452), (82, 430)])
    arrow(card, (82, 440), (82, 412))


def sdxl(card: Image.Image, run: Run) -> None:
    strip(card, spread(run.frames, 2, 216), 140, gap=20)
    for x in (36, 272):
        line(card, [(x - 14, 176), (x - 14, 126), (x + 36, 126)])
        line(card, [(x + 180, 370), (x + 230, 370), (x + 230, 320)])


def upscale(card: Image.Image, run: Run) -> None:
    strip(card, spread(run.others["KSampler"], 4, 76), 70)
    arrow(card, (256, 176), (256, 236))
    strip(card, spread(run.frames, 3, 146), 280)


def video_to_video(card: Image.Image, run: Run) -> None:
    strip(card, spread(run.others["ImageScaleToTotalPixels"], 4, 104), 90)
    arrow(card, (256, 220), (256, 284))
    strip(card, spread(run.frames, 4, 104), 320, SECOND)


def controlnet(card: Image.Image, run: Run) -> None:
    strip(card, spread(run.others["Canny"], 4, 104), 60)
    arrow(card, (256, 186), (256, 240))
    shots = spread(run.frames, 12, 56)
    for row in range(2):
        strip(card, shots[6 * row : 6 * row + 6], 310 + row * 110, gap=10)
        brackets(card, 296 + row * 110, [(57, 250), (189, 382), (321, 455)])


def inpaint(card: Image.Image, run: Run) -> None:
    shots = spread(run.frames, 6, 140)
    for shot in shots:
        ImageDraw.Draw(shot).ellipse([shot.width * edge for edge in REGION], outline=ACCENT, width=3 * DETAIL)
    strip(card, shots[:3], 96)
    strip(card, shots[3:], 276)


def pieces(card: Image.Image, run: Run) -> None:
    shots = spread(run.frames, 10, 76)
    strip(card, shots[:5], 130, ACCENT)
    arrow(card, (432, 226), (80, 286), ACCENT)
    strip(card, shots[5:], 306, SECOND)


def two_motion_models(card: Image.Image, run: Run) -> None:
    """By one model first, then by the other."""
    line(card, [(36, 120), (330, 120)], ACCENT)
    line(card, [(182, 150), (476, 150)], SECOND)
    arrow(card, (256, 180), (256, 250))
    strip(card, spread(run.frames, 4, 104), 290)


def train_camera_move(card: Image.Image, run: Run) -> None:
    """A crop that moves into a picture; then what came of it."""
    put(card, spread([scene(400, 0.3)], 1, 190)[0], 161, 40)
    for inset, color in ((6, INK), (24, SECOND), (42, ACCENT)):
        left, top, right, bottom = 161 + inset, 40 + inset, 351 - inset, 230 - inset
        line(card, [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], color)
    arrow(card, (256, 250), (256, 306))
    strip(card, spread(run.frames, 4, 104), 340)


def train_one_video(card: Image.Image, run: Run) -> None:
    strip(card, spread([scene(200, place / 3) for place in range(4)], 4, 104), 90, ACCENT)
    arrow(card, (256, 220), (256, 284))
    strip(card, spread(run.frames, 4, 104), 320, SECOND)


def use_your_lora(card: Image.Image, run: Run) -> None:
    line(card, [(146, 90), (196, 140), (316, 40), (366, 90)], ACCENT, 12)
    arrow(card, (256, 180), (256, 250))
    strip(card, spread(run.frames, 4, 104), 290)


def storyboard(card: Image.Image, run: Run) -> None:
    strip(card, spread([scene(200, number / 3) for number in range(4)], 4, 104), 60, ACCENT)
    for x in (88, 204, 320, 436):
        arrow(card, (x, 184), (x - (x - 256) * 0.1, 236))
    shots = spread(run.frames, 14, 56)
    strip(card, shots[:7], 270, gap=10)
    strip(card, shots[7:], 370, gap=10)


def sketch_to_animation(card: Image.Image, run: Run) -> None:
    put(card, spread([sketch(400)], 1, 170)[0], 171, 40)
    arrow(card, (256, 226), (256, 290))
    strip(card, spread(run.frames, 4, 104), 330)


def wide(card: Image.Image, frame: Image.Image, y: float, width: float = 440) -> None:
    """A frame that is wider than high, in the middle of the card's width."""
    size = round(width * DETAIL), round(width * DETAIL * frame.height / frame.width)
    put(card, frame.resize(size, Image.Resampling.LANCZOS), (SIZE - width) / 2, y)


def four_prompts(card: Image.Image, run: Run) -> None:
    """The grid at two moments."""
    wide(card, run.frames[0], 38)
    arrow(card, (256, 234), (256, 270))
    wide(card, run.frames[-1], 284)


def two_settings(card: Image.Image, run: Run) -> None:
    arrow(card, (60, 66), (470, 66))
    arrow(card, (26, 96), (26, 440), SECOND)
    wide(card, run.frames[len(run.frames) // 2], 100, 420)


def dance(card: Image.Image, run: Run) -> None:
    """A sound that beats, above the clip."""
    for index in range(40):
        x, beat = 60 + index * 10, index % 4 == 0
        height = 70 * abs(math.sin(index * 0.9)) * (0.4 + 0.6 * beat)
        line(card, [(x, 130 - height), (x, 130 + height)], SECOND if beat else ACCENT, 5)
    shots = spread(run.frames, 8, 104)
    strip(card, shots[:4], 230)
    strip(card, shots[4:], 360)


def slow_motion(card: Image.Image, run: Run) -> None:
    """Frames of the clip, and many more between them."""
    strip(card, spread(run.others["VAEDecode"], 4, 104), 60)
    arrow(card, (256, 186), (256, 240))
    shots = spread(run.frames, 18, 64)
    for row in range(3):
        strip(card, shots[6 * row : 6 * row + 6], 264 + row * 78, SECOND)


def camera_path(card: Image.Image, run: Run) -> None:
    """A path that bends, with the camera on it; then frames."""
    bend = [(70 + 370 * t, 190 - 110 * math.sin(math.pi * t * 0.75)) for t in (step / 30 for step in range(31))]
    line(card, bend, SECOND, 5)
    for x, y in bend[::6]:
        line(card, [(x - 20, y - 30), (x, y), (x + 20, y - 30), (x - 20, y - 30)], ACCENT, 4)
    arrow(card, (256, 226), (256, 290))
    strip(card, spread(run.frames, 4, 104), 330)


CARDS: dict[str, Card] = {
    "Text to Animation": text_to_animation,
    "Picture to Animation": picture_to_animation,
    "Storyboard to Animation": storyboard,
    "Sketch to Animation": sketch_to_animation,
    "Camera Path": camera_path,
    "Long Animation": long_animation,
    "Seamless Loop": seamless_loop,
    "Prompt Travel": prompt_travel,
    "Six-Step Animation": six_steps,
    "MotionLoRA Camera Moves": camera_moves,
    "Steadier Frames with FreeInit": steadier,
    "SDXL Animation": sdxl,
    "Grid of Prompts": four_prompts,
    "Compare Two Settings": two_settings,
    "Upscale an Animation": upscale,
    "Video to Video": video_to_video,
    "Long Animation with ControlNet": controlnet,
    "Inpaint a Region": inpaint,
    "Animation in Pieces": pieces,
    "Two Motion Models": two_motion_models,
    "Train a Camera Move from Pictures": train_camera_move,
    "Train Motion from One Video": train_one_video,
    "Use Your Motion LoRA": use_your_lora,
    "Dance to Music": dance,
    "Smooth Slow Motion": slow_motion,
}
ALSO = {
    "Upscale an Animation": "KSampler",
    "Video to Video": "ImageScaleToTotalPixels",
    "Long Animation with ControlNet": "Canny",
    "Smooth Slow Motion": "VAEDecode",
}
"""A node on the way whose frames are on the card, too: the first of that type."""
DRAWN = {"Storyboard to Animation": STORY, "Sketch to Animation": [SKETCH]}
"""Files for its Load Image nodes, from the first on."""
WITHOUT = {"Steadier Frames with FreeInit": "ADN_FreeInit"}
"""A node without which the template also runs, for comparison."""


def run_template(server: ComfyServer, name: str) -> Run:
    prompt = small(to_prompt(example(name), server.get("/object_info")))
    for inputs, file in zip(nodes_of(prompt, "LoadImage"), DRAWN.get(name, ()), strict=False):
        inputs["image"] = file
    others = {}
    if kind := WITHOUT.get(name):
        others["without"] = frames_of(server, without(prompt, kind))["SaveAnimatedWEBP"]
    if kind := ALSO.get(name):
        watch(prompt, kind)
    found = frames_of(server, prompt)
    return Run(found.pop("SaveAnimatedWEBP"), others | found)


def small(prompt: dict) -> dict:
    values = {"width": PIXELS, "height": PIXELS, "megapixels": 0.01, "steps": STEPS}
    for node in prompt.values():
        inputs = node["inputs"]
        inputs.update({key: min(value, inputs[key]) for key, value in values.items() if key in inputs})
    for inputs in nodes_of(prompt, "ADN_TrainMotionLoRA"):
        inputs.update(steps=2, rank=4, sample_every=0)
    return prompt


def without(prompt: dict, kind: str) -> dict:
    """The prompt with the node of that type bypassed: its model goes past it."""
    past = next(key for key, node in prompt.items() if node["class_type"] == kind)
    result = {key: {**node, "inputs": dict(node["inputs"])} for key, node in prompt.items() if key != past}
    for node in result.values():
        node["inputs"] |= {
            name: prompt[past]["inputs"]["model"] for name, value in node["inputs"].items() if value == [past, 0]
        }
    return result


def watch(prompt: dict, kind: str) -> None:
    """Saves what the first node of that type makes, under that type's name."""
    source = [next(key for key, node in prompt.items() if node["class_type"] == kind), 0]
    if kind == "KSampler":
        vae = next(node["inputs"]["vae"] for node in prompt.values() if node["class_type"] == "VAEDecode")
        prompt["decoded"] = {"class_type": "VAEDecode", "inputs": {"samples": source, "vae": vae}}
        source = ["decoded", 0]
    saved = {
        "images": source,
        "filename_prefix": kind,
        "fps": 8.0,
        "lossless": True,
        "quality": 90,
        "method": "default",
    }
    prompt[kind] = {"class_type": "SaveAnimatedWEBP", "inputs": saved}


def frames_of(server: ComfyServer, prompt: dict) -> dict[str, list[Image.Image]]:
    """{id of an extra saver, or "SaveAnimatedWEBP" for the template's own: its frames}"""
    found = {}
    for key, output in server.run(prompt).items():
        if prompt[key]["class_type"] == "SaveAnimatedWEBP":
            (file,) = server.files({key: output})
            found[key if key in ALSO.values() else "SaveAnimatedWEBP"] = images_in(file)
    return found


def main(names: list[str]) -> None:
    names = names or list(CARDS)
    with tempfile.TemporaryDirectory() as folder:
        base, comfyui = Path(folder), Path(find_host())
        save_inputs(base / "input")
        make_template_files(comfyui, base, [example(name) for name in names], "clouds")
        with ComfyServer(comfyui, base) as server:
            for name in names:
                card = Image.new("RGB", (SIZE * DETAIL,) * 2, GROUND)
                CARDS[name](card, run_template(server, name))
                card = card.resize((SIZE,) * 2, Image.Resampling.LANCZOS)
                card.save(TEMPLATES[name].with_suffix(".jpg"), quality=88, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
