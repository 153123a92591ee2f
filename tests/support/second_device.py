"""A device where there is none: the CPU under a second name, with every tensor on it followed.

Tensors of a run are in the CPU's memory all the same; what is counted is what a GPU would have been asked for.
"""

import sys
import weakref
from collections import Counter
from collections.abc import Callable

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

DEVICE = torch.device("cpu", 0)
HOST = torch.device("cpu")
ASKS = {"item", "tolist", "__bool__", "__float__", "__int__", "__index__", "numpy", "__array__", "nonzero", "equal"}
"""Where the program waits for a number."""
NO_KERNEL = {"detach", "alias", "lift_fresh", "empty", "empty_strided", "new_empty", "empty_like", "_unsafe_view"}
LAUNCHES, SENT, FETCHED, ASKED = "launches", "sent", "fetched", "asked"

THERE: set[int] = set()
"""The storages on the device, by their ids; some are kept from run to run."""


class SecondDevice(TorchFunctionMode):
    """`with SecondDevice() as device:` ... `device.counts`; `device.by_place`: where in the pack it copies and asks."""

    def __init__(self):
        super().__init__()
        self.counts, self.by_place = Counter(), Counter()
        self.launches = Launches(self)

    def __enter__(self):
        self.launches.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self.launches.__exit__(*error)

    def holds(self, value) -> bool:
        return isinstance(value, torch.Tensor) and id(value.untyped_storage()) in THERE

    def count(self, what: str) -> None:
        self.counts[what] += 1
        frame = sys._getframe(2)
        while frame is not None and "animatediff" not in frame.f_globals.get("__name__", ""):
            frame = frame.f_back
        if frame is not None:
            self.by_place[what, frame.f_globals["__name__"].partition(".")[2], frame.f_code.co_name] += 1

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs, name = dict(kwargs or {}), getattr(function, "__name__", "")
        if function == torch.Tensor.device.__get__:
            return DEVICE if self.holds(args[0]) else HOST
        held = any(self.holds(each) for each in tree_leaves((args, kwargs)))
        if held and name in ASKS:
            self.count(ASKED)
        wanted = self.wanted(name, args, kwargs)
        if name in ("to", "cpu", "cuda") and wanted is not None and wanted != self.holds(args[0]):
            self.count(SENT if wanted else FETCHED)
            kwargs["copy"] = True
            args = (args[0], *(HOST if isinstance(each, torch.device) else each for each in args[1:]))
            function = torch.Tensor.to
            if len(args) == 1 and not {"device", "dtype"} & kwargs.keys():
                args = (*args, HOST)
        if "device" in kwargs and kwargs["device"] is not None and torch.device(kwargs["device"]).type == "cpu":
            kwargs["device"] = HOST
        if name == "tensor" and wanted:
            self.count(SENT)
        if name == "copy_" and self.holds(args[0]) != self.holds(args[1]):
            self.count(SENT if self.holds(args[0]) else FETCHED)
        if name in ("__getitem__", "__setitem__") and held:
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            for each in index:
                if isinstance(each, list) or (isinstance(each, torch.Tensor) and each.ndim and not self.holds(each)):
                    self.count(SENT)
        result = function(*args, **kwargs)
        if held if wanted is None else wanted:
            for each in tree_leaves(result):
                if isinstance(each, torch.Tensor):
                    self.keep(each.untyped_storage())
        return result

    def wanted(self, name: str, args: tuple, kwargs: dict) -> bool | None:
        """Whether the result is asked for on the device; None where nothing is said."""
        if name == "cpu":
            return False
        asked = kwargs.get("device")
        if asked is None and name == "to":
            asked = next((each for each in args[1:] if isinstance(each, (torch.device, torch.Tensor))), None)
        if isinstance(asked, torch.Tensor):
            return self.holds(asked)
        if asked is None or torch.device(asked).type != "cpu":
            return None
        return torch.device(asked) == DEVICE

    def keep(self, storage) -> None:
        key = id(storage)
        if key not in THERE:
            THERE.add(key)
            weakref.finalize(storage, THERE.discard, key)


class Launches(TorchDispatchMode):
    """Counts the operations that compute or copy; views and empty memory are free."""

    def __init__(self, device: SecondDevice):
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if not function.is_view and name not in NO_KERNEL and name != "_local_scalar_dense":
            self.device.counts[LAUNCHES] += 1
        return function(*args, **(kwargs or {}))


def counted(run: Callable, steps: int) -> tuple[Counter, dict[str, float], Counter]:
    """(what was asked for until the first step ended, the mean of each later one, where in the pack) of a run, which is
    called with a sampler's callback. A first run of the same makes what is kept for good."""
    shots = []
    with SecondDevice() as device:
        run(lambda *_: None)
        device.counts.clear()
        device.by_place.clear()
        run(lambda *_: shots.append(device.counts.copy()))
    later = {what: (shots[-1][what] - shots[0][what]) / (steps - 1) for what in (LAUNCHES, SENT, FETCHED, ASKED)}
    return shots[0], later, device.by_place
