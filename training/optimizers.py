"""What changes the weights: torch's AdamW, and two that are used where they are installed."""

from collections.abc import Mapping

import torch
from torch import nn

from .plan import ADAMW, ADAMW_8BIT, PRODIGY, TrainingPlan

NOT_INSTALLED = (
    "optimizer is '{name}', and this Python has no {package}. Choose adamw, or install it (python -m pip install "
    "{package})."
)


def optimizer_of(parameters: Mapping[str, nn.Parameter], rates: Mapping[str, float], plan: TrainingPlan):
    """rates: learning rates of modules (the part of a name before the first dot) that have one of their own, but for
    prodigy, which finds one for all.

    Raises RuntimeError where its package is absent.
    """
    rates = {} if plan.options.optimizer == PRODIGY else rates
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        groups.setdefault(rates.get(name.partition(".")[0], plan.learning_rate), []).append(parameter)
    settings = [{"params": found, "lr": rate, "initial_lr": rate} for rate, found in groups.items()]
    return kind_of(plan.options.optimizer)(settings, weight_decay=plan.options.weight_decay)


def kind_of(name: str) -> type:
    """The class of an optimizer. Raises RuntimeError where its package is absent."""
    if name == ADAMW:
        return torch.optim.AdamW
    package = "bitsandbytes" if name == ADAMW_8BIT else "prodigyopt"
    try:
        if name == ADAMW_8BIT:
            from bitsandbytes.optim import AdamW8bit

            return AdamW8bit
        from prodigyopt import Prodigy

        return Prodigy
    except ImportError:
        raise RuntimeError(NOT_INSTALLED.format(name=name, package=package)) from None


def set_rates(optimizer, factor: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
