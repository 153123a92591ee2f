"""What the pictures of the help pages show: each own node among its neighbours, as `node_pictures` draws it."""

from dataclasses import asdict, dataclass, field

import seeded

CHECKPOINT, SAMPLER = "CheckpointLoaderSimple", "KSampler"
LOAD, LORA, ADJUST = "ADN_LoadMotionModel", "ADN_LoadMotionLoRA", "ADN_AdjustMotionModel"
START, SPARSE, CAMERA, WAYS = "ADN_StartFromPicture", "ADN_LoadSparseCtrl", "ADN_CameraPath", "ADN_ObjectPath"
APPLY, BLOCKS, WINDOWS, PREVIEW = "ADN_ApplyMotionModel", "ADN_BlockWeights", "ADN_ContextWindows", "ADN_PreviewWindows"
PIECES, FRAMES, STEPS = "ADN_ContextSampler", "ADN_FrameSchedule", "ADN_StepSchedule"
TRAIN, OPTIONS = "ADN_TrainMotionLoRA", "ADN_TrainingOptions"
V3, V2, I2V = "mm_sd15_v3.safetensors", "mm_sd_v15_v2.ckpt", "AnimateLCM_sd15_i2v.ckpt"
SETTINGS_OF_AUTHORS = {
    "seed": 42,
    "control_after_generate": "fixed",
    "steps": 25,
    "cfg": 7.5,
    "scheduler": "ddim_uniform",
}
SPARSE_RGB, CAMERA_CTRL, OMCM = "v3_sd15_sparsectrl_rgb.ckpt", "CameraCtrl.ckpt", "motionctrl_animatediff_omcm.ckpt"
CLIPS, STILLS, MOVE, ENCODE = "ADN_ClipDataset", "ADN_StillsDataset", "ADN_CameraMove", "ADN_EncodeClips"
FROM_IMAGES, FROM_LATENTS = "ADN_ClipsFromImages", "ADN_ClipsFromLatents"
VIDEOS_OF, PHOTOS = "waves", "photos"
"""Folders of the host's input, with videos and with pictures."""
ZOOM, PAN = "v2_lora_ZoomIn.ckpt", "v2_lora_PanLeft.ckpt"

WIDTHS = {LOAD: 330, LORA: 330, ADJUST: 330, START: 330, SPARSE: 430, CAMERA: 400, WAYS: 400}
"""Of nodes that show a line of text after a run; the others have the page's own."""


@dataclass(frozen=True)
class Node:
    """A node of a picture: how far it stands to the right, values of its widgets, and input -> the index of the node
    that makes that. `folded`: only its title is shown."""

    kind: str
    indent: int = 0
    values: dict = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)
    folded: bool = False

    def for_page(self) -> dict:
        return asdict(self) | {"width": WIDTHS.get(self.kind, 0)}


@dataclass(frozen=True)
class Picture:
    """Nodes from top to bottom, since the page's help panel is narrow.

    unseen: nodes besides, with which the graph runs first, so that the nodes show what they say after a run.
    """

    nodes: tuple[Node, ...]
    unseen: tuple[Node, ...] = ()


def folded(kind: str, indent: int = 0, values: dict | None = None, **links: int) -> Node:
    return Node(kind, indent, values or {}, links, True)


def behind_apply(kind: str, **values) -> Picture:
    return Picture((folded(APPLY), Node(kind, 1, values, {"model": 0}), folded(SAMPLER, 2, model=1)))


def shown(model: int) -> Node:
    return folded(PREVIEW, 0, {"frames": 16}, model=model)


GRAPHS = {
    LOAD: Picture(
        (Node(LOAD, 0, {"model_name": V3}), folded(APPLY, 1, motion_model=0)),
        (folded(CHECKPOINT), folded(APPLY, model=2, motion_model=0), shown(3)),
    ),
    LORA: Picture(
        (
            folded(LOAD, 0, {"model_name": V2}),
            Node(LORA, 1, {"lora_name": ZOOM, "strength": 0.8}, {"motion_model": 0}),
            Node(LORA, 2, {"lora_name": PAN, "strength": 0.5}, {"motion_model": 1}),
            folded(APPLY, 3, motion_model=2),
        ),
        (folded(CHECKPOINT), folded(APPLY, model=4, motion_model=2), shown(5)),
    ),
    ADJUST: Picture(
        (
            folded(LOAD, 0, {"model_name": V3}),
            Node(ADJUST, 1, {"use_frames": 16, "stretch_to": 24}, {"motion_model": 0}),
            folded(APPLY, 2, motion_model=1),
        ),
        (folded(CHECKPOINT), folded(APPLY, model=3, motion_model=1), shown(4)),
    ),
    APPLY: Picture(
        (
            folded(CHECKPOINT),
            folded(LOAD, 0, {"model_name": V3}),
            Node(APPLY, 1, {}, {"model": 0, "motion_model": 1}),
            folded(SAMPLER, 2, model=2),
        ),
        (shown(2),),
    ),
    START: Picture(
        (
            folded(CHECKPOINT),
            folded("LoadImage", 0, {"image": seeded.PICTURE}),
            folded("EmptyLatentImage", 0, {"batch_size": 16}),
            folded(LOAD, 0, {"model_name": I2V}),
            Node(START, 1, {}, {"motion_model": 3, "image": 1, "latent_image": 2, "vae": 0}),
            folded(APPLY, 2, model=0, motion_model=4),
        ),
        (shown(5),),
    ),
    SPARSE: Picture(
        (
            folded(CHECKPOINT),
            folded("LoadImage", 0, {"image": seeded.PICTURE}),
            Node(SPARSE, 0, {"control_net_name": SPARSE_RGB, "frames": "0, -1"}),
            Node("ControlNetApplyAdvanced", 1, {}, {"control_net": 2, "image": 1, "vae": 0}),
            folded(SAMPLER, 2, positive=3, negative=3),
        ),
        (folded("PreviewAny", 0, source=2),),
    ),
    CAMERA: Picture(
        (
            folded(LOAD, 0, {"model_name": V3}),
            Node(
                CAMERA,
                1,
                {"camera_file": CAMERA_CTRL, "path": "0: static, 4: pan left 1.0\n12: zoom in 0.6 + tilt up 0.3 ease"},
                {"motion_model": 0},
            ),
            folded(APPLY, 2, motion_model=1),
        ),
        (folded(CHECKPOINT), folded(APPLY, model=3, motion_model=1), shown(4)),
    ),
    WAYS: Picture(
        (
            folded(LOAD, 0, {"model_name": V3}),
            Node(
                WAYS,
                1,
                {"object_file": OMCM, "points": "60,400 200,300 450,280\n420,60 380,140 420,220"},
                {"motion_model": 0},
            ),
            folded(APPLY, 2, motion_model=1),
        ),
        (folded(CHECKPOINT), folded(APPLY, model=3, motion_model=1), shown(4)),
    ),
    WINDOWS: behind_apply(WINDOWS),
    PIECES: Picture(
        (
            folded(PIECES),
            Node(PIECES, 1, SETTINGS_OF_AUTHORS, {"continue_from": 0}),
            folded("VAEDecode", 2, samples=1),
        )
    ),
    PREVIEW: Picture(
        (Node(WINDOWS, 0, {}, {"model": 4}), Node(PREVIEW, 1, {"frames": 48}, {"model": 0})),
        (folded(CHECKPOINT), folded(LOAD, 0, {"model_name": V3}), folded(APPLY, model=2, motion_model=3)),
    ),
    "ADN_NoiseOptions": behind_apply("ADN_NoiseOptions", noise_type="FreeNoise"),
    "ADN_FreeInit": behind_apply("ADN_FreeInit"),
    FRAMES: Picture(
        (
            Node(FRAMES, 0, {"text": "0: 0.8\n16: 1.2 ease"}),
            Node(APPLY, 1, {}, {"motion_scale_schedule": 0}),
        )
    ),
    STEPS: Picture(
        (
            Node(STEPS, 0, {"text": "0%: 1.2\n50%: 1.0 jump"}),
            Node(FRAMES, 1, {"text": "0: 0.8\n16: 1.2 ease"}, {"times": 0}),
            folded(APPLY, 2, motion_scale_schedule=1),
        )
    ),
    "ADN_PromptTravel": Picture(
        (
            folded(CHECKPOINT),
            Node("ADN_PromptTravel", 1, {"prompts": "0: a river in summer\n48: the river in snow"}, {"clip": 0}),
            folded(SAMPLER, 2, positive=1),
        )
    ),
    "ADN_GuidanceSchedule": Picture(
        (
            folded(APPLY),
            Node(STEPS, 0, {"text": "0%: 1.0\n100%: 0.5"}),
            Node("ADN_GuidanceSchedule", 1, {}, {"model": 0, "schedule": 1}),
            folded(SAMPLER, 2, model=2),
        )
    ),
    "ADN_PromptList": Picture(
        (
            Node("ADN_PromptList", 0, {"prompts": "a fox in the snow\na fox in the rain\na fox in the fog"}),
            folded("CLIPTextEncode", 1, text=0),
            folded(SAMPLER, 2, positive=1),
            Node("ADN_ClipGrid", 3, {}, {"samples": 2, "captions": 0}),
        )
    ),
    "ADN_CompareSettings": Picture(
        (
            Node("ADN_CompareSettings", 0, {"across_name": "motion scale", "down_name": "seed"}),
            folded(APPLY, 1, motion_scale=0),
            folded(SAMPLER, 2, model=1),
        )
    ),
    "ADN_ClipGrid": Picture(
        (
            folded("ADN_PromptList"),
            folded(SAMPLER, 0),
            Node("ADN_ClipGrid", 1, {}, {"samples": 1, "captions": 0}),
            folded("SaveAnimatedWEBP", 2, images=2),
        )
    ),
    "ADN_MeasureMotion": Picture(
        (folded("VAEDecode"), Node("ADN_MeasureMotion", 1, {}, {"images": 0})),
    ),
    "ADN_SoundSchedule": Picture(
        (
            folded("LoadAudio"),
            Node("ADN_SoundSchedule", 1, {"source": "bass"}, {"audio": 0}),
            folded(APPLY, 2, motion_scale_schedule=1),
        )
    ),
    "ADN_SpreadWindows": behind_apply("ADN_SpreadWindows"),
    BLOCKS: Picture(
        (
            folded(BLOCKS),
            Node(BLOCKS, 1, {"part": "up", "level": 3, "motion_scale": 0.7}, {"block_weights": 0}),
            folded(APPLY, 2, block_weights=1),
        )
    ),
    TRAIN: Picture(
        (
            folded(CHECKPOINT),
            folded(LOAD, 0, {"model_name": V2}),
            Node(OPTIONS, 0, {}),
            Node(TRAIN, 1, {}, {"model": 0, "motion_model": 1, "options": 2}),
            folded(APPLY, 2, motion_model=3),
        )
    ),
    "ADN_TrainMotionModel": Picture(
        (
            folded(CHECKPOINT),
            Node("ADN_TrainMotionModel", 1, {}, {"model": 0}),
            folded(APPLY, 2, model=0, motion_model=1),
        )
    ),
    "ADN_TrainDomainAdapter": Picture(
        (folded(CHECKPOINT), Node("ADN_TrainDomainAdapter", 1, {}, {"model": 0}), folded(SAMPLER, 2, model=1))
    ),
    OPTIONS: Picture((Node(OPTIONS, 0, {"noise_offset": 0.05}), folded(TRAIN, 1, options=0))),
    "ADN_SaveMotionModel": Picture(
        (
            folded(LOAD, 0, {"model_name": V2}),
            folded(LORA, 1, {"lora_name": ZOOM}, motion_model=0),
            Node("ADN_SaveMotionModel", 2, {"name": "v2_zooming"}, {"motion_model": 1}),
        )
    ),
    "ADN_SaveMotionLoRA": Picture(
        (
            folded(LOAD, 0, {"model_name": V2}),
            folded(LORA, 1, {"lora_name": ZOOM}, motion_model=0),
            folded(LORA, 2, {"lora_name": PAN}, motion_model=1),
            Node("ADN_SaveMotionLoRA", 3, {"name": "zoom_and_pan"}, {"motion_model": 2}),
        )
    ),
    CLIPS: Picture((Node(CLIPS, 0, {"folder": VIDEOS_OF}), folded(ENCODE, 1, clips=0)), (folded(CHECKPOINT),)),
    STILLS: Picture((Node(STILLS, 0, {"folder": PHOTOS}), folded(MOVE, 1, clips=0)), (folded(CHECKPOINT),)),
    FROM_IMAGES: Picture(
        (
            folded("LoadVideo", 0, {"file": seeded.VIDEO}),
            folded("GetVideoComponents", 0, video=0),
            Node(FROM_IMAGES, 1, {"caption": "a square that wanders"}, {"images": 1}),
            folded(ENCODE, 2, clips=2),
        ),
        (folded(CHECKPOINT),),
    ),
    FROM_LATENTS: Picture(
        (
            folded("VAEEncode"),
            folded("CLIPTextEncode", 0, {"text": "a river in summer"}),
            folded("CLIPTextEncode"),
            Node(FROM_LATENTS, 1, {}, {"latents": 0, "conditioning": 1, "empty": 2}),
        )
    ),
    MOVE: Picture(
        (
            folded(STILLS, 0, {"folder": PHOTOS}),
            Node(MOVE, 1, {"move": "pan left"}, {"clips": 0}),
            folded(ENCODE, 2, clips=1),
        ),
        (folded(CHECKPOINT),),
    ),
    ENCODE: Picture(
        (folded(CHECKPOINT), folded(CLIPS), Node(ENCODE, 1, {"variants": 4}, {"clips": 1, "vae": 0, "clip": 0}))
    ),
}
