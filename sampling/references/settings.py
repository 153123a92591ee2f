"""What links windows beside their overlaps: references between them, and reuse of the first one.

Settings, and what holds of them at a moment. Plain numbers, no host.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from ...motion.strength import Amount, Moment, Strength, amount_at, product
from ..values.keyframes import begun
from .attention import Mode, Tune


@dataclass(frozen=True)
class LinkKeyframe:
    """What changes of a link from `start_percent` of the sampling on; None where it stays."""

    start_percent: float = 0.0
    mult: float = 1.0
    strength: Strength | None = None
    """Both multiply the link's own strength."""
    tune: Tune | None = None
    mode: Mode | None = None
    inherit_missing: bool = True
    """What is None stays as the keyframes before it set it; otherwise as the link has it."""
    guarantee_steps: int = 1


@dataclass(frozen=True)
class ReferenceNow:
    """References between windows, at one noise level."""

    strength: Amount
    tune: Tune
    mode: Mode


@dataclass(frozen=True)
class Reference:
    """ContextRef: later windows of a step also look at a kept one (see `reference_attention`)."""

    strength: Strength = 1.0
    tune: Tune = field(default_factory=Tune)
    mode: Mode = field(default_factory=Mode)
    keyframes: tuple[LinkKeyframe, ...] = ()
    start_percent: float = 0.0
    end_percent: float = 0.25

    @property
    def uses_adain(self) -> bool:
        """Whether it ever does."""
        return any(tune.uses_adain for tune in (self.tune, *(key.tune for key in self.keyframes)) if tune)

    def at(self, moment: Moment) -> ReferenceNow | None:
        """None where there is nothing to do. Before the first keyframe it is as it is without."""
        span = self.start_percent, self.end_percent
        if not moment.is_within(*span, moment.levels[-1]):
            return None
        levels = [level for level in moment.levels if moment.is_within(*span, level)]
        key = keyframe_at((LinkKeyframe(), *self.keyframes), replace(moment, levels=levels))
        tune = key.tune or self.tune
        strength = strength_at(self.strength, key, moment)
        if is_off(strength) or not (tune.uses_attention or tune.uses_adain):
            return None
        return ReferenceNow(strength, tune, key.mode or self.mode)


@dataclass(frozen=True)
class Reuse:
    """NaiveReuse: the clip follows the step's first window (see `reuse`)."""

    weighted_mean: float = 0.95
    """How much of that window is taken."""
    strength: Strength = 1.0
    """Multiplies weighted_mean."""
    keyframes: tuple[LinkKeyframe, ...] = ()
    start_percent: float = 0.0
    end_percent: float = 0.15

    def at(self, moment: Moment) -> Amount | None:
        """How much is taken; None where nothing is. The first keyframe holds from the start."""
        if not moment.is_within(self.start_percent, self.end_percent, moment.levels[-1]):
            return None
        key = keyframe_at(self.keyframes or (LinkKeyframe(),), moment)
        amount = product(self.weighted_mean, strength_at(self.strength, key, moment))
        return None if is_off(amount) else amount


@dataclass(frozen=True)
class Links:
    """What links the windows of a plan. Without windows, nothing."""

    reference: Reference | None = None
    reuse: Reuse | None = None


NO_LINKS = Links()


def strength_at(strength: Strength, key: LinkKeyframe, moment: Moment) -> Amount:
    own = product(amount_at(strength, moment), key.mult)
    return own if key.strength is None else product(own, amount_at(key.strength, moment))


def is_off(amount: Amount) -> bool:
    """Nothing is taken below 0, either."""
    return not isinstance(amount, Tensor) and amount <= 0.0


def keyframe_at(keyframes: Sequence[LinkKeyframe], moment: Moment) -> LinkKeyframe:
    """The keyframe that holds, with what it inherits."""
    inherited = LinkKeyframe()
    for key in begun(keyframes, moment):
        before = inherited if key.inherit_missing else LinkKeyframe()
        given = {name: getattr(key, name) or getattr(before, name) for name in ("tune", "mode")}
        given["strength"] = before.strength if key.strength is None else key.strength
        inherited = replace(key, **given)
    return inherited
