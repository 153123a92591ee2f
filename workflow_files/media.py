"""The texts that ComfyUI, or ComfyUI-VideoHelperSuite, writes into the pictures and videos that it saves.

Standard library only: PNG and APNG, WebP, MP4 and MOV, WebM and MKV. Of a video only what is around its frames is read.
"""

import io
import json
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

PNG = b"\x89PNG\r\n\x1a\n"
EBML = b"\x1aE\xdf\xa3"
WEBP_TEXT = re.compile(rb"(workflow|prompt):(\{[^\0]*\})\0")
"""As the host's SaveAnimatedWEBP writes them into Exif: texts that end with a zero byte."""
COMMENT = b"\xa9cmt"
SIMPLE_TAG, TAG_NAME, TAG_STRING = 0x67C8, 0x45A3, 0x4487
OPENED = {0x18538067, 0x1254C367, 0x7373}
"""Segment, Tags and Tag: what lies around a simple tag (Matroska, RFC 9559)."""


MOST_BYTES = 2**27
"""Of a text, unpacked, and of what an MP4 says of itself."""


class Damaged(ValueError):
    """A picture or video ends before it should, or says nonsense about itself."""


def media_texts(path: Path) -> tuple[str, dict[str, bytes]] | None:
    """("picture" or "video", {keyword: text}), or None for other files. Raises Damaged, and OSError as `open` does."""
    with open(path, "rb") as file:
        head = file.read(12)
        file.seek(0)
        try:
            if head.startswith(PNG):
                return "picture", png_texts(file.read())
            if head[:4] == b"RIFF" and head[8:] == b"WEBP":
                return "picture", {found[1].decode(): found[2] for found in WEBP_TEXT.finditer(file.read())}
            if head[4:8] == b"ftyp":
                return "video", opened_comment(mp4_texts(moov_of(file)))
            if head.startswith(EBML):
                return "video", opened_comment(dict(matroska_texts(file)))
        except (struct.error, zlib.error, IndexError, OverflowError, OSError) as error:
            raise Damaged(str(error)) from error
    return None


def opened_comment(texts: dict[str, bytes]) -> dict[str, bytes]:
    """ComfyUI-VideoHelperSuite keeps graph and prompt together, as JSON in the comment."""
    if {"workflow", "prompt"} & texts.keys():
        return texts
    try:
        held = json.loads(texts.get("comment", b"{}"))
    except (ValueError, RecursionError):  # somebody's own comment
        return texts
    held = held if isinstance(held, dict) else {}
    return {key: (text if isinstance(text, str) else json.dumps(text)).encode() for key, text in held.items()}


def png_texts(data: bytes) -> dict[str, bytes]:
    """{keyword: text} of the tEXt, zTXt and iTXt chunks: each is length, kind, data, CRC (PNG specification, 5.3).

    comf chunks, too: the host's own, in animated PNGs.
    """
    texts, at = {}, len(PNG)
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        chunk = data[at + 8 : at + 8 + length]
        at += length + 12
        if kind not in (b"tEXt", b"zTXt", b"iTXt", b"comf") or b"\0" not in chunk:
            continue
        keyword, text = chunk.split(b"\0", 1)
        packed = kind == b"zTXt"
        if kind == b"iTXt":
            packed, text = text[:1] == b"\1", text[2:].split(b"\0", 2)[-1]
        elif packed:
            text = text[1:]
        texts[keyword.decode("latin-1")] = unpacked(text) if packed else text
    return texts


def unpacked(data: bytes) -> bytes:
    """Raises Damaged where it is more than any workflow, and zlib.error."""
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(data, MOST_BYTES)
    if unpacker.unconsumed_tail:
        raise Damaged("it unpacks to more than any workflow")
    return text


def moov_of(file: BinaryIO) -> bytes:
    """What an MP4 says of itself; the frames are passed over. Empty where it says nothing."""
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        size = struct.unpack(">Q", file.read(8))[0] - 16 if size == 1 else size - 8
        if kind == b"moov":
            return exactly(file, size) if size >= 0 else file.read()
        if size < 0:  # it goes to the end
            break
        file.seek(size, io.SEEK_CUR)
    return b""


def atoms(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, data) of each box of an MP4: size, kind, data (ISO 14496-12, 4.2)."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8:
            return
        yield kind, data[at + 8 : at + size]
        at += size


def mp4_texts(moov: bytes) -> dict[str, bytes]:
    """{keyword: text}: by names (`use_metadata_tags`, as the host saves), iTunes' comment, or QuickTime's."""
    texts = {}
    for kind, body in atoms(moov):
        if kind == b"udta":
            texts |= mp4_texts(body)
        elif kind == b"meta":
            texts |= dict(item_texts(dict(atoms(body if body[4:8] == b"hdlr" else body[4:]))))
        elif kind == COMMENT:
            texts["comment"] = body[4:]  # behind its length and language
    return texts


def item_texts(meta: dict[bytes, bytes]) -> Iterator[tuple[str, bytes]]:
    names = [name.decode("utf-8", "replace") for _, name in atoms(meta.get(b"keys", b"")[8:])]
    for kind, item in atoms(meta.get(b"ilst", b"")):
        text = dict(atoms(item)).get(b"data", b"")[8:]  # behind its type and locale
        if names:
            yield names[int.from_bytes(kind, "big") - 1], text
        elif kind == COMMENT:
            yield "comment", text


def matroska_texts(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """(keyword in small letters, text) of each simple tag; the frames are passed over."""
    while first := file.read(1):
        identity, _ = variable(file, first)
        size, ones = variable(file, file.read(1), keep_marker=False)
        if identity in OPENED or ones:  # all ones: a size that was not known when it was written
            continue
        if identity == SIMPLE_TAG:
            yield simple_tag(io.BytesIO(exactly(file, size)))
        else:
            file.seek(size, io.SEEK_CUR)


def exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size) if size <= MOST_BYTES else b""
    if len(data) < size:
        raise Damaged("it ends too early")
    return data


def simple_tag(file: BinaryIO) -> tuple[str, bytes]:
    parts = {}
    while first := file.read(1):
        identity, _ = variable(file, first)
        size, _ = variable(file, file.read(1), keep_marker=False)
        parts[identity] = exactly(file, size)
    return parts.get(TAG_NAME, b"").decode("utf-8", "replace").lower(), parts.get(TAG_STRING, b"")


def variable(file: BinaryIO, first: bytes, keep_marker: bool = True) -> tuple[int, bool]:
    """(number, whether its bits are all ones) of a variable-size integer (EBML, RFC 8794, 4)."""
    length = 9 - first[0].bit_length()
    if length > 8:
        raise Damaged("no such integer")
    rest = exactly(file, length - 1)
    number = int.from_bytes(first + rest, "big")
    bare = number & ((1 << 7 * length) - 1)
    return (number if keep_marker else bare), bare == (1 << 7 * length) - 1
