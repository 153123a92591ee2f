"""What training teaches, in the small world of tests/support/drifting.py: motion LoRAs are trained, and clips sampled.

    python dev.py training [--seeds 12] [--only NAME ...] [--pair-strengths 1 0.7] [--world FILE]
        [--pictures FOLDER]

Every motion LoRA is trained by this pack on clips of one change. Clips are sampled without it, with it, and with pairs
of them, and where they go (pixels a frame) and how far their light rises (share of white) is measured. Then the error
of held-out clips of all eight directions. --world: what make_drifting.py made. --pictures: draws clips and losses.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import host  # noqa: E402

host.enter(host.find_host())

import drifting  # noqa: E402
import torch  # noqa: E402
from animatediff_native.sampling.sigmas.beta_schedules import with_beta_schedule  # noqa: E402
from animatediff_native.training.plot import loss_plot  # noqa: E402
from drifting_runs import LEARNT, MOVING, animated, errors, lora_of, sampled  # noqa: E402
from PIL import Image, ImageDraw  # noqa: E402
from small_training import Silent  # noqa: E402

TAUGHT = {
    "left": (lambda: drifting.clips(160, 7, "left"), MOVING),
    "right": (lambda: drifting.clips(160, 7, "right"), MOVING | {"steps": 700}),
    "right, 500 steps": (lambda: drifting.clips(160, 7, "right"), MOVING),
    "up": (lambda: drifting.clips(160, 7, "up"), MOVING),
    "leftwards": (lambda: drifting.clips(160, 7, "left", "up left", "down left"), MOVING),
    "upwards": (lambda: drifting.clips(160, 7, "up", "up left", "up right"), MOVING),
    "still pictures, pan right": (lambda: drifting.panned(160, 8, "pan right"), MOVING),
    "bright": (lambda: drifting.clips(32, 5, bright=0.3), {}),
    "red": (lambda: drifting.clips(32, 6, red=0.3), {}),
}
"""Name -> (clips, what differs from LEARNT)"""
PAIRS = (("left", "up"), ("leftwards", "upwards"), ("bright", "red"), ("bright", "left"))


def taught(world, name: str, pictures: Path | None):
    """The LoRA of that name; what its training cost and gained is printed."""
    clips, changes = TAUGHT[name]
    steps = changes.get("steps", LEARNT.steps)
    seen, start, cpu = {}, time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        watcher = Silent(lambda state: seen.update(state=state))
        lora = lora_of(world, clips(), Path(folder), watcher, **changes, sample_every=steps // 4)
    state = seen["state"]
    held_out = " ".join(f"{loss:.4f}" for _, loss in state.held_out)
    print(f"| {name} | {held_out} | {time.monotonic() - start:.0f} | {time.process_time() - cpu:.0f} |", flush=True)
    if pictures:
        loss_plot(state.losses, state.held_out, steps, (384, 128)).save(pictures / f"losses {name}.png")
    return lora


def row(name: str, clips: list[torch.Tensor]) -> None:
    columns = [
        torch.tensor([drifting.coherence(clip) for clip in clips]),
        *torch.tensor([drifting.flow(clip) for clip in clips]).unbind(1),
        *(torch.tensor([drifting.rise(clip, light) for clip in clips]) for light in drifting.LIGHTS),
    ]
    spread = [f"{values.mean():+.2f} ± {values.std() / len(values) ** 0.5:.2f}" for values in columns]
    print(f"| {name} | " + " | ".join(spread) + " |", flush=True)


def strips(clips: list[torch.Tensor], zoom: int = 6) -> Image.Image:
    """A clip in each row."""
    pad = torch.nn.functional.pad
    rows = [
        torch.cat([pad(frame, (0, 0, 0, 1, 0, 1), value=1.0) for frame in drifting.decoded(each)], 1) for each in clips
    ]
    picture = torch.cat(rows).repeat_interleave(zoom, 0).repeat_interleave(zoom, 1)
    return Image.fromarray((picture * 255).round().byte().numpy())


def sheet(folder: Path) -> None:
    """All pictures of the folder in one, clips on the left and losses on the right, each under its name."""
    columns = [sorted(folder.glob(f"{kind} *.png")) for kind in ("clips", "losses")]
    pictures = [[(path.stem, Image.open(path)) for path in paths] for paths in columns]
    widths = [max(picture.width for _, picture in column) + 12 for column in pictures]
    height = max(sum(picture.height + 20 for _, picture in column) for column in pictures)
    found = Image.new("RGB", (sum(widths), height), "white")
    for x, column in zip((0, widths[0]), pictures, strict=True):
        y = 0
        for name, picture in column:
            ImageDraw.Draw(found).text((x + 4, y + 4), name, fill="black")
            found.paste(picture, (x, y + 18))
            y += picture.height + 20
    found.quantize(128).save(folder / "TRAINING.png")


def directions(world, loras: dict, count: int = 16) -> None:
    print("\n| error on clips that go | " + " | ".join(drifting.DIRECTIONS) + " |")
    print("|---|" + "---|" * len(drifting.DIRECTIONS))
    held_out = {name: drifting.clips(count, 9, name) for name in drifting.DIRECTIONS}
    before = {name: errors(animated(world), clips) for name, clips in held_out.items()}
    for own, lora in loras.items():
        cells, moving = [], animated(world, (lora, 1.0))
        for name, clips in held_out.items():
            change = (errors(moving, clips) / before[name] - 1) * 100
            cells.append(f"{change.mean():+.1f} ± {change.std() / count**0.5:.1f}")
        print(f"| {own} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--pair-strengths", type=float, nargs="+", default=[1.0], help="at which pairs are sampled")
    parser.add_argument("--only", nargs="+", choices=TAUGHT, default=list(TAUGHT), metavar="NAME")
    parser.add_argument("--world", type=Path, default=drifting.DATA, metavar="FILE")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    world = drifting.world(arguments.world)
    print("| motion LoRA | held-out loss, from step 0 on | wall s | CPU s |\n|---|---|---|---|")
    loras = {name: taught(world, name, arguments.pictures) for name in arguments.only}
    print("\n| clips | coherence | flow right | flow down | bright rises | red rises |\n|---|---|---|---|---|---|")
    models = {
        "sampled without motion": with_beta_schedule(world[0], drifting.SCHEDULE),
        "sampled with the motion model": animated(world),
        **{name: animated(world, (lora, 1.0)) for name, lora in loras.items()},
        **{
            f"{a} and {b}, {strength:g} each": animated(world, (loras[a], strength), (loras[b], strength))
            for a, b in PAIRS
            if {a, b} <= {*loras}
            for strength in arguments.pair_strengths
        },
    }
    row("drawn", [clip for clip, _ in drifting.clips(arguments.seeds, 9)])
    for name, model in models.items():
        found = [sampled(model, seed) for seed in range(arguments.seeds)]
        row(name, found)
        if arguments.pictures:
            strips(found[:3]).save(arguments.pictures / f"clips {name}.png")
    directions(world, {name: lora for name, lora in loras.items() if name in drifting.DIRECTIONS})
    if arguments.pictures:
        sheet(arguments.pictures)


if __name__ == "__main__":
    main()
