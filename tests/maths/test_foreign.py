"""The header of a safetensors file is not believed: what it speaks of must be there."""

import json
import struct

import pytest
from animatediff_native.motion.foreign import refuse_by_content
from animatediff_native.motion.formats import NotAMotionModel


def written(path, header, data: bytes = b"\0" * 32):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return str(path)


def entry(shape, start, end, dtype="F16") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize("dtype", ["F16", "F8_E4M3", "F4"])
def test_a_sound_header(tmp_path, dtype):
    refuse_by_content(written(tmp_path / "a.safetensors", {"a": entry([4, 4], 0, 32, dtype), "b": entry([0], 32, 32)}))
    refuse_by_content(written(tmp_path / "b.safetensors", {"__metadata__": {"a": "b"}, "a": entry([], 0, 2)}))


@pytest.mark.parametrize(
    "header",
    [
        {"a": entry([10**6, 10**6], 0, 0)},
        {"a": entry([10**6, 10**6], 0, 32)},
        {"a": entry([4], 0, 10**9)},
        {"a": entry([4], 8, 0)},
        {"a": entry([-4, -4], 0, 32)},
        {"a": entry([2.0], 0, 4)},
        {"a": entry("ab", 0, 4)},
        {"a": entry([4], 0, 32) | {"dtype": []}},
        {"a": {"dtype": "F16"}},
        {"a": 7},
        [1],
        b"{" * 60,
        b'{"a":' + b"[" * 100_000,
        b"\xff\xfe" * 40,
    ],
)
def test_a_header_that_speaks_of_more_than_there_is(tmp_path, header):
    with pytest.raises(NotAMotionModel, match="is damaged: its header"):
        refuse_by_content(written(tmp_path / "a.safetensors", header))
