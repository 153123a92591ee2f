"""Clips through the VAE and captions through the text encoder, each once: what a training run learns from."""

import hashlib
import logging
from pathlib import Path

import comfy.utils
import folder_paths
import torch
from torch import Tensor

from .cache import LatentCache, key_of
from .dataset import Clip, Clips, summary, warnings
from .examples import Example, Examples
from .folder import LATENTS

TEMP, BESIDE = CACHES = ("temp", "beside the dataset")
CHANNELS = 4
"""Of the latents of SD1.5 and SDXL."""
PROBE = 64
"""Pixels of the picture by which VAEs are told apart."""

logger = logging.getLogger("animatediff")


def encode(clips: Clips, vae, text_encoder, variants: int = 1, cache: str = TEMP) -> Examples:
    """Every variant of every clip, and every caption. One clip is decoded at a time; what was encoded before is read
    from the cache."""
    check_models(vae, text_encoder)
    texts = {text: prompt(text_encoder, text) for text in dict.fromkeys(["", *(item.caption for item in clips.items)])}
    store = LatentCache(cache_folder(clips, cache))
    vae_name = digest_of_vae(vae)
    progress = comfy.utils.ProgressBar(len(clips.items))  # which also hears of a cancelled run
    examples = []
    for item in clips.items:
        latents = encoded(clips, item, vae, vae_name, variants, store)
        examples.append(Example(item.name, latents, texts[item.caption], item.repeats))
        progress.update(1)
    for warning in warnings(clips):
        logger.warning("%s", warning)
    return Examples(
        tuple(examples),
        texts[""],
        dataset_hash(clips, variants),
        clips.trigger,
        line_about(clips, examples, store),
        clips.flip,
        clips.items[0].taking.stride,
        clips.width,
        clips.height,
    )


def encoded(clips: Clips, item: Clip, vae, vae_name: str, variants: int, store: LatentCache) -> Tensor:
    """(variants, frames, channels, height, width) float32: those variants of a clip that differ."""
    digest = item.source.digest
    found = []
    for shot in dict.fromkeys(clips.shot(item, variant) for variant in range(variants)):
        key = key_of(digest, shot, clips.width, clips.height, vae_name)
        latents = store.get(key)
        if latents is None:
            latents = through(vae, clips.pixels(item, shot))
            if not latents.isfinite().all():
                raise RuntimeError(
                    f"The VAE gives no numbers for '{item.name}' (NaN or infinity), as SDXL's own does in float16. "
                    "Start ComfyUI with --fp32-vae, or connect a VAE that is made for float16."
                )
            store.put(key, latents)
        found.append(latents)
    return torch.stack(found)


def through(vae, pixels: Tensor) -> Tensor:
    """(frames, channels, height, width) float32 on the CPU."""
    return vae.encode(pixels).float().cpu()


def check_models(vae, text_encoder) -> None:
    if vae is None:
        raise ValueError("There is no VAE in the checkpoint's file. Connect the one for it from Load VAE.")
    if vae.latent_channels != CHANNELS:
        raise ValueError(
            f"The VAE makes latents of {vae.latent_channels} channels, and SD1.5 and SDXL have {CHANNELS}. "
            "Connect the VAE of the checkpoint that you train with."
        )
    if text_encoder is None:
        raise ValueError("There is no text encoder in the checkpoint's file. Connect the one for it from Load CLIP.")


def prompt(text_encoder, text: str) -> list:
    """The host's CONDITIONING of a text."""
    return text_encoder.encode_from_tokens_scheduled(text_encoder.tokenize(text))


def digest_of_vae(vae) -> str:
    """What a VAE makes of a test picture: the same for the same weights, wherever they are held."""
    shades = torch.linspace(0, 1, PROBE)
    picture = torch.stack(
        [shades.expand(PROBE, PROBE), shades[:, None].expand(PROBE, PROBE), shades.expand(PROBE, PROBE).flip(1)], -1
    )
    latents = through(vae, picture[None])
    return hashlib.sha256((latents * 20).round().short().numpy().tobytes()).hexdigest()


def cache_folder(clips: Clips, cache: str) -> Path:
    """The host empties its folder for temporary files when it starts."""
    if cache == BESIDE and clips.folder:
        return clips.folder / LATENTS
    return Path(folder_paths.get_temp_directory(), "animatediff_latents")


def dataset_hash(clips: Clips, variants: int) -> str:
    """sha256 over (name, size or contents, caption) of all clips and how they are seen; nobody can read words or paths
    in it."""
    lines = sorted(
        f"{item.name} {item.source.mark()} {item.repeats} {item.taking} {item.caption}" for item in clips.items
    )
    seen = f"{clips.width} {clips.height} {clips.fit} {clips.flip} {clips.move} {variants}"
    return hashlib.sha256("\n".join([*lines, seen]).encode()).hexdigest()


def line_about(clips: Clips, examples: list[Example], store: LatentCache) -> str:
    variants = sum(len(example.latents) for example in examples)
    parts = [summary(clips)]
    if variants > len(examples):
        parts.append(f"{variants} variants")
    if store.hits:
        parts.append(f"{store.hits} from the cache")
    return ", ".join(parts)
