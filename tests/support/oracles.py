"""Reads tests/data."""

from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file

DATA = Path(__file__).resolve().parents[1] / "data"


@cache
def data(name: str) -> dict[str, torch.Tensor]:
    return load_file(DATA / f"{name}.safetensors")


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """|found - expected| / |expected|, Frobenius norms."""
    return ((found - expected).norm() / expected.norm()).item()
