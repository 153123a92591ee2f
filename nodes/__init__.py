"""The forms that users fill in: every node of the pack."""

from . import apply, context, freeinit, load, noise, preview, sampler
from .compat import NODES as COMPAT_NODES

ROOMS = [load, apply, context, sampler, noise, freeinit, preview]
NODES = [*(node for room in ROOMS for node in room.NODES), *COMPAT_NODES]
