"""Prompts of training runs of all three stages, on the small models."""

import seeded
from small_graphs import add

FRAMES, STEPS = 4, 3
LORA, MODEL, ADAPTER = "ADN_TrainMotionLoRA", "ADN_TrainMotionModel", "ADN_TrainDomainAdapter"
FOLDERS = {LORA: "animatediff_motion_lora", MODEL: "animatediff_models", ADAPTER: "loras"}
"""Where the files go, under models."""
OWN = {
    LORA: {"preset": "camera move", "rank": 4, "layers": "the preset's", "loss": "the preset's"},
    MODEL: {"new_model": "v3"},
    ADAPTER: {"rank": 4},
}
RUN = {"batch": 1, "accumulate": 1, "seed": 42, "sample_every": 0, "save_every": 100, "keep": 4}
RUN |= {"resume": "go on", "write_plan": False}


def training(stage: str, name: str, **changes) -> dict:
    """The small video in pieces, encoded, and a run of a few steps on them."""
    prompt: dict = {}
    checkpoint = add(prompt, "checkpoint", "CheckpointLoaderSimple", ckpt_name=seeded.CHECKPOINT)
    video = add(prompt, "video", "LoadVideo", file=seeded.VIDEO)
    words = {"caption": "a square", "images_are": "one clip", "clip_frames": FRAMES, "stride": 1}
    words |= {"width": 64, "height": 64, "fit": "crop center", "start": "even pieces", "short_clips": "refuse"}
    images = add(prompt, "images", "GetVideoComponents", video=video)
    clips = add(prompt, "clips", "ADN_ClipsFromImages", images=images, **words)
    words = {"vae": ["checkpoint", 2], "clip": ["checkpoint", 1], "variants": 1, "cache": "temp"}
    encoded = add(prompt, "encoded", "ADN_EncodeClips", clips=clips, **words)
    words = {"model": checkpoint, "clips": encoded, "name": name, "steps": STEPS, "learning_rate": 1e-2}
    if stage == LORA:
        words["motion_model"] = add(prompt, "motion", "ADN_LoadMotionModel", model_name=seeded.MOTION_MODEL)
    add(prompt, "train", stage, **words | RUN | OWN[stage] | changes)
    return prompt
