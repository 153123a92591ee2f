"""What is on the card of each template: frames of its run, laid out as what it does."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from card_marks import DETAIL, SIZE, arrow, line, put, spread, strip, words
from drawn_scenes import ACCENT, INK, REGION, SECOND, scene, sketch
from PIL import Image, ImageDraw

PIXELS = 64
"""Of the frames that templates make."""


@dataclass
class Run:
    """What a template's run made, each a list of frames."""

    frames: list[Image.Image]
    others: dict[str, list[Image.Image]] = field(default_factory=dict)
    """What other nodes of the graph made on the way, by their type; "without": the run without that node."""


Card = Callable[[Image.Image, Run], None]


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


def sdxl_beta(card: Image.Image, run: Run) -> None:
    """One large picture, in corners, and the clip in small."""
    strip(card, spread(run.frames, 1, 300), 44)
    for x, inward in ((92, 44), (420, -44)):
        for y, down in ((30, 44), (358, -44)):
            line(card, [(x, y + down), (x, y), (x + inward, y)])
    strip(card, spread(run.frames, 6, 64), 404, SECOND, gap=10)


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
    "SDXL Beta Animation": sdxl_beta,
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
