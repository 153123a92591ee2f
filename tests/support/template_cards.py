"""Makes the cards of the templates: frames of a real run of each, laid out as what it does.

    COMFYUI_DIR=<a ComfyUI> <its Python> tests/support/template_cards.py [template ...]

Writes the .jpg beside each template. Each template runs through a real server, on few pixels and with the weights of
`clouds`, which show something without having been trained. The page cuts cards to squares, so they are square.
"""

import sys
import tempfile
from pathlib import Path

from card_drawings import CARDS, PIXELS, Run
from card_marks import DETAIL, SIZE
from comfy_server import ComfyServer
from drawn_scenes import GROUND, SKETCH, STORY, save_inputs
from host import find_host
from PIL import Image
from small_graphs import images_in
from template_files import make_template_files
from workflows import TEMPLATES, example, nodes_of, to_prompt

STEPS = 8

ALSO = {
    "Upscale an Animation": "KSampler",
    "Video to Video": "ImageScaleToTotalPixels",
    "Long Animation with ControlNet": "Canny",
    "Smooth Slow Motion": "VAEDecode",
}
"""A node on the way whose frames are on the card, too: the first of that type."""
DRAWN = {"Storyboard to Animation": STORY, "Sketch to Animation": [SKETCH]}
"""Files for its Load Image nodes, from the first on."""
PALER = {"SDXL Beta Animation": {"beta_schedule": "Stable Diffusion", "cfg": 1.0}}
"""What is set otherwise: that model's own schedule begins with eight times the noise, from which
clouds take so much of the prompt's colour that nothing else is seen."""
WITHOUT = {"Steadier Frames with FreeInit": "ADN_FreeInit"}
"""A node without which the template also runs, for comparison."""


def run_template(server: ComfyServer, name: str) -> Run:
    prompt = small(to_prompt(example(name), server.get("/object_info")))
    for node in prompt.values():
        node["inputs"] |= {key: value for key, value in PALER.get(name, {}).items() if key in node["inputs"]}
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
