"""The forms that users fill in: every node of the pack."""

from . import apply, context, load, noise
from .compat import NODES as COMPAT_NODES

NODES = [*load.NODES, *apply.NODES, *context.NODES, *noise.NODES, *COMPAT_NODES]
