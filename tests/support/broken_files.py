"""Model files that are broken on purpose, each from a seed: what `python dev.py fuzz` opens.

A file is a whole one of some kind with one thing done to it, in its bytes, its header, its tensors or its archive.
"""

import io
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from broken_bytes import ARCHIVES, BYTES, HEADERS, with_header
from cameras import camera_file
from motion_ctrl import camera_file as motion_ctrl_camera_file
from motion_ctrl import object_file
from safetensors.torch import save
from sparse import sparse_state
from weights import motion_lora_state, motion_state

SMALL = (32, 32, 32, 32)
"""Channels per level."""
PARTED = {"CameraCtrl": camera_file, "MotionCtrl": motion_ctrl_camera_file, "objects of MotionCtrl": object_file}
"""Kinds whose tensors are in parts."""


@cache
def whole(kind: str) -> dict:
    """What a whole file of that kind holds, in half precision."""
    if kind in PARTED:
        return PARTED[kind](SMALL)
    states = {
        "motion model": lambda: motion_state("v3", SMALL),
        "HotShot-XL": lambda: motion_state("hotshot", SMALL[:3]),
        "diffusers' layout": lambda: motion_state("v2", SMALL, layout="diffusers"),
        "image-to-video": lambda: motion_state("animatelcm_i2v", SMALL),
        "PIA": lambda: motion_state("pia", SMALL),
        "motion LoRA": lambda: motion_lora_state(SMALL),
        "SparseCtrl": lambda: sparse_state("rgb", SMALL),
        "scribbles": lambda: sparse_state("scribble", SMALL),
    }
    return {key: value.half() for key, value in states[kind]().items()}


KINDS = {
    "motion model": "motion model",
    "HotShot-XL": "motion model",
    "diffusers' layout": "motion model",
    "image-to-video": "motion model",
    "PIA": "motion model",
    "motion LoRA": "motion LoRA",
    "SparseCtrl": "SparseCtrl",
    "scribbles": "SparseCtrl",
    "CameraCtrl": "CameraCtrl",
    "MotionCtrl": "CameraCtrl",
    "objects of MotionCtrl": "objects",
}
"""Kind of file -> its loader."""

Change = Callable[[dict, random.Random], object]


def part_of(state: dict, chance: random.Random) -> dict:
    """`state`, or one of the dicts in it, where it holds dicts."""
    inner = [value for value in state.values() if isinstance(value, dict)]
    return chance.choice(inner) if inner else state


def with_tensor(make: Callable[[torch.Tensor, random.Random], object], share: float = 0.0) -> Change:
    """A change of one tensor, or of that share of them."""

    def change(state: dict, chance: random.Random) -> dict:
        part = part_of(state, chance)
        chosen = [key for key in part if chance.random() < share] or [chance.choice(sorted(part, key=str))]
        for key in chosen:
            part[key] = make(part[key], chance)
        return state

    return change


def number(what: float) -> Change:
    def broken(tensor: torch.Tensor, chance: random.Random) -> torch.Tensor:
        flat = tensor.clone().reshape(-1)
        flat[chance.randrange(len(flat))] = what
        return flat.view_as(tensor)

    return with_tensor(broken)


def renamed(new: Callable[[str, random.Random], object]) -> Change:
    def change(state: dict, chance: random.Random) -> dict:
        part = part_of(state, chance)
        key = chance.choice(sorted(part, key=str))
        part[new(key, chance)] = part.pop(key)
        return state

    return change


def another_number(key: str, chance: random.Random) -> str:
    """The key with one of its numbers made another one: an index far off, say."""
    parts = key.split(".")
    places = [index for index, part in enumerate(parts) if part.isdigit()]
    if places:
        parts[chance.choice(places)] = chance.choice(["7", "99", "99999999", "1" * 30, "9" * 5000, "-1", "٣"])
    return ".".join(parts)


TENSORS: dict[str, Change] = {
    "a tensor of another shape": with_tensor(lambda t, chance: t.reshape(-1)[: chance.randrange(1, 9)].clone()),
    "a tensor turned round": with_tensor(lambda t, _: t.transpose(0, -1).contiguous()),
    "a tensor with one dimension more": with_tensor(lambda t, _: t[None].clone()),
    "a tensor of one number": with_tensor(lambda t, _: t.reshape(-1)[0].clone()),
    "all of one number": with_tensor(lambda t, _: t.reshape(-1)[0].clone(), share=1.0),
    "an empty tensor": with_tensor(lambda t, _: t.reshape(-1)[:0].clone()),
    "all empty": with_tensor(lambda t, _: t[:0].clone(), share=1.0),
    "narrow tensors": with_tensor(lambda t, _: t[:5].clone(), share=1.0),
    "whole numbers": with_tensor(lambda t, _: t.to(torch.int64)),
    "all whole numbers": with_tensor(lambda t, _: t.to(torch.int8), share=1.0),
    "truths": with_tensor(lambda t, _: t > 0),
    "mixed types": with_tensor(lambda t, c: t.to(c.choice([torch.float64, torch.bfloat16, torch.float8_e4m3fn])), 0.5),
    "NaN": number(float("nan")),
    "infinity": number(float("-inf")),
    "a tensor less": lambda state, chance: drop(state, chance, 1),
    "half of the tensors": lambda state, chance: drop(state, chance, 0.5),
    "none at all": lambda state, chance: {},
    "another number in a name": renamed(another_number),
    "a long name": renamed(lambda key, _: key + "x" * 10_000_000),
    "a name of other letters": renamed(lambda key, _: key.replace("weight", "\n\u202e\x00<b>gewicht</b>")),
    "no name": renamed(lambda key, _: ""),
    "many more": lambda state, chance: (
        part_of(state, chance).update(
            {f"down_blocks.{i}.motion_modules.{'x' * 200}": torch.zeros(1) for i in range(15_000)}
        )
        or state
    ),
    "something more": lambda state, chance: part_of(state, chance).update(extra=torch.zeros(3)) or state,
}


def drop(state: dict, chance: random.Random, share: float) -> dict:
    part = part_of(state, chance)
    keys = sorted(part)
    for key in chance.sample(keys, max(1, int(len(keys) * share) if share < 1 else 1)):
        del part[key]
    return state


def cyclic(state: dict, chance: random.Random) -> dict:
    state["state_dict"] = state
    return {"state_dict": state}


class Code:
    """What a pickle may do when it is opened."""

    ran = Path("ran-by-a-pickle")

    def __reduce__(self):
        return (Path.touch, (self.ran,))


PICKLED: dict[str, Change] = {
    "code": lambda state, chance: part_of(state, chance).update(x=Code()) or state,
    "code in a list": lambda state, chance: state | {"hyper": [[{"a": Code()}]]},
    "a dict in itself": cyclic,
    "names that are numbers": renamed(lambda key, chance: chance.choice([7, None, (1, 2), b"x", 2.5])),
    "a list in place of a tensor": with_tensor(lambda t, _: t.tolist()),
    "words in place of a tensor": with_tensor(lambda t, _: "weights"),
    "nothing in place of a tensor": with_tensor(lambda t, _: None, share=0.5),
    "far more numbers than there are": with_tensor(lambda t, _: torch.zeros(1, dtype=t.dtype).expand(10**6, 10**5)),
    "far more numbers in all": with_tensor(lambda t, _: t.reshape(-1)[:1].clone().expand(t.shape), share=1.0),
    "a sparse tensor": with_tensor(lambda t, _: t.float().to_sparse()),
    "complex numbers": with_tensor(lambda t, _: torch.complex(t.float(), t.float())),
    "a parameter": with_tensor(lambda t, _: torch.nn.Parameter(t)),
    "only a tensor": lambda state, chance: torch.zeros(2, 2),
    "only a list": lambda state, chance: [1, 2, 3],
    "only a number": lambda state, chance: 7,
    "dicts in dicts": lambda state, chance: nested(state, 300),
    "a list where a part belongs": lambda state, chance: {key: [1] for key in list(state)[:1]} | {"controlnet": [2]},
}


def nested(state: dict, depth: int) -> dict:
    for _ in range(depth):
        state = {"state_dict": state}
    return state


def safetensors_of(state: dict) -> bytes:
    flat = {}
    for key, value in state.items():
        flat |= {f"{key}.{inner}": each for inner, each in value.items()} if isinstance(value, dict) else {key: value}
    return save({key: value.contiguous().clone() for key, value in flat.items()})


def torch_file_of(state: object, legacy: bool = False) -> bytes:
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def broken_file(seed: int, folder: Path) -> tuple[Path, str, str]:
    """(its path, the loader to open it with, what was done to it)."""
    chance = random.Random(seed)
    kind = chance.choice(list(KINDS))
    state = {key: dict(value) if isinstance(value, dict) else value for key, value in whole(kind).items()}
    container = chance.choice(["safetensors", "safetensors", "torch", "torch", "old torch"])
    ways = ["bytes", "tensors", "tensors"] + (["headers"] if container == "safetensors" else ["pickled", "pickled"])
    way = chance.choice(ways + (["archives"] if container == "torch" else []))
    ending = {"safetensors": ".safetensors"}.get(container, chance.choice([".ckpt", ".pt", ".pth", ".bin"]))
    table = {"bytes": BYTES, "tensors": TENSORS, "headers": HEADERS, "pickled": PICKLED, "archives": ARCHIVES}[way]
    what = chance.choice(list(table))
    if way in ("tensors", "pickled"):
        state = table[what](state, chance)
    data = safetensors_of(state) if container == "safetensors" else torch_file_of(state, container == "old torch")
    if way == "headers":
        data = with_header(data, lambda header: table[what](header, chance))
    elif way in ("bytes", "archives"):
        data = table[what](data, chance)
    if what == "another ending":
        ending = ".ckpt" if ending == ".safetensors" else ".safetensors"
    path = folder / f"broken_{seed}{ending}"
    path.write_bytes(data)
    return path, KINDS[kind], f"{kind} ({container}): {what}"
