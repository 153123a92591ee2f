"""Latents on disk, by what they were made of. Pure."""

import contextlib
import hashlib
import logging
import os
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from .dataset import Shot

logger = logging.getLogger("animatediff")


def key_of(digest: str, shot: Shot, width: int, height: int, vae: str) -> str:
    """sha256 of all that latents depend on: the source's contents, its frames and what is seen of them, and the VAE."""
    return hashlib.sha256(f"{digest} {shot} {width} {height} {vae}".encode()).hexdigest()


class LatentCache:
    """A folder with a file for each variant of a clip. One that cannot be written stops nobody."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.hits = 0
        self.writable = True

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"

    def get(self, key: str) -> Tensor | None:
        """(frames, channels, height, width), or None."""
        try:
            latents = load_file(self._path(key))["latents"]
        except (OSError, SafetensorError, KeyError):  # none yet, or a broken one, which is then written anew
            return None
        self.hits += 1
        return latents

    def put(self, key: str, latents: Tensor) -> None:
        """Written beside and renamed, so that a file is whole or not there."""
        if not self.writable:
            return
        part = self._path(key).with_suffix(f".{os.getpid()}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file({"latents": latents.contiguous()}, part)
            os.replace(part, self._path(key))
        except (OSError, SafetensorError) as error:
            self.writable = False
            with contextlib.suppress(OSError):
                part.unlink()
            logger.warning(
                "Encoded clips cannot be kept in %s (%s): next time they are encoded anew.", self.folder, error
            )
