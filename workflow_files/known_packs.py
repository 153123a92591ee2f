"""Tables for workflow files: whose id begins how, and where the files that a node names belong.

The patterns match the beginning of an id; the first row that fits counts.
"""

PACKS = (
    (r"VHS_", "ComfyUI-VideoHelperSuite"),
    (r"ACN_|(Diff)?ControlNetLoaderAdvanced$|(Latent|Timestep)Keyframe", "ComfyUI-Advanced-ControlNet"),
    (r"IPAdapter|PrepImageForClipVision$", "ComfyUI_IPAdapter_plus"),
    (r"\w+ VFI$", "ComfyUI-Frame-Interpolation"),
    (r"(Batch)?(Prompt|Value|String)Schedule", "ComfyUI_FizzNodes"),
    (r".*\(rgthree\)$", "rgthree-comfy"),
    (r".*\|pysssss$", "ComfyUI-Custom-Scripts"),
    (r".*//Inspire$", "ComfyUI-Inspire-Pack"),
    (r".*\w\+$", "ComfyUI_essentials"),
    (r".*\[Crystools\]$", "ComfyUI-Crystools"),
    (r".*\[Dream\]$", "comfyui-dream-project"),
    (r".*\(mtb\)$", "comfy_mtb"),
    (r".*\(WLSH\)$", "wlsh_nodes"),
    (r".*\(SuperBeasts\.AI\)$", "ComfyUI-SuperBeasts"),
    (r".*\(segment anything\)$", "comfyui_segment_anything"),
    (r".*\| Yvann$|Audio (Analysis|Peaks Detection|IPAdapter Transitions|Prompt Schedule)$", "ComfyUI_Yvann-Nodes"),
    (r"Impact[A-Z]|FaceDetailer|SEGS|SAMLoader$|(To|From|Edit)BasicPipe", "ComfyUI-Impact-Pack"),
    (r"(Mask|Image)ListTo(Mask|Image)Batch$", "ComfyUI-Impact-Pack"),
    (r"UltralyticsDetectorProvider$", "ComfyUI-Impact-Subpack"),
    (r"CR ", "ComfyUI_Comfyroll_CustomNodes"),
    (r"Eden_", "eden_comfy_pipelines"),
    (r"JW[A-Z]", "comfyui-various"),
    (r"FL_", "ComfyUI_Fill-Nodes"),
    (r"easy ", "ComfyUI-Easy-Use"),
    (r"ttN ", "ComfyUI_tinyterraNodes"),
    (r"smZ ", "ComfyUI_smZNodes"),
    (r"BNK_CLIPTextEncodeAdvanced$", "ComfyUI_ADV_CLIP_emb"),
    (r"BNK_", "ComfyUI_Noise"),
    (r"Layer(Mask|Utility|Style|Color|Filter): ", "ComfyUI_LayerStyle"),
    (r"Efficient Loader$|KSampler.*\(Efficient\)$|LoRA Stacker$", "efficiency-nodes-comfyui"),
    (r"Control Net Stacker$|Apply ControlNet Stack$", "efficiency-nodes-comfyui"),
    (r"UltimateSDUpscale", "ComfyUI_UltimateSDUpscale"),
    (r"[\w-]+Preprocessor$|PixelPerfectResolution$", "comfyui_controlnet_aux"),
    (r"(Anything|Prompts|Seed) Everywhere", "cg-use-everywhere"),
    (r"(Get|Set)Node$|(INT|Float|String)Constant|GrowMaskWithBlur$|ImageResizeKJ", "ComfyUI-KJNodes"),
    (r"CreateShape\w*Mask|CreateShapeImage|SplineEditor$|PointsEditor$|RemapMaskRange$", "ComfyUI-KJNodes"),
    (r"ImageBatch(Multi|RepeatInterleaving)$|GetImageSizeAndCount$|ImageAddMulti$", "ComfyUI-KJNodes"),
    (r"Batch(Crop|Uncrop)\w*Advanced$|ResizeMask$", "ComfyUI-KJNodes"),
    (r"DownloadAndLoadDepthAnythingV2|DepthAnything_V2$", "ComfyUI-DepthAnythingV2"),
    (r"(DownloadAndLoad)?Florence2", "ComfyUI-Florence2"),
    (r"DownloadAndLoadSAM2|Sam2Segmentation$", "ComfyUI-segment-anything-2"),
    (r"(DownloadAndLoad)?LivePortrait", "ComfyUI-LivePortraitKJ"),
    (r"AdvancedLivePortrait$|ExpressionEditor$", "ComfyUI-AdvancedLivePortrait"),
    (r"(DownloadAndLoad)?MimicMotion", "ComfyUI-MimicMotionWrapper"),
    (r"BatchCreativeInterpolation$", "Steerable-Motion"),
    (r"BrushNet", "ComfyUI-BrushNet"),
    (r"ReActor", "ComfyUI-ReActor"),
    (r"(LoadAndApply)?ICLight", "ComfyUI-IC-Light"),
    (r"ApplyRaveAttention", "ComfyUI-RAVE_ATTN"),
    (r"(Batch)?\w*Amplitude(Schedule|To\w+)?$|AudioToFFTs$", "ComfyUI-AudioScheduler"),
    (r"Audio(Feature|Filter|Info|Separator|ToAudioData)|DownloadOpenUnmixModel$", "ComfyUI_RyanOnTheInside"),
    (
        r"Particle|GravityWell$|Vortex$|StaticBody$|Flex[A-Z]|\w*Feature(Mixer|Smoothing|ToMask)?$",
        "ComfyUI_RyanOnTheInside",
    ),
    (r"MotionDiff|MotionCLIPTextEncode$|\w*SMPL|\w+MotionData$", "ComfyUI-MotionDiff"),
    (r"(Text|Image) (Multiline|String|Concatenate|Save|Blank|Resize|Filter Adjustments)$", "was-node-suite-comfyui"),
    (r"Constant Number$|String to Text$|Load Lora$|Upscale Model Loader$|BLIP Analyze", "was-node-suite-comfyui"),
    (r"NNLatentUpscale$", "ComfyUi_NNLatentUpscale"),
    (r"(Int|Float|Cfg|Seed) Literal$|(Int|Float)$", "ComfyLiterals"),
)
"""(id, pack) for files that do not note the pack: API prompts, and graphs of old web pages."""

NOT_SERVED = (
    (r"ADE_\w*(LoraHook|ModelAsLora)", "use ComfyUI's own hook nodes (Create Hook LoRA and others)"),
    (r"ADE_\w*Condition", "use ComfyUI's own conditioning nodes (Cond Pair Set Props and others)"),
    (r"\w*AnimateDiffLoaderV1", "use Load Motion Model and Apply Motion Model"),
)
"""(id, what to do, or that nothing here does it) for nodes of ComfyUI-AnimateDiff-Evolved that have no form here."""

FOLDERS = (
    (r"ADE_\w*LoRALoader|ADN_LoadMotionLoRA$", "animatediff_motion_lora"),
    (r"ADE_|ADN_", "animatediff_models"),
    (r".*(Preprocessor|VFI)$|DownloadAndLoad|BatchCreativeInterpolation$|SMPL|ReActor", None),
    (r"\w*(ControlNet|SparseCtrl)\w*Loader", "controlnet"),
    (r"(ImageOnly)?CheckpointLoader|CreateHookModelAsLora", "checkpoints"),
    (r"Lora|LoRA|CreateHookLora|CR LoRA Stack$", "loras"),
    (r"VAELoader", "vae"),
    (r"CLIPVisionLoader", "clip_vision"),
    (r"(Dual|Triple)?CLIPLoader", "text_encoders"),
    (r"UNETLoader$|LoadAndApplyICLightUnet$", "diffusion_models"),
    (r"Upscale ?Model ?Loader$", "upscale_models"),
    (r"IPAdapterModelLoader$", "ipadapter"),
    (r"UltralyticsDetectorProvider$", "ultralytics"),
    (r"SAMLoader$", "sams"),
    (r"BrushNetLoader$", "inpaint"),
)
"""(id, folder in ComfyUI/models). None: its pack fetches the file, or says where it goes."""
PLACES = {"Efficient Loader": {0: "checkpoints", 1: "vae", 3: "loras"}}
"""{id: {position of a value: folder}} of nodes that load several kinds; by name, see NAMES."""
NAMES = {"ckpt_name": "checkpoints", "vae_name": "vae", "lora_name": "loras", "control_net_name": "controlnet"}
"""{input name: folder} for other ids."""
