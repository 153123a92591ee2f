"""What can be wrong with a file's bytes, a safetensors header, or the archive of a torch file."""

import io
import json
import pickle
import random
import struct
import zipfile
from collections.abc import Callable


def with_header(data: bytes, change: Callable[[dict], object]) -> bytes:
    """A safetensors file with another header; `change` gives what is written in JSON, or bytes."""
    size = int.from_bytes(data[:8], "little")
    header = change(json.loads(data[8 : 8 + size]))
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + size :]


def entry(header: dict, chance: random.Random) -> dict:
    return header[chance.choice([key for key in header if key != "__metadata__"])]


def doubled(header: dict, chance: random.Random) -> bytes:
    key = chance.choice(list(header))
    return json.dumps(header).encode()[:-1] + b", " + json.dumps({key: header[key]}).encode()[1:]


HEADERS: dict[str, Callable[[dict, random.Random], object]] = {
    "a name twice": doubled,
    "a shape of terabytes": lambda header, c: entry(header, c).update(shape=[10**6, 10**6]) or header,
    "a shape of no bytes": lambda header, c: (
        entry(header, c).update(shape=[10**6, 10**6], data_offsets=[0, 0]) or header
    ),
    "a shape past all numbers": lambda header, c: entry(header, c).update(shape=[2**62, 2**62]) or header,
    "a place past the end": lambda header, c: entry(header, c).update(data_offsets=[0, 2**50]) or header,
    "a shape below zero": lambda header, c: entry(header, c).update(shape=[-1, 4]) or header,
    "two tensors in one place": lambda header, c: entry(header, c).update(data_offsets=[0, 64]) or header,
    "an unknown type": lambda header, c: entry(header, c).update(dtype=c.choice(["F15", "", None, 3])) or header,
    "a type of another size": lambda header, c: (
        entry(header, c).update(dtype=c.choice(["F64", "U8", "BOOL"])) or header
    ),
    "ten megabytes of names": lambda header, c: (
        header | {f"{i}{'x' * 200}": {"dtype": "F16", "shape": [0], "data_offsets": [0, 0]} for i in range(40_000)}
    ),
    "no JSON": lambda header, c: b"{" * c.randrange(1, 2000),
    "deep JSON": lambda header, c: b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "no UTF-8": lambda header, c: json.dumps(header).encode().replace(b"weight", b"w\xff\xfeght"),
    "a list": lambda header, c: [1, 2],
    "an odd note": lambda header, c: header | {"__metadata__": c.choice([{"a": 1}, "a", {"a": {"b": "c"}}, []])},
    "a long note": lambda header, c: (
        header | {"__metadata__": {f"animatediff.{k}": "x" * 10**6 for k in ("made_for", "rank")}}
    ),
}


def zipped(entries: dict[str, bytes], packed: bool) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()


def entries_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def bomb(data: bytes, chance: random.Random) -> bytes:
    """A megabyte that unpacks to one gigabyte, as a tensor's numbers or as the pickle itself."""
    entries = entries_of(data)
    name = chance.choice([key for key in entries if key.endswith("data.pkl") or "/data/" in key])
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for key, value in entries.items():
                if key != name:
                    archive.writestr(key, value)
            with archive.open(name, "w", force_zip64=True) as target:
                for _ in range(256):
                    target.write(b"\0" * 2**22)
        return file.getvalue()


def lies_about_sizes(data: bytes, chance: random.Random) -> bytes:
    """The directory at the end of a zip says that its entries are far larger than they are."""
    changed, at = bytearray(data), -1
    while (at := changed.find(b"PK\x01\x02", at + 1)) >= 0:
        changed[at + 20 : at + 28] = struct.pack("<II", 0xFFFFFF00, 0xFFFFFF00)
    return bytes(changed)


ARCHIVES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "a bomb": bomb,
    "lies about sizes": lies_about_sizes,
    "a packed archive": lambda data, chance: zipped(entries_of(data), packed=True),
    "no pickle": lambda data, chance: zipped({k: v for k, v in entries_of(data).items() if "data.pkl" not in k}, False),
    "no numbers": lambda data, chance: zipped({k: v for k, v in entries_of(data).items() if "/data/" not in k}, False),
    "paths that lead out": lambda data, chance: zipped({f"../../{k}": v for k, v in entries_of(data).items()}, False),
    "another pickle": lambda data, chance: zipped(
        {k: chance.choice(PICKLES) if k.endswith("data.pkl") else v for k, v in entries_of(data).items()}, False
    ),
}
PICKLES = [
    b"",
    b".",
    b"\x80\x02" + b"(" * 100_000 + b".",
    b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".",
    b"\x80\x05\x8e" + struct.pack("<Q", 2**40) + b"x.",
    b"\x80\x04" + b"\x95" + struct.pack("<Q", 2**62) + b"N.",
    b"cos\nsystem\n(S'true'\ntR.",
    b"\x80\x02}q\x00X\x01\x00\x00\x00aK\x01s.",
    pickle.dumps({"state_dict": {"a": 1}}, 2),
]


def cut(data: bytes, chance: random.Random) -> bytes:
    """Cut short: at a boundary that a format knows, one byte beside it, or anywhere."""
    borders = [0, 1, 2, 4, 7, 8, 9, 16, 30, 64, 511, 512, 513, len(data) - 1, len(data) - 2, len(data) - 22]
    if data[8:9] == b"{":
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        ends = [value["data_offsets"][1] for key, value in header.items() if key != "__metadata__"]
        borders += [8 + size + chance.choice(ends) for _ in range(20)] + [8 + size] * 5
    at = chance.choice(borders) + chance.choice([-1, 0, 0, 1]) if chance.random() < 0.8 else chance.randrange(len(data))
    return data[: max(0, at)]


def flipped(data: bytes, chance: random.Random) -> bytes:
    """Some bits the other way round, most often where a format says something of itself."""
    changed = bytearray(data)
    near = chance.choice([16, 200, 4000, len(data)])
    for _ in range(chance.choice([1, 1, 3, 30])):
        at = chance.randrange(min(near, len(data)))
        changed[at if chance.random() < 0.6 else -1 - at] ^= 1 << chance.randrange(8)
    return bytes(changed)


BYTES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "cut short": cut,
    "flipped bits": flipped,
    "zeros": lambda data, chance: data[: (at := chance.randrange(len(data)))] + b"\0" * (len(data) - at),
    "something behind": lambda data, chance: data + chance.randbytes(100),
    "something in front": lambda data, chance: chance.randbytes(chance.choice([1, 8, 100])) + data,
    "nothing but noise": lambda data, chance: chance.randbytes(chance.choice([1, 8, 9, 100, 5000])),
    "a huge header": lambda data, chance: struct.pack("<Q", chance.choice([2**63, 2**40, 2**31, 10**8])) + data[8:],
    "another ending": lambda data, chance: data,
}
