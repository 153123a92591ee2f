"""Many clips of one workflow, on many GPUs. A command: ComfyUI and the pack's nodes never import this folder.

`vary` and `job` say which clips there are, `results` what lies on the disk, `dispatch` who makes which clip and what
happens when it goes wrong, `worker` how one ComfyUI makes one clip, `comfy` how that ComfyUI lives, `check` what it
lacks. Standard library only; `cluster` alone knows Ray.
"""
