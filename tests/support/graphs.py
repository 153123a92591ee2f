"""The smallest graph in which a node runs, built from what the server says of its nodes (`/object_info`).

A node type that is added later, with sockets that are in these tables, needs no line here.
"""

import seeded
from workflows import WIDGETS

CHECKPOINT = "CheckpointLoaderSimple"
MAKERS = {
    "MODEL": (CHECKPOINT,),
    "CLIP": (CHECKPOINT,),
    "VAE": (CHECKPOINT,),
    "LATENT": ("EmptyLatentImage",),
    "CONDITIONING": ("CLIPTextEncode",),
    "IMAGE": ("EmptyImage",),
    "MASK": ("SolidMask",),
    "INT": ("PrimitiveInt",),
    "FLOAT": ("PrimitiveFloat",),
    "STRING": ("PrimitiveString",),
    "BOOLEAN": ("PrimitiveBoolean",),
    "SAMPLER": ("KSamplerSelect",),
    "SIGMAS": ("BasicScheduler",),
    "HOOKS": ("CreateHookLora",),
    "HOOK_KEYFRAMES": ("CreateHookKeyframe",),
    "TIMESTEPS_RANGE": ("ConditioningTimestepsRange",),
    "MOTION_MODEL_ADE": ("ADE_LoadAnimateDiffModel",),
    "M_MODELS": ("ADE_ApplyAnimateDiffModelSimple",),
    "AD_SETTINGS": ("ADE_AnimateDiffSettings",),
    "PE_ADJUST": ("ADE_AdjustPEFullStretch",),
    "WEIGHT_ADJUST": ("ADE_AdjustWeightAllMult",),
    "MOTION_LORA": ("ADE_AnimateDiffLoRALoader",),
    "MULTIVAL": ("ADE_MultivalDynamic",),
    "FLOATS": ("ADE_ValueScheduling",),
    "INTS": ("ADE_ValueScheduling",),
    "AD_KEYFRAMES": ("ADE_AnimateDiffKeyframe",),
    "AD_BLOCK": ("ADE_ADBlockCombo",),
    "PER_BLOCK": ("ADE_PerBlockHighLevel",),
    "CONTEXT_OPTIONS": ("ADE_StandardStaticContextOptions",),
    "VIEW_OPTS": ("ADE_StandardStaticViewOptions",),
    "CONTEXT_EXTRAS": ("ADE_ContextExtras_NaiveReuse", "ADE_ContextExtras_ContextRef"),
    "CONTEXTREF_MODE": ("ADE_ContextExtras_ContextRef_ModeFirst",),
    "CONTEXTREF_TUNE": ("ADE_ContextExtras_ContextRef_TuneAttn",),
    "CONTEXTREF_KEYFRAME": ("ADE_ContextExtras_ContextRef_Keyframe",),
    "NAIVEREUSE_KEYFRAME": ("ADE_ContextExtras_NaiveReuse_Keyframe",),
    "SAMPLE_SETTINGS": ("ADE_AnimateDiffSamplingSettings",),
    "NOISE_LAYERS": ("ADE_NoiseLayerAdd",),
    "ITERATION_OPTS": ("ADE_IterationOptsFreeInit",),
    "CUSTOM_CFG": ("ADE_CustomCFGSimple",),
    "CFG_EXTRAS": ("ADE_CFGExtrasRescaleCFGSimple", "ADE_CFGExtrasPAGSimple"),
    "SIGMA_SCHEDULE": ("ADE_SigmaSchedule",),
    "IMAGE_INJECT": ("ADE_NoisedImageInjection",),
    "IMAGE_INJECT_OPTIONS": ("ADE_NoisedImageInjectOptions",),
    "ANCESTRAL_OPTS": ("ADE_AncestralOptions",),
    "VALUES_REPLACE": ("ADE_ValuesReplace",),
    "CAMERACTRL_POSES": ("ADE_CameraPoseBasic",),
    "PIA_INPUT": ("ADE_InputPIA_Multival",),
    "CONTROL_NET": ("ADN_LoadSparseCtrl",),
    "SPARSE_METHOD": ("ACN_SparseCtrlIndexMethodNode",),
}
"""Socket type -> node types that make one; the first that the server has."""

LOAD_SPARSE, PREPARE_RGB = "ACN_SparseCtrlLoaderAdvanced", "ACN_SparseCtrlRGBPreprocessor"
APPLY, SETTINGS = "ADE_ApplyAnimateDiffModelSimple", "ADE_AnimateDiffSamplingSettings"
USES = {
    "MODEL": ("KSampler", "model"),
    "CONDITIONING": ("KSampler", "positive"),
    "LATENT": ("SaveLatent", "samples"),
    "IMAGE": ("PreviewImage", "images"),
    "MASK": ("MaskToImage", "mask"),
    "CLIP": ("CLIPTextEncode", "clip"),
    "VAE": ("VAEEncode", "vae"),
    "SIGMAS": ("SamplerCustom", "sigmas"),
    **dict.fromkeys(("INT", "FLOAT", "STRING", "BOOLEAN", "INTS"), ("PreviewAny", "source")),
    "HOOKS": ("ConditioningSetProperties", "hooks"),
    "HOOK_KEYFRAMES": ("SetHookKeyframes", "hook_kf"),
    "TIMESTEPS_RANGE": ("ConditioningSetProperties", "timesteps"),
    "MOTION_MODEL_ADE": (APPLY, "motion_model"),
    "M_MODELS": ("ADE_UseEvolvedSampling", "m_models"),
    "AD_SETTINGS": ("ADE_LoadAnimateDiffModel", "ad_settings"),
    "PE_ADJUST": ("ADE_AnimateDiffSettings", "pe_adjust"),
    "WEIGHT_ADJUST": ("ADE_AnimateDiffSettings", "weight_adjust"),
    "MOTION_LORA": (APPLY, "motion_lora"),
    "MULTIVAL": (APPLY, "scale_multival"),
    "FLOATS": ("ADE_MultivalDynamicFloats", "floats"),
    "AD_KEYFRAMES": (APPLY, "ad_keyframes"),
    "AD_BLOCK": ("ADE_PerBlockHighLevel", "down"),
    "PER_BLOCK": (APPLY, "per_block"),
    "CONTEXT_OPTIONS": ("ADE_UseEvolvedSampling", "context_options", "m_models"),
    "VIEW_OPTS": ("ADE_ViewsOnlyContextOptions", "view_opts_req"),
    "CONTEXT_EXTRAS": ("ADE_ContextExtras_Set", "context_extras"),
    "CONTEXTREF_MODE": ("ADE_ContextExtras_ContextRef", "contextref_mode"),
    "CONTEXTREF_TUNE": ("ADE_ContextExtras_ContextRef", "contextref_tune"),
    "CONTEXTREF_KEYFRAME": ("ADE_ContextExtras_ContextRef", "contextref_kf"),
    "NAIVEREUSE_KEYFRAME": ("ADE_ContextExtras_NaiveReuse", "naivereuse_kf"),
    "SAMPLE_SETTINGS": ("ADE_UseEvolvedSampling", "sample_settings", "m_models"),
    "NOISE_LAYERS": (SETTINGS, "noise_layers"),
    "ITERATION_OPTS": (SETTINGS, "iteration_opts"),
    "CUSTOM_CFG": (SETTINGS, "custom_cfg"),
    "CFG_EXTRAS": ("ADE_CustomCFGSimple", "cfg_extras"),
    "SIGMA_SCHEDULE": (SETTINGS, "sigma_schedule"),
    "IMAGE_INJECT": (SETTINGS, "image_inject"),
    "IMAGE_INJECT_OPTIONS": ("ADE_NoisedImageInjection", "img_inject_opts"),
    "ANCESTRAL_OPTS": (SETTINGS, "ancestral_opts"),
    "VALUES_REPLACE": ("ADE_PromptScheduling", "values_replace"),
    "CAMERACTRL_POSES": ("ADE_ApplyAnimateDiffModelWithCameraCtrl", "cameractrl_poses"),
    "PIA_INPUT": ("ADE_ApplyAnimateDiffModelWithPIA", "pia_input"),
    "CONTROL_NET": ("ControlNetApplyAdvanced", "control_net", "vae"),
    "SPARSE_METHOD": (LOAD_SPARSE, "sparse_method"),
}
"""Socket type -> (node type, its input that takes one, other optional inputs to fill), towards a node that saves."""

REFUSED = {"TIMESTEP_KEYFRAME", "LATENT_KEYFRAME", "CONTROL_NET_WEIGHTS"}
"""Sockets that a form has, and that only the other pack has something for."""

FILES = {value for name, value in vars(seeded).items() if name.isupper() and isinstance(value, str) and "." in value}
"""The small seeded files."""

FRAMES = 4
SMALL = {
    "width": 64,
    "height": 64,
    "batch_size": FRAMES,
    "frame_length": FRAMES,
    "max_length": FRAMES,
    "latents_length": FRAMES,
    "visual_width": 128,
    "steps": 1,
    "cfg": 2.0,
    "intervals": 3,
    "context_length": 3,
    "context_overlap": 1,
    "view_length": 3,
    "view_overlap": 1,
    "iterations": 2,
    "frame_rate": 8,
}
"""Widgets that are not left at their defaults, by name: few frames, pixels and steps, and windows that fit."""

TEXTS = {
    "text": "a lake",
    "prompts": '0 = "a lake", 3 = "a forest"',
    "values": "0 = 1.0, 3 = 0.8",
    "value_key": "light",
    "frames": "spread",
    "indexes": "0, 1, 2, 3",
    "file_path": seeded.POSES,
}
"""Texts that must not be empty, by the name of the widget."""

LENGTHS = {"effect_21_floats": 21, "scale_21_floats": 21, "effect_16_floats": 16, "scale_16_floats": 16}
"""Inputs that want a list of so many numbers."""

LOAD_I2V, APPLY_I2V, INJECT_I2V = (
    "ADE_LoadAnimateLCMI2VModel",
    "ADE_ApplyAnimateLCMI2VModel",
    "ADE_InjectI2VIntoAnimateDiffModel",
)
APPLY_PIA, INJECT_PIA = "ADE_ApplyAnimateDiffModelWithPIA", "ADE_InjectPIAIntoAnimateDiffModel"
LOAD_CAMERA, APPLY_CAMERA = (f"ADE_{verb}AnimateDiffModelWithCameraCtrl" for verb in ("Load", "Apply"))
MARKS = {LOAD_I2V: "i2v", LOAD_SPARSE: "rgb", "ADN_LoadSparseCtrl": "scribble", LOAD_CAMERA: "v3"}
MARKS |= {"camera_ctrl": "cameractrl"}
"""Node types, and inputs, that want a kind of file: what the file's name says."""
MAKERS_FOR = {
    (APPLY_I2V, "MOTION_MODEL_ADE"): (LOAD_I2V,),
    (INJECT_I2V, "MOTION_MODEL_ADE"): (LOAD_I2V,),
    (APPLY_CAMERA, "MOTION_MODEL_ADE"): (LOAD_CAMERA,),
    ("ControlNetApplyAdvanced", "CONTROL_NET"): (LOAD_SPARSE,),
}
"""(node type, socket type that it wants of a kind) -> as MAKERS."""
GIVEN = dict.fromkeys(((APPLY_PIA, "MOTION_MODEL_ADE"), (INJECT_PIA, "MOTION_MODEL_ADE")), {"model_name": seeded.PIA})
"""(node type, socket type that it wants of a kind) -> inputs of the node that makes it."""
USES_OF = {
    (LOAD_I2V, "MOTION_MODEL_ADE"): (APPLY_I2V, "motion_model"),
    (INJECT_I2V, "MOTION_MODEL_ADE"): (APPLY_I2V, "motion_model"),
    (INJECT_PIA, "MOTION_MODEL_ADE"): (APPLY_PIA, "motion_model"),
    (LOAD_CAMERA, "MOTION_MODEL_ADE"): (APPLY_CAMERA, "motion_model"),
    (PREPARE_RGB, "IMAGE"): ("ControlNetApplyAdvanced", "image"),
}
"""(node type, socket type that it makes of a kind) -> as USES."""


class Graph:
    """`prompt` is what the server runs; `sinks` are the nodes of it that save or show something."""

    def __init__(self, object_info: dict):
        self.nodes, self.prompt, self.sinks = object_info, {}, []

    def add(self, key: str, class_type: str, also: tuple[str, ...] = (), **inputs) -> str:
        """One node: required inputs, the optional ones in `also`, and `inputs` as they are."""
        found = self.nodes[class_type]["input"]
        self.prompt[key] = {"class_type": class_type, "inputs": inputs}
        for group in ("required", "optional"):
            for name, declared in found.get(group, {}).items():
                if name not in inputs and (group == "required" or name in also or not is_socket(declared)):
                    inputs[name] = (
                        self.made(declared[0], name, class_type)
                        if is_socket(declared)
                        else value(class_type, name, declared)
                    )
        return key

    def made(self, socket: str, name: str, class_type: str) -> list:
        """A link to a node that makes a `socket` for the input `name`: one node for all that may share it."""
        makers = MAKERS_FOR.get((class_type, socket), MAKERS.get(socket, ()))
        maker = next((each for each in makers if each in self.nodes), None)
        if maker is None:
            raise AssertionError(
                f"No node is known to make a {socket}. Add one to MAKERS in tests/support/graphs.py: "
                f'"{socket}": ("the id of a node with such an output",).'
            )
        given = {"max_length": LENGTHS[name]} if name in LENGTHS else GIVEN.get((class_type, socket), {})
        key = " ".join((maker, *map(str, given.values())))
        if key not in self.prompt:
            self.add(key, maker, **given)
        return [key, self.nodes[maker]["output"].index(socket)]

    def use(self, key: str) -> None:
        """Carries every output of a node on, to a sampler where its type goes there, and to a node that saves."""
        class_type = self.prompt[key]["class_type"]
        node = self.nodes[class_type]
        if node["output_node"]:
            self.sinks.append(key)
        for slot, socket in enumerate(node["output"]) if not node["output_node"] else ():
            if socket not in USES or USES[socket][0] not in self.nodes:
                raise AssertionError(
                    f"Nothing is known to take a {socket}. Add it to USES in tests/support/graphs.py: "
                    f'"{socket}": ("the id of a node that takes one", "the name of that input").'
                )
            user, name, *also = USES_OF.get((class_type, socket), USES[socket])
            self.use(self.add(f"{key}.{slot}", user, tuple(also), **{name: [key, slot]}))


PASSED_ON = {"ACN_AdvancedControlNetApply": ("model_optional",)}
"""Optional inputs that an output passes on: without them it gives nothing, as in the other pack."""


def graph_of(object_info: dict, class_type: str, with_optional: bool = False) -> Graph:
    """The smallest graph in which `class_type` (key "it") runs; `with_optional`: every socket of it is filled."""
    graph = Graph(object_info)
    needed = PASSED_ON.get(class_type, ())
    graph.add("it", class_type, optional_sockets(object_info[class_type]) if with_optional else needed)
    graph.use("it")
    return graph


def optional_sockets(node: dict) -> tuple[str, ...]:
    """Those that something may be connected to."""
    optional = node["input"].get("optional", {}).items()
    return tuple(name for name, declared in optional if is_socket(declared) and declared[0] not in REFUSED)


def is_socket(declared: list) -> bool:
    kind, *rest = declared
    return not isinstance(kind, list) and (kind not in WIDGETS or bool(rest and rest[0].get("forceInput")))


def value(class_type: str, name: str, declared: list):
    """What a widget holds: a seeded file, a small number, a text, or its default."""
    kind, options = declared[0], declared[1] if len(declared) > 1 else {}
    choices = kind if isinstance(kind, list) else options.get("options", ())
    if files := sorted(FILES.intersection(choices)):
        return next(file for file in files if MARKS.get(name, MARKS.get(class_type, "")) in file)
    if name in SMALL or name in TEXTS:
        return SMALL.get(name, TEXTS.get(name))
    if "default" in options:
        return options["default"]
    return choices[0] if choices else {"STRING": "", "BOOLEAN": False}.get(kind, 1)
